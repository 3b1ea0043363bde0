"""How well the bandit's learners do after a number of trials, and how many trials they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.intervals import FloatArray
from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions import Watch

ENV_ID: Final = "crl/bandit-v0"


@dataclass(frozen=True)
class Method:
    """A learner of the bandit.

    Attributes:
        label: What pictures and tables call it.
        learner: Its name in the entry-point group.
        config: Its arguments.
    """

    label: str
    learner: str
    config: Mapping[str, Any] = field(default_factory=dict)


LOCAL: Final = Method("local", "local-means")
SQUARES: Final = Method("global, least squares", "global-least-squares")
RIDGE: Final = Method("global, ridge", "global-least-squares", {"ridge": "noise"})
CORRELATION: Final = Method("global, correlation", "correlation")


def performance(
    method: Method, n: int, trials: Sequence[int], seeds: int, seed: int, watch: Watch
) -> FloatArray:
    """P = 2 · (share of agents right) − 1 of the greedy read-out: ``float64[seeds, len(trials)]``.

    Each seed has rewards and exploration of its own, and right actions of its own.

    Args:
        method: The learner.
        n: Agents.
        trials: Ascending numbers of trials to read out at.
        seeds: Runs.
        seed: Of the first.
        watch: Told after each run.
    """
    what = f"{method.label}, n = {n}"
    watch(what, 0, seeds)
    runs = []
    for k in range(seeds):
        runs.append(shares_right(method, n, trials, seed + k))
        watch(what, k + 1, seeds)
    return 2 * np.array(runs) - 1


def shares_right(
    method: Method, n: int, trials: Sequence[int], seed: int, **env: Any
) -> list[float]:
    """Share of agents that the greedy read-out gets right after each number of trials.

    Args:
        method: The learner.
        n: Agents.
        trials: Ascending numbers of trials to read out at.
        seed: Of the learner, of the environment and of its right actions.
        **env: Further arguments of the environment.
    """
    vec = crl_envs.make_vec(ENV_ID, num_envs=1, n_agents=n, instance_seed=seed, **env)
    learner = find_learner(method.learner)(vec, seed=seed, **method.config)
    world: Any = vec.world
    right = world.correct_action
    found: list[float] = []
    for m in trials:
        learner.learn(total_episodes=m - learner.trials)
        found.append(float(np.mean(learner.greedy()[:, 0] == right)))
    return found
