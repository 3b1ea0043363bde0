"""All scores of one experiment, as what JSON can hold: the same bytes for the same runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from crl_envs.bench.experiment import Value
from crl_envs.bench.score.aggregates import (
    AGGREGATES,
    aggregate,
    performance_profile,
    probability_of_improvement,
)
from crl_envs.bench.score.intervals import FloatArray, Interval, t_interval
from crl_envs.bench.score.landmarks import Landmarks
from crl_envs.bench.score.samples import (
    Log,
    final_scores,
    largest_solved,
    samples_interval,
    samples_to_epsilon,
    scaling_exponent,
    score_between,
)
from crl_envs.bench.text import plain
from crl_envs.core.arguments import check_int, check_real, check_seed

# τ of the performance profiles, steps of 1/20 from random to the optimum.
PROFILE_SCORES: Final = np.arange(21) / 20

Logs = Mapping[Value, Log]


@dataclass(frozen=True)
class Settings:
    """How an experiment is scored.

    Attributes:
        epsilon: A run has arrived when its score stays at 1 − ε or above; ε in [0, 1]. 0.1 is the level P ≥ .9 at which
            Bagnell & Ng (2005), Figure 2 right, can be reproduced.
        share: A value is solved when this share of its runs arrived; None for more than half.
        confidence: Of every interval by itself, in [0, 1].
        resamples: Number of bootstrap resamples, ≥ 1.
        seed: Of the resampling.

    Raises:
        ValueError: A value outside its range.
    """

    epsilon: float = 0.1
    share: float | None = None
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0, high=1)
        if self.share is not None:
            check_real("share", self.share, low=0, high=1, open_low=True)
        check_real("confidence", self.confidence, low=0, high=1)
        check_int("resamples", self.resamples, low=1)
        check_seed("seed", self.seed)

    @property
    def bootstrap(self) -> dict[str, Any]:
        """The arguments of the functions that give intervals."""
        return {"confidence": self.confidence, "resamples": self.resamples, "seed": self.seed}


DEFAULTS: Final = Settings()


def summary(
    landmarks: Mapping[Value, Landmarks],
    logs: Mapping[str, Logs],
    settings: Settings = DEFAULTS,
    *,
    scaling: bool = True,
) -> dict[str, Any]:
    """Return all scores of an experiment over the values of its knob.

    The order of learners, of a learner's values and of runs changes nothing: ``json.dumps`` gives the same bytes.

    Args:
        landmarks: By value; tables have the values in this order.
        logs: By learner and value; a learner may lack values, and its aggregates are over those that it has.
        settings: Levels and intervals.
        scaling: Whether the values are sizes, whole numbers ≥ 1 over which samples-to-ε may follow a power law.

    Returns:
        A dict of dicts, lists, strings, numbers and None; infinite and undefined numbers are None, an interval is
        ``{"value", "low", "high"}``, and the keys of every table over values are ``str(value)``. Its entries:

        - ``settings``: as given.
        - ``landmarks``: by value ``random``, ``upper`` and ``lower``, to the last digit; all else is rounded (`plain`).
        - ``learners``: by name ``values`` (below), ``exponent`` (of the runs' median and of the mean curve, each with
          ``power``, ``per_log``, ``used`` and ``censored``), ``solved`` (``largest``, ``unsolved`` and
          ``beyond_a_hole``), and, over the learner's values as tasks, ``arrived`` (mean share of runs), ``aggregates``
          (``iqm``, ``mean``, ``median``, ``optimality_gap``) and ``profile``. Both ``exponent`` and ``solved`` are None
          without `scaling`, and ``exponent`` is where a log has a single evaluation.
        - ``improvement``: for each two learners with common values, the probability that the first scores higher.

        A learner's ``values`` hold, by value, ``runs``, ``ended_early``, ``budget`` (samples); means over runs of the
        last evaluations' ``score`` and ``optimality_gap`` (a score above 1 counting as no gap), with Student-t
        intervals, whose ends are None for a single run; ``certificate``, the range of the mean score between both ends
        of the optimum, without sampling error; ``arrived`` (share of runs) and ``samples`` (samples-to-ε of the runs'
        median and of the mean curve; None with a single evaluation). All other intervals are bootstraps.

    Raises:
        ValueError: A learner without values, a value without landmarks, or, with `scaling`, one that isn't a whole
            number ≥ 1.
    """
    for learner, values in logs.items():
        if not values:
            raise ValueError(f"logs must hold at least one value of learner {learner!r}, got none")
        for value in values:
            if value not in landmarks:
                raise ValueError(
                    f"landmarks must hold every value, {value} of {learner!r} is missing"
                )
            if scaling:
                check_int(f"values of learner {learner!r}", value, low=1)
    measured = {
        learner: _Measured(
            {
                value: logs[learner][value].in_order()
                for value in landmarks
                if value in logs[learner]
            },
            landmarks,
            settings,
        )
        for learner in sorted(logs)
    }
    ends = {value: asdict(ends) for value, ends in landmarks.items()}
    found: dict[str, Any] = {"landmarks": plain(ends, rounds=False)} | plain(
        {
            "settings": asdict(settings),
            "learners": {
                learner: _of_learner(runs, landmarks, settings, scaling)
                for learner, runs in measured.items()
            },
            "improvement": [
                _improvement(first, second, measured, settings)
                for first, second in combinations(measured, 2)
                if measured[first].logs.keys() & measured[second].logs.keys()
            ],
        }
    )
    return found


class _Measured:
    """A learner's logs with what each of their runs scored, by value."""

    def __init__(
        self, logs: Logs, landmarks: Mapping[Value, Landmarks], settings: Settings
    ) -> None:
        self.logs = logs
        self.scores = {value: final_scores(log, landmarks[value]) for value, log in logs.items()}
        self.times = {
            value: samples_to_epsilon(log, landmarks[value], settings.epsilon)
            for value, log in logs.items()
        }
        self.arrived = {
            value: float(np.isfinite(times).mean()) for value, times in self.times.items()
        }


