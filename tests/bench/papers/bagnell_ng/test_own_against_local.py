"""Own against local rewards."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import crl_envs
from crl_envs.bench.figure import Extent
from crl_envs.bench.learners import find_learner
from crl_envs.bench.papers import bagnell_ng
from crl_envs.bench.papers.bagnell_ng.variants import (
    CREDITS,
    LAST,
    SETTINGS,
    Learnt,
    Setting,
    credit_case,
    credits_verdict,
    drawn,
    gap,
    learnt,
    own_against_local,
    reboots_by_state,
)
from crl_envs.bench.score.statistics import Interval
from crl_envs.core import Optimum
from tests.bench.papers.reproduced import reproduced

VARIANT = Setting("ring-bidirectional", "neighborhood", 5)
DEFAULT = Setting("ring", "own", 5)


def learn(setting, credit, iterations, runs):
    """What one credit gives, learnt in this process."""
    return learnt(credit_case(setting, credit, iterations, Extent(runs, 0)).make())


@pytest.mark.parametrize("row", range(8))
def test_reboots_are_read_by_what_machines_see(row):
    """A table that reboots in one row only: who then does is in the state that the row is read as."""
    vec = crl_envs.make_vec(
        "crl/sysadmin-v0",
        num_envs=32,
        n_agents=5,
        dynamics="ring-bidirectional",
        observe="neighborhood",
    )
    observations, _ = vec.reset(seed=0)
    up = vec.state()[:, :5].astype(int)
    beside = np.roll(up, 1, axis=1) + np.roll(up, -1, axis=1)
    learner = find_learner("reinforce")(vec, seed=0)
    learner.theta[:] = -50
    learner.theta[:, row] = 50
    actions = learner.act(observations, deterministic=True).astype(bool)
    rebooted = {
        (int(own), int(others)) for own, others in zip(up[actions], beside[actions], strict=True)
    }
    table = np.zeros((5, 8, 2, 1))
    table[:, row, 1] = 1
    read = reboots_by_state(table)
    assert rebooted == {state for state, chance in read.items() if chance > 0}


def test_learning_starts_at_random_and_its_reboots_are_all_the_same():
    found = learn(VARIANT, "own", 1, 3)
    assert found.curves.shape == (3, 1)
    assert set(found.reboots) == {(own, up) for own in (0, 1) for up in (0, 1, 2)}
    assert all(chance == pytest.approx(0.5) for chance in found.reboots.values())
    assert learn(DEFAULT, "own", 1, 2).reboots == {}


@pytest.mark.slow
def test_own_rewards_fall_behind_where_neighbours_matter():
    """Eight runs of 1,200 iterations: the gap is about .03 with a standard deviation of .01."""
    found = {(VARIANT, x): learn(VARIANT, x, 1200, 8) for x in CREDITS[:2]}
    assert gap(found, VARIANT).low > 0
    own, local = (found[VARIANT, credit].reboots for credit in CREDITS[:2])
    assert own[1, 1] < 0.2 < local[1, 1]  # up, one neighbour down: only the neighbour profits


def test_the_final_reward_is_over_the_last_iterations():
    curves = np.zeros((2, LAST + 50))
    curves[:, -LAST:] = [[1.0], [3.0]]
    np.testing.assert_array_equal(Learnt(curves, {}).final, [1, 3])


def test_the_verdict_follows_the_gaps():
    found = {(VARIANT, "own"): Learnt(np.full((2, 5), 0.7), {})}
    optima = {VARIANT: Optimum(17.0, "exact", "", 17.0), DEFAULT: Optimum(17.0, "exact", "", 17.0)}
    said = credits_verdict({VARIANT: Interval(0.1, 0.05, 0.15)}, optima, found)
    assert "0.100 [0.050, 0.150] a step lower, at 0.700 of at most 0.850" in said
    assert "no lower" in credits_verdict({DEFAULT: Interval(0.0, -0.1, 0.1)}, optima, found)
    both = credits_verdict(
        {VARIANT: Interval(0.1, 0.05, 0.15), DEFAULT: Interval(-0.1, -0.2, -0.05)}, optima, found
    )
    assert f"higher in {DEFAULT} (0.100)" in both


def test_the_picture_shows_the_variant_and_the_default():
    assert drawn(SETTINGS) == (*SETTINGS[:2], Setting("ring", "own", 10))
    assert drawn((VARIANT,)) == (VARIANT,)


def test_a_small_section_leaves_its_files(tmp_path, monkeypatch):
    figure = own_against_local((VARIANT, DEFAULT), 30)
    monkeypatch.setitem(bagnell_ng.FIGURES, "own-against-local", figure)
    reproduced("own-against-local", tmp_path, seeds=2)
    text = (tmp_path / "report.md").read_text()
    assert "P(reboot)" in text
    assert (tmp_path / "own-against-local.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "own-against-local.csv").read_text())))
    assert {row["credit"] for row in rows} == set(CREDITS)
    assert {row["dynamics"] for row in rows} == {"ring", "ring-bidirectional"}
