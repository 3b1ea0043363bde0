"""Samples-to-ε, how it grows with the number of agents, and up to which number a learner solves its task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from crl_envs.bench.exponents import Exponent, Statistic, fit_exponent, median_time
from crl_envs.bench.intervals import FloatArray, Interval, bootstrap_interval, last_up_crossing
from crl_envs.bench.scoring.logs import Landmarks, Log, normalised
from crl_envs.core.arguments import check_choice, check_int, check_real

Of = Literal["runs", "mean"]


class Solved(NamedTuple):
    """Up to which number of agents a learner solves its task.

    Attributes:
        n_star: The largest n such that it and every smaller n measured are solved; None when the smallest isn't.
        unsolved: The n that aren't solved, ascending.
        beyond_a_hole: The n that are solved above an unsolved one, ascending; they don't count towards n*.
    """

    n_star: int | None
    unsolved: tuple[int, ...]
    beyond_a_hole: tuple[int, ...]


def samples_to(budgets: FloatArray, curve: FloatArray, level: float) -> float:
    """Env steps after which a curve stays at a level or above.

    The last up-crossing, by linear interpolation between evaluations: the first budget when the curve never is below
    the level, infinite (censored) when it ends below it. A curve with a NaN is censored from there: whether it would
    have stayed above isn't known, so the result is infinite however high it was.

    Args:
        budgets: ``float64[evaluations]``, ascending.
        curve: ``float64[evaluations]``.
        level: To reach.
    """
    if np.isnan(curve).any():
        return math.inf
    position = last_up_crossing(curve, level)
    if math.isinf(position):
        return math.inf
    return float(np.interp(position, np.arange(len(budgets)), budgets))


def samples_to_epsilon(log: Log, landmarks: Landmarks, epsilon: float) -> FloatArray:
    """Env steps ``float64[runs]`` until each run's score stays at 1 − ε or above; infinite where censored.

    With a certificate the level lies between random and its upper end, so a level is never called reached too early.
    A run that ended early is censored (`samples_to`).

    Raises:
        ValueError: ε outside [0, 1].
    """
    level = _level(epsilon)
    scores = normalised(log.returns, landmarks)
    return np.array([samples_to(log.budgets, curve, level) for curve in scores])


def samples_of_mean(log: Log, landmarks: Landmarks, epsilon: float) -> float:
    """Env steps until the mean score over runs stays at 1 − ε or above; infinite where censored.

    The mean is known as long as every run is: one run that ended early censors it. The median of
    `samples_to_epsilon` goes on as long as more than half of the runs arrive.

    Raises:
        ValueError: ε outside [0, 1].
    """
    scores, statistic = _times(log, landmarks, epsilon, "mean")
    return statistic(scores)


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
        Env steps; infinite ends where that many resamples are censored.

    Raises:
        ValueError: ε outside [0, 1], or another `of`.
    """
    samples, statistic = _times(log, landmarks, epsilon, of)
    return bootstrap_interval(
        statistic, samples, confidence=confidence, resamples=resamples, seed=seed
    )


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
    """How samples-to-ε grows with n, by `crl_envs.bench.exponents.fit_exponent`, which leaves out censored sizes.

    A time counts as at least one env step: a learner that needs no training has exponent 0.

    Args:
        logs: By number of agents; the result depends neither on the order of the sizes nor on that of the runs.
        landmarks: By number of agents, for each size of `logs`.
        epsilon: In [0, 1].
        of: As in `samples_interval`.
        confidence: Of the intervals, each by itself.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        ValueError: A size without landmarks or < 1, ε outside [0, 1], or another `of`.
    """
    sizes = sorted(logs)
    if missing := [n for n in sizes if n not in landmarks]:
        raise ValueError(f"landmarks must hold every size of logs, {missing} are missing")
    samples, statistics = [], []
    for n in sizes:
        rows, statistic = _times(logs[n], landmarks[n], epsilon, of)
        samples.append(rows)
        statistics.append(_at_least_one(statistic))
    return fit_exponent(
        sizes, samples, statistics, confidence=confidence, resamples=resamples, seed=seed
    )


def largest_solved(times: Mapping[int, FloatArray], share: float | None = None) -> Solved:
    """n*, the largest number of agents up to which a learner solves its task within the budget.

    Args:
        times: By number of agents, samples-to-ε of the runs, ``float64[runs]``, infinite where censored.
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
        n_star=max((n for n in sizes if n < first), default=None),
        unsolved=unsolved,
        beyond_a_hole=tuple(n for n in sizes if n > first and n not in unsolved),
    )


def _times(log: Log, landmarks: Landmarks, epsilon: float, of: Of) -> tuple[FloatArray, Statistic]:
    """Rows, one a run, and the samples-to-ε of such rows."""
    level = _level(epsilon)
    check_choice("of", of, ("runs", "mean"))
    if of == "runs":
        return np.sort(samples_to_epsilon(log, landmarks, epsilon)), median_time
    log = log.in_order()
    return normalised(log.returns, landmarks), lambda scores: samples_to(
        log.budgets, scores.mean(axis=0), level
    )


def _at_least_one(statistic: Statistic) -> Statistic:
    return lambda rows: max(1.0, statistic(rows))


def _is_solved(times: FloatArray, share: float | None) -> bool:
    if share is None:
        return math.isfinite(median_time(times))
    return float(np.isfinite(times).mean()) >= share


def _level(epsilon: float) -> float:
    return 1 - check_real("epsilon", epsilon, low=0, high=1)
