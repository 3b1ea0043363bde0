"""Samples-to-ε, how it grows with a size such as the number of agents, and up to which size a learner solves its task.

A size is what an experiment varies where that is a whole number ≥ 1: the number of agents n, or the horizon. Samples
are in the unit of the budgets: env steps, or episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from crl_envs.bench.exponents import Exponent, exponent_of
from crl_envs.bench.intervals import FloatArray, Interval, percentile_interval, resampled
from crl_envs.bench.score.landmarks import Landmarks
from crl_envs.bench.score.logs import Log, normalised
from crl_envs.core.arguments import check_choice, check_int, check_real

Of = Literal["runs", "mean"]
# From rows, one a run, ``float64[…, runs]`` or ``float64[…, runs, evaluations]``, to samples-to-ε ``float64[…]``.
Statistic = Callable[[FloatArray], FloatArray]


class Solved(NamedTuple):
    """Up to which size a learner solves its task.

    Attributes:
        largest: n*, the largest size such that it and every smaller one measured are solved; None when the smallest
            isn't.
        unsolved: The sizes that aren't solved, ascending.
        beyond_a_hole: The sizes that are solved above an unsolved one, ascending; they don't count towards n*.
    """

    largest: int | None
    unsolved: tuple[int, ...]
    beyond_a_hole: tuple[int, ...]


def samples_to(budgets: FloatArray, curves: FloatArray, level: float) -> FloatArray:
    """After how many samples curves stay at a level or above.

    The last up-crossing, by linear interpolation between evaluations: the first budget when a curve never is below the
    level, infinite (censored) when it ends below it. A curve with a NaN is censored: whether it would have stayed above
    isn't known, so the result is infinite however high it was.

    Args:
        budgets: ``float64[evaluations]``, ascending.
        curves: ``float64[…, evaluations]``.
        level: To reach.

    Returns:
        ``float64[…]``.
    """
    final = len(budgets) - 1
    below = curves < level
    arrives = ~below[..., -1] & ~np.isnan(curves).any(axis=-1)
    last = np.where(below.any(axis=-1), final - below[..., ::-1].argmax(axis=-1), -1)
    crosses = arrives & (last >= 0)
    samples = np.where(arrives, budgets[0], math.inf)
    before = last[crosses]
    at, after = (
        np.take_along_axis(curves[crosses], where[:, None], axis=-1)[:, 0]
        for where in (before, before + 1)
    )
    position = before + (level - at) / (after - at)
    samples[crosses] = np.interp(position, np.arange(len(budgets)), budgets)
    return samples


def samples_to_epsilon(log: Log, landmarks: Landmarks, epsilon: float) -> FloatArray:
    """Samples ``float64[runs]`` until each run's score stays at 1 − ε or above; infinite where censored.

    With a certificate the level lies between random and its upper end, so a level is never called reached too early.
    A run that ended early is censored (`samples_to`).

    Raises:
        ValueError: ε outside [0, 1].
    """
    return samples_to(log.budgets, normalised(log.returns, landmarks), _level(epsilon))


def samples_of_mean(log: Log, landmarks: Landmarks, epsilon: float) -> float:
    """Samples until the mean score over runs stays at 1 − ε or above; infinite where censored.

    The mean is known as long as every run is: one run that ended early censors it. The median of
    `samples_to_epsilon` goes on as long as more than half of the runs arrive.

    Raises:
        ValueError: ε outside [0, 1].
    """
    scores, statistic = _times(log, landmarks, epsilon, "mean")
    return float(statistic(scores))


def samples_interval(
    log: Log,
    landmarks: Landmarks,
    epsilon: float,
    *,
    of: Of = "runs",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Samples-to-ε on one task with its percentile-bootstrap interval over runs.

    Args:
        log: The runs; the interval doesn't depend on their order.
        landmarks: Of the task.
        epsilon: In [0, 1].
        of: ``"runs"``: the median of the runs' own times. ``"mean"``: the time of the mean curve.
        confidence: Of the interval.
        resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        Samples; infinite ends where that many resamples are censored.

    Raises:
        ValueError: ε outside [0, 1], or another `of`.
    """
    rows, statistic = _times(log, landmarks, epsilon, of)
    again = statistic(resampled(rows, resamples, np.random.default_rng(seed)))
    return percentile_interval(float(statistic(rows)), again, confidence)


