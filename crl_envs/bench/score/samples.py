"""Scores of runs, samples-to-ε, how it grows with a size, and up to which size a learner solves its task.

A size is what an experiment varies where that is a whole number ≥ 1: the number of agents n, or the horizon. Samples
are in the unit of the budgets: env steps, or episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from crl_envs.bench.score.intervals import (
    Exponent,
    FloatArray,
    Interval,
    exponent_of,
    percentile_interval,
    resampled,
)
from crl_envs.bench.score.landmarks import Landmarks
from crl_envs.core.arguments import check_choice, check_int, check_real


@dataclass(frozen=True)
class Log:
    """The evaluations of a learner's runs on one task.

    Attributes:
        budgets: ``float64[evaluations]``, env steps before each evaluation; ascending, ≥ 0.
        returns: ``float64[runs, evaluations]``, mean episode return found by each evaluation; NaN from where a run
            ended early (crash, timeout). What follows a run's first NaN is made NaN too.

    Raises:
        ValueError: Budgets that aren't ascending and ≥ 0, an array of another shape, no run, no evaluation, or an
            infinite return.
    """

    budgets: FloatArray
    returns: FloatArray

    def __post_init__(self) -> None:
        budgets = _as_floats("budgets", self.budgets, 1)
        returns = _as_floats("returns", self.returns, 2)
        ascending = np.isfinite(budgets).all() and (np.diff(budgets) > 0).all()
        if not ascending or budgets[0] < 0:
            raise ValueError(f"budgets must be ascending and ≥ 0, got {budgets.tolist()}")
        if returns.shape[1] != budgets.size:
            raise ValueError(
                f"returns must have a column for each of {budgets.size} budgets, got {returns.shape}"
            )
        if np.isinf(returns).any():
            raise ValueError("returns must be finite, or NaN from where a run ended early, got inf")
        ended = np.logical_or.accumulate(np.isnan(returns), axis=1)
        object.__setattr__(self, "budgets", budgets)
        # Adding 0 turns −0 into 0: otherwise equal numbers could differ in their bytes.
        object.__setattr__(self, "returns", np.where(ended, np.nan, returns + 0.0))

    @property
    def ended_early(self) -> int:
        """Number of runs without the last evaluation."""
        return int(np.isnan(self.returns[:, -1]).sum())

    def in_order(self) -> Log:
        """Return the same runs in ascending order of their returns: the same log whatever order they came in."""
        return Log(self.budgets, self.returns[np.lexsort(self.returns.T[::-1])])


def normalised(returns: FloatArray, landmarks: Landmarks) -> FloatArray:
    """Return scores of returns of any shape: 0 as random, 1 as the optimum or the upper end of its certificate.

    Neither end is clipped: worse than random is below 0. One minus the score is the normalised optimality gap.
    """
    return np.asarray((returns - landmarks.random) / (landmarks.upper - landmarks.random))


def score_between(score: float, landmarks: Landmarks) -> Interval:
    """Return a score with the range that the optimum's certificate leaves open.

    Args:
        score: Against the upper end, as `normalised` gives it.
        landmarks: Of the task.

    Returns:
        The score, and the scores of the same return against both ends, so that the score against the true optimum lies
        between them; nothing is said of the noise in the return. Where the lower end isn't above random, the range is
        unbounded: upwards for a positive score, downwards for a negative one.
    """
    if landmarks.lower > landmarks.random:
        span = landmarks.upper - landmarks.random
        other = score * (span / (landmarks.lower - landmarks.random))
    else:
        other = math.copysign(math.inf, score) if score else score
    return Interval(score, min(score, other), max(score, other))


def final_scores(log: Log, landmarks: Landmarks) -> FloatArray:
    """Return the score ``float64[runs]`` of each run's last evaluation.

    A run that ended early keeps what it had reached, its last evaluation before the end; one without any evaluation
    scores 0, as random. To leave such runs out would favour learners that crash when they do badly.
    """
    known = np.isfinite(log.returns).sum(axis=1)
    last = log.returns[np.arange(len(known)), np.maximum(known, 1) - 1]
    return np.where(known > 0, normalised(last, landmarks), 0.0)


def _as_floats(name: str, values: Any, dimensions: int) -> FloatArray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in {dimensions} dimensions") from None
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(
            f"{name} must have {dimensions} dimensions, none of them empty, got shape {array.shape}"
        )
    return array


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
    """Return after how many samples curves stay at a level or above.

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
    """Return the samples ``float64[runs]`` until each run's score stays at 1 − ε or above; infinite where censored.

    With a certificate the level lies between random and its upper end, so a level is never called reached too early.
    A run that ended early is censored (`samples_to`).

    Raises:
        ValueError: ε outside [0, 1].
    """
    return samples_to(log.budgets, normalised(log.returns, landmarks), _level(epsilon))


def samples_of_mean(log: Log, landmarks: Landmarks, epsilon: float) -> float:
    """Return the samples until the mean score over runs stays at 1 − ε or above; infinite where censored.

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
    """Return the samples-to-ε on one task with its percentile-bootstrap interval over runs.

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
    """Fit how samples-to-ε grows with the size (`crl_envs.bench.score.intervals.fit_exponent`), without censored sizes.

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
    """Return n*, the largest size up to which a learner solves its task within the budget.

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
    """`crl_envs.bench.score.intervals.median_time` of the last axis."""
    ordered, runs = np.sort(times), times.shape[-1]
    return np.asarray((ordered[..., (runs - 1) // 2] + ordered[..., runs // 2]) / 2)


def _is_solved(times: FloatArray, share: float | None) -> bool:
    if share is None:
        return math.isfinite(float(_median(times)))
    return float(np.isfinite(times).mean()) >= share


def _level(epsilon: float) -> float:
    return 1 - check_real("epsilon", epsilon, low=0, high=1)
