"""The shipped leaderboard: its scores are those of its runs, and its page has its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.run_id import RunId
from crl_envs.bench.scoring.logs import Landmarks
from crl_envs.bench.scoring.sweep_scores import as_json, sweep_scores
from crl_envs.bench.store import Evaluation, Record
from crl_envs.bench.sweep import read_plan

DOCS = Path(__file__).parents[2] / "docs" / "bench"
FOLDER = DOCS / "leaderboard"
SHIPPED = json.loads((FOLDER / "scores.json").read_text("utf-8"))
FIELDS = tuple(Evaluation.__dataclass_fields__)


def test_the_scores_are_those_of_the_runs() -> None:
    """From the rows of all evaluations and the landmarks, byte for byte."""
    parquet = pytest.importorskip("pyarrow.parquet")
    records: dict[str, Record] = {}
    for row in parquet.read_table(FOLDER / "runs.parquet").to_pylist():
        record = records.setdefault(row["run"], Record(RunId.parse(row["run"]), row["status"]))
        records[row["run"]] = record.with_evaluation(Evaluation(*(row[name] for name in FIELDS)))
    plan = read_plan(FOLDER)
    assert set(records) == {str(id) for id, _ in plan.runs()}
    experiments = [find_experiment(id) for id in SHIPPED["experiments"]]
    landmarks = {}
    for experiment in experiments:
        kept = SHIPPED["experiments"][experiment.id]["summary"]["landmarks"]
        for value in experiment.values:
            task = RunId(experiment.name, experiment.version, experiment.knob, value, "x", 0).task
            landmarks[task] = Landmarks(**kept[str(value)])
    scores = as_json(sweep_scores(experiments, landmarks, list(records.values())))
    assert scores == (FOLDER / "scores.json").read_text("utf-8")


def test_it_has_every_baseline_of_three_worlds_with_ten_seeds() -> None:
    assert list(SHIPPED["experiments"]) == ["bandit-n@1", "load-balancing-n@1", "sysadmin-n@1"]
    for id, found in SHIPPED["experiments"].items():
        assert not found["unfinished"]
        learners = found["summary"]["learners"]
        assert set(learners) == set(find_experiment(id).baselines)
        assert all(of["runs"] == 10 for x in learners.values() for of in x["values"].values())


@pytest.mark.parametrize("entry", SHIPPED["leaderboard"], ids=lambda entry: entry["learner"])
def test_the_page_has_its_numbers(entry: dict[str, object]) -> None:
    page = (DOCS / "leaderboard.md").read_text("utf-8")
    for of in entry["experiments"].values():  # type: ignore[attr-defined]
        if of is not None:
            cells = [f"`{entry['learner']}`", _interval(of["iqm"], 3), _interval(of["exponent"], 2)]
            rows = [line for line in page.splitlines() if line.startswith(f"| {cells[0]} |")]
            assert any(all(cell in row for cell in cells) for row in rows), cells


def _interval(found: dict[str, float | None] | None, digits: int) -> str:
    if found is None or found["value"] is None:
        return ""
    value, low, high = (f"{found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
