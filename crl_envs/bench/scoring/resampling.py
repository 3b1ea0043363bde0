"""Resamples of runs, and what is made of a statistic of each: the fast twins of two functions of the bench.

`crl_envs.bench.intervals.bootstrap_interval` and `crl_envs.bench.exponents.fit_exponent` call a statistic once for each
resample. Here all resamples are one array, from the same random numbers, and the results are the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from crl_envs.bench.exponents import Exponent, slope
from crl_envs.bench.intervals import FloatArray, Interval
from crl_envs.core.arguments import check_int, check_real


def resampled(rows: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Resamples ``float64[resamples, k, …]`` of rows ``float64[k, …]``, with replacement.

    Raises:
        ValueError: Fewer than one resample.
    """
    resamples = check_int("resamples", resamples, low=1)
    return rows[rng.integers(0, len(rows), (resamples, len(rows)))]


def percentile_interval(value: float, again: FloatArray, confidence: float) -> Interval:
    """A value with the interval between percentiles of its resamples.

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


def exponent_of(
    times: Mapping[int, float], again: Mapping[int, FloatArray], confidence: float
) -> Exponent:
    """Slopes of ln m* on ln n and of m* on ln n, as `crl_envs.bench.exponents.fit_exponent` has them.

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
