import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from crl_envs.bench import learners, text
from crl_envs.bench.learners import (
    find_learner,
    installed_learners,
    learner_spec,
    missing_libraries,
)


def offer(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    offered = EntryPoints(EntryPoint(name, value, learners.GROUP) for name, value in values.items())
    monkeypatch.setattr(learners, "entry_points", offered.select)


def test_finds_a_class_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, reinforce="collections:Counter", other="missing:Thing")
    assert find_learner("reinforce").__name__ == "Counter"
    assert set(installed_learners()) == {"reinforce", "other"}


def test_says_that_the_distribution_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch)
    with pytest.raises(ValueError, match="distribution crl-envs isn't installed"):
        find_learner("reinforce")


def test_suggests_near_names(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, reinforce="collections:Counter")
    with pytest.raises(ValueError, match="did you mean 'reinforce'"):
        find_learner("reinforced")


MEDDLING = """
import os, sys
import crl_envs.bench.text
crl_envs.bench.text.DIGITS = 2
sys.setrecursionlimit(123)
os.umask(0o777)
print("hello")
class Learner: ...
"""


def test_what_a_module_does_when_it_is_imported_stays_out_of_the_scoring_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meddling_learners.py").write_text(MEDDLING)
    (tmp_path / "ending_learners.py").write_text("import os; os._exit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.getrecursionlimit(), text.DIGITS
    assert missing_libraries([learner_spec("meddling_learners:Learner")]) == {}
    assert (sys.getrecursionlimit(), text.DIGITS) == before
    assert "meddling_learners" not in sys.modules
    with pytest.raises(ValueError, match="'ending_learners:Learner' can't be imported: it ended"):
        missing_libraries([learner_spec("ending_learners:Learner")])
