"""Learning curves on SYSADMIN and what is read off them: shared by Figure 3 and the sections that go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.figure import Case, Recording, as_word
from crl_envs.bench.intervals import FloatArray, last_up_crossing, moving_mean
from crl_envs.bench.learners import LearnerSpec
from crl_envs.wrappers import GlobalReward, NoisyReward

PAPER: Final = "bagnell-ng"
SYSADMIN: Final = "crl/sysadmin-v0"
HORIZON: Final = 20
WINDOW: Final = 10  # iterations on each side that a curve is averaged over
SHARE: Final = 0.8  # of the gain, for the number of iterations to it
PERCENT: Final = f"{100 * SHARE:.0f} %"


def curves_case(
    spec: LearnerSpec,
    env: Mapping[str, Any],
    episodes: int,
    seed: int,
    columns: int,
    **more: Any,
) -> Case:
    """Return the run of `learn` in which all seeds are columns of one vector env."""
    words = [f"{name}-{as_word(value)}" for name, value in {**env, **more}.items()]
    return Case(
        PAPER,
        "_".join(["sysadmin", *words, f"episodes-{episodes}"]),
        spec,
        learn,
        {"env": dict(env), "episodes": episodes, **more},
        seed,
        columns,
        rehearsal={"env": {**env, "n_agents": 3}, "episodes": 2},
    )


def learn(
    spec: LearnerSpec,
    seed: int,
    columns: int,
    *,
    env: Mapping[str, Any],
    episodes: int,
    team: bool = False,
    noise: float = 0.0,
    policies: bool = False,
) -> Recording:
    """Record learning curves on SYSADMIN: reward a step, mean over agents, of each episode.

    Args:
        spec: The learner.
        seed: Of the first column.
        columns: Of the vector env, one a run.
        env: Arguments of the environment.
        episodes: That each run learns from.
        team: Whether the learner is given the team's mean reward.
        noise: Standard deviation of Gaussian noise on what it is given at each step. The curves are without it.
        policies: Whether to record the final policies.

    Returns:
        ``curves`` ``float64[columns, episodes]``, the k-th of an episode played after k updates; and
        ``probabilities`` ``float64[n, states, actions, columns]``.
    """
    vec: Any = crl_envs.make_vec(SYSADMIN, num_envs=columns, **env)
    horizon = vec.world.horizon
    if team:
        vec = GlobalReward(vec)
    if noise:
        vec = NoisyReward(vec, scale=noise)
    made: Any = spec.load()(vec, seed=seed, **spec.config)
    made.learn(total_episodes=episodes)
    returns = np.array([episode["global_return"] for episode in made.history], np.float64)
    arrays = {"curves": np.ascontiguousarray(returns.T) / horizon}
    if policies:
        arrays["probabilities"] = made.probabilities()
    return Recording({}, arrays)


def iterations_to(level: float, curves: FloatArray) -> float:
    """Return the iterations until the mean of some runs, averaged over the window, stays at the level."""
    return last_up_crossing(moving_mean(curves.mean(axis=0), WINDOW), level)
