"""The scores of a sweep's records: what they say of learners whose answers are known, and which records they refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from crl_envs.bench.experiment import Reference
from crl_envs.bench.score.measures import Landmarks, Log
from crl_envs.bench.score.results import Settings, as_json, summary, sweep_scores
from crl_envs.bench.store import Evaluation, Record, RunId
from tests.bench.synthetic_sweep import (
    EXPERIMENTS,
    SIZES,
    TOPOLOGY,
    N,
    landmarks,
    record,
    records,
    references,
    verdict,
)

QUICK = Settings(resamples=40)
ENDS = landmarks()


@pytest.fixture(scope="module")
def sweep():
    return records()


@pytest.fixture(scope="module")
def scores(sweep):
    return sweep_scores(EXPERIMENTS, ENDS, sweep, QUICK)


def test_planted_answers_are_found(scores):
    learners = scores["experiments"]["planted-n@1"]["summary"]["learners"]
    # ln 10 · 55 · 128 = 16,210 of 20,000 steps.
    assert learners["global"]["exponent"]["runs"]["power"]["value"] == pytest.approx(1, abs=0.15)
    assert abs(learners["local"]["exponent"]["runs"]["power"]["value"]) < 0.15
    perfect = learners["perfect"]["exponent"]["runs"]["power"]
    assert perfect == pytest.approx({"value": 0, "low": 0, "high": 0}, abs=1e-12)
    assert learners["perfect"]["solved"]["largest"] == 128
    assert learners["random"]["solved"]["largest"] is None
    topology = scores["experiments"]["planted-topology@2"]["summary"]["learners"]
    assert list(topology["crl"]["values"]) == ["star", "ring", "complete"]
    assert topology["crl"]["values"]["star"]["samples"] is None
    assert topology["crl"]["exponent"] is topology["crl"]["solved"] is None


def test_the_summary_is_that_of_the_logs_and_the_experiments_epsilon(scores, sweep):
    def log(learner, n):
        runs = [run for run in sweep if run.id.learner == learner and run.id.value == n]
        return Log(N.budgets(n), [[point.global_return for point in r.evaluations] for r in runs])

    found = scores["experiments"]["planted-n@1"]
    ends = {n: ENDS[f"planted-n@1/n={n:04d}"] for n in SIZES}
    expected = summary(ends, {"global": {n: log("global", n) for n in SIZES}}, QUICK)
    assert found["summary"]["learners"]["global"] == expected["learners"]["global"]
    assert found["epsilon"] == found["summary"]["settings"]["epsilon"] == 0.1
    other = scores["experiments"]["planted-topology@2"]
    assert other["epsilon"] == other["summary"]["settings"]["epsilon"] == 0.2
    assert found["verdict"] == verdict(found["summary"])
    (bound,) = references(SIZES)
    (told,) = found["references"]
    assert (told["label"], told["values"]) == (bound.label, list(SIZES))
    assert told["samples"] == pytest.approx(bound.samples, rel=1e-8)


def test_runs_that_go_on_are_left_out_and_those_that_ended_early_are_not(scores):
    found = scores["experiments"]["planted-n@1"]
    crashing = found["summary"]["learners"]["crashing"]["values"]["64"]
    assert (crashing["runs"], crashing["ended_early"]) == (9, 2)
    goes_on = "planted-n@1/n=0064/crashing/seed=00"
    assert goes_on not in found["runs"]
    assert found["runs"]["planted-n@1/n=0064/crashing/seed=02"] == {
        "status": "out of memory",
        "score": 0.0,
        "samples": None,
    }
    unfinished = {entry["id"]: entry for entry in found["unfinished"]}
    assert unfinished[goes_on] == {
        "id": goes_on,
        "status": "running",
        "evaluations": 3,
        "of": 20,
        "error": None,
    }
    failed = unfinished["planted-n@1/n=0128/crashing/seed=04"]
    assert failed["error"] == "RuntimeError: <script>alert('n & m')</script> | `ticks` **stars**"
    assert len(unfinished) == 3 + 5
    assert scores["experiments"]["planted-topology@2"]["unfinished"] == []


def test_the_leaderboard_has_gaps_and_is_ordered_by_iqm(scores):
    board = scores["leaderboard"]
    assert board[0]["learner"] == "perfect"
    assert [entry["iqm"] for entry in board] == sorted((e["iqm"] for e in board), reverse=True)
    by_name = {entry["learner"]: entry["experiments"] for entry in board}
    assert by_name["perfect"]["planted-topology@2"] is None
    assert by_name["crl"]["planted-n@1"] is None
    found = scores["experiments"]["planted-n@1"]["summary"]["learners"]["global"]
    assert by_name["global"]["planted-n@1"] == {
        "rank": 4,
        "of": 5,
        "runs": 50,
        "iqm": found["aggregates"]["iqm"],
        "optimality_gap": found["aggregates"]["optimality_gap"],
        "exponent": found["exponent"]["runs"]["power"],
        "censored": [],
        "largest": 128,
        "arrived": found["arrived"],
    }
    iqms = [by_name["random"][id]["iqm"]["value"] for id in by_name["random"]]
    (random,) = (entry for entry in board if entry["learner"] == "random")
    assert random["iqm"] == pytest.approx(np.mean(iqms))
    assert by_name["crl"]["planted-topology@2"]["exponent"] is None


def test_equal_scores_share_a_rank():
    runs = [record(N, 8, name, 0, 1e-9) for name in ("a", "b")] + [record(N, 8, "c", 0, 1e9)]
    board = sweep_scores([N], ENDS, runs, QUICK)["leaderboard"]
    assert [(e["learner"], e["experiments"]["planted-n@1"]["rank"]) for e in board] == [
        ("a", 1),
        ("b", 1),
        ("c", 3),
    ]


def test_the_same_bytes_where_processors_differ_in_the_last_digits(sweep, scores, monkeypatch):
    """Logarithms that are off by a unit in the last place: before scores were rounded, the bytes differed.

    All learners' ~1,000 numbers have nine digits, so that a rounding flips with a chance of about 1e-4, with these
    fixed seeds never.
    """
    log = np.log
    monkeypatch.setattr(np, "log", lambda x: np.nextafter(log(x), np.inf))
    assert as_json(sweep_scores(EXPERIMENTS, ENDS, sweep, QUICK)) == as_json(scores)


def test_the_same_bytes_whatever_the_order_and_the_provenance():
    runs = records(seeds=3)
    expected = as_json(sweep_scores(EXPERIMENTS, ENDS, runs, QUICK))
    rng = np.random.default_rng(0)
    for _ in range(3):
        shuffled = [replace(runs[k], provenance={"seconds": k}) for k in rng.permutation(len(runs))]
        ends = dict(reversed(ENDS.items()))
        assert as_json(sweep_scores(EXPERIMENTS[::-1], ends, shuffled, QUICK)) == expected
    assert json.loads(expected) == sweep_scores(EXPERIMENTS, ENDS, runs, QUICK)


def test_no_runs_and_runs_that_all_go_on():
    assert sweep_scores(EXPERIMENTS, {}, []) == {
        "format": "crl-envs scores 1",
        "experiments": {},
        "leaderboard": [],
    }
    going_on = record(N, 8, "local", 0, 300.0, "running", 2)
    found = sweep_scores(EXPERIMENTS, {}, [going_on])
    assert found["leaderboard"] == []
    assert found["experiments"]["planted-n@1"]["verdict"] == []
    assert [entry["of"] for entry in found["experiments"]["planted-n@1"]["unfinished"]] == [20]


def test_references_may_be_numpys():
    def drawn(values):
        return [Reference("a bound", np.array(values), np.array(values) * 2.0)]

    experiment = replace(N, analysis=replace(N.analysis, references=drawn))
    found = sweep_scores([experiment], ENDS, [record(N, 8, "local", 0, 300.0)], QUICK)
    (bound,) = json.loads(as_json(found))["experiments"]["planted-n@1"]["references"]
    assert bound == {"label": "a bound", "values": [8], "samples": [16.0]}


def at(budgets, status="done"):
    id = RunId("planted-n", 1, "n", 8, "x", 0)
    return Record(id, status, tuple(Evaluation(b, b, 8 * b, 3.0, 3.0, 4) for b in budgets))


GOOD = record(N, 8, "x", 0, 300.0)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([GOOD, GOOD], "planted-n@1/n=0008/x/seed=00 is there twice"),
        ([replace(GOOD, id=replace(GOOD.id, version=2))], "planted-n@2/n=0008/x/seed=00 isn't"),
        ([replace(GOOD, id=replace(GOOD.id, value=9))], "planted-n@1/n=0009/x/seed=00 isn't"),
        ([replace(GOOD, id=replace(GOOD.id, knob="horizon"))], "planted-n@1/horizon=0008/x/seed"),
        ([at([50, 68])], "planted-n@1/n=0008/x/seed=00 must come after .* env steps"),
        ([at([50, 67], "failed")], r"must come after \(50, .* got \(50, 67\)"),
        ([at([*N.budgets(8), 30_000])], "30000"),
    ],
)
def test_records_that_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        sweep_scores(EXPERIMENTS, ENDS, runs, QUICK)


def test_a_scored_task_needs_landmarks():
    with pytest.raises(ValueError, match="planted-n@1/n=0008 is missing"):
        sweep_scores([N], {"planted-n@1/n=0016": Landmarks(0, 1, 1)}, [GOOD], QUICK)


def test_the_unit_of_the_topologies_is_an_episode(scores):
    found = scores["experiments"]["planted-topology@2"]
    assert (found["unit"], found["knob"], found["values"]) == (
        "episodes",
        "topology",
        list(TOPOLOGY.values),
    )
