"""No policy beats `optimum()`: all policies of small worlds, by searches that know only the model's tables.

Load balancing, whose illegal actions are policies too, is searched in tests/load_balancing/test_optimum.py.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.decpomdp import DecPOMDP
from crl_envs.factored import value_iteration
from crl_envs.local_rule import LocalRule
from tests.worlds import needed


@st.composite
def sysadmin_problems(draw: st.DrawFn) -> dict[str, object]:
    """Up to four machines on any graph, up to five steps; two machines with statuses and loads."""
    dynamics = draw(
        st.sampled_from(["ring", "ring-bidirectional", "ippc2011", "lock", "status-load"])
    )
    n = draw(st.integers(1, 2 if dynamics == "status-load" else 4))
    topology: object = "ring"
    if dynamics != "ring" and draw(st.booleans()):
        topology = nx.gnp_random_graph(n, 0.5, seed=draw(st.integers(0, 99)), directed=True)
    return {
        "n_agents": n,
        "dynamics": dynamics,
        "topology": topology,
        "relabel": draw(st.booleans()),
        "horizon": draw(st.integers(1, 5)),
        "start_up": draw(st.sampled_from([0.0, 0.3, 1.0])),
    }


@settings(max_examples=40, deadline=None)
@given(arguments=sysadmin_problems())
def test_no_policy_of_sysadmin_beats_the_optimum(arguments: dict[str, object]) -> None:
    env = crl_envs.make("crl/sysadmin-v0", **arguments).unwrapped
    optimum, best = env.optimum(), value_iteration(env.factored_model()).value
    assert optimum.lower - 1e-6 <= best <= optimum.value + 1e-6
    if optimum.kind == "exact":
        assert optimum.lower == optimum.value


@pytest.mark.parametrize(("right", "wrong"), [(0.8, 0.2), (0.1, 0.6), (1.0, 0.0), (0.5, 0.5)])
def test_no_policy_of_the_bandit_beats_the_optimum(right: float, wrong: float) -> None:
    env = crl_envs.make("crl/bandit-v0", n_agents=4, p_correct=right, p_wrong=wrong).unwrapped
    success = env.transition_model().success
    best = max(
        np.mean([success[i, a] for i, a in enumerate(joint)]) for joint in product(*[(0, 1)] * 4)
    )
    assert best == pytest.approx(env.optimum().value)


SEARCHED: list[tuple[str, dict[str, Any]]] = [
    ("crl/epidemic-v0", {"n_agents": 4, "topology": "ring", "horizon": 8}),
    ("crl/epidemic-v0", {"n_agents": 9, "observe": "neighborhood", "horizon": 8}),
    ("crl/epidemic-v0", {"n_agents": 12, "relabel": True, "infection": 0.8, "isolation_cost": 0.0}),
    ("crl/local_rule-v0", needed("crl/local_rule-v0", n_agents=3, topology="directed_ring")),
    ("crl/local_rule-v0", needed("crl/local_rule-v0", n_agents=9, topology="tree", relabel=True)),
    ("crl/access-v0", {"n_agents": 3, "observe": "neighborhood", "horizon": 5}),
    ("crl/access-v0", {"n_agents": 4, "success_rate": 0.6, "deadline": 1}),
    ("crl/access-v0", {"n_agents": 12, "arrival_rate": 0.9}),
    ("crl/firefighting-v0", {"n_agents": 2, "observe": "levels"}),
    ("crl/firefighting-v0", {"n_agents": 1, "layout": "grid", "observe": "levels"}),
    ("crl/firefighting-v0", {"n_agents": 6, "observe": "levels"}),
    ("crl/tiger-v0", {}),
    ("crl/tiger-v0", {"horizon": 9}),
    ("crl/broadcast-v0", {"horizon": 5, "first_rate": 0.5}),
    ("crl/routing-v0", {"n_agents": 4, "topology": "ring", "load": 1.0, "horizon": 8}),
    (
        "crl/routing-v0",
        {"n_agents": 4, "topology": "star", "load": 2.0, "horizon": 8, "queue_size": 1},
    ),
    (
        "crl/routing-v0",
        {"n_agents": 3, "topology": "star", "reward": "delay", "loss": 0.3, "horizon": 6},
    ),
    ("crl/traffic-v0", {"n_agents": 4, "horizon": 12, "arrival_rate": 0.3}),
    ("crl/traffic-v0", {"n_agents": 1, "horizon": 8, "capacity": 1, "arrival_rate": 1.0}),
    (
        "crl/traffic-v0",
        {"n_agents": 4, "boundary": "open", "horizon": 10, "capacity": 2, "arrival_rate": 0.5},
    ),
    ("crl/consensus-v0", {"n_agents": 3, "radius": 1, "horizon": 2}),
    ("crl/consensus-v0", {"n_agents": 5, "flip": 0.2, "horizon": 3}),
    ("crl/coordination_game-v0", {"n_agents": 5}),
    ("crl/coordination_game-v0", {"n_agents": 6, "payoffs": "random", "relabel": True}),
    ("crl/coordination_game-v0", {"payoffs": "stochastic-climbing", "noise": 3.0, "horizon": 2}),
]


def returns(vec: Any, policies: Any, seed: int) -> Any:
    """Mean returns ``[B]`` of agents that act by tables ``[B, n, O]`` of what they see."""
    seen, total = vec.reset(seed=seed)[0], 0.0
    sizes = np.atleast_1d(getattr(vec.world.single_observation_space, "nvec", [0]))
    weights = np.cumprod([1, *sizes[:-1]])
    columns, agents = np.arange(vec.num_envs)[:, None], np.arange(vec.n_agents)
    for _ in range(vec.world.horizon):
        row = seen @ weights if seen.ndim == 3 else seen
        seen, paid, *_ = vec.step(policies[columns, agents, row.astype(int)])
        total = total + paid.mean(axis=1, dtype=np.float64)
    return total


@pytest.mark.parametrize(("id", "kwargs"), SEARCHED, ids=range(len(SEARCHED)))
def test_a_search_finds_nothing_better_than_the_optimum(id: str, kwargs: dict[str, Any]) -> None:
    """Cross-entropy over tables by agent and observation, after uniformly random ones; false alarm 1e-5 each.

    The best found is played again, in other episodes, before it is compared.
    """
    population, episodes, elite = 24, 24, 6
    make = partial(crl_envs.make_vec, id, autoreset_mode="Disabled", **kwargs)
    vec = make(population * episodes)
    space = vec.world.single_observation_space
    shape = (vec.n_agents, int(np.prod(getattr(space, "nvec", [getattr(space, "n", 1)]))))
    a = int(vec.world.single_action_space.n)
    rng, chance = np.random.default_rng(0), np.full((*shape, a), 1 / a)
    for generation in range(8):
        words = rng.random((population, *shape, 1))
        drawn = np.minimum((words > chance.cumsum(axis=-1)).sum(axis=-1), a - 1)
        scores = returns(vec, np.repeat(drawn, episodes, axis=0), 10_000 * generation)
        best = np.argsort(-scores.reshape(population, episodes).mean(axis=1))[:elite]
        chance = 0.3 * chance + 0.7 * np.eye(a)[drawn[best]].mean(axis=0)
    optimum, again = vec.world.optimum(), make(1000)
    assert optimum.lower <= optimum.value
    for table in (drawn[best[0]], chance.argmax(axis=-1)):
        found = returns(again, np.repeat(table[None], 1000, axis=0), 999_999)
        assert found.mean() - 4.5 * found.std() / 1000**0.5 <= optimum.value + 1e-6


@pytest.mark.parametrize("payoffs", ["climbing", "penalty", "random"])
@pytest.mark.parametrize("topology", ["ring", "star", "tree", "directed_ring"])
def test_no_joint_action_of_a_game_pays_more(topology: str, payoffs: str) -> None:
    """All 243 of five agents."""
    given: dict[str, Any] = {"n_agents": 5, "topology": topology, "payoffs": payoffs}
    vec = crl_envs.make_vec("crl/coordination_game-v0", 3**5, **given)
    vec.reset(seed=0)
    best = vec.step(np.array(list(product(range(3), repeat=5))))[1].mean(axis=1).max()
    assert best == pytest.approx(vec.optimum().value, abs=1e-5)


def test_games_both_ways_of_an_edge_are_both_played() -> None:
    """Two agents who are each the first player once: f(a, b) + f(b, a), for which the best pair isn't f's."""
    payoffs = np.array([[0.0, 9.0], [-7.0, 3.0]])
    game = {"n_agents": 2, "topology": "directed_ring", "payoffs": payoffs}
    optimum = crl_envs.make("crl/coordination_game-v0", **game).unwrapped.optimum()
    assert (optimum.value, optimum.kind) == ((payoffs + payoffs.T).max() / 2, "exact")


ALIKE = LocalRule(
    signal=np.zeros((2, 2), np.uint8),
    transition=np.tile([1.0, 0.0], (2, 2, 1, 1)),
    reward=np.full((2, 2, 1), 0.3),
    start=np.array([1.0, 0.0]),
)
WAGE = DecPOMDP(
    transition=np.ones((4, 1, 1)),
    observation=np.full((4, 1, 4), 0.25),
    reward=np.full((4, 1), 0.1),
    start=np.ones(1),
    actions=(("a", "b"),) * 2,
    observations=(("x", "y"),) * 2,
)


@pytest.mark.parametrize(
    ("id", "kwargs"),
    [
        ("crl/sysadmin-v0", {"n_agents": 30, "topology": "star", "horizon": 1}),
        ("crl/sysadmin-v0", {"n_agents": 50, "topology": "star", "horizon": 1}),
        ("crl/local_rule-v0", {"n_agents": 9, "topology": "star", "rule": ALIKE, "horizon": 50}),
        ("crl/local_rule-v0", {"n_agents": 9, "topology": "ring", "rule": ALIKE, "horizon": 50}),
        ("crl/dec_pomdp-v0", {"model": WAGE, "horizon": 1000}),
    ],
    ids=range(5),
)
def test_no_end_is_above_the_other_where_every_policy_earns_the_same(
    id: str, kwargs: dict[str, Any]
) -> None:
    """A first step of SYSADMIN pays what the start draws; the others pay the same number in each step."""
    optimum = crl_envs.make(id, **kwargs).unwrapped.optimum()
    assert optimum.kind == "bound"
    assert optimum.lower <= optimum.value


@pytest.mark.parametrize("n", [1, 3, 41])
@pytest.mark.parametrize("horizon", [2**24, 2**40])
@pytest.mark.parametrize(
    ("id", "arguments"),
    [
        ("crl/access-v0", {}),
        ("crl/consensus-v0", {}),
        ("crl/coordination_game-v0", {}),
        ("crl/epidemic-v0", {}),
        ("crl/firefighting-v0", {}),
        ("crl/local_rule-v0", {}),
        ("crl/routing-v0", {}),
        ("crl/sysadmin-v0", {"dynamics": "lock"}),
        ("crl/tiger-v0", {}),
        ("crl/traffic-v0", {}),
        ("crl/traffic-v0", {"arrival_rate": 1e-9, "leave_rate": 1e-9}),
    ],
)
def test_an_endless_episode_has_its_optimum_soon(
    id: str, arguments: dict[str, Any], horizon: int, n: int
) -> None:
    """Millions of steps aren't gone through one by one: without a limit this takes hours."""
    longest = {"crl/consensus-v0": 2**31 - 1, "crl/routing-v0": 10**6}.get(id, horizon)
    horizon = min(horizon, longest)
    env = crl_envs.make(id, **needed(id, n_agents=n, horizon=horizon, **arguments)).unwrapped
    optimum = env.optimum()
    assert np.isfinite([optimum.lower, optimum.value]).all()
    assert optimum.lower <= optimum.value


@pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional"])
def test_fourteen_machines_for_thousands_of_steps_are_bounded(dynamics: str) -> None:
    """An exact value takes a second a step there."""
    arguments = {"n_agents": 14, "horizon": 9_999, "dynamics": dynamics}
    optimum = crl_envs.make("crl/sysadmin-v0", **arguments).unwrapped.optimum()
    assert optimum.kind == "bound"
    assert 0 < optimum.lower <= optimum.value <= 9_999
