"""The curves of the scaling figure: which learner is run on which problem, how long, and how often."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.intervals import FloatArray, last_up_crossing, moving_mean
from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions.bagnell.figure_2 import LEVEL
from crl_envs.bench.reproductions.bagnell.trials import ENV_ID as BANDIT
from crl_envs.bench.reproductions.fig3 import find_landmarks
from crl_envs.bench.reproductions.fig3_findings import ENV_ID as SYSADMIN
from crl_envs.bench.reproductions.fig3_findings import WINDOW
from crl_envs.bounds import local_trials

SIZES: Final = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
HORIZON: Final = {BANDIT: 1, SYSADMIN: 20}
MOST_TRIALS: Final = 25_000  # of a run
MOST_AGENT_STEPS: Final = 300_000_000  # of a run
LEAST_SHARE: Final = 0.25  # of its limit that the two must leave a size for it to be run at all
GRADIENT_RATE: Final = 4.0  # of 1, 2, 3, 4, 6 and 8 the best for n = 30 and 300 together
_STEP: Final = 1.08  # from one read-out of the bandit to the next
_LANDMARK_SIZE: Final = (
    100  # a step pays the same on any larger ring: T = 20 steps don't go round it
)

Told = Callable[[int], None]  # how many trials are done


class Series(NamedTuple):
    """What the runs of a curve gave at one size.

    Attributes:
        trials: ``float64[m]``, ascending.
        values: ``float64[runs, m]``: P, reward a step, or whether all are right.
        level: What the mean over runs is to reach.
    """

    trials: FloatArray
    values: FloatArray
    level: float

    def time(self, rows: FloatArray) -> float:
        """Trials at which the mean over rows reaches the level for good; infinite if it ends below."""
        position = last_up_crossing(rows.mean(axis=0), self.level)
        if not np.isfinite(position):
            return math.inf
        return float(np.interp(position, np.arange(len(self.trials)), self.trials))


@dataclass(frozen=True)
class Runs:
    """How many runs: as many as asked for with `few` agents, more with fewer and fewer with more.

    Attributes:
        few: Agents with which there are just as many as asked for.
        least: The fewest, times as many as asked for; never under two.
        most: The most, times as many as asked for.
    """

    few: int
    least: float
    most: float

    def __call__(self, seeds: int, n: int) -> int:
        """Number of runs with n agents when `seeds` are asked for."""
        times = min(max(self.few / n, self.least), self.most)
        return max(2, round(seeds * times))


@dataclass(frozen=True)
class Curve:
    """A learner on a problem.

    Attributes:
        label: What pictures and tables call it.
        env_id: The problem.
        learner: Its name in the entry-point group.
        play: Runs it: ``play(curve, n, trials, runs, seed, told)``.
        limit: Trials within which n agents should arrive, with room.
        config: The learner's arguments.
        largest: Most agents that it is run with.
        runs: How many.
    """

    label: str
    env_id: str
    learner: str
    play: Callable[[Curve, int, int, int, int, Told], Series]
    limit: Callable[[int], int]
    config: Mapping[str, Any]
    largest: int
    runs: Runs

    def budget(self, n: int) -> int:
        """Trials that a run gets: `limit`, cut down to the two budgets; 0 where it isn't run.

        It depends on n alone, not on how fast the machine is.
        """
        limit = self.limit(n)
        given = min(limit, MOST_TRIALS, MOST_AGENT_STEPS // (HORIZON[self.env_id] * n))
        return given if n <= self.largest and given >= LEAST_SHARE * limit else 0


def play_bandit(
    curve: Curve,
    n: int,
    trials: int,
    runs: int,
    seed: int,
    told: Told,
    *,
    first: int,
    score: Callable[[Any, Any], FloatArray],
    level: float = LEVEL,
) -> Series:
    """Learn in `runs` columns of one vector env; read out from the first trial, or `first` times n, to the last.

    The columns have the same right actions, and draws and rewards of their own.
    """
    vec = crl_envs.make_vec(BANDIT, num_envs=runs, n_agents=n, instance_seed=seed)
    made = find_learner(curve.learner)(vec, seed=seed, **curve.config)
    world: Any = vec.world
    right = world.correct_action[:, None]
    read_outs = spaced(first * n or 1, trials)
    values = []
    for m in read_outs:
        made.learn(total_episodes=m - made.episodes)
        values.append(score(made, right))
        told(m)
    return Series(np.array(read_outs, np.float64), np.array(values).T, level)


def spaced(first: int, last: int) -> list[int]:
    """Whole numbers from first to last, neighbours about 8 % apart or by one."""
    found = [first]
    while found[-1] < last:
        found.append(min(last, max(found[-1] + 1, round(found[-1] * _STEP))))
    return found


def greedy_performance(learner: Any, right: Any) -> FloatArray:
    """P of the greedy read-out: ``float64[runs]``."""
    return np.asarray(2 * (learner.greedy() == right).mean(axis=0) - 1)


def policy_performance(learner: Any, right: Any) -> FloatArray:
    """P that the executed policy has in expectation: ``float64[runs]``."""
    ones = learner.probabilities()[:, 0, 1]
    return np.asarray(2 * np.where(right == 1, ones, 1 - ones).mean(axis=0) - 1)


def all_right(learner: Any, right: Any) -> FloatArray:
    """1 where the greedy read-out gets every agent right, else 0: ``float64[runs]``."""
    return np.asarray((learner.greedy() == right).all(axis=0), np.float64)


def play_sysadmin(curve: Curve, n: int, trials: int, runs: int, seed: int, told: Told) -> Series:
    """Learn in `runs` columns of one vector env; the reward a step, averaged over Figure 3's window."""
    vec = crl_envs.make_vec(SYSADMIN, num_envs=runs, n_agents=n)
    made = find_learner(curve.learner)(vec, seed=seed, **curve.config)
    made.learn(total_episodes=trials + 1, callback=lambda learning: told(learning.episodes - 1))
    returns = np.array([episode["global_return"] for episode in made.history], np.float64)
    values = moving_mean(np.ascontiguousarray(returns.T) / HORIZON[SYSADMIN], WINDOW)
    level = _gain_level(min(n, _LANDMARK_SIZE))
    return Series(np.arange(trials + 1, dtype=np.float64), values, level)


