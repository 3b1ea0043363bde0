"""Aggregates over runs × tasks, with stratified bootstrap intervals.

The metrics are those of Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep reinforcement learning at the
edge of the statistical precipice" (NeurIPS 34), section 4. Everywhere, `tasks` is a sequence with the scores of a
learner's runs on each task, ``float64[runs]``; the tasks may differ in their number of runs. Each task weighs the same,
except in the IQM, where each run does. Neither the order of the runs nor that of the tasks changes a bit of a result.

Intervals are percentile bootstraps that resample the runs within each task, independently between tasks, so that each
resample has as many runs of each task as the data (their section 3). With k runs of each task they are narrower than
they should be by about √((k − 1)/k), which matters below ten runs; a task with one run adds no width at all.

The resampling is written here, in two lines. `scipy.stats.bootstrap` stratifies when each task is given as a sample of
its own (a test compares with it), but refuses a task with a single run, and the argument that seeds it has changed its
name between versions. rliable, the authors' package, isn't needed either: its metrics are a line each (the values of
version 1.2.0 and of this module differ by rounding), and it brings seaborn and a version of arch that doesn't import
with pandas 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from crl_envs.bench.score.intervals import FloatArray, Interval
from crl_envs.core.arguments import check_int, check_real

Tasks = Sequence[FloatArray]
# From arrays ``[…, runs]``, one a task, to an array ``[…]`` or ``[…, m]``.
Statistic = Callable[[Tasks], FloatArray]


class Profile(NamedTuple):
    """A performance profile: of runs × tasks, the share with at least a score.

    Attributes:
        scores: ``float64[m]``, τ.
        share: ``float64[m]``, of runs × tasks with a score ≥ τ; doesn't increase with τ.
        low: ``float64[m]``, lower ends of the intervals, each for its τ by itself.
        high: ``float64[m]``, upper ends.
    """

    scores: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray


def iqm(tasks: Tasks) -> FloatArray:
    """Return the interquartile mean: of the middle half of all runs of all tasks, a quarter cut off at each end."""
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(np.concatenate(tasks, axis=-1), 0.25, axis=-1))


def mean_of_tasks(tasks: Tasks) -> FloatArray:
    """Return the mean over tasks of the mean over runs."""
    return np.asarray(np.mean([runs.mean(axis=-1) for runs in tasks], axis=0))


def median_of_tasks(tasks: Tasks) -> FloatArray:
    """Return the median over tasks of the mean over runs."""
    return np.asarray(np.median([runs.mean(axis=-1) for runs in tasks], axis=0))


def optimality_gap(tasks: Tasks) -> FloatArray:
    """Return by how much scores fall short of 1 on average, those above 1 counting as 1."""
    return 1 - mean_of_tasks([np.minimum(runs, 1) for runs in tasks])


AGGREGATES: Final[dict[str, Statistic]] = {
    "iqm": iqm,
    "mean": mean_of_tasks,
    "median": median_of_tasks,
    "optimality_gap": optimality_gap,
}


def aggregate(
    statistic: Statistic,
    tasks: Tasks,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return an aggregate with its stratified bootstrap interval.

    Args:
        statistic: One of `AGGREGATES`, or another function of arrays ``[…, runs]`` with values ``[…]``.
        tasks: Scores of the runs on each task.
        confidence: Of the interval.
        resamples: Number of resamples.
        seed: Of the resampling: the same scores give the same interval.

    Raises:
        ValueError: No task, a task without runs, or a score that isn't finite.
    """
    tasks = sorted(_in_order("tasks", tasks), key=_key)
    low, high = _ends(statistic, tasks, confidence, resamples, seed)
    return Interval(float(statistic(tasks)), float(low), float(high))


def performance_profile(
    tasks: Tasks,
    scores: FloatArray,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Profile:
    """Return the share of runs × tasks with a score of at least τ, with pointwise intervals.

    At least τ and not above it, as in the paper, so that a learner that reaches the optimum counts at τ = 1.

    Args:
        tasks: Scores of the runs on each task.
        scores: ``float64[m]``, the τ.
        confidence: Of each interval by itself.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        ValueError: As in `aggregate`, or scores that aren't finite numbers in one dimension.
    """
    scores = _checked("scores", scores)
    tasks = sorted(_in_order("tasks", tasks), key=_key)

    def shares(tasks: Tasks) -> FloatArray:
        reached = [(runs[..., None, :] >= scores[:, None]).mean(axis=-1) for runs in tasks]
        return np.asarray(np.mean(reached, axis=0))

    return Profile(scores, shares(tasks), *_ends(shares, tasks, confidence, resamples, seed))


def probability_of_improvement(
    first: Tasks,
    second: Tasks,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return how likely a run of the first learner beats one of the second on the same task, a tie counting half.

    On a task it is the share of pairs, the Mann-Whitney statistic divided by their number; then the mean over tasks.
    The runs of both learners are resampled, independently of each other.

    Args:
        first: Scores of the first learner's runs on each task.
        second: Those of the second learner, on the same tasks in the same order.
        confidence: Of the interval.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        ValueError: As in `aggregate`, or not as many tasks of one learner as of the other.
    """
    first, second = _in_order("first", first), _in_order("second", second)
    if len(first) != len(second):
        raise ValueError(
            f"second must have as many tasks as first, {len(first)}, got {len(second)}"
        )
    pairs = sorted(zip(first, second, strict=True), key=lambda pair: (_key(pair[0]), _key(pair[1])))

    def improvement(tasks: Tasks) -> FloatArray:
        wins = [
            (np.sign(x[..., :, None] - y[..., None, :]).mean(axis=(-2, -1)) + 1) / 2
            for x, y in zip(tasks[::2], tasks[1::2], strict=True)
        ]
        return np.asarray(np.mean(wins, axis=0))

    alternating = [runs for pair in pairs for runs in pair]
    low, high = _ends(improvement, alternating, confidence, resamples, seed)
    return Interval(float(improvement(alternating)), float(low), float(high))


def _ends(
    statistic: Statistic, strata: Tasks, confidence: float, resamples: int, seed: int
) -> FloatArray:
    """Lower and upper ends ``[2, …]`` of the percentile interval, resampled within each stratum."""
    confidence = check_real("confidence", confidence, low=0, high=1)
    resamples = check_int("resamples", resamples, low=1)
    rng = np.random.default_rng(seed)
    again = [runs[rng.integers(0, len(runs), (resamples, len(runs)))] for runs in strata]
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    return np.asarray(np.quantile(statistic(again), ends, axis=0, method="inverted_cdf"))


def _in_order(name: str, tasks: Tasks) -> list[FloatArray]:
    if len(tasks) == 0:
        raise ValueError(f"{name} must be at least one task, got none")
    return [np.sort(_checked(name, runs)) for runs in tasks]


def _checked(name: str, numbers: FloatArray) -> FloatArray:
    array = np.asarray(numbers, np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite numbers in one dimension, at least one of them, got {array.tolist()}"
        )
    return array


def _key(runs: FloatArray) -> list[float]:
    return list(runs.tolist())
