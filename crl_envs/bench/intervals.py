"""Means over seeds with their uncertainty, and when a learning curve reaches a level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    """Means over the first axis and the half-widths of their Student-t intervals.

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
    """The mean of ``float64[k]`` with its Student-t interval; all infinite where a sample isn't finite."""
    if not np.isfinite(samples).all():
        return Interval(math.inf, math.inf, math.inf)
    mean, half = t_band(samples, confidence)
    return Interval(float(mean), float(mean - half), float(mean + half))


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


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: FloatArray,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """A statistic of whole samples with its percentile-bootstrap interval.

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
    """Means over a window of ``2 · half_width + 1`` along the last axis, cut off at the ends."""
    length = curve.shape[-1]
    zero = np.zeros((*curve.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(curve, axis=-1)], axis=-1)
    low = np.maximum(np.arange(length) - half_width, 0)
    high = np.minimum(np.arange(length) + half_width + 1, length)
    return np.asarray((sums[..., high] - sums[..., low]) / (high - low))


def last_up_crossing(curve: FloatArray, level: float) -> float:
    """Where a curve ``float64[m]`` reaches the level for good, between its points by linear interpolation.

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