@lru_cache
def _gain_level(n: int) -> float:
    return find_landmarks(n).level


def _on_bandit(
    label: str,
    learner: str,
    limit: Callable[[int], int],
    score: Callable[[Any, Any], FloatArray] = greedy_performance,
    *,
    first: int,
    level: float = LEVEL,
    config: Mapping[str, Any] | None = None,
    largest: int = SIZES[-1],
    runs: Runs = Runs(300, 0, 10),
) -> Curve:
    play = partial(play_bandit, first=first, score=score, level=level)
    return Curve(label, BANDIT, learner, play, limit, config or {}, largest, runs)


def _on_sysadmin(
    label: str, learner: str, limit: Callable[[int], int], largest: int, **config: Any
) -> Curve:
    return Curve(label, SYSADMIN, learner, play_sysadmin, limit, config, largest, Runs(100, 0, 1))


def _times(factor: float, more: int = 0) -> Callable[[int], int]:
    return lambda n: math.ceil(factor * n) + more


LOCAL_BANDIT: Final = "local"
ALL_RIGHT: Final = "local, all right with probability ½"
_SQUARES: Final = "global-least-squares"
_GRADIENT: Final = {"credit": "global", "learning_rate": GRADIENT_RATE}

CURVES: Final = (
    _on_bandit(LOCAL_BANDIT, "local-means", _times(0, 30), first=0, runs=Runs(1000, 0.5, 10)),
    _on_bandit(
        ALL_RIGHT,
        "local-means",
        lambda n: local_trials(n) + 20,
        all_right,
        first=0,
        level=0.5,
        runs=Runs(1000, 2, 30),
    ),
    _on_bandit("global, least squares", _SQUARES, _times(7.5, 80), first=3, largest=3000),
    _on_bandit(
        "global, ridge",
        _SQUARES,
        _times(7.5, 80),
        first=2,
        config={"ridge": "noise"},
        largest=1000,
    ),
    _on_bandit("global, correlation", "correlation", _times(10, 80), first=3),
    _on_bandit(
        "global, gradient",
        "reinforce",
        _times(25, 200),
        policy_performance,
        first=3,
        config=_GRADIENT,
    ),
    _on_sysadmin("REINFORCE, local", "reinforce", _times(0, 100), 100_000, credit="local"),
    _on_sysadmin("REINFORCE, own", "reinforce", _times(0, 100), 10_000, credit="own"),
    _on_sysadmin("REINFORCE, global", "reinforce", _times(14, 200), 1000, credit="global"),
    _on_sysadmin(
        "REINFORCE, decomposed", "decomposed-reinforce", _times(1, 150), 300, credit="local"
    ),
)
"""Every learner that is drawn: one more is a line more."""