def scaling_exponent(
    logs: Mapping[int, Log],
    landmarks: Mapping[int, Landmarks],
    epsilon: float,
    *,
    of: Of = "runs",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Exponent:
    """How samples-to-ε grows with the size: `crl_envs.bench.exponents.fit_exponent`, which leaves out censored sizes.

    A time counts as at least one sample: a learner that needs no training has exponent 0.

    Args:
        logs: By size; the result depends neither on the order of the sizes nor on that of the runs.
        landmarks: By size, for each size of `logs`.
        epsilon: In [0, 1].
        of: As in `samples_interval`.
        confidence: Of the intervals, each by itself.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        ValueError: A size without landmarks or < 1, ε outside [0, 1], or another `of`.
    """
    sizes = sorted(check_int("sizes", n, low=1) for n in logs)
    if missing := [n for n in sizes if n not in landmarks]:
        raise ValueError(f"landmarks must hold every size of logs, {missing} are missing")
    rng = np.random.default_rng(seed)
    times, again = {}, {}
    for n in sizes:
        rows, statistic = _times(logs[n], landmarks[n], epsilon, of)
        times[n] = max(1.0, float(statistic(rows)))
        if math.isfinite(times[n]):
            again[n] = np.maximum(1.0, statistic(resampled(rows, resamples, rng)))
    return exponent_of(times, again, confidence)


def largest_solved(times: Mapping[int, FloatArray], share: float | None = None) -> Solved:
    """n*, the largest size up to which a learner solves its task within the budget.

    Args:
        times: By size, samples-to-ε of the runs, ``float64[runs]``, infinite where censored.
        share: A size is solved when at least this share of its runs arrived; by default when their median did, that is
            more than half of them.

    Raises:
        ValueError: A size < 1, a size without runs, a time that is NaN, or a share outside (0, 1].
    """
    if share is not None:
        share = check_real("share", share, low=0, high=1, open_low=True)
    sizes = sorted(check_int("sizes", n, low=1) for n in times)
    for n in sizes:
        if len(times[n]) == 0 or np.isnan(times[n]).any():
            raise ValueError(f"times must be of at least one run and not NaN, got {times[n]}")
    unsolved = tuple(n for n in sizes if not _is_solved(times[n], share))
    first = min(unsolved, default=math.inf)
    return Solved(
        largest=max((n for n in sizes if n < first), default=None),
        unsolved=unsolved,
        beyond_a_hole=tuple(n for n in sizes if n > first and n not in unsolved),
    )


def _times(log: Log, landmarks: Landmarks, epsilon: float, of: Of) -> tuple[FloatArray, Statistic]:
    """Rows, one a run, and the samples-to-ε of such rows."""
    level = _level(epsilon)
    check_choice("of", of, ("runs", "mean"))
    if of == "runs":
        return np.sort(samples_to_epsilon(log, landmarks, epsilon)), _median
    log = log.in_order()
    return normalised(log.returns, landmarks), lambda scores: samples_to(
        log.budgets, scores.mean(axis=-2), level
    )


def _median(times: FloatArray) -> FloatArray:
    """`crl_envs.bench.exponents.median_time` of the last axis."""
    ordered, runs = np.sort(times), times.shape[-1]
    return np.asarray((ordered[..., (runs - 1) // 2] + ordered[..., runs // 2]) / 2)


def _is_solved(times: FloatArray, share: float | None) -> bool:
    if share is None:
        return math.isfinite(float(_median(times)))
    return float(np.isfinite(times).mean()) >= share


def _level(epsilon: float) -> float:
    return 1 - check_real("epsilon", epsilon, low=0, high=1)
