"""How the time that learning takes grows with the number of agents: slopes with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval, percentile_interval
from crl_envs.core.arguments import check_int, check_real

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
    """The median over runs of ``float64[k]``, infinite standing for a run that didn't arrive.

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
    """Least-squares slopes of ln m* on ln n and of m* on ln n, every size with the same weight.

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
    """Slopes of ln m* on ln n and of m* on ln n, out of m* and of m* of the resamples; see `fit_exponent`.

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
