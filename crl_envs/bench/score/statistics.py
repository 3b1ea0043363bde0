"""Means with their uncertainty, when a curve reaches a level, how that grows with n; and aggregates over runs × tasks.

The aggregates are those of Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep reinforcement learning at the
edge of the statistical precipice" (NeurIPS 34), section 4. Everywhere, `tasks` is a sequence with the scores of a
learner's runs on each task, ``float64[runs]``; the tasks may differ in their number of runs. Each task weighs the same,
except in the IQM, where each run does. Neither the order of the runs nor that of the tasks changes a bit of a result.

Their intervals are percentile bootstraps that resample the runs within each task, independently between tasks, so that
each resample has as many runs of each task as the data (their section 3). With k runs of each task they are narrower
than they should be by about √((k − 1)/k), which matters below ten runs; a task with one run adds no width at all.

The resampling is written here, in two lines. `scipy.stats.bootstrap` stratifies when each task is given as a sample of
its own (a test compares with it), but refuses a task with a single run, and the argument that seeds it has changed its
name between versions. rliable, the authors' package, isn't needed either: its metrics are a line each (the values of
version 1.2.0 and of this module differ by rounding), and it brings seaborn and a version of arch that doesn't import
with pandas 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_real

FloatArray = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its confidence interval.

    Attributes:
        value: The estimate; infinite when what is estimated didn't happen.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int | float) and self.low <= number <= self.high


def t_band(samples: FloatArray, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return means over the first axis and the half-widths of their Student-t intervals.

    Student's t rather than a bootstrap for means over few seeds: with ten of them the percentile bootstrap's 95 %
    interval is too narrow.

    Args:
        samples: ``float64[k, …]``, one row a seed, k ≥ 2.
        confidence: Of each interval by itself.

    Returns:
        Two arrays ``float64[…]``.
    """
    from scipy.stats import t

    k = check_int("number of samples", len(samples), low=2)
    factor = float(t.ppf(0.5 + confidence / 2, k - 1)) / math.sqrt(k)
    return samples.mean(axis=0), factor * samples.std(axis=0, ddof=1)


def t_interval(samples: FloatArray, confidence: float = 0.95) -> Interval:
    """Return the mean of ``float64[k]`` with its Student-t interval; all infinite where a sample isn't finite."""
    if not np.isfinite(samples).all():
        return Interval(math.inf, math.inf, math.inf)
    mean, half = t_band(samples, confidence)
    return Interval(float(mean), float(mean - half), float(mean + half))


def positive_interval(samples: FloatArray, confidence: float = 0.95) -> Interval:
    """Return the mean of ``float64[k]`` ≥ 0 with its Student-t interval on a logarithmic scale.

    mean · exp(± half / mean), half being the half-width of `t_interval`: the standard error of the logarithm of a mean
    is that of the mean, over the mean (delta method). For counts, steps and times; never negative, and the same to
    second order where the interval is narrow. All infinite where a sample isn't finite.
    """
    mean, low, _ = t_interval(samples, confidence)
    if mean <= 0.0 or math.isinf(mean):
        return Interval(mean, mean, mean)
    factor = math.exp(min((mean - low) / mean, 700.0))
    return Interval(mean, mean / factor, mean * factor)


