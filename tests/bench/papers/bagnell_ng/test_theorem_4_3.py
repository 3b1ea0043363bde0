"""Theorem 4.3's section, on few agents."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest

from crl_envs.bench.figure import Section
from crl_envs.bench.papers.bagnell_ng.theorem_4_3 import (
    Sizes,
    bounds_at,
    missed,
    reach_down,
    theorem_4_3,
)
from crl_envs.factored import OWN_STATE, TablePolicy, evaluate
from crl_envs.sysadmin import SysadminProblem
from tests.bench.papers.reproduced import section as made

SIZES = Sizes(local=(4, 8), trials=(1, 20), global_=(8, 24), shares=(0.04, 1.0), errors=(5, 40))


@pytest.fixture(scope="module")
def section() -> Section:
    return made(theorem_4_3(SIZES), 3)


def test_gaps_close(section: Section) -> None:
    """After 20 trials the best policy of the class is found: it differs from others by far more than the noise."""
    rows = list(csv.DictReader(io.StringIO(section.csv)))
    assert len(rows) == 2 * 2 * 2 * 3
    late = [row for row in rows if row["rewards"] == "local" and row["trials"] == "20"]
    assert [float(row["gap"]) for row in late] == [0.0] * 6
    assert [float(row["wrong"]) for row in late] == [0.0] * 6
    for row in rows:
        assert (float(row["wrong"]) == 0) == (float(row["gap"]) == 0)


def test_errors_shrink(section: Section) -> None:
    for found in section.numbers["largest error"].values():
        assert found[40].value < found[5].value <= 1


def test_same_seeds_same_section(section: Section) -> None:
    few = replace(SIZES, local=(4,), global_=(8,))
    one, again, other = (made(theorem_4_3(few), 3, seed) for seed in (0, 0, 7))
    assert again.csv == one.csv
    assert again.verdict == one.verdict
    assert other.numbers["largest error"][4] != one.numbers["largest error"][4]
    assert "global,24,0,1,0," not in section.csv  # one trial isn't enough


def test_missed_is_the_difference_of_utilities() -> None:
    """5,000 agents × episodes on common chance events: within 4 standard errors, about 0.01 a step."""
    model = SysadminProblem(n_agents=4).factored_model()
    best = TablePolicy(OWN_STATE, OWN_STATE.scopes(model), np.tile(np.uint8([1, 0]), 4))
    lazy = TablePolicy(OWN_STATE, OWN_STATE.scopes(model), np.array([1, 0] * 3 + [0, 0], np.uint8))
    exact = (evaluate(model, best) - evaluate(model, lazy)) / model.horizon
    assert exact > 0.05
    assert missed(model, best, lazy, 3) == pytest.approx(exact, abs=0.005)
    assert missed(model, best, best, 3) == 0


def test_reach_down() -> None:
    curves = np.array([[4.0, 2.0, 1.0, 3.0, 0.0]])
    assert reach_down(curves, (1, 2, 4, 8, 16), 1.5) == 12
    assert reach_down(curves, (1, 2, 4, 8, 16), 5.0) == 1
    assert math.isinf(reach_down(curves[:, :-1], (1, 2, 4, 8), 1.5))


def test_bounds_grow_with_the_logarithm() -> None:
    lemma = [bounds_at(n)["lemma 4.2"] for n in (100, 1000, 10000)]
    assert lemma[2] - lemma[1] == pytest.approx(lemma[1] - lemma[0], rel=0.01)
