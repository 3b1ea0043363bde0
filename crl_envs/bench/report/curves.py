"""Learning curves of a sweep's runs: scores by experiment, value of the knob and learner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from crl_envs.bench.intervals import FloatArray
from crl_envs.bench.report.data import landmarks_of
from crl_envs.bench.score.logs import normalised
from crl_envs.bench.store import Record


class Curves(NamedTuple):
    """The runs of a learner on a task.

    Attributes:
        budgets: ``float64[evaluations]``, in the experiment's unit.
        scores: ``float64[runs, evaluations]``; a run that ended early keeps its last score, and one without any
            evaluation scores 0, as in `crl_envs.bench.score.logs.final_scores`.
    """

    budgets: FloatArray
    scores: FloatArray


def learning_curves(
    scores: Mapping[str, Any], id: str, records: Sequence[Record]
) -> dict[str, dict[str, Curves]]:
    """By value of the knob as text and by learner, the scored runs of an experiment.

    Args:
        scores: Of the sweep.
        id: Of the experiment.
        records: All runs of the sweep; those that are still running are left out, as they are from the scores.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        here = f"{record.id.experiment}@{record.id.version}" == id
        if here and record.status != "running":
            groups[str(record.id.value), record.id.learner].append(record)
    found: dict[str, dict[str, Curves]] = defaultdict(dict)
    for (value, learner), runs in sorted(groups.items()):
        longest = max(runs, key=lambda run: len(run.evaluations)).evaluations
        if longest:
            budgets = np.array([point.budget for point in longest], np.float64)
            rows = [_scores(scores, run, budgets.size) for run in runs]
            found[value][learner] = Curves(budgets, np.array(rows))
    return dict(found)


def _scores(scores: Mapping[str, Any], record: Record, length: int) -> FloatArray:
    landmarks = landmarks_of(scores, record)
    if landmarks is None or not record.evaluations:
        return np.zeros(length)
    returns = np.array([point.global_return for point in record.evaluations])
    known = normalised(returns, landmarks)
    return np.pad(known, (0, length - known.size), mode="edge")
