"""A row for each evaluation of each run, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

from crl_envs.bench.score.landmarks import Landmarks
from crl_envs.bench.score.logs import normalised
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
    """The rows in the order of the runs' ids; None stands for what isn't known."""
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
    """The rows with a header; numbers in full, None as an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def has_parquet() -> bool:
    """Whether Parquet can be written: the extra ``parquet``."""
    return find_spec("pyarrow") is not None


def as_parquet(rows: Sequence[Row]) -> bytes:
    """The rows as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, kind) for name, kind in COLUMNS.items()])
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), buffer)
    return buffer.getvalue()


def landmarks_of(scores: Mapping[str, Any], record: Record) -> Landmarks | None:
    """Those of a record's task, if the scores have them."""
    experiment = scores["experiments"].get(f"{record.id.experiment}@{record.id.version}")
    if experiment is None:
        return None
    ends = experiment["summary"]["landmarks"].get(str(record.id.value))
    if ends is None:
        return None
    lower = float("-inf") if ends["lower"] is None else ends["lower"]
    return Landmarks(ends["random"], ends["upper"], lower)


def seconds(record: Record) -> float | None:
    """Wall time of a run, if its provenance tells."""
    found = record.provenance.get("seconds")
    if isinstance(found, Mapping):
        return float(sum(found.values()))
    return None if found is None else float(found)
