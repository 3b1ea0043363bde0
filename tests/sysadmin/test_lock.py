"""The combination lock: its chain, how rarely it opens by chance, and its exact optimum on any graph."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import crl_envs
from crl_envs.factored import evaluate, value_iteration
from crl_envs.sysadmin.optimum.find import relaxed_bound
from tests.sysadmin.reference import Problem, both_ways, directed_cycle

ID = "crl/sysadmin-v0"


def chains(count: int, length: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(count * length))
    graph.add_edges_from((i, i + 1) for i in range(count * length - 1) if (i + 1) % length)
    return graph


def lock(graph: Any, **kwargs: Any) -> Any:
    return crl_envs.make(ID, dynamics="lock", topology=graph, **kwargs).unwrapped


GRAPHS = {
    "chain": chains(1, 4),
    "two chains": chains(2, 2),
    "cycle": directed_cycle(4),
    "star": both_ways(nx.star_graph(2)),
    "collider": nx.DiGraph({0: [1], 1: [], 2: [1]}),
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("start_up", [0.0, 0.3, 1.0])
def test_optimum_is_exact(graph: nx.DiGraph, start_up: float) -> None:
    """Against enumeration of all joint policies, and by the package's own value iteration."""
    env = lock(graph, start_up=start_up, horizon=4)
    optimum = env.optimum()
    assert optimum.kind == "exact"
    assert optimum.value == optimum.lower
    expected = Problem("lock", graph, start_up).best_value(4)
    assert optimum.value == pytest.approx(expected, abs=1e-8)
    assert value_iteration(env.factored_model()).value == pytest.approx(expected, abs=1e-8)
    assert relaxed_bound(env.world.problem) >= expected - 1e-8


def test_optimum_of_many_machines() -> None:
    """All locked at the start: machine k of a chain opens at step k + 1 and earns from then on."""
    env = lock(chains(2000, 10), start_up=1.0)
    assert env.optimum().value == pytest.approx(np.mean([20 - k - 1 for k in range(10)]))
    assert crl_envs.make(ID, dynamics="lock", n_agents=100_000).unwrapped.optimum().value == 10.0
    long = lock(chains(1, 3), start_up=1.0, horizon=10**4)
    assert long.optimum().value == 10**4 - 2


def test_bound_where_the_exact_value_takes_too_long() -> None:
    env = lock(chains(1, 3), start_up=1.0, horizon=10**7)
    assert env.optimum().kind == "bound"


@pytest.mark.parametrize("relabel", [False, True])
def test_by_chance_it_opens_with_the_power_of_the_length(relabel: bool) -> None:
    """After k + 1 uniformly random steps machine k is open with 2^−(k+1): 20,000 chains, p < 1e-6."""
    env: Any = crl_envs.make_vec(
        ID, 100, dynamics="lock", topology=chains(200, 8), start_up=1.0, relabel=relabel
    )
    env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(10):
        seen = env.step(rng.integers(2, size=(100, 1600)))[0]
    opened = (seen == 0).reshape(-1, 8).sum(axis=0)
    for k, count in enumerate(opened):
        assert stats.binomtest(int(count), 20_000, 2.0 ** -(k + 1)).pvalue > 1e-6


def test_the_combination_is_the_hidden_labels() -> None:
    env = lock(chains(3, 5), start_up=1.0, relabel=True)
    code = env.world.swap[:, 0].copy()
    assert 0 < code.sum() < 15
    env.reset(seed=0)
    for step in range(6):
        observations, rewards, *_ = env.step(dict(zip(env.agents, code.tolist(), strict=True)))
        opened = np.array(list(observations.values())).reshape(3, 5) == 0
        assert (opened == (np.arange(5) <= step)).all()
        assert (np.array(list(rewards.values())).reshape(3, 5) == (np.arange(5) < step)).all()
    code[7] ^= 1
    observations, *_ = env.step(dict(zip(env.agents, code.tolist(), strict=True)))
    assert list(observations.values()).count(1) == 1


def test_value_of_never_rebooting_is_its_return() -> None:
    env = lock(chains(2, 4), start_up=0.4, horizon=6)

    class Never:
        def act(self, states: Any, step: int) -> Any:
            return np.zeros_like(states)

    assert env.optimum().value == pytest.approx(evaluate(env.factored_model(), Never()), abs=1e-8)
