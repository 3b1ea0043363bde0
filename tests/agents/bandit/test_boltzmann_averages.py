"""Boltzmann averages: the update by hand, the draws' law, and that it is the same in columns and from checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from agents import BoltzmannAverages
from tests.core.toy import TOY
from tests.wrappers.making import make, make_vec


def test_update_by_hand() -> None:
    env = make("crl/bandit-v0", n_agents=3)
    learner = BoltzmannAverages(env, rate=0.25, seed=4)
    kept: list[tuple[Any, Any]] = []
    observe = learner.observe

    def note(frame: Any, actions: Any, transition: Any) -> None:
        kept.append((actions[:, 0].copy(), transition.rewards[:, 0].copy()))
        observe(frame, actions, transition)

    learner.observe = note  # type: ignore[method-assign]
    learner.learn(total_episodes=60)
    for i in range(3):
        q, n = [0.0, 0.0], [0, 0]
        for actions, rewards in kept:
            a = int(actions[i])
            n[a] += 1
            q[a] += max(1 / n[a], 0.25) * (float(rewards[i]) - q[a])
        assert learner.averages[i, 0, :, 0].tolist() == pytest.approx(q)
        assert learner.counts[i, 0, :, 0].tolist() == n


def test_actions_are_drawn_from_the_softmax() -> None:
    """40,000 draws at a fixed table, chi-square; false alarm 1e-6."""
    vec = make_vec("crl/bar-v0", num_envs=1, n_agents=200, n_nights=3)
    learner = BoltzmannAverages(vec, temperature=0.5, coldest=0.5, seed=3)
    learner.averages[:] = np.array([9.0, 0.1, 0.4, -0.3])[:, None]
    drawn = np.concatenate(
        [learner.act(np.zeros((1, 200), int), action_masks=masks()) for _ in range(200)]
    )
    weights = np.exp(np.array([0.1, 0.4, -0.3]) / 0.5)
    expected = drawn.size * weights / weights.sum()
    found = np.bincount(drawn.ravel(), minlength=4)
    assert found[0] == 0  # illegal
    assert stats.chisquare(found[1:], expected).pvalue > 1e-6
    greedy = learner.act(np.zeros((1, 200), int), deterministic=True, action_masks=masks())
    assert (greedy == 2).all()


def masks() -> Any:
    return np.tile(np.array([0, 1, 1, 1], np.int8), (1, 200, 1))


def test_temperature_falls_to_the_coldest() -> None:
    learner = BoltzmannAverages(make("crl/bandit-v0"), temperature=2.0, cooling=0.5, coldest=0.3)
    found = []
    for _ in range(5):
        found.append(learner.present_temperature)
        learner.learn(total_episodes=1)
    assert found == [2.0, 1.0, 0.5, 0.3, 0.3]


@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/bar-v0", "crl/sysadmin-v0", TOY])
def test_column_is_the_single_learner(id: str) -> None:
    vec = BoltzmannAverages(make_vec(id, 3, "Disabled", n_agents=4), seed=6).learn(15)
    for b in range(3):
        single = BoltzmannAverages(make(id, n_agents=4), seed=6 + b).learn(total_episodes=15)
        assert vec.averages[..., b].tolist() == single.averages[..., 0].tolist()
        returns = [entry["global_return"][b] for entry in vec.history]
        assert returns == [entry["global_return"] for entry in single.history]


def test_it_solves_the_bandit() -> None:
    vec = make_vec("crl/bandit-v0", num_envs=5, n_agents=100)
    learner = BoltzmannAverages(vec, seed=0).learn(total_episodes=600)
    greedy = learner.act(np.zeros((5, 100), int), deterministic=True)
    assert (greedy == vec.world.correct_action).mean() > 0.97


def test_checkpoint_goes_on(tmp_path: Path) -> None:
    learner = BoltzmannAverages(make("crl/bar-v0", n_agents=9), seed=1).learn(total_episodes=30)
    learner.save(tmp_path / "learner.npz")
    other = BoltzmannAverages.load(tmp_path / "learner.npz", make("crl/bar-v0", n_agents=9))
    for each in (learner, other):
        each.learn(total_episodes=20)
    assert other.averages.tolist() == learner.averages.tolist()


@pytest.mark.parametrize(
    ("name", "bad"),
    [("rate", 0), ("rate", 1.5), ("temperature", 0), ("cooling", 0), ("coldest", 0)],
)
def test_bad_arguments(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        BoltzmannAverages(make("crl/bandit-v0"), **{name: bad})
