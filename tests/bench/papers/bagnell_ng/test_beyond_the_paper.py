"""Planner, controllers, locks and the bar: what is recorded of them, and small reports."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from crl_envs.bench.papers.bagnell_ng import bar, lock, planning
from crl_envs.bench.papers.bagnell_ng.learning import learn
from crl_envs.bench.score.statistics import Interval
from tests.bench.papers.reproduced import reproduced


def test_plans_are_measured_in_the_true_model() -> None:
    spec, _ = planning.PLANNERS["window program"]
    found = planning.planned(spec, 0, 2, n=6, trials=[2, 8]).arrays["rewards"]
    assert found.shape == (2, 2)
    assert (found[:, 1] > 0.8).all() and (found < 0.86).all()


def test_noise_of_observations_makes_learning_harder() -> None:
    spec = planning.CONTROLLERS["2 nodes"]
    env = {"n_agents": 6, "horizon": 20}
    clear, noisy = (
        learn(spec, 0, 3, env=env, episodes=200, observation_noise=noise).arrays["curves"]
        for noise in (0.0, 0.8)
    )
    assert clear[:, -50:].mean() > noisy[:, -50:].mean() + 0.1


def test_verdict_says_where_memory_helps() -> None:
    gains = {
        ("2 nodes", 0.0): Interval(-0.1, -0.2, -0.05),
        ("2 nodes", 0.4): Interval(0.2, 0.1, 0.3),
    }
    said = planning.controllers_verdict(gains)
    assert "higher with 2 nodes at noise 0.4 by 0.200" in said
    assert "lower with 2 nodes at noise 0.0 by 0.100" in said
    nothing = planning.controllers_verdict({("2 nodes", 0.0): Interval(0.0, -0.1, 0.1)})
    assert "no different" in nothing


def test_trials_until_a_lock_opens() -> None:
    """One chain of one machine is open after a trial or two; a longer lock takes random actions longer."""
    needed: dict[tuple[str, int], float] = {}
    for label, spec in lock.LEARNERS.items():
        for length in (1, 4):
            arrays = [
                lock.trials_until_right(
                    spec, seed, 1, n=8, length=length, trials=lock.READ_OUTS[:24]
                ).arrays["trials"]
                for seed in range(3)
            ]
            needed[label, length] = float(np.mean(arrays))
    assert needed["uniform actions", 1] <= 2
    assert needed["uniform actions", 4] > needed["uniform actions", 1]
    assert np.isfinite(needed["factored R-max", 4])
    never = lock.trials_until_right(
        lock.LEARNERS["uniform actions"], 0, 1, n=24, length=12, trials=[1, 2]
    )
    assert never.arrays["trials"].tolist() == [np.inf]


def test_weeks_are_shares_of_the_optimum() -> None:
    for kind in ("own", "team", "difference"):
        shares = bar.weeks(bar.LEARNER, 0, 2, n=20, kind=kind, episodes=200).arrays["shares"]
        assert shares.shape == (2, 2)
        assert (shares > 0.5).all() and (shares <= 1 + 1e-6).all()


@pytest.mark.parametrize("name", ["planner", "controllers", "lock", "bar"])
def test_a_small_figure_leaves_its_files(name: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(planning, "TRIALS", (1, 2))
    small = {label: (spec, (4, 5)) for label, (spec, _) in planning.PLANNERS.items()}
    monkeypatch.setattr(planning, "PLANNERS", small)
    monkeypatch.setattr(planning, "NOISES", (0.0, 0.5))
    monkeypatch.setattr(planning, "AGENTS", 3)
    monkeypatch.setattr(planning, "ITERATIONS", 20)
    monkeypatch.setattr(planning, "LAST", 10)
    monkeypatch.setattr(lock, "LENGTHS", (1, 2, 3))
    monkeypatch.setattr(lock, "AGENTS", 6)
    monkeypatch.setattr(lock, "SIZES", (4, 8))
    monkeypatch.setattr(lock, "LENGTH", 2)
    monkeypatch.setattr(lock, "READ_OUTS", (1, 2, 4, 8, 16))
    monkeypatch.setattr(bar, "SIZES", (9, 5))
    monkeypatch.setattr(bar, "WEEKS", 200)
    monkeypatch.setattr(bar, "SHOWN", (100, 200))
    reproduced(name, tmp_path, seeds=2)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text())))
    assert len(rows) > 4
