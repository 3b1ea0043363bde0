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
        runs.append(_run(method, n, trials, seed + k))
        watch(what, k + 1, seeds)
    return np.array(runs)


def _run(method: Method, n: int, trials: Sequence[int], seed: int) -> list[float]:
    vec = crl_envs.make_vec(ENV_ID, num_envs=1, n_agents=n, instance_seed=seed)
    learner = find_learner(method.learner)(vec, seed=seed, **method.config)
    world: Any = vec.world
    right = world.correct_action
    found: list[float] = []
    for m in trials:
        learner.learn(total_episodes=m - learner.trials)
        found.append(2.0 * float(np.mean(learner.greedy()[:, 0] == right)) - 1.0)
    return found
