"""The shipped sweeps: their scores are those of their runs, and their pages have their numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.plan import read_plan
from crl_envs.bench.score.measures import Landmarks
from crl_envs.bench.score.results import as_json, sweep_scores
from crl_envs.bench.store import Evaluation, Record, RunId

DOCS = Path(__file__).parents[2] / "docs"
# The folder of a sweep's data, the page that has its numbers, and its seeds.
SHIPPED = {
    "bench/leaderboard": ("bench/leaderboard.md", 10),
    "bench/graph-worlds": ("bench/leaderboard.md", 10),
    "bench/networks": ("bench/leaderboard.md", 10),
    "bench/networks-ppo": ("bench/leaderboard.md", 5),
    "bench/access-ppo": ("bench/leaderboard.md", 5),
    "bench/networks-neighborhood": ("bench/leaderboard.md", 5),
    "bench/access-neighborhood": ("bench/leaderboard.md", 5),
    "bench/networks-coordination": ("bench/leaderboard.md", 5),
    "adapters/scaling": ("adapters/scaling.md", 5),
    "adapters/fillings": ("adapters/scaling.md", 5),
}
SCORES = {name: json.loads((DOCS / name / "scores.json").read_text("utf-8")) for name in SHIPPED}
ENTRIES = [
    pytest.param(SHIPPED[name][0], entry, id=f"{name}-{entry['learner']}")
    for name, scores in SCORES.items()
    for entry in scores["leaderboard"]
]
FIELDS = tuple(Evaluation.__dataclass_fields__)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_scores_are_those_of_the_runs(name: str) -> None:
    """From the rows of all evaluations and the landmarks, byte for byte."""
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, shipped = DOCS / name, SCORES[name]["experiments"]
    records: dict[str, Record] = {}
    for row in parquet.read_table(folder / "runs.parquet").to_pylist():
        record = records.setdefault(row["run"], Record(RunId.parse(row["run"]), row["status"]))
        records[row["run"]] = record.with_evaluation(Evaluation(*(row[name] for name in FIELDS)))
    plan = read_plan(folder)
    assert set(records) == {str(id) for id, _ in plan.runs()}
    experiments = [find_experiment(id) for id in shipped]
    landmarks = {}
    for experiment in experiments:
        kept = shipped[experiment.id]["summary"]["landmarks"]
        for value in plan.values(experiment):
            task = RunId(experiment.name, experiment.version, experiment.knob, value, "x", 0).task
            landmarks[task] = Landmarks(**kept[str(value)])
    scores = as_json(sweep_scores(experiments, landmarks, list(records.values())))
    assert scores == (folder / "scores.json").read_text("utf-8")


def test_the_leaderboard_has_three_worlds() -> None:
    found = list(SCORES["bench/leaderboard"]["experiments"])
    assert found == ["bandit-n@1", "load-balancing-n@1", "sysadmin-n@1"]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_has_every_baseline_with_every_seed(name: str) -> None:
    """Or the learners of another library that its plan names."""
    plan = read_plan(DOCS / name)
    for id, found in SCORES[name]["experiments"].items():
        assert not found["unfinished"]
        learners = found["summary"]["learners"]
        asked = find_experiment(id).baselines if "all" in plan.asked else plan.asked
        assert set(learners) == set(asked)
        seeds = SHIPPED[name][1]
        assert all(of["runs"] == seeds for x in learners.values() for of in x["values"].values())


@pytest.mark.parametrize(("page", "entry"), ENTRIES)
def test_the_page_has_its_numbers(page: str, entry: dict[str, object]) -> None:
    text = (DOCS / page).read_text("utf-8")
    for of in entry["experiments"].values():  # type: ignore[attr-defined]
        if of is not None:
            cells = [f"`{entry['learner']}`", _interval(of["iqm"], 3), _interval(of["exponent"], 2)]
            rows = [line for line in text.splitlines() if line.startswith(f"| {cells[0]} |")]
            assert any(all(cell in row for cell in cells) for row in rows), cells


def _interval(found: dict[str, float | None] | None, digits: int) -> str:
    if found is None or found["value"] is None:
        return ""
    value, low, high = (f"{found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
