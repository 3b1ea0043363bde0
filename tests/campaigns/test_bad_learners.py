"""Sweeps of bad learners and good ones in any order: the good ones' records are those that they have alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crl_envs.bench.engines import local
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.plan import make_plan
from crl_envs.bench.store import Store
from crl_envs.bench.sweep import begin, carry_out
from tests.bench.learners_for_tests import BAD
from tests.campaigns.conftest import Cases

pytestmark = [
    pytest.mark.xdist_group("sweeps"),
    pytest.mark.skipif(os.name != "posix", reason="signals and forks"),
]
GOOD = ["local-means", "random", "reinforce-local", "correlation"]


def _evaluations(folder: Path) -> dict[str, object]:
    records, complaints = Store(folder).records()
    assert complaints == []
    return {str(r.id): (r.status, r.evaluations) for r in records if r.id.learner in GOOD}


def test_any_order(cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIDS_FOR_TESTS", str(tmp_path / "pids"))
    monkeypatch.setattr(local, "_GRACE", 0.5)
    begin(tmp_path / "alone", make_plan(["bandit-n"], GOOD, seeds=1, quick=True))
    carry_out(tmp_path / "alone", LocalEngine(1))
    expected = _evaluations(tmp_path / "alone")
    for k, (rng, seen) in enumerate(cases(6)):
        names = [*BAD.values(), *GOOD]
        rng.shuffle(names)
        folder = tmp_path / str(k)
        begin(folder, make_plan(["bandit-n"], names, seeds=1, quick=True, timeout=2))
        carry_out(folder, LocalEngine(rng.choice([1, 2, 3])))
        assert _evaluations(folder) == expected
        over = Store(folder).records()[0]
        assert all(record.status != "running" for record in over)
        seen["bad learners"] += len(BAD)
        seen["runs"] += len(over)
