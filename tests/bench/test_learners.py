from importlib.metadata import EntryPoint, EntryPoints

import pytest

from crl_envs.bench import learners
from crl_envs.bench.learners import find_learner, installed_learners


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
