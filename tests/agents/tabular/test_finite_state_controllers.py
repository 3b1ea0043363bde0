"""Finite-state controllers: REINFORCE where there is no memory, its gradient where there is, and what memory is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv

from agents import FiniteStateControllers, Reinforce
from crl_envs.wrappers import NoisyObservation
from tests.core.toy import TOY
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ring": (SYSADMIN, {}),
    "neighbourhoods": (SYSADMIN, {"observe": "neighborhood", "topology": "random"}),
    "status-load": (SYSADMIN, {"dynamics": "status-load"}),
    "bandit": ("crl/bandit-v0", {}),
    "toy": (TOY, {}),  # masks, lengths and rewards that differ
}
cases = pytest.mark.parametrize(("id", "kwargs"), CASES.values(), ids=CASES)


class Recall(ParallelEnv):
    """A cue that is seen at the first of two steps, and has to be repeated at the second: 1 for that, else 0."""

    metadata: ClassVar[dict[str, Any]] = {"name": "recall"}

    def __init__(self) -> None:
        self.possible_agents = ["a", "b"]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        return spaces.Discrete(3)

    def action_space(self, agent: str) -> Any:
        return spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.agents, self.t = self.possible_agents[:], 0
        self.cue = dict(zip(self.agents, self.rng.integers(2, size=2).tolist(), strict=True))
        return dict(self.cue), {a: {} for a in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        self.t += 1
        last = self.t == 2
        pay = {a: float(last and actions[a] == self.cue[a]) for a in actions}
        flags = dict.fromkeys(actions, last)
        if last:
            self.agents = []
        return (
            dict.fromkeys(actions, 2),
            pay,
            flags,
            dict.fromkeys(actions, False),
            {a: {} for a in actions},
        )


@cases
def test_one_node_is_reinforce(id: str, kwargs: dict[str, Any]) -> None:
    """Bit for bit, whether it runs compiled or not."""
    made = []
    for kind, more in ((Reinforce, {}), (FiniteStateControllers, {"memory": 1, "spread": 0})):
        env = make_vec(id, num_envs=3, n_agents=5, autoreset_mode="Disabled", **kwargs)
        made.append(kind(env, seed=3, credit="own", **more).learn(total_episodes=12))
    assert made[0].theta.any()
    assert made[0].theta.tolist() == made[1].theta.tolist()
    assert repr(made[0].history) == repr(made[1].history)


@cases
def test_column_is_the_single_learner(id: str, kwargs: dict[str, Any]) -> None:
    config = {"memory": 3, "credit": "own"}
    env = make_vec(id, num_envs=3, n_agents=5, autoreset_mode="Disabled", **kwargs)
    vec = FiniteStateControllers(env, seed=4, **config).learn(total_episodes=8)
    for b in range(3):
        single = FiniteStateControllers(make(id, n_agents=5, **kwargs), seed=4 + b, **config)
        single.learn(total_episodes=8)
        assert vec.theta[..., b].tolist() == single.theta[..., 0].tolist()
        returns = [entry["global_return"][b] for entry in vec.history]
        assert returns == [entry["global_return"] for entry in single.history]


def test_first_logits_are_uniform() -> None:
    """2 · 10 · 4 · 3 · 20 of them within the spread; mean of 4,800, five standard errors: false alarm 6e-7."""
    vec = make_vec(SYSADMIN, num_envs=20, n_agents=20)
    theta = FiniteStateControllers(vec, spread=2.0, seed=1).theta
    assert theta.shape == (20, 4, 3, 20)
    assert abs(theta).max() <= 2.0
    assert abs(theta.mean()) < 5 * 2.0 / np.sqrt(3 * theta.size)
    assert len(np.unique(theta)) > 0.99 * theta.size


def test_update_is_the_gradient_of_the_controller() -> None:
    """The log-probability of what was done and gone to, in numbers: its slope in each logit is the eligibility."""
    env = NoisyObservation(make(SYSADMIN, n_agents=2, horizon=6), 0.5)
    learner = FiniteStateControllers(env, memory=2, credit="own", seed=5, learning_rate=0.7)
    played: list[tuple[Any, Any]] = []
    observe = learner.observe

    def note(frame: Any, actions: Any, transition: Any) -> None:
        played.append((frame.rows[:, 0].copy(), learner._does[:, 0].copy()))
        observe(frame, actions, transition)

    learner.observe = note  # type: ignore[method-assign]
    learner.learn(total_episodes=1)
    before, baseline = learner.theta[..., 0].copy(), learner.baseline[:, 0].copy()
    played.clear()
    learner.learn(total_episodes=1)

    def log_probability(i: int, theta: Any) -> float:
        node, total = 0, 0.0
        for rows, does in played:
            logits = np.append(0.0, theta[node * 2 + rows[i]])
            total += logits[does[i]] - np.log(np.exp(logits).sum())
            node = does[i] % 2
        return total

    moved = learner.theta[..., 0] - before
    rate = 0.7 / 6
    after = learner.baseline[:, 0]
    for i in range(2):
        advantage = (after[i] - baseline[i]) / 0.1
        for o, a in np.ndindex(4, 3):
            step = np.zeros((4, 3))
            step[o, a] = 1e-5
            slope = log_probability(i, before[i] + step) - log_probability(i, before[i] - step)
            assert moved[i, o, a] == pytest.approx(rate * advantage * slope / 2e-5, abs=1e-6)


def test_memory_solves_what_reinforce_cannot() -> None:
    """Without memory nobody does better than ½; seeds are fixed."""
    for kind, low, high in ((Reinforce, 0.3, 0.7), (FiniteStateControllers, 0.9, 1.0)):
        learner = kind(Recall(), credit="own", seed=2, learning_rate=3.0).learn(total_episodes=3000)
        last = np.mean([entry["global_return"] for entry in learner.history[-200:]])
        assert low <= last <= high


def test_acting_begins_in_the_first_node_and_changes_nothing() -> None:
    env = make(SYSADMIN, n_agents=4)
    learner = FiniteStateControllers(env, seed=1).learn(total_episodes=5)
    other = FiniteStateControllers(make(SYSADMIN, n_agents=4), seed=1)
    other.learn(total_episodes=5, step_callback=lambda x: x.act(np.zeros((1, 4), int)))
    assert learner.theta.tolist() == other.theta.tolist()
    seen = dict.fromkeys(env.possible_agents, 1)
    greedy = learner.act(seen, deterministic=True)
    joint = np.insert(learner.theta[:, 1, :, 0], 0, 0.0, axis=1).argmax(axis=1)
    assert list(greedy.values()) == (joint // 2).tolist()
    assert learner.act(np.ones((7, 4), int)).shape == (7, 4)


def test_checkpoint_goes_on(tmp_path: Path) -> None:
    env = make(SYSADMIN, n_agents=4)
    learner = FiniteStateControllers(env, seed=1).learn(total_episodes=5)
    learner.save(tmp_path / "learner.npz")
    other = FiniteStateControllers.load(tmp_path / "learner.npz", make(SYSADMIN, n_agents=4))
    assert other.theta.tolist() == learner.theta.tolist()
    assert other.config == learner.config


@pytest.mark.parametrize(
    ("name", "bad"),
    [("memory", 0), ("memory", 65), ("memory", 1.5), ("spread", -1), ("spread", "x")],
)
def test_bad_arguments(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        FiniteStateControllers(make(SYSADMIN), **{name: bad})


def test_too_large_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="memory must leave a table"):
        FiniteStateControllers(make_vec(SYSADMIN, num_envs=1000, n_agents=100), memory=64)
