"""All scores of one experiment, as what JSON can hold: the same bytes for the same runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval, t_interval
from crl_envs.bench.report import plain
from crl_envs.bench.scoring.aggregates import (
    AGGREGATES,
    aggregate,
    performance_profile,
    probability_of_improvement,
)
from crl_envs.bench.scoring.logs import Landmarks, Log, final_scores, score_between
from crl_envs.bench.scoring.samples import (
    largest_solved,
    samples_interval,
    samples_to_epsilon,
    scaling_exponent,
)
from crl_envs.core.arguments import check_int, check_real, check_seed

# τ of the performance profiles, steps of 1/20 from random to the optimum.
PROFILE_SCORES: Final = np.arange(21) / 20

Logs = Mapping[int, Log]


@dataclass(frozen=True)
class Settings:
    """How an experiment is scored.

    Attributes:
        epsilon: A run has arrived when its score stays at 1 − ε or above; ε in [0, 1]. 0.1 is the level P ≥ .9 at which
            Bagnell & Ng (2005), Figure 2 right, can be reproduced.
        share: A size is solved when this share of its runs arrived; None for more than half.
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
    landmarks: Mapping[int, Landmarks],
    logs: Mapping[str, Logs],
    settings: Settings = DEFAULTS,
) -> dict[str, Any]:
    """All scores of an experiment over the number of agents.

    The order of learners, sizes and runs changes nothing: ``json.dumps`` gives the same bytes.

    Args:
        landmarks: By number of agents.
        logs: By learner and number of agents; a learner may lack sizes, and its aggregates are over those that it has.
        settings: Levels and intervals.

    Returns:
        A dict of dicts, lists, strings, numbers and None; infinite and undefined numbers are None, an interval is
        ``{"value", "low", "high"}``, and every table over sizes has them ascending, as strings. Its entries:

        - ``settings``: as given.
        - ``landmarks``: by size ``random``, ``upper`` and ``lower``.
        - ``learners``: by name ``sizes`` (below), ``exponent`` (of the runs' median and of the mean curve, each with
          ``power``, ``per_log``, ``used`` and ``censored``), ``n_star`` with ``unsolved`` and ``beyond_a_hole``, and,
          over the learner's sizes as tasks, ``aggregates`` (``iqm``, ``mean``, ``median``, ``optimality_gap``) and
          ``profile``.
        - ``improvement``: for each two learners with common sizes, the probability that the first scores higher.

        A learner's ``sizes`` hold, by size, ``runs``, ``ended_early``, ``budget`` (env steps); means over runs of the
        last evaluations' ``score`` and ``optimality_gap`` (a score above 1 counting as no gap), with Student-t
        intervals, whose ends are None for a single run; ``certificate``, the range of the mean score between both ends
        of the optimum, without sampling error; ``arrived`` (share of runs) and ``samples`` (samples-to-ε of the runs'
        median and of the mean curve). All other intervals are bootstraps.

    Raises:
        ValueError: A learner without sizes, a size < 1 or one without landmarks.
    """
    for learner, sizes in logs.items():
        if not sizes:
            raise ValueError(f"logs must hold at least one size of learner {learner!r}, got none")
        for n in sizes:
            check_int(f"sizes of learner {learner!r}", n, low=1)
            if n not in landmarks:
                raise ValueError(f"landmarks must hold every size, {n} of {learner!r} is missing")
    ordered = {
        learner: {int(n): logs[learner][n].in_order() for n in sorted(logs[learner])}
        for learner in sorted(logs)
    }
    scores = {
        learner: {n: final_scores(log, landmarks[n]) for n, log in sizes.items()}
        for learner, sizes in ordered.items()
    }
    found: dict[str, Any] = plain(
        {
            "settings": asdict(settings),
            "landmarks": {n: asdict(landmarks[n]) for n in sorted(landmarks)},
            "learners": {
                learner: _of_learner(landmarks, sizes, list(scores[learner].values()), settings)
                for learner, sizes in ordered.items()
            },
            "improvement": [
                _improvement(first, second, scores, settings)
                for first, second in combinations(ordered, 2)
                if scores[first].keys() & scores[second].keys()
            ],
        }
    )
    return found


def _of_learner(
    landmarks: Mapping[int, Landmarks],
    logs: Logs,
    scores: list[FloatArray],
    settings: Settings,
) -> dict[str, Any]:
    times = {n: samples_to_epsilon(log, landmarks[n], settings.epsilon) for n, log in logs.items()}
    return {
        "sizes": {n: _of_task(landmarks[n], log, settings) for n, log in logs.items()},
        "exponent": {
            of: scaling_exponent(
                logs, landmarks, settings.epsilon, of=of, **settings.bootstrap
            )._asdict()
            for of in ("runs", "mean")
        },
        **largest_solved(times, settings.share)._asdict(),
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


def _of_task(landmarks: Landmarks, log: Log, settings: Settings) -> dict[str, Any]:
    scores = final_scores(log, landmarks)
    times = samples_to_epsilon(log, landmarks, settings.epsilon)
    score = _mean(scores, settings)
    return {
        "runs": len(scores),
        "ended_early": log.ended_early,
        "budget": float(log.budgets[-1]),
        "score": score,
        "optimality_gap": _mean(1 - np.minimum(scores, 1), settings),
        "certificate": score_between(score.value, landmarks),
        "arrived": float(np.isfinite(times).mean()),
        "samples": {
            of: samples_interval(log, landmarks, settings.epsilon, of=of, **settings.bootstrap)
            for of in ("runs", "mean")
        },
    }


def _mean(scores: FloatArray, settings: Settings) -> Interval:
    if len(scores) == 1:
        return Interval(float(scores[0]), math.nan, math.nan)
    return t_interval(scores, settings.confidence)


def _improvement(
    first: str, second: str, scores: Mapping[str, Mapping[int, FloatArray]], settings: Settings
) -> dict[str, Any]:
    common = sorted(scores[first].keys() & scores[second].keys())
    probability = probability_of_improvement(
        [scores[first][n] for n in common],
        [scores[second][n] for n in common],
        **settings.bootstrap,
    )
    return {"first": first, "second": second, "sizes": common, "probability": probability}
