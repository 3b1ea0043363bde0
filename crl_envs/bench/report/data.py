"""A sweep's runs as a report has them: a row for each evaluation, as CSV and Parquet, and learning curves."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.bench.score.intervals import FloatArray
from crl_envs.bench.score.landmarks import Landmarks
from crl_envs.bench.score.samples import normalised
from crl_envs.bench.store import Record

# Column, what it is in Parquet, and what it says.
COLUMNS: Final = {
    "run": "string",  # the run's id
    "experiment": "string",
    "version": "int64",
    "knob": "string",
    "value": "string",  # of the knob; as text, for some experiments vary a number and others a name
    "learner": "string",
    "seed": "uint64",
    "status": "string",  # of the whole run
    "budget": "int64",  # of this evaluation, in the experiment's unit
    "env_steps": "int64",
    "agent_steps": "int64",
    "global_return": "double",
    "local_return": "double",
    "score": "double",  # of the global return; empty where the task's landmarks aren't known
    "episodes": "int64",
    "illegal_actions": "double",  # share; empty where it wasn't measured
    "run_seconds": "double",  # of the whole run; empty where it wasn't measured
}

Row = dict[str, Any]


def rows(scores: Mapping[str, Any], records: Sequence[Record]) -> list[Row]:
    """Return the rows in the order of the runs' ids; None stands for what isn't known."""
    found = []
    for record in sorted(records, key=lambda record: str(record.id)):
        landmarks = landmarks_of(scores, record)
        for point in record.evaluations:
            score = None
            if landmarks is not None:
                score = float(normalised(point.global_return, landmarks))  # type: ignore[arg-type]
            found.append(
                {
                    "run": str(record.id),
                    "experiment": record.id.experiment,
                    "version": record.id.version,
                    "knob": record.id.knob,
                    "value": str(record.id.value),
                    "learner": record.id.learner,
                    "seed": record.id.seed,
                    "status": record.status,
                    **{name: getattr(point, name) for name in _MEASURED},
                    "score": score,
                    "run_seconds": seconds(record),
                }
            )
    return [{name: row[name] for name in COLUMNS} for row in found]


_MEASURED: Final = (
    "budget",
    "env_steps",
    "agent_steps",
    "global_return",
    "local_return",
    "episodes",
    "illegal_actions",
)


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows with a header; numbers in full, None as an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def has_parquet() -> bool:
    """Return whether Parquet can be written: the extra ``parquet``."""
    return find_spec("pyarrow") is not None


def as_parquet(rows: Sequence[Row]) -> bytes:
    """Return the rows as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, kind) for name, kind in COLUMNS.items()])
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), buffer)
    return buffer.getvalue()


def landmarks_of(scores: Mapping[str, Any], record: Record) -> Landmarks | None:
    """Return the landmarks of a record's task, if the scores have them."""
    experiment = scores["experiments"].get(f"{record.id.experiment}@{record.id.version}")
    if experiment is None:
        return None
    ends = experiment["summary"]["landmarks"].get(str(record.id.value))
    if ends is None:
        return None
    lower = float("-inf") if ends["lower"] is None else ends["lower"]
    return Landmarks(ends["random"], ends["upper"], lower)


def seconds(record: Record) -> float | None:
    """Return the wall time of a run, if its provenance tells."""
    found = record.provenance.get("seconds")
    if isinstance(found, Mapping):
        return float(sum(found.values()))
    return None if found is None else float(found)


class Curves(NamedTuple):
    """The runs of a learner on a task.

    Attributes:
        budgets: ``float64[evaluations]``, in the experiment's unit.
        scores: ``float64[runs, evaluations]``; a run that ended early keeps its last score, and one without any
            evaluation scores 0, as in `crl_envs.bench.score.samples.final_scores`.
    """

    budgets: FloatArray
    scores: FloatArray


def learning_curves(
    scores: Mapping[str, Any], id: str, records: Sequence[Record]
) -> dict[str, dict[str, Curves]]:
    """Return the scored runs of an experiment, by value of the knob as text and by learner.

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