def _of_learner(
    runs: _Measured, landmarks: Mapping[Value, Landmarks], settings: Settings, scaling: bool
) -> dict[str, Any]:
    scores = list(runs.scores.values())
    curves = all(log.budgets.size > 1 for log in runs.logs.values())
    return {
        "values": {value: _of_task(value, runs, landmarks[value], settings) for value in runs.logs},
        "exponent": _exponent(runs.logs, landmarks, settings) if scaling and curves else None,
        "solved": _solved(runs.times, settings) if scaling else None,
        "arrived": float(np.mean(list(runs.arrived.values()))),
        "aggregates": {
            name: aggregate(statistic, scores, **settings.bootstrap)
            for name, statistic in AGGREGATES.items()
        },
        "profile": {
            name: values.tolist()
            for name, values in performance_profile(scores, PROFILE_SCORES, **settings.bootstrap)
            ._asdict()
            .items()
        },
    }


def _exponent(
    logs: Logs, landmarks: Mapping[Value, Landmarks], settings: Settings
) -> dict[str, Any]:
    sizes = {int(value): log for value, log in logs.items()}
    ends = {int(value): landmarks[value] for value in logs}
    return {
        of: scaling_exponent(sizes, ends, settings.epsilon, of=of, **settings.bootstrap)._asdict()
        for of in ("runs", "mean")
    }


def _solved(times: Mapping[Value, FloatArray], settings: Settings) -> dict[str, Any]:
    return largest_solved({int(n): runs for n, runs in times.items()}, settings.share)._asdict()


def _of_task(
    value: Value, runs: _Measured, landmarks: Landmarks, settings: Settings
) -> dict[str, Any]:
    log, scores = runs.logs[value], runs.scores[value]
    score = _mean(scores, settings)
    return {
        "runs": len(scores),
        "ended_early": log.ended_early,
        "budget": float(log.budgets[-1]),
        "score": score,
        "optimality_gap": _mean(1 - np.minimum(scores, 1), settings),
        "certificate": score_between(score.value, landmarks),
        "arrived": runs.arrived[value],
        "samples": _samples(log, landmarks, settings) if log.budgets.size > 1 else None,
    }


def _samples(log: Log, landmarks: Landmarks, settings: Settings) -> dict[str, Interval]:
    return {
        of: samples_interval(log, landmarks, settings.epsilon, of=of, **settings.bootstrap)
        for of in ("runs", "mean")
    }


def _mean(scores: FloatArray, settings: Settings) -> Interval:
    if len(scores) == 1:
        return Interval(float(scores[0]), math.nan, math.nan)
    return t_interval(scores, settings.confidence)


def _improvement(
    first: str, second: str, measured: Mapping[str, _Measured], settings: Settings
) -> dict[str, Any]:
    one, other = measured[first].scores, measured[second].scores
    common = [value for value in one if value in other]
    probability = probability_of_improvement(
        [one[value] for value in common], [other[value] for value in common], **settings.bootstrap
    )
    return {"first": first, "second": second, "values": common, "probability": probability}
