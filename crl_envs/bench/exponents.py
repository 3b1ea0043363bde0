"""How the time that learning takes grows with the number of agents: slopes with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval
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
    known = [j for j, time in enumerate(times) if np.isfinite(time)]
    logs = np.log(np.array(sizes, np.float64))[known]
    rng = np.random.default_rng(seed)
    again = np.empty((resamples, len(known)))
    for column, j in enumerate(known):
        rows, found = samples[j], statistics[j]
        drawn = rng.integers(0, len(rows), (resamples, len(rows)))
        again[:, column] = [found(rows[which]) for which in drawn]
    slopes = np.array([_slopes(logs, line) for line in again])
    power, per_log = (
        _interval(value, values, confidence)
        for value, values in zip(_slopes(logs, times[known]), slopes.T, strict=True)
    )
    used = tuple(sizes[j] for j in known)
    return Exponent(power, per_log, used, tuple(n for n in sizes if n not in used))


def slope(x: FloatArray, y: FloatArray) -> float:
    """The least-squares slope of y on x, both ``float64[k]``; NaN with fewer than two different x."""
    deviation = x - x.mean() if x.size else x
    square = float(deviation @ deviation)
    return float(deviation @ y) / square if square > 0 else math.nan


def _slopes(logs: FloatArray, times: FloatArray) -> tuple[float, float]:
    """Of ln m* and of m*, where m* is finite."""
    finite = np.isfinite(times)
    logs, times = logs[finite], times[finite]
    return slope(logs, np.log(times)), slope(logs, times)


def _interval(value: float, values: FloatArray, confidence: float) -> Interval:
    values = values[np.isfinite(values)]
    if not values.size:
        return Interval(value, math.nan, math.nan)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(values, ends, method="inverted_cdf")
    return Interval(value, float(low), float(high))
