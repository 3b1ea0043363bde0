"""The summary of an experiment: what it says, and that its bytes depend on the runs only."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from crl_envs.bench.score.measures import Landmarks, Log, samples_interval, scaling_exponent
from crl_envs.bench.score.results import PROFILE_SCORES, Settings, summary
from crl_envs.bench.score.statistics import t_interval

SIZES = (8, 16, 32, 100)
LANDMARKS = {n: Landmarks(random=2.0, upper=12.0, lower=7.0) for n in SIZES}
UNIT = Landmarks(random=0.0, upper=1.0, lower=1.0)
QUICK = Settings(resamples=50)


def learning(power, runs=6, seed=0):
    """Logs whose scores are 1 − exp(−t/τ), τ growing as that power of n, with one budget for all sizes."""
    rng = np.random.default_rng(seed)
    budgets = np.linspace(0, 20_000, 81)
    logs = {}
    for n in SIZES:
        speed = 100 * n**power * np.exp(0.2 * rng.standard_normal((runs, 1)))
        logs[n] = Log(budgets, 2 + 10 * (1 - np.exp(-budgets / speed)))
    return logs


def constant(value, sizes=SIZES):
    return {n: Log([0, 20_000], np.full((3, 2), value)) for n in sizes}


LOGS = {
    "global": learning(1.0),
    "local": learning(0.0),
    "perfect": constant(12.0),
    "random": constant(2.0),
    "small": constant(7.0, sizes=(8,)),
}


def test_what_is_known_of_the_learners():
    found = summary(LANDMARKS, LOGS, QUICK)["learners"]
    perfect, random = found["perfect"], found["random"]
    for name in ("iqm", "mean", "median"):
        assert perfect["aggregates"][name] == {"value": 1, "low": 1, "high": 1}
        assert random["aggregates"][name] == {"value": 0, "low": 0, "high": 0}
    assert perfect["aggregates"]["optimality_gap"]["value"] == 0
    assert perfect["solved"]["largest"] == 100
    assert perfect["profile"]["share"] == [1.0] * 21
    assert random["solved"]["largest"] is None
    assert random["solved"]["unsolved"] == list(SIZES)
    assert random["exponent"]["runs"]["power"] == {"value": None, "low": None, "high": None}
    assert random["profile"]["share"] == [1.0] + [0.0] * 20
    # ln 10 · 100 n steps to a score of .9: 7,368 at n = 32, 23,026 at 100, which is above the budget.
    assert found["global"]["solved"]["largest"] == 32
    assert found["global"]["solved"]["unsolved"] == [100]
    assert found["global"]["exponent"]["runs"]["used"] == [8, 16, 32]
    assert found["global"]["exponent"]["runs"]["censored"] == [100]
    assert found["local"]["solved"]["largest"] == 100


def test_its_numbers_are_those_of_the_functions():
    found = summary(LANDMARKS, LOGS, QUICK)["learners"]["global"]
    exponent = scaling_exponent(LOGS["global"], LANDMARKS, 0.1, of="mean", resamples=50)
    assert found["exponent"]["mean"]["power"] == pytest.approx(exponent.power._asdict(), rel=1e-8)
    interval = samples_interval(LOGS["global"][16], LANDMARKS[16], 0.1, resamples=50)
    assert found["values"]["16"]["samples"]["runs"] == pytest.approx(interval._asdict(), rel=1e-8)
    scores = (LOGS["global"][100].returns[:, -1] - 2) / 10
    assert found["values"]["100"]["score"] == pytest.approx(t_interval(scores)._asdict())
    assert found["values"]["100"]["optimality_gap"] == pytest.approx(
        t_interval(1 - scores)._asdict()
    )
    assert found["profile"]["scores"] == PROFILE_SCORES.tolist()


def test_what_is_said_of_a_size():
    log = Log([0, 100], [[2.0, 12.0], [2.0, 12.0], [2.0, 12.0], [7.0, math.nan]])
    found = summary({8: LANDMARKS[8]}, {"x": {8: log}}, QUICK)["learners"]["x"]["values"]["8"]
    assert (found["runs"], found["ended_early"], found["budget"]) == (4, 1, 100)
    assert found["score"]["value"] == 0.875  # three times 1, and .5, where the fourth run ended
    assert found["optimality_gap"]["value"] == 0.125
    # The lower end of the optimum is half as far from random as the upper one.
    assert found["certificate"] == {"value": 0.875, "low": 0.875, "high": 1.75}
    assert found["arrived"] == 0.75
    assert found["samples"]["runs"]["value"] == pytest.approx(90)
    assert found["samples"]["mean"]["value"] is None


def test_a_single_run_has_a_score_without_an_interval():
    logs = {"x": {8: Log([0, 100], [[2.0, 13.0]])}}
    found = summary({8: LANDMARKS[8]}, logs, QUICK)["learners"]["x"]["values"]["8"]
    assert found["score"] == {"value": 1.1, "low": None, "high": None}
    assert found["optimality_gap"] == {"value": 0, "low": None, "high": None}


def test_learners_are_compared_on_the_sizes_that_both_have():
    found = summary(LANDMARKS, LOGS | {"big": constant(7.0, sizes=(100,))}, QUICK)["improvement"]
    compared = {(entry["first"], entry["second"]): entry for entry in found}
    assert compared["perfect", "random"] == {
        "first": "perfect",
        "second": "random",
        "values": list(SIZES),
        "probability": {"value": 1, "low": 1, "high": 1},
    }
    assert compared["random", "small"]["values"] == [8]
    assert compared["random", "small"]["probability"]["value"] == 0
    assert ("big", "small") not in compared


def test_the_same_bytes_whatever_the_order_of_learners_values_and_runs():
    logs = LOGS | {"ended": {n: with_ends(log) for n, log in learning(0.5).items()}}
    expected = json.dumps(summary(LANDMARKS, logs, QUICK), allow_nan=False)
    rng = np.random.default_rng(0)
    for _ in range(3):
        shuffled = {
            str(learner): {
                np.int64(n): Log(
                    logs[learner][n].budgets, rng.permutation(logs[learner][n].returns)
                )
                for n in rng.permutation(list(logs[learner]))
            }
            for learner in rng.permutation(list(logs))
        }
        assert json.dumps(summary(LANDMARKS, shuffled, QUICK), allow_nan=False) == expected


def with_ends(log):
    returns = log.returns.copy()
    returns[0, 40:] = returns[1, 0:] = math.nan
    return Log(log.budgets, returns)


def test_other_runs_give_other_bytes():
    changed = learning(1.0)
    changed[8].returns[0, -1] += 1e-9
    assert summary(LANDMARKS, LOGS, QUICK) != summary(LANDMARKS, LOGS | {"global": changed}, QUICK)


def test_it_survives_json_and_holds_plain_python_only():
    found = summary(LANDMARKS | {200: Landmarks(0.0, 1.0, -math.inf)}, LOGS, QUICK)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["landmarks"]["200"]["lower"] is None
    assert list(found["learners"]) == sorted(LOGS)
    assert list(found["learners"]["local"]["values"]) == ["8", "16", "32", "100"]
    kinds = set()

    def visit(value):
        kinds.add(type(value))
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            for part in inner:
                visit(part)

    visit(found)
    assert kinds <= {dict, list, str, int, float, type(None)}


def test_settings_change_what_counts_as_solved():
    half = {8: Log([0, 100], [[2.0, 12.0], [2.0, 10.0]])}
    task = {8: LANDMARKS[8]}

    def n_star(**settings):
        found = summary(task, {"x": half}, Settings(resamples=5, **settings))
        return found["learners"]["x"]["solved"]["largest"]

    assert n_star() is None
    assert n_star(share=0.5) == 8
    assert n_star(epsilon=0.2) == 8


def test_values_may_be_names_and_keep_the_order_of_the_landmarks():
    names = ("star", "ring", "complete")
    logs = {"x": constant(0.5, names), "y": constant(1.0, ("complete", "star"))}
    found = summary(dict.fromkeys(names, UNIT), logs, QUICK, scaling=False)
    assert list(found["landmarks"]) == list(found["learners"]["x"]["values"]) == list(names)
    assert list(found["learners"]["y"]["values"]) == ["star", "complete"]
    assert found["improvement"][0]["values"] == ["star", "complete"]
    assert found["learners"]["x"]["exponent"] is None
    assert found["learners"]["x"]["solved"] is None
    assert found["learners"]["x"]["aggregates"]["iqm"]["value"] == 0.5


def test_values_may_be_numbers_with_nothing_fitted_over_them():
    noise = (0.0, 0.25, 1.0)
    found = summary(dict.fromkeys(noise, UNIT), {"x": constant(1.0, noise)}, QUICK, scaling=False)
    learner = found["learners"]["x"]
    assert list(learner["values"]) == ["0.0", "0.25", "1.0"]
    assert learner["values"]["0.25"]["samples"]["runs"] == {"value": 0, "low": 0, "high": 0}
    assert learner["exponent"] is None


def test_a_single_evaluation_says_how_good_and_not_how_soon():
    logs = {"x": {n: Log([50], [[12.0], [11.5], [2.0]]) for n in SIZES}}
    learner = summary(LANDMARKS, logs, QUICK)["learners"]["x"]
    assert learner["exponent"] is None
    assert learner["values"]["8"]["samples"] is None
    assert learner["values"]["8"]["arrived"] == learner["arrived"] == pytest.approx(2 / 3)
    assert learner["solved"]["largest"] == 100


def test_the_arrived_share_weighs_each_value_the_same():
    logs = {"x": {8: Log([0, 9], [[2, 12]] * 3), 16: Log([0, 9], [[2, 2]] * 9)}}
    assert summary(LANDMARKS, logs, QUICK)["learners"]["x"]["arrived"] == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summary(LANDMARKS, {"x": {}}), "at least one value of learner 'x'"),
        (lambda: summary(LANDMARKS, {"x": constant(1.0, (7,))}), "7 of 'x' is missing"),
        (lambda: summary({0: UNIT}, {"x": constant(1.0, (0,))}), "values of learner 'x'"),
        (lambda: summary({0.5: UNIT}, {"x": constant(1.0, (0.5,))}), "values of learner 'x'"),
        (lambda: summary({"a": UNIT}, {"x": constant(1.0, ("a",))}), "values of learner 'x'"),
        (lambda: Settings(epsilon=2), "epsilon"),
        (lambda: Settings(share=0), "share"),
        (lambda: Settings(confidence=95), "confidence"),
        (lambda: Settings(resamples=0), "resamples"),
        (lambda: Settings(seed=-1), "seed"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
