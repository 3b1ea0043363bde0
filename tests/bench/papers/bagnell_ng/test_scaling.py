"""The scaling figure: its runs, its budgets, and what becomes of runs that don't arrive."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from crl_envs.bench.figure import learner
from crl_envs.bench.papers import bagnell_ng
from crl_envs.bench.papers.bagnell_ng.learning import WINDOW, curves_case
from crl_envs.bench.papers.bagnell_ng.scaling import (
    ALL_RIGHT,
    CURVES,
    LOCAL_BANDIT,
    MOST_AGENT_STEPS,
    MOST_TRIALS,
    SIZES,
    Runs,
    Series,
    cell,
    scaling,
    spaced,
)
from crl_envs.bench.score.statistics import Interval, moving_mean
from crl_envs.bounds import all_right, local_success, local_trials
from tests.bench.papers.reproduced import reproduced
from tests.bench.papers.reproduced import section as made

BY_LABEL = {curve.label: curve for curve in CURVES}


def play(curve, n, trials, runs, seed):
    """What a curve's runs give, made in this process."""
    return curve.series(n, trials, curve.case(n, trials, runs, seed).make())


def test_the_local_curve_follows_the_exact_law():
    """40 runs × 500 agents: the mean P has a standard error of at most .0071; five of them, a false alarm of 6e-7."""
    curve = BY_LABEL[LOCAL_BANDIT]
    series = play(curve, 500, 12, 40, 3)
    law = [2 * local_success(int(m)) - 1 for m in series.trials]
    np.testing.assert_allclose(series.values.mean(axis=0), law, atol=5 / math.sqrt(20_000))


def test_all_are_right_as_often_as_the_exact_law_says():
    """400 runs: a share's standard error is at most .025; five of them, a false alarm of 6e-7 a point."""
    curve = BY_LABEL[ALL_RIGHT]
    series = play(curve, 20, 16, 400, 5)
    law = [all_right(20, int(m)) for m in series.trials]
    np.testing.assert_allclose(series.values.mean(axis=0), law, atol=0.125)
    assert abs(series.time(series.values) - local_trials(20)) <= 2


def test_the_gradient_is_scored_by_its_policy():
    """Before it has moved, P is 0 exactly; a greedy read-out of equal logits would be ±1 for each agent."""
    curve = replace(BY_LABEL["global, gradient"], spec=learner("reinforce", learning_rate=1e-9))
    series = play(curve, 5, 16, 3, 0)
    np.testing.assert_allclose(series.values, 0, atol=1e-7)


@pytest.mark.parametrize("credit", ["local", "global", "own"])
def test_sysadmin_is_learnt_as_in_figure_3(credit):
    curve = BY_LABEL[f"REINFORCE, {credit}"]
    series = play(curve, 10, 30, 3, 2)
    spec = learner("reinforce", credit=credit, learning_rate=3.0)  # Figure 3's
    same = curves_case(spec, {"n_agents": 10}, 31, 2, 3).make().arrays["curves"]
    np.testing.assert_allclose(series.values, moving_mean(same, WINDOW), rtol=1e-6)
    assert 0.7 < series.level < 0.9


def test_a_time_is_the_last_crossing_of_the_mean():
    series = Series(np.array([1.0, 2, 4, 8]), np.array([[0.0, 1, 0, 1], [0.0, 1, 0, 0.5]]), 0.5)
    assert series.time(series.values) == pytest.approx(4 + 4 * 0.5 / 0.75)
    assert series.time(series.values[:, :3]) == math.inf


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.label)
def test_budgets_are_kept_and_leave_no_hole(curve):
    given = [curve.budget(n) for n in SIZES]
    horizon = 20 if "REINFORCE" in curve.label else 1
    for n, m in zip(SIZES, given, strict=True):
        assert m <= min(curve.limit(n), MOST_TRIALS)
        assert m * n * horizon <= MOST_AGENT_STEPS
    run = [n for n, m in zip(SIZES, given, strict=True) if m]
    assert run == list(SIZES[: len(run)])
    assert len(run) >= 4


def test_local_learners_go_to_100_000_agents():
    assert all(
        BY_LABEL[label].budget(100_000) for label in (LOCAL_BANDIT, ALL_RIGHT, "REINFORCE, local")
    )


def test_runs_fall_with_the_number_of_agents():
    runs = Runs(300, 0, 10)
    assert [runs(10, n) for n in (10, 30, 100, 300, 1000, 100_000)] == [100, 100, 30, 10, 3, 2]
    assert Runs(100, 0, 1)(10, 10) == 10
    assert Runs(1000, 2, 30)(10, 100_000) == 20


def test_read_outs_are_close_together():
    found = spaced(30, 1000)
    assert (found[0], found[-1]) == (30, 1000)
    assert all(a < b <= 1.1 * a for a, b in pairwise(found))
    assert spaced(1, 9) == list(range(1, 10))


def test_what_did_not_arrive_is_marked_and_left_out_of_the_fit():
    """Least squares gets three trials an agent with 60 agents, with which P is about .7."""
    squares = BY_LABEL["global, least squares"]
    cut = replace(squares, limit=lambda n: 200 if n < 60 else 181)
    section = made(scaling((cut,), (10, 20, 60)), 2)
    numbers = section.numbers["bandit/global, least squares"]
    assert numbers["fitted_to"] == (10, 20)
    assert numbers["censored"] == (60,)
    assert numbers["trials"][60] == "> 181"
    assert "> 181" in section.table.markdown()
    rows = list(csv.DictReader(io.StringIO(section.csv)))
    assert [(row["n"], row["trials"]) for row in rows if row["censored"] == "1"] == [
        ("60", "> 181")
    ]
    assert cell(None) == "not run"
    assert section.picture.startswith(b"\x89PNG")
    with_all = made(scaling((cut,), (10, 20)), 2)
    assert with_all.numbers["bandit/global, least squares"]["exponent"] == numbers["exponent"]


def test_a_small_section_leaves_its_files(tmp_path, monkeypatch):
    curves = [BY_LABEL[x] for x in (LOCAL_BANDIT, ALL_RIGHT, "REINFORCE, global")]
    monkeypatch.setitem(bagnell_ng.FIGURES, "scaling", scaling(curves, (8, 10)))
    reproduced("scaling", tmp_path, seeds=2)
    text = (tmp_path / "report.md").read_text()
    assert "Exponents of n" in text
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scaling.csv").read_text())))
    assert {row["curve"] for row in rows} == {curve.label for curve in curves}
    assert {row["problem"] for row in rows} == {"bandit", "SYSADMIN"}


def test_the_same_plan_gives_the_same_section():
    curves = (BY_LABEL[LOCAL_BANDIT],)
    first, second = (made(scaling(curves, (10, 20)), 2, 7) for _ in range(2))
    assert first.csv == second.csv
    assert first.verdict == second.verdict


def test_the_exponent_stands_in_the_verdict():
    section = made(scaling((BY_LABEL[LOCAL_BANDIT],), (50, 100, 200)), 2)
    found = section.numbers[f"bandit/{LOCAL_BANDIT}"]["exponent"]
    assert isinstance(found, Interval)
    assert f"{found.value:.2f}" in section.verdict
    assert abs(found.value) < 0.5
