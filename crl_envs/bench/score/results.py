"""The scores of a sweep: records of runs in, numbers out; the same bytes for the same runs on every machine."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.experiment import Experiment, Value
from crl_envs.bench.files import write_atomically
from crl_envs.bench.plan import Plan, planned_records, read_plan
from crl_envs.bench.run_id import RunId
from crl_envs.bench.score.landmarks import Landmarks, landmarks
from crl_envs.bench.score.samples import Log, final_scores, samples_to_epsilon
from crl_envs.bench.score.summary import DEFAULTS, Settings, summary
from crl_envs.bench.store import Record, Store, as_read, checked, refusals_named, with_checksum
from crl_envs.bench.text import plain

FORMAT: Final = "crl-envs scores 1"


def sweep_scores(
    experiments: Sequence[Experiment],
    landmarks: Mapping[str, Landmarks],
    records: Sequence[Record],
    settings: Settings = DEFAULTS,
) -> dict[str, Any]:
    """Return all scores of the runs of a folder.

    What is scored is the ``global_return`` of each evaluation. Runs that are still ``running``, and so could go on, are
    left out of the scores; those that failed or ran out of time or memory are scored with what they had reached. The
    order of the experiments, the landmarks and the records changes nothing, nor does anything in a record's provenance.

    Args:
        experiments: At least those that the records belong to.
        landmarks: By task, as in ``RunId.task``: ``"sysadmin-n@1/n=0064"``; those of all scored runs.
        records: The runs.
        settings: Levels and intervals; each experiment's own ε takes the place of that in the settings.

    Returns:
        What JSON can hold, infinite and undefined numbers being None:

        - ``format``: name and version of this layout.
        - ``experiments``: by id, in alphabetical order, for those that have records: ``title``, ``knob``, ``unit`` (of
          samples), ``epsilon``, ``values`` (those with records, in the experiment's order), ``verdict`` (sentences),
          ``summary`` (`crl_envs.bench.score.summary.summary`), ``references`` (``label``, ``values``, ``samples``),
          ``runs`` (by id: ``status``, ``score`` of the last evaluation, ``samples`` to ε, None where it didn't
          arrive) and ``unfinished`` (``id``, ``status``, ``evaluations`` made, ``of`` how many, and the last line
          of its ``error``).
        - ``leaderboard``: one entry a ``learner``: ``iqm``, the mean over its experiments, by which the list is
          ordered; and ``experiments``, by id ``rank`` (by IQM; equal ones share it), ``of`` how many learners,
          ``runs``, ``iqm`` and ``optimality_gap`` with their intervals, the ``exponent`` of the runs' median, the
          ``censored`` values left out of it, the ``largest`` value solved and the share that ``arrived``; None where
          the learner has no scored run.

    Raises:
        ValueError: A record of an unknown experiment, knob or value, one whose budgets aren't those of its experiment,
            a run that is there twice, or a scored task without landmarks.
    """
    known = {experiment.id: experiment for experiment in experiments}
    twice = [id for id, count in Counter(str(record.id) for record in records).items() if count > 1]
    if twice:
        raise ValueError(f"records must be of different runs, {min(twice)} is there twice")
    by_experiment: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: str(record.id)):
        id = f"{record.id.experiment}@{record.id.version}"
        if id not in known:
            raise ValueError(f"records must be of known experiments, {record.id} isn't")
        _check(record, known[id])
        by_experiment[id].append(record)
    found = {
        id: _of_experiment(known[id], landmarks, runs, settings)
        for id, runs in sorted(by_experiment.items())
    }
    return {"format": FORMAT, "experiments": found, "leaderboard": plain(_leaderboard(found))}


def as_json(scores: Mapping[str, Any]) -> str:
    """Return scores as the text that files and the terminal have."""
    return json.dumps(scores, indent=1, allow_nan=False) + "\n"


def _check(record: Record, experiment: Experiment) -> None:
    if record.id.knob != experiment.knob or record.id.value not in experiment.values:
        raise ValueError(
            f"records must be of the values {experiment.values} of {experiment.knob}, {record.id} isn't"
        )
    budgets = experiment.budgets(record.id.value)
    made = tuple(evaluation.budget for evaluation in record.evaluations)
    if made != budgets[: len(made)] or (record.status == "done" and made != budgets):
        raise ValueError(
            f"evaluations of {record.id} must come after {budgets} {experiment.unit}, got {made}"
        )


def _of_experiment(
    experiment: Experiment,
    landmarks: Mapping[str, Landmarks],
    records: Sequence[Record],
    settings: Settings,
) -> dict[str, Any]:
    settings = replace(settings, epsilon=experiment.epsilon)
    tasks = {record.id.value: record.id.task for record in records}
    values = [value for value in experiment.values if value in tasks]
    scored: dict[str, dict[Value, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.status != "running":
            if record.id.task not in landmarks:
                raise ValueError(f"landmarks must hold every task, {record.id.task} is missing")
            scored[record.id.learner][record.id.value].append(record)
    ends = {value: landmarks[tasks[value]] for value in values if tasks[value] in landmarks}
    logs = {
        learner: {value: _log(experiment, value, runs) for value, runs in by_value.items()}
        for learner, by_value in scored.items()
    }
    scaling = experiment.analysis.scaling
    found = summary(ends, logs, settings, scaling=scaling)
    references = experiment.analysis.references(values)
    return {
        "title": experiment.title,
        "knob": experiment.knob,
        "unit": experiment.unit,
        "epsilon": experiment.epsilon,
        "values": values,
        "verdict": list(experiment.analysis.verdict(found)) if logs else [],
        "summary": found,
        "references": [
            {
                "label": reference.label,
                "values": np.asarray(reference.values).tolist(),
                "samples": plain(np.asarray(reference.samples, np.float64).tolist()),
            }
            for reference in references
        ],
        "runs": plain(
            {
                str(record.id): _of_run(experiment, record, ends[record.id.value])
                for record in records
                if record.status != "running"
            }
        ),
        "unfinished": [
            {
                "id": str(record.id),
                "status": record.status,
                "evaluations": len(record.evaluations),
                "of": len(experiment.budgets(record.id.value)),
                "error": _last_line(record.error),
            }
            for record in records
            if record.status != "done"
        ],
    }


def _last_line(error: str | None) -> str | None:
    lines = (error or "").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), None)


def _log(experiment: Experiment, value: Value, records: Sequence[Record]) -> Log:
    budgets = experiment.budgets(value)
    returns = np.full((len(records), len(budgets)), math.nan)
    for row, record in zip(returns, records, strict=True):
        row[: len(record.evaluations)] = [point.global_return for point in record.evaluations]
    return Log(np.array(budgets, np.float64), returns)


def _of_run(experiment: Experiment, record: Record, landmarks: Landmarks) -> dict[str, Any]:
    log = _log(experiment, record.id.value, [record])
    samples = None
    if log.budgets.size > 1:
        samples = float(samples_to_epsilon(log, landmarks, experiment.epsilon)[0])
    return {
        "status": record.status,
        "score": float(final_scores(log, landmarks)[0]),
        "samples": samples,
    }


def _leaderboard(experiments: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    standings = {id: _standings(found["summary"]) for id, found in experiments.items()}
    learners = {learner for standing in standings.values() for learner in standing}
    board = []
    for learner in learners:
        of = {id: standing.get(learner) for id, standing in standings.items()}
        iqm = fmean(entry["iqm"]["value"] for entry in of.values() if entry is not None)
        board.append({"learner": learner, "iqm": iqm, "experiments": of})
    return sorted(board, key=lambda entry: (-entry["iqm"], entry["learner"]))


def _standings(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By learner, what the leaderboard says of it in one experiment."""
    learners = found["learners"]
    iqms = [learner["aggregates"]["iqm"]["value"] for learner in learners.values()]
    return {
        name: {
            "rank": 1 + sum(other > learner["aggregates"]["iqm"]["value"] for other in iqms),
            "of": len(iqms),
            "runs": sum(value["runs"] for value in learner["values"].values()),
            "iqm": learner["aggregates"]["iqm"],
            "optimality_gap": learner["aggregates"]["optimality_gap"],
            "exponent": learner["exponent"] and learner["exponent"]["runs"]["power"],
            "censored": learner["exponent"] and learner["exponent"]["runs"]["censored"],
            "largest": learner["solved"] and learner["solved"]["largest"],
            "arrived": learner["arrived"],
        }
        for name, learner in learners.items()
    }


Watch = Callable[[int, int], None]


class Results(NamedTuple):
    """The scores of a sweep, with what they come from.

    Attributes:
        scores: As `crl_envs.bench.score.results.sweep_scores` gives them.
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
        watch: Called with how many of the tasks' landmarks are known, of how many.

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
