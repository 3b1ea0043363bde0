"""What a sweep's folder has come to: landmarks, scores and the report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import crl_envs
from crl_envs.bench.experiment import Experiment, Value
from crl_envs.bench.files import write_atomically
from crl_envs.bench.plan import Plan, planned_records, read_plan
from crl_envs.bench.run_id import RunId
from crl_envs.bench.score.landmarks import Landmarks, landmarks
from crl_envs.bench.score.sweep_scores import sweep_scores
from crl_envs.bench.store import Record, Store, as_read, checked, refusals_named, with_checksum

Watch = Callable[[int, int], None]


class Results(NamedTuple):
    """The scores of a sweep, with what they come from.

    Attributes:
        scores: As `crl_envs.bench.score.sweep_scores.sweep_scores` gives them.
        records: Of all runs of the plan; one that hasn't begun is ``running``, without evaluations.
        complaints: A sentence for each file that was set aside.
    """

    scores: dict[str, Any]
    records: list[Record]
    complaints: list[str]


def results(folder: Path, watch: Watch | None = None) -> Results:
    """Score the sweep in a folder. The scores are the same for the same runs, bit for bit.

    Args:
        folder: Of the sweep.
        watch: Told how many of the tasks' landmarks are known, of how many.

    Raises:
        ValueError: No sweep there, or a run in it that isn't of this version of its experiment.
        StoreError: Landmarks can't be kept.
    """
    plan = read_plan(folder)
    store = Store(folder)
    found, complaints = planned_records(store, plan)
    by_id = {str(record.id): record for record in found}
    planned = [id for id, _ in plan.runs()]
    for text in by_id.keys() - {str(id) for id in planned}:
        complaints.append(f"{store.path(by_id[text].id)} is no run of this sweep and is left out")
    records = [by_id.get(str(id), Record(id)) for id in planned]
    experiments = plan.found_experiments()
    scores = sweep_scores(experiments, _landmarks(folder, plan, watch), records)
    return Results(scores, records, sorted(complaints))


def report(folder: Path, found: Results) -> Path:
    """Write the report of the sweep in a folder, out of its results.

    Returns:
        Of the page.

    Raises:
        StoreError: The report can't be written.
    """
    from crl_envs.bench.report.write import write_report

    plan = read_plan(folder)
    titles = [x.title for x in plan.found_experiments()]
    title = titles[0] if len(titles) == 1 else f"{len(titles)} experiments"
    with refusals_named(folder):
        return write_report(
            folder,
            title,
            found.scores,
            found.records,
            found.complaints,
            plan.command(folder),
        )


def _landmarks(folder: Path, plan: Plan, watch: Watch | None) -> dict[str, Landmarks]:
    """Of all tasks of a plan, by name; found once and kept in the folder."""
    tasks = [(x, value) for x in plan.found_experiments() for value in plan.values(x)]
    known = {}
    for done, (experiment, value) in enumerate(tasks):
        if watch is not None:
            watch(done, len(tasks))
        task = RunId(experiment.name, experiment.version, experiment.knob, value, "any", 0).task
        known[task] = _kept_landmarks(folder / "landmarks" / f"{task}.json", experiment, value)
    if watch is not None:
        watch(len(tasks), len(tasks))
    return known


def _kept_landmarks(path: Path, experiment: Experiment, value: Value) -> Landmarks:
    """What is in the file if it is whole and of this task; otherwise found again, and kept there."""
    of = {
        "experiment": experiment.id,
        "task": experiment.task(value).plain(),
        "crl-envs": crl_envs.__version__,
    }
    with suppress(OSError, KeyError, TypeError, ValueError):
        kept = checked(path.read_bytes())
        if kept["of"] == as_read(of):
            return Landmarks(**kept["landmarks"])
    found, how = landmarks(experiment, value)
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, with_checksum({"of": of, "landmarks": asdict(found), **how}))
    return found
