"""The window planner: what it counts, that its plan is nearly optimal at any n, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import ModelBased, WindowPlanner
from crl_envs.factored import evaluate
from crl_envs.wrappers import GlobalReward

ID = "crl/sysadmin-v0"
SMALL: dict[str, Any] = {"horizon": 5}
QUICK: dict[str, Any] = {"width": 2, "radius": 2}
each_dynamics = pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional", "ippc2011"])


@each_dynamics
def test_model_is_the_pooled_one(dynamics: str) -> None:
    """The tables of `ModelBased`, added up over machines; with as many trials both have seen the same."""
    arguments = {"n_agents": 6, "dynamics": dynamics, **SMALL}
    planner = WindowPlanner(crl_envs.make(ID, **arguments), trials=30, seed=2, **QUICK)
    model_based = ModelBased(crl_envs.make(ID, **arguments), seed=2)
    planner.learn(total_episodes=30)
    model_based.learn(total_episodes=30)
    counts = model_based.counts
    parents = 1 if dynamics == "ring" else 2
    per_agent = counts.transitions[..., 0].reshape(6, *(2,) * (parents + 1), 2, 2)
    for own, action, then in np.ndindex(2, 2, 2):
        for others in np.ndindex(*(2,) * parents):
            same = [o for o in np.ndindex(*(2,) * parents) if sum(o) == sum(others)]
            expected = sum(per_agent[(slice(None), *o, own, action, then)].sum() for o in same)
            assert planner.counts[own, action, sum(others), then, 0] == expected
    visits, rewards = counts.visits.sum(axis=0)[..., 0], counts.rewards.sum(axis=0)[..., 0]
    assert np.allclose(planner.model().reward, rewards / visits)
    assert planner.starts[0] == counts.starts[:, 1, 0].sum()


@each_dynamics
@pytest.mark.parametrize("n", [4, 8])
def test_plan_is_nearly_optimal(dynamics: str, n: int) -> None:
    """Its exact utility against value iteration's; 400 trials, fixed seed."""
    env = crl_envs.make(ID, n_agents=n, dynamics=dynamics, horizon=8)
    learner = WindowPlanner(env, trials=400, width=3, seed=1).learn(total_episodes=400)
    optimum = env.unwrapped.optimum()
    assert optimum.kind == "exact"
    value = evaluate(env.unwrapped.factored_model(), learner.plan())
    assert optimum.value * 0.998 <= value <= optimum.value + 1e-9


def test_it_earns_what_is_planned() -> None:
    """Random actions first, then the plan: 300 episodes of 12 machines, five standard errors, false alarm 6e-7."""
    env = crl_envs.make(ID, n_agents=8, dynamics="ring-bidirectional", horizon=8)
    learner = WindowPlanner(env, trials=50, width=3, seed=1).learn(total_episodes=350)
    returns = np.array([entry["global_return"] for entry in learner.history])
    expected = evaluate(env.unwrapped.factored_model(), learner.plan())
    exploited = returns[50:]
    assert abs(exploited.mean() - expected) < 5 * exploited.std(ddof=1) / np.sqrt(300)
    assert returns[:50].mean() < exploited.mean() - 1


@each_dynamics
def test_column_is_the_single_learner_also_under_a_team_reward(dynamics: str) -> None:
    arguments = {"n_agents": 5, "dynamics": dynamics, **SMALL}
    vec = WindowPlanner(
        crl_envs.make_vec(ID, num_envs=3, **arguments), trials=3, seed=7, **QUICK
    ).learn(total_episodes=6)
    for b in range(3):
        env = GlobalReward(crl_envs.make(ID, **arguments))
        single = WindowPlanner(env, trials=3, seed=7 + b, **QUICK).learn(total_episodes=6)
        assert vec.counts[..., b].tolist() == single.counts[..., 0].tolist()
        assert vec.rewards[..., b].tolist() == single.rewards[..., 0].tolist()
        assert vec.plan(b).table.tolist() == single.plan().table.tolist()
        returns = [entry["global_return"][b] for entry in vec.history]
        assert returns == [entry["global_return"] for entry in single.history]


def test_act_takes_the_first_steps_plan() -> None:
    env = crl_envs.make(ID, n_agents=5, **SMALL)
    learner = WindowPlanner(env, trials=4, seed=0, **QUICK).learn(total_episodes=4)
    states = np.array([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1]])
    acted = learner.act(states, deterministic=True)
    assert acted.tolist() == learner.plan().act(states.T, 0).T.tolist()
    assert acted[0, [0, 3]].tolist() == [1, 1]
    assert not acted[1].any()
    last = learner.plan().act(states.T, 4)
    assert not last.any()  # nothing pays in the last step
    during: list[Any] = []
    learner.learn(
        total_episodes=1, step_callback=lambda it: during.append(it.act(states, deterministic=True))
    )
    assert np.array(during).tolist() == [acted.tolist()] * 5  # in the middle of an episode, too


def test_an_interrupted_episode_leaves_nothing_behind() -> None:
    def interrupt(learner: Any) -> None:
        if learner.elapsed == 3:
            raise KeyboardInterrupt

    env = crl_envs.make(ID, n_agents=5, start_up=1.0, **SMALL)
    learner = WindowPlanner(env, trials=2, seed=0, **QUICK)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            learner.learn(total_episodes=1, step_callback=interrupt)
    learner.learn(total_episodes=2)
    assert learner.starts.tolist() == [2 * 5]
    assert learner.counts.sum() == 2 * 5 * env.unwrapped.world.horizon
    learner.plan()


def test_checkpoint_goes_on(tmp_path: Path) -> None:
    arguments = {"n_agents": 5, **SMALL}
    learner = WindowPlanner(crl_envs.make(ID, **arguments), trials=4, seed=0, **QUICK)
    learner.learn(total_episodes=4).save(tmp_path / "learner.npz")
    other = WindowPlanner.load(tmp_path / "learner.npz", crl_envs.make(ID, **arguments))
    assert other.plan().table.tolist() == learner.plan().table.tolist()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"topology": "star"},
        {"topology": "grid", "n_agents": 9},
        {"n_agents": 2},
        {"dynamics": "status-load"},
        {"observe": "neighborhood"},
    ],
)
def test_other_worlds_are_refused(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="env must"):
        WindowPlanner(crl_envs.make(ID, **kwargs))


def test_hidden_labels_are_noticed() -> None:
    env = crl_envs.make(ID, n_agents=6, relabel=True, **SMALL)
    learner = WindowPlanner(env, trials=5, seed=0, **QUICK).learn(total_episodes=5)
    with pytest.raises(ValueError, match="env must bring a machine up by action 1"):
        learner.plan()


def test_no_plan_before_the_trials() -> None:
    learner = WindowPlanner(crl_envs.make(ID, **SMALL), trials=3, seed=0, **QUICK)
    learner.learn(total_episodes=2)
    with pytest.raises(ValueError, match="total_episodes must be ≥ trials = 3"):
        learner.plan()
    with pytest.raises(ValueError, match="column must be"):
        learner.plan(1)


@pytest.mark.parametrize(
    ("name", "bad"), [("trials", 0), ("width", 6), ("width", 0), ("radius", 8), ("radius", "3")]
)
def test_bad_arguments(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        WindowPlanner(crl_envs.make(ID), **{name: bad})
