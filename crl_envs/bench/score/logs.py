"""What is scored: the returns of a learner's runs on a task, and the landmarks that turn a return into a score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval
from crl_envs.bench.score.landmarks import Landmarks


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
        """The same runs in ascending order of their returns: the same log whatever order they came in."""
        return Log(self.budgets, self.returns[np.lexsort(self.returns.T[::-1])])


def normalised(returns: FloatArray, landmarks: Landmarks) -> FloatArray:
    """Scores of returns of any shape: 0 as random, 1 as the optimum or the upper end of its certificate.

    Neither end is clipped: worse than random is below 0. One minus the score is the normalised optimality gap.
    """
    return np.asarray((returns - landmarks.random) / (landmarks.upper - landmarks.random))


def score_between(score: float, landmarks: Landmarks) -> Interval:
    """A score with the range that the optimum's certificate leaves open.

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
    """The score ``float64[runs]`` of each run's last evaluation.

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
