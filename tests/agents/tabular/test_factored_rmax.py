"""Factored R-max: its optimistic model, that it opens locks in few trials, and that it plans well elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from agents import FactoredRMax, ModelBased
from crl_envs.factored import evaluate, value_iteration
from crl_envs.wrappers import GlobalReward

ID = "crl/sysadmin-v0"
QUICK: dict[str, Any] = {"planning_episodes": 10}


def lock(count: int, length: int, **kwargs: Any) -> dict[str, Any]:
    """Arguments of `count` chains of that length with hidden combinations."""
    n = count * length
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((i, i + 1) for i in range(n - 1) if (i + 1) % length)
    return {"dynamics": "lock", "topology": graph, "start_up": 1.0, "relabel": True, **kwargs}


def test_everything_is_heaven_at_first() -> None:
    env = crl_envs.make(ID, n_agents=3, horizon=4)
    learner = FactoredRMax(env)
    model = learner.model()
    assert (model.n_agents, model.n_states, model.n_actions) == (3, 3, 2)
    assert (model.transition[..., 2] == 1).all()
    assert (model.reward == 1).all()
    assert model.start.tolist() == [[0.5, 0.5, 0]] * 3
    assert not learner.plan().table.any()


@pytest.mark.parametrize("topology", ["ring", "star"])
@pytest.mark.parametrize("visits", [1, 4])
def test_model_is_the_learnt_one_where_it_is_known(topology: str, visits: int) -> None:
    """Against `ModelBased`'s estimate of the same counts; heaven elsewhere, and for whoever has a parent there."""
    env = crl_envs.make(ID, n_agents=4, topology=topology, dynamics="ippc2011", horizon=6)
    learner = FactoredRMax(env, visits=visits, seed=2, **QUICK).learn(total_episodes=4)
    model, counts = learner.model(), learner.counts
    plain = counts.model(0, 6)
    seen = counts.transitions[..., 0].sum(axis=-1)
    small, large = counts.scopes, model.scopes
    assert (seen >= visits).any() and (seen < visits).any()
    for i in range(4):
        degree = len(model.scopes.of(i)) - 1
        for digits in np.ndindex(*(3,) * (degree + 1)):
            here = large.first[i] + sum(s * 3**k for k, s in enumerate(digits))
            for action in range(2):
                law = model.transition[here, action]
                if 2 in digits:
                    assert law.tolist() == [0, 0, 1]
                    continue
                there = small.first[i] + sum(s * 2**k for k, s in enumerate(digits))
                if seen[there, action] < visits:
                    assert law.tolist() == [0, 0, 1]
                else:
                    assert law.tolist() == [*plain.transition[there, action], 0]
    known = counts.visits[..., 0] >= visits
    assert np.array_equal(model.reward[:, :2], np.where(known, plain.reward, 1.0))
    assert (model.reward[:, 2] == 1).all()


def test_optimism_bounds_the_optimum() -> None:
    """With tables as exact as can be the optimistic model's optimum is at least the true one, whatever is known."""
    env = crl_envs.make(ID, **lock(1, 3, horizon=6))
    best = env.unwrapped.optimum().value
    learner = FactoredRMax(env, visits=1, seed=0, **QUICK)
    for _ in range(8):
        learner.learn(total_episodes=1)
        assert value_iteration(learner.model()).value >= best - 1e-8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [3, 6])
def test_opens_locks_that_random_actions_do_not(length: int, seed: int) -> None:
    """Four chains each, hidden combinations: the optimum within 6 L trials, and forever after."""
    arguments = lock(4, length, instance_seed=seed)
    env = crl_envs.make(ID, **arguments)
    learner = FactoredRMax(env, visits=2, seed=seed, **QUICK).learn(total_episodes=6 * length + 5)
    best = env.unwrapped.optimum().value
    returns = [entry["global_return"] for entry in learner.history]
    assert returns[-5:] == pytest.approx([best] * 5)
    if length == 6:
        other = ModelBased(crl_envs.make(ID, **arguments), seed=seed, **QUICK)
        other.learn(total_episodes=6 * length)
        last = other.counts.scopes.first[length - 1 :: length]  # open beside an open one
        assert not other.counts.transitions[last].any(axis=(1, 2, 3)).all()


def test_plans_well_where_exploring_is_easy() -> None:
    """Rebooting when down, on the ring of Figure 3; the best policy of own states is the optimum's equal there."""
    env = crl_envs.make(ID, n_agents=5, horizon=10)
    learner = FactoredRMax(env, policy_class="own-state", visits=20, seed=1).learn(
        total_episodes=60
    )
    value = evaluate(env.unwrapped.factored_model(), learner.plan())
    assert value >= 0.99 * env.unwrapped.optimum().value


def test_column_is_the_single_learner_also_under_a_team_reward() -> None:
    arguments = lock(2, 3)
    vec = crl_envs.make_vec(ID, num_envs=3, **arguments)
    together = FactoredRMax(vec, seed=5, **QUICK).learn(total_episodes=9)
    for b in range(3):
        env = GlobalReward(crl_envs.make(ID, **arguments))
        single = FactoredRMax(env, seed=5 + b, **QUICK).learn(total_episodes=9)
        assert together.plan(b).table.tolist() == single.plan().table.tolist()
        assert (
            together.counts.transitions[..., b].tolist()
            == (single.counts.transitions[..., 0]).tolist()
        )
        returns = [entry["global_return"][b] for entry in together.history]
        assert returns == [entry["global_return"] for entry in single.history]


def test_checkpoint_goes_on(tmp_path: Path) -> None:
    arguments = lock(2, 3)
    learner = FactoredRMax(crl_envs.make(ID, **arguments), seed=1, **QUICK).learn(total_episodes=5)
    learner.save(tmp_path / "learner.npz")
    env = crl_envs.make(ID, **arguments)
    env.reset(seed=0)
    other = FactoredRMax.load(tmp_path / "learner.npz", env)
    for each in (learner, other):
        each.learn(total_episodes=10)
    assert other.plan().table.tolist() == learner.plan().table.tolist()
    assert repr(other.history) == repr(learner.history)  # the lock draws nothing


def test_acts_by_the_plan() -> None:
    env = crl_envs.make(ID, **lock(2, 3))
    learner = FactoredRMax(env, seed=1, **QUICK).learn(total_episodes=6)
    states = np.array([[0, 1, 0, 1, 1, 0]])
    for deterministic in (True, False):
        acted = learner.act(states, deterministic=deterministic)
        assert acted.tolist() == learner.plan().act(states.T.astype(np.uint8)).T.tolist()
    assert learner.act(np.repeat(states, 5, axis=0)).shape == (5, 6)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("visits", 0), ("best_reward", "1"), ("policy_class", "all"), ("planning_episodes", 0)],
)
def test_bad_arguments(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        FactoredRMax(crl_envs.make(ID), **{name: bad})


def test_other_observations_are_refused() -> None:
    with pytest.raises(ValueError, match="observe='own'"):
        FactoredRMax(crl_envs.make(ID, observe="neighborhood"))
    with pytest.raises(ValueError, match="column must be"):
        FactoredRMax(crl_envs.make(ID)).plan(1)
