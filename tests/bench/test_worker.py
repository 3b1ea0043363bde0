"""One run: what is learnt from, what is measured, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import Reinforce
from crl_envs.bench import worker
from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import evaluate, evaluation_seed
from crl_envs.bench.experiment import Task
from crl_envs.bench.store import Record, Store, StoreError
from crl_envs.bench.worker import play
from tests.bench import learners_for_tests
from tests.bench.sweeps import run_id, small, spec


class Killed(BaseException):
    pass


def plain(record: Record) -> Record:
    """Without what depends on the machine and the hour."""
    return replace(record, provenance={})


def played(folder: Path, name: str, experiment: Any = None, **config: Any) -> Record:
    learner = spec(name, **config)
    return play(experiment or small(), learner, run_id(learner), Store(folder))


LOAD = Task("crl/load_balancing-v0", {"n_agents": 6, "n_loads": 8})
FILLINGS = {"unit": "episodes", "task": lambda n: LOAD, "budget": lambda n: 4, "first": 1}


@pytest.mark.parametrize("name", ["reinforce", "model-based", "random", "Uniform", "Counting"])
def test_evaluations_come_at_the_budgets(tmp_path: Path, name: str) -> None:
    record = played(tmp_path, name)
    assert record.status == "done"
    assert [e.budget for e in record.evaluations] == [10, 18, 32, 56, 100]
    for e in record.evaluations:
        assert e.env_steps == -(-e.budget // 5) * 5  # whole episodes of five steps
        assert e.agent_steps == 3 * e.env_steps
        assert 0 <= e.global_return <= 5
        assert e.local_return == pytest.approx(e.global_return)
        assert (e.episodes, e.illegal_actions) == (3, 0)
    assert Store(tmp_path).records() == ([record], [])
    assert not [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]


def test_a_record_has_the_versions_that_matter(tmp_path: Path) -> None:
    """Those that the learner names, where they are installed, beside those of all runs."""
    usual = played(tmp_path, "Uniform").provenance["versions"]
    named = played(tmp_path, "Versioned").provenance
    assert set(named["versions"]) - set(usual) == {"typer"}
    assert named["learner"]["packages"] == ["typer", "not-there-at-all"]


def test_a_shipped_learner_learns_as_it_does_alone(tmp_path: Path, monkeypatch: Any) -> None:
    """The bench changes nothing about what is learnt: the policy is that of one call of `learn`."""
    made: list[Any] = []

    class Noted(Reinforce):
        def __init__(self, env: Any, **config: Any) -> None:
            super().__init__(env, **config)
            made.append(self)

    monkeypatch.setattr(worker.LearnerSpec, "load", lambda self: Noted)
    played(tmp_path, "reinforce", credit="own")
    alone = Reinforce(
        crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=5), credit="own", seed=0
    ).learn(total_steps=100)
    np.testing.assert_array_equal(made[-1].theta, alone.theta)


@pytest.mark.parametrize("name", ["reinforce", "model-based", "random", "Counting", "Uniform"])
@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_killed_and_resumed_is_undisturbed(
    tmp_path: Path, monkeypatch: Any, name: str, at: int, noise: float
) -> None:
    """Killed while an evaluation is in progress; only that one is lost where the learner can go on."""
    experiment = small(task=lambda n: Task("crl/sysadmin-v0", {"n_agents": n, "horizon": 5}, noise))
    whole = played(tmp_path / "whole", name, experiment)
    evaluations: list[int] = []
    monkeypatch.setattr(worker, "WRITE_EVERY", 0.0)

    def killing(*args: Any) -> Any:
        evaluations.append(1)
        if len(evaluations) == at:
            raise Killed
        return evaluate(*args)

    monkeypatch.setattr(worker, "evaluate", killing)
    with pytest.raises(Killed):
        played(tmp_path / "killed", name, experiment)
    monkeypatch.setattr(worker, "evaluate", evaluate)
    left, _ = Store(tmp_path / "killed").read(whole.id)
    assert left is not None
    assert (left.status, len(left.evaluations)) == ("running", at - 1)
    assert left.provenance["seed"] == 0
    assert plain(played(tmp_path / "killed", name, experiment)) == plain(whole)
    assert not [path for path in (tmp_path / "killed/checkpoints").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["Counting", "Uniform"])
@pytest.mark.parametrize("every", [0.0, 1000.0])
def test_what_was_evaluated_before_a_failure_is_kept(
    tmp_path: Path, monkeypatch: Any, name: str, every: float
) -> None:
    """However seldom records are written; without a checkpoint the run begins anew, and all is as before."""
    whole = played(tmp_path / "whole", name)
    monkeypatch.setattr(worker, "WRITE_EVERY", every)
    count = iter(range(10))
    monkeypatch.setattr(
        worker, "evaluate", lambda *args: evaluate(*args) if next(count) < 3 else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        played(tmp_path / "failed", name)
    left, _ = Store(tmp_path / "failed").read(whole.id)
    assert left is not None
    assert left.evaluations == whole.evaluations[:3]
    assert (left.checkpoint is not None) == (name == "Counting" and every == 0)
    monkeypatch.setattr(worker, "evaluate", evaluate)
    assert plain(played(tmp_path / "failed", name)) == plain(whole)


def test_a_checkpoint_of_another_learner_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Nor of the same one with other settings, under the same id."""
    monkeypatch.setattr(worker, "WRITE_EVERY", 0.0)
    one, other = spec("reinforce", credit="own"), spec("reinforce", credit="local")
    whole = play(small(), other, run_id(other), Store(tmp_path / "whole"))
    count = iter(range(10))
    monkeypatch.setattr(
        worker, "evaluate", lambda *args: evaluate(*args) if next(count) < 3 else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        play(small(), one, run_id(one), Store(tmp_path))
    monkeypatch.setattr(worker, "evaluate", evaluate)
    found = play(small(), other, run_id(other), Store(tmp_path))
    assert found.evaluations == whole.evaluations
    assert "its learner is" in found.provenance["begun_anew"]


def test_episodes_that_are_learnt_from_are_measured(tmp_path: Path) -> None:
    """A learner that measures itself, compiled or not, and one that is measured, agree with the environment."""
    experiment = small(**FILLINGS, compiled=True)
    record = played(tmp_path, "shortest-queue", experiment)
    assert [e.budget for e in record.evaluations] == [1, 2, 3, 4]
    assert [e.episodes for e in record.evaluations] == [1, 1, 1, 1]
    measured = played(tmp_path, "Uniform", experiment)
    assert [e.budget for e in measured.evaluations] == [1, 2, 3, 4]
    assert all(e.global_return < 0 for e in measured.evaluations)
    assert all(0 < e.illegal_actions < 1 for e in measured.evaluations)  # type: ignore[operator]


def test_what_is_measured_is_what_the_learner_says(tmp_path: Path, monkeypatch: Any) -> None:
    """History and wrapper find the same returns for the same play."""
    experiment = small(**FILLINGS)
    said = played(tmp_path / "said", "random", replace(experiment, compiled=True))

    class Unmeasured:
        def __init__(self, env: Any, seed: int) -> None:
            from agents import RandomPolicy

            self.learner = RandomPolicy(env, seed=seed)

        def learn(self, total_steps: int) -> None:
            self.learner.learn(total_steps=total_steps)

        def act(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("the episodes that are learnt from are measured")

    monkeypatch.setattr(worker.LearnerSpec, "load", lambda self: Unmeasured)
    found = played(tmp_path / "found", "random", experiment)
    assert [e.env_steps for e in found.evaluations] == [e.env_steps for e in said.evaluations]
    for ours, theirs in zip(found.evaluations, said.evaluations, strict=True):
        assert ours.global_return == pytest.approx(theirs.global_return, rel=1e-12)
        assert ours.local_return == pytest.approx(theirs.local_return, rel=1e-12)


def test_a_learner_of_the_team_is_given_its_reward(tmp_path: Path) -> None:
    learners_for_tests.Team.rewards = []
    played(tmp_path, "Team")
    assert learners_for_tests.Team.rewards
    for rewards in learners_for_tests.Team.rewards:
        assert len(set(rewards.values())) == 1


def test_a_learner_of_its_neighborhood_is_given_that_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three machines on the ring one is up, or two."""
    monkeypatch.setattr(learners_for_tests.Team, "trains_on", "neighborhood")
    learners_for_tests.Team.rewards = []
    played(tmp_path, "Team", small(task=lambda n: Task("crl/sysadmin-v0", {"n_agents": 7})))
    assert {
        round(3 * reward, 9) for each in learners_for_tests.Team.rewards for reward in each.values()
    } >= {1.0, 2.0}


def test_evaluation_is_without_noise_and_leaves_learning_alone() -> None:
    task = Task("crl/sysadmin-v0", {"n_agents": 4, "horizon": 5})
    learner = Reinforce(task.make_vec(1), seed=1)
    found = evaluate(replace(task, reward_noise=100.0), learner, Traits(Reinforce), 50, 3)
    assert 0 <= found.global_return <= 5
    assert (learner.episodes, learner.env_steps.tolist()) == (0, [0])


def test_evaluations_have_seeds_of_their_own() -> None:
    seeds = {evaluation_seed(seed, budget) for seed in range(50) for budget in range(50)}
    assert len(seeds) == 2500
    assert all(1000 < seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Crashing", "as it was told to"),
        ("Idle", "took no step"),
        ("Odd", "action of agent_0 must be in Discrete"),
        ("NotANumber", "action of agent_0 must be in Discrete"),
    ],
)
def test_what_a_learner_does_wrong_is_named(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        played(tmp_path, name)


def test_a_learner_that_finds_nan(tmp_path: Path, monkeypatch: Any) -> None:
    found = evaluate
    monkeypatch.setattr(
        worker, "evaluate", lambda *args: found(*args)._replace(global_return=float("nan"))
    )
    with pytest.raises(ValueError, match="global_return is nan after 10 env steps"):
        played(tmp_path, "random")
    (left,), _ = Store(tmp_path).records()
    assert (left.status, left.evaluations) == ("running", ())


def test_forbidden_actions_are_counted(tmp_path: Path) -> None:
    short = Task(LOAD.env_id, {**LOAD.env_kwargs, "max_steps": 20})
    experiment = small(task=lambda n: short, episodes=1, budget=lambda n: 10)
    assert played(tmp_path, "Forbidden", experiment).evaluations[0].illegal_actions > 0.1  # type: ignore[operator]


def test_a_full_disk_is_not_the_learners_fault(tmp_path: Path, monkeypatch: Any) -> None:
    def full(path: Path, content: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crl_envs.bench.store.write_atomically", full)
    with pytest.raises(StoreError, match=r"seed=00.json can't be written: No space left on device"):
        played(tmp_path, "random")


def test_a_damaged_checkpoint_is_set_aside(tmp_path: Path, monkeypatch: Any) -> None:
    whole = played(tmp_path / "whole", "reinforce")
    calls: list[int] = []
    monkeypatch.setattr(worker, "WRITE_EVERY", 0.0)

    def killing(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return evaluate(*args)

    monkeypatch.setattr(worker, "evaluate", killing)
    with pytest.raises(Killed):
        played(tmp_path, "reinforce")
    monkeypatch.setattr(worker, "evaluate", evaluate)
    (kept,) = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    again = played(tmp_path, "reinforce")
    assert plain(again) == plain(whole)
    assert "its checksum is wrong" in again.provenance["begun_anew"]
    assert [path.name for path in (tmp_path / "set-aside").rglob("*") if path.is_file()] == [
        f"{kept.name}.0"
    ]
