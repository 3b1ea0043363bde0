"""Decompose, then learn locally: what is measured, and what is said about it."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from crl_envs.bench.figure import Extent
from crl_envs.bench.papers.bagnell_ng import variants as section
from crl_envs.bench.papers.bagnell_ng.learning import iterations_to
from crl_envs.bench.papers.bagnell_ng.variants import (
    DECOMPOSED,
    DECOMPOSED_REWARDS,
    GLOBAL,
    LOCAL,
    METHODS,
    NOISY_METHODS,
    Condition,
    decomposed_cases,
    decomposed_verdict,
)
from crl_envs.bench.score.statistics import Interval
from tests.bench.papers.reproduced import section as made_of


def learn(method, n, scale):
    """Curves of 20 runs, learnt in this process."""
    (case,) = decomposed_cases(Extent(20, 3))[Condition(method.label, n, scale)]
    return case.make().arrays["curves"]


def test_curves_are_of_the_true_reward_whatever_noise_is_given(monkeypatch):
    """Two updates at the most: policies are still random, .44 a step; 20 runs × 20 steps × 20 agents."""
    monkeypatch.setattr(section.Method, "iterations", lambda self, n, scale: 1)
    for method in METHODS:
        curves = learn(method, 20, 0.0)
        assert curves.shape == (20, 2)
        # A run's mean has a standard deviation of .04 or less: five standard errors, false alarm 6e-7 each.
        assert curves[:, 0].mean() == pytest.approx(0.4377, abs=5 * 0.04 / math.sqrt(20))
    noisy = learn(GLOBAL, 20, 0.3)
    np.testing.assert_array_equal(noisy[:, 0], learn(GLOBAL, 20, 0.0)[:, 0])


def test_runs_are_longer_under_more_noise():
    assert LOCAL.iterations(10, 0.0) == LOCAL.iterations(200, 0.0)
    for method in NOISY_METHODS:
        lengths = [method.iterations(section.NOISE_SIZE, scale) for scale in section.SCALES]
        assert lengths == sorted(lengths)
        assert lengths[-1] == method.longest
        assert lengths[0] == method.iterations(section.NOISE_SIZE, 0.0)


def test_a_level_is_reached_by_the_moving_mean_of_the_mean():
    curves = np.repeat([np.linspace(0, 1, 101)], 3, axis=0)
    assert iterations_to(0.5, curves) == pytest.approx(50)
    assert iterations_to(1.5, curves) == math.inf


def test_the_verdict_follows_the_numbers():
    reached = {
        Condition(m.label, n, 0.0): Interval(n, n, n) for m in METHODS for n in section.SIZES
    }
    for scale in section.SCALES[1:]:
        reached[Condition(DECOMPOSED.label, section.NOISE_SIZE, scale)] = Interval(70, 60, 80)
        reached[Condition(GLOBAL.label, section.NOISE_SIZE, scale)] = Interval(
            math.inf, 9, math.inf
        )
    said = decomposed_verdict(reached)
    assert "local 10 → 200" in said
    assert "decomposed 20 → 70 → 70" in said
    assert "global 20 → – → –" in said


def test_a_small_section_has_all_its_parts(monkeypatch):
    monkeypatch.setattr(section, "SIZES", (4, 6))
    monkeypatch.setattr(section, "gain_level", lambda n: 0.7)
    monkeypatch.setattr(section, "NOISE_SIZE", 4)
    monkeypatch.setattr(section, "SCALES", (0.0, 0.1))
    monkeypatch.setattr(section.Method, "iterations", lambda self, n, scale: 90)
    made = made_of(DECOMPOSED_REWARDS, 2)
    assert made.picture.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert len(rows) == 3 * 2 + 2
    assert {row["learner"] for row in rows} == {m.label for m in METHODS}
    assert made.table.rows[-1][0] == "n = 4, noise 0.1"
    assert made.table.rows[-1][1] == ""  # nobody adds noise to local rewards
    local = made.numbers["local/4/0"]
    assert 0 < local.value < 90
    assert made.verdict in decomposed_verdict(
        {
            Condition(r["learner"], int(r["n"]), float(r["noise"])): Interval(
                *(float(r[k]) for k in ("iterations", "low", "high"))
            )
            for r in rows
        }
    )