def resampled(rows: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Resample rows ``float64[k, …]`` with replacement: ``float64[resamples, k, …]``.

    Raises:
        ValueError: Fewer than one resample.
    """
    resamples = check_int("resamples", resamples, low=1)
    return rows[rng.integers(0, len(rows), (resamples, len(rows)))]


def percentile_interval(value: float, again: FloatArray, confidence: float) -> Interval:
    """Return a value with the interval between percentiles of its resamples.

    The ends are order statistics without interpolation, which would make infinity minus infinity.

    Args:
        value: The statistic of the data.
        again: ``float64[resamples]``, at least one of them; may be infinite.
        confidence: Of the interval, in [0, 1].

    Raises:
        ValueError: A confidence outside [0, 1].
    """
    confidence = check_real("confidence", confidence, low=0, high=1)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(again, ends, method="inverted_cdf")
    return Interval(value, float(low), float(high))


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: FloatArray,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return a statistic of whole samples with its percentile-bootstrap interval.

    Args:
        statistic: Function of as many arrays as there are samples; may be infinite ("didn't happen").
        *samples: ``float64[k, …]`` each, one row a seed; resampled by rows, independently of each other.
        confidence: Of the interval.
        resamples: Number of resamples.
        seed: Of the resampling: the same samples give the same interval.
    """
    rng = np.random.default_rng(seed)
    values = np.array(
        [
            statistic(*(rows[rng.integers(0, len(rows), len(rows))] for rows in samples))
            for _ in range(resamples)
        ]
    )
    return percentile_interval(float(statistic(*samples)), values, confidence)


def moving_mean(curve: FloatArray, half_width: int) -> FloatArray:
    """Return means over a window of ``2 · half_width + 1`` along the last axis, cut off at the ends."""
    length = curve.shape[-1]
    zero = np.zeros((*curve.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(curve, axis=-1)], axis=-1)
    low = np.maximum(np.arange(length) - half_width, 0)
    high = np.minimum(np.arange(length) + half_width + 1, length)
    return np.asarray((sums[..., high] - sums[..., low]) / (high - low))


def last_up_crossing(curve: FloatArray, level: float) -> float:
    """Return where a curve ``float64[m]`` reaches the level for good, between its points by linear interpolation.

    The last crossing and not the first: a noisy curve touches a level long before it stays there.

    Returns:
        A position in [0, m − 1]; 0 when the curve never is below the level, infinity when it ends below it.
    """
    below = np.flatnonzero(curve < level)
    if below.size == 0:
        return 0.0
    last = int(below[-1])
    if last == len(curve) - 1:
        return math.inf
    return last + float((level - curve[last]) / (curve[last + 1] - curve[last]))


def reach(rows: FloatArray, at: Sequence[float] | NDArray[Any], level: float) -> float:
    """Return where the mean over rows of ``float64[k, m]`` reaches the level for good, by linear interpolation.

    Args:
        rows: One a run.
        at: ``[m]``, ascending: where the columns lie.
        level: To reach.

    Returns:
        A place between the first and the last; infinity when the mean ends below the level.
    """
    position = last_up_crossing(rows.mean(axis=0), level)
    if not math.isfinite(position):
        return math.inf
    return float(np.interp(position, np.arange(len(at)), at))


Statistic = Callable[[FloatArray], float]


class Exponent(NamedTuple):
    """How m* grows with n.

    Attributes:
        power: Slope of ln m* on ln n: 1 when m* is proportional to n, 0 when it doesn't depend on it.
        per_log: Slope of m* on ln n: what m* gains when n is multiplied by e.
        used: The sizes n that the slopes are fitted to.
        censored: The sizes at which m* isn't known, because too few runs arrived within their budget.
    """

    power: Interval
    per_log: Interval
    used: tuple[int, ...]
    censored: tuple[int, ...]


def median_time(times: FloatArray) -> float:
    """Return the median over runs of ``float64[k]``, infinite standing for a run that didn't arrive.

    With one budget for all k runs this is the Kaplan-Meier median: known as soon as more than half of them arrived.
    """
    ordered = np.sort(times)
    middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(sum(middle) / 2)


def fit_exponent(
    sizes: Sequence[int],
    samples: Sequence[FloatArray],
    statistics: Sequence[Statistic] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Exponent:
    """Fit least-squares slopes of ln m* on ln n and of m* on ln n, every size with the same weight.

    m* is a statistic of a size's runs. A size at which it is infinite (censored) is left out: what is known there is
    only that m* is above the budget. This doesn't bias the slopes of the sizes that are left as long as sizes, and not
    runs, are dropped; whether the law goes on beyond them the fit can't say. Intervals are percentile bootstraps:
    runs are resampled within each size, independently between sizes, and the slopes fitted again to those of the
    used sizes where m* is finite again.

    Args:
        sizes: n, ascending.
        samples: For each size, ``float64[k, …]`` with a row a run; by default ``float64[k]``, its time.
        statistics: For each size, m* from such rows; `median_time` by default.
        confidence: Of the intervals, each by itself.
        resamples: Number of resamples.
        seed: Of the resampling: the same samples give the same intervals.

    Returns:
        The slopes; NaN where fewer than two sizes are known.

    Raises:
        ValueError: Sizes that aren't ascending and ≥ 1, not as many samples as sizes, an empty sample, or a time ≤ 0.
    """
    sizes = [check_int("sizes", n, low=1) for n in sizes]
    if sorted(set(sizes)) != sizes:
        raise ValueError(f"sizes must be ascending, got {sizes}")
    if len(samples) != len(sizes):
        raise ValueError(f"samples must be as many as sizes, {len(sizes)}, got {len(samples)}")
    statistics = statistics or [median_time] * len(sizes)
    if len(statistics) != len(sizes):
        raise ValueError(
            f"statistics must be as many as sizes, {len(sizes)}, got {len(statistics)}"
        )
    if any(len(rows) == 0 for rows in samples):
        raise ValueError("samples must have at least one run of each size")
    confidence = check_real("confidence", confidence, low=0, high=1)
    resamples = check_int("resamples", resamples, low=1)

    times = np.array([found(rows) for found, rows in zip(statistics, samples, strict=True)])
    if (times <= 0).any():
        raise ValueError(f"times must be > 0, got {times.tolist()}")
    rng = np.random.default_rng(seed)
    again = {}
    for n, time, rows, found in zip(sizes, times, samples, statistics, strict=True):
        if np.isfinite(time):
            drawn = rng.integers(0, len(rows), (resamples, len(rows)))
            again[n] = np.array([found(rows[which]) for which in drawn])
    return exponent_of(dict(zip(sizes, times.tolist(), strict=True)), again, confidence)


def exponent_of(
    times: Mapping[int, float], again: Mapping[int, FloatArray], confidence: float
) -> Exponent:
    """Return slopes of ln m* on ln n and of m* on ln n, out of m* and of m* of the resamples; see `fit_exponent`.

    Args:
        times: m* > 0 by size n, ascending; infinite where censored.
        again: ``float64[resamples]`` for each size that isn't censored: m* of the resamples.
        confidence: Of the intervals, each by itself.
    """
    used, values = tuple(again), np.array([times[n] for n in again])
    logs = np.log(np.array(used, np.float64))
    slopes = np.array([_slopes(logs, line) for line in np.array(list(again.values())).T])
    power, per_log = (
        _finite_interval(value, found, confidence)
        for value, found in zip(_slopes(logs, values), slopes.reshape(-1, 2).T, strict=True)
    )
    return Exponent(power, per_log, used, tuple(n for n in times if n not in again))


def slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope of y on x, both ``float64[k]``; NaN with fewer than two different x.

    The sums are exact (`math.fsum`), so that a slope of 0 is 0 and every processor finds the same one.
    """
    if not x.size:
        return math.nan
    dx, dy = x - math.fsum(x) / x.size, y - math.fsum(y) / x.size
    square = math.fsum(dx * dx)
    return math.fsum(dx * dy) / square if square > 0 else math.nan


def _slopes(logs: FloatArray, times: FloatArray) -> tuple[float, float]:
    """Of ln m* and of m*, where m* is finite."""
    finite = np.isfinite(times)
    logs, times = logs[finite], times[finite]
    return slope(logs, np.log(times)), slope(logs, times)


def _finite_interval(value: float, again: FloatArray, confidence: float) -> Interval:
    """The percentile interval over those resamples that have a slope."""
    again = again[np.isfinite(again)]
    if not again.size:
        return Interval(value, math.nan, math.nan)
    return percentile_interval(value, again, confidence)


Tasks = Sequence[FloatArray]
# From arrays ``[…, runs]``, one a task, to an array ``[…]`` or ``[…, m]``.
Aggregate = Callable[[Tasks], FloatArray]


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


AGGREGATES: Final[dict[str, Aggregate]] = {
    "iqm": iqm,
    "mean": mean_of_tasks,
    "median": median_of_tasks,
    "optimality_gap": optimality_gap,
}


def aggregate(
    statistic: Aggregate,
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
    statistic: Aggregate, strata: Tasks, confidence: float, resamples: int, seed: int
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
