"""Figure 2: what is measured of the bandit's learners, and what is said about it."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from crl_envs.bench.figure import Extent
from crl_envs.bench.papers.bagnell_ng import figure_2
from crl_envs.bench.papers.bagnell_ng.figure_2 import (
    LEVEL,
    LOCAL,
    METHODS,
    RIGHT_METHODS,
    SQUARES,
    left_verdict,
    performance,
    right_verdict,
    trials_for,
)
from crl_envs.bench.papers.bagnell_ng.learning import read_out_cases
from crl_envs.bench.score.statistics import Interval, reach
from crl_envs.bounds import least_squares_trials, local_success
from tests.bench.papers.reproduced import reproduced


def played(method, n, trials, runs, seed):
    """P of some runs, made in this process."""
    cases = read_out_cases(method.spec, n, trials, Extent(runs, seed))
    return performance([case.make() for case in cases])


def test_performance_is_that_of_the_exact_law():
    """5 runs × 4,000 agents at m = 5: a share has the standard error .0023; five of them, a false alarm of 6e-7."""
    found = played(LOCAL, 4000, (1, 5), 5, 0)
    assert found.shape == (5, 2)
    exact = [2 * local_success(m) - 1 for m in (1, 5)]
    np.testing.assert_allclose(found.mean(axis=0), exact, atol=5 * 2 * 0.5 / np.sqrt(20_000))


def test_reading_out_doesnt_change_what_is_learnt():
    often = played(SQUARES, 20, (10, 30, 60), 2, 4)
    once = played(SQUARES, 20, (60,), 2, 4)
    np.testing.assert_array_equal(often[:, -1], once[:, 0])


def test_a_level_is_reached_at_its_last_crossing():
    values = np.array([[0.0, 0.8, 0.2, 1.0]] * 3)
    assert reach(values, (10, 20, 40, 80), 0.6) == pytest.approx(60)
    assert reach(values, (10, 20, 40, 80), 1.1) == np.inf


def test_trials_surround_the_number_of_agents():
    assert {90, 100, 110} <= set(trials_for(SQUARES, 100))
    assert trials_for(LOCAL, 100) == trials_for(LOCAL, 10)
    assert trials_for(SQUARES, 1)[0] == 1


def test_the_readings_of_a_quarter():
    """Each is a level of P = (U − ½) / .3; in theory only the last takes what the paper's axis shows."""
    for level, u in ((1 / 3, 0.75 * 0.8), (0.25, 0.5 + 0.3 / 4)):
        assert level in figure_2.READINGS
        assert (u - 0.5) / 0.3 == pytest.approx(level)
    theory = [least_squares_trials(400, level) for level in figure_2.READINGS]
    assert [round(m) for m in theory] == [472, 532, 904, 1341, 2324]
    assert [m > figure_2.PAPER_AXIS / 2 for m in theory] == [False, False, False, True, True]


def test_the_verdicts_follow_the_numbers(monkeypatch):
    monkeypatch.setattr(figure_2, "LEFT_SIZES", (5,))
    monkeypatch.setattr(figure_2, "LEFT_TRIALS", (1, 3))
    found = {(m.label, 5): np.array([[0.0, 1.0]] * 2) for m in METHODS}
    found[SQUARES.label, 5] = np.zeros((2, 2))
    said = left_verdict(found)
    assert "local 3" in said
    assert "least squares –" in said
    sizes = (figure_2.RIGHT_SIZES[0], figure_2.RIGHT_SIZES[-1])
    needed = {(m.label, n): {LEVEL: Interval(n, n, n)} for m in RIGHT_METHODS for n in sizes}
    assert f"local {sizes[0]} → {sizes[1]}" in right_verdict(needed)


@pytest.mark.parametrize("name", ["fig2-left", "fig2-right"])
def test_a_small_figure_leaves_its_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr(figure_2, "LEFT_SIZES", (6, 8))
    for times in ("LEFT_TRIALS", "SHOWN"):
        monkeypatch.setattr(figure_2, times, (1, 10, 100))
    monkeypatch.setattr(figure_2, "RIGHT_SIZES", (4, 6))
    reproduced(name, tmp_path, seeds=2)
    text = (tmp_path / "report.md").read_text()
    assert "Learning from local and from global rewards" in text
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text())))
    assert {row["method"] for row in rows} >= {LOCAL.label, SQUARES.label}
