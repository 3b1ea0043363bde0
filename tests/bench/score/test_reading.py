"""What is said of scores: the first sentence, cautions, and what n* is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crl_envs.bench.experiment import number
from crl_envs.bench.score.reading import cautions, sentences, takeaway

DOCS = Path(__file__).parents[3] / "docs"


def interval(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def learner(samples, power=None, runs=5, solved=True):
    """An entry of a summary, with samples-to-ε by value; None for a value that isn't solved."""
    return {
        "values": {
            str(n): {
                "runs": runs,
                "score": interval(0.95 if of else 0.1, 0.9, 0.96),
                "samples": {"runs": of or interval(None)},
            }
            for n, of in samples.items()
        },
        "exponent": {"runs": {"power": power or interval(None), "censored": []}},
        "solved": {"largest": None, "beyond_a_hole": []} if solved else None,
    }


def experiment(**learners):
    values = sorted({int(n) for of in learners.values() for n in of["values"]})
    return {
        "knob": "n",
        "unit": "episodes",
        "epsilon": 0.1,
        "values": values,
        "verdict": ["The verdict."],
        "unfinished": [],
        "summary": {"learners": learners, "settings": {"share": None}},
    }


LOCAL = learner(
    {8: interval(10, 9, 11), 16: interval(10, 9, 11), 32: interval(10, 9, 11)},
    interval(0.01, -0.1, 0.1),
)
TEAM = learner(
    {8: interval(25, 20, 30), 16: interval(50, 40, 60), 32: interval(100, 90, 110)},
    interval(1.0, 0.9, 1.1),
)


def test_the_first_sentence_says_who_needs_what_part_of_whose_samples():
    assert sentences(experiment(team=TEAM, local=LOCAL)) == [
        "To a score of 0.9 at n = 32, local needs 10.0 episodes, about a tenth of team's 100; its growth over n can't "
        "be distinguished from none (n^0.01 [-0.10, 0.10]).",
        "The verdict.",
        "n*: the largest n that is solved with all smaller ones, which takes more than half of the runs at a score of "
        "0.9 or above until the end of the budget.",
    ]


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (interval(1.0, 0.9, 1.1), "; over n they grow as n^1.00 [0.90, 1.10]"),
        (interval(-0.2, -0.3, -0.1), "; over n they fall as n^-0.20 [-0.30, -0.10]"),
        (interval(0.0, 0.0, 0.0), ", and as many at the other values of n"),
        (interval(1.0), "; over n they go as n^1.00, without an interval"),
        (interval(None), ""),
    ],
)
def test_growth(power, said):
    found = experiment(one=learner({8: interval(5, 4, 6), 16: interval(10, 9, 11)}, power))
    assert takeaway(found) == [f"To a score of 0.9 at n = 16, one needs 10.0 episodes{said}."]


def test_intervals_that_overlap_put_nobody_first():
    other = learner({32: interval(12, 10.5, 14)})
    (said,) = takeaway(experiment(local=LOCAL, other=other))
    assert "local needs 10.0 episodes, which can't be distinguished from other's 12.0" in said


def test_who_does_not_get_there_is_counted():
    (said,) = takeaway(experiment(local=LOCAL, lost=learner({32: None})))
    assert said.endswith("; 1 of 2 learners doesn't get there.")


def test_where_nobody_gets_there_the_highest_score_is_named():
    (said,) = takeaway(experiment(lost=learner({32: None})))
    assert said == "At n = 32, lost ends with the highest score, 0.10 (0: random, 1: optimum)."


def test_nothing_scored_says_nothing():
    assert sentences({**experiment(), "verdict": []}) == []


@pytest.mark.parametrize(
    ("runs", "sizes", "said"),
    [
        (10, (8, 16, 32), []),
        (5, (8, 16, 32), []),
        (4, (8, 16, 32), ["4 seeds"]),
        (1, (8, 16, 32), ["one seed: no interval"]),
        (10, (8, 16), ["2 values of n"]),
        (2, (8,), ["2 seeds", "1 value of n"]),
    ],
)
def test_few_seeds_and_few_sizes_are_warned_of(runs, sizes, said):
    found = cautions(experiment(one=learner({n: interval(10, 9, 11) for n in sizes}, runs=runs)))
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert sentence.startswith(f"Caution, {part}: ")


def test_runs_that_failed_are_warned_of():
    """They are in the scores, as what they had reached; those that are still running aren't."""
    found = experiment(local=LOCAL)
    found["unfinished"] = [{"status": of} for of in ("failed", "running", "timeout")]
    said = "Caution, 2 of 15 runs failed: each counts with the last score that it had, 0 if none."
    assert cautions(found) == [said]


def test_values_that_are_no_sizes_need_not_be_many():
    assert cautions(experiment(one=learner({8: interval(1, 1, 1)}, solved=False))) == []


def test_one_seed_has_no_interval_in_the_first_sentence():
    one = learner({8: interval(5, 5, 5), 16: interval(9, 9, 9)}, interval(1.19, 1.19, 1.19), runs=1)
    assert takeaway(experiment(one=one)) == [
        "To a score of 0.9 at n = 16, one needs 9.00 episodes; over n they go as n^1.19 (one seed: no interval)."
    ]


def test_the_shipped_leaderboard_is_summed_up_by_its_scores():
    shipped = json.loads((DOCS / "bench/leaderboard/scores.json").read_text("utf-8"))
    for found in shipped["experiments"].values():
        (said,) = takeaway(found)
        assert cautions(found) == []
        medians = {
            name: of["values"][str(found["values"][-1])]["samples"]
            for name, of in found["summary"]["learners"].items()
        }
        known = {n: m["runs"]["value"] for n, m in medians.items() if m and m["runs"]["value"]}
        if known:
            least = min(known, key=known.get)
            assert f"{least} needs {number(known[least])}" in said
