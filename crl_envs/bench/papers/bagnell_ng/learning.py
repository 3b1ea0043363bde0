"""The runs of the paper's figures: learning curves on SYSADMIN, and read-outs of what is learnt on the bandit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.figure import Case, Extent, Recording, as_word
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.score.measures import step_landmarks
from crl_envs.bench.score.statistics import FloatArray, last_up_crossing, moving_mean
from crl_envs.wrappers import GlobalReward, NoisyObservation, NoisyReward

PAPER: Final = "bagnell-ng"
SYSADMIN: Final = "crl/sysadmin-v0"
BANDIT: Final = "crl/bandit-v0"
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
    observation_noise: float = 0.0,
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
        observation_noise: Probability with which an observation is replaced by a random one.
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
    if observation_noise:
        vec = NoisyObservation(vec, observation_noise)
    made: Any = spec.load()(vec, seed=seed, **spec.config)
    made.learn(total_episodes=episodes)
    returns = np.array([episode["global_return"] for episode in made.history], np.float64)
    arrays = {"curves": np.ascontiguousarray(returns.T) / horizon}
    if policies:
        arrays["probabilities"] = made.probabilities()
    return Recording({}, arrays)


def gain_level(n: int) -> float:
    """Return the reward a step at `SHARE` of the gain from random actions to the best known policy."""
    return step_landmarks(SYSADMIN, n)[0].level(SHARE)


def iterations_to(level: float, curves: FloatArray) -> float:
    """Return the iterations until the mean of some runs, averaged over the window, stays at the level."""
    return last_up_crossing(moving_mean(curves.mean(axis=0), WINDOW), level)


def read_out_cases(
    spec: LearnerSpec, n: int, trials: Sequence[int], extent: Extent, **more: Any
) -> list[Case]:
    """Return a run of `read_out` for each seed, with right actions of its own."""
    return [read_out_case(spec, n, trials, extent.seed + k, 1, **more) for k in range(extent.seeds)]


def read_out_case(
    spec: LearnerSpec, n: int, trials: Sequence[int], seed: int, columns: int, **more: Any
) -> Case:
    """Return the run of `read_out` with so many columns."""
    words = [f"{name}-{as_word(value)}" for name, value in more.items()]
    read = f"read-{len(trials)}-times-to-{trials[-1]}"
    return Case(
        PAPER,
        "_".join(["bandit", f"n-{n}", *words, read]),
        spec,
        read_out,
        {"n": n, "trials": list(trials), **more},
        seed,
        columns,
        rehearsal={"n": 3, "trials": [2]},
    )


def read_out(
    spec: LearnerSpec,
    seed: int,
    columns: int,
    *,
    n: int,
    trials: Sequence[int],
    score: str = "share",
    env: Mapping[str, Any] | None = None,
    budgeted: bool = False,
) -> Recording:
    """Record what a learner has got right on the bandit after each number of trials.

    Args:
        spec: The learner.
        seed: Of the learner, of the environment and of its right actions.
        columns: Of the vector env, one a run; they have the same right actions, and draws and rewards of their own.
        n: Agents.
        trials: Ascending numbers of trials.
        score: ``"share"``: of agents that the greedy read-out gets right; ``"policy"``: the mean probability with which
            the executed policy does the right thing; ``"all"``: 1 where the greedy read-out gets all agents right.
        env: Further arguments of the environment.
        budgeted: Whether the learner is given its number of trials beforehand, so that each is a run of its own.

    Returns:
        ``values`` ``float64[columns, trials]``.
    """
    made: Any = None
    values = []
    for m in trials:
        if made is None or budgeted:
            vec: Any = crl_envs.make_vec(
                BANDIT, num_envs=columns, n_agents=n, instance_seed=seed, **(env or {})
            )
            given = {"budget": m} if budgeted else {}
            made = spec.load()(vec, seed=seed, **spec.config, **given)
        made.learn(total_episodes=m - made.episodes)
        values.append(_scored(made, vec.world.correct_action[:, None], score))
    return Recording({}, {"values": np.array(values, np.float64).T})


def _scored(made: Any, right: Any, score: str) -> FloatArray:
    if score == "policy":
        ones = made.probabilities()[:, 0, 1]
        return np.asarray(np.where(right == 1, ones, 1 - ones).mean(axis=0))
    hits = made.greedy() == right
    return np.asarray(hits.all(axis=0) if score == "all" else hits.mean(axis=0), np.float64)


def values_of(runs: Sequence[Recording]) -> FloatArray:
    """Return the values ``float64[runs, trials]`` of runs of `read_out`."""
    return np.concatenate([run.arrays["values"] for run in runs])
