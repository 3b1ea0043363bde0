"""Routing: its rules one by one, conservation, its numbers in the literature, its bound, its views."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.core.topology import read_graphml
from crl_envs.routing import Outcome, RoutingProblem, RoutingWorld
from crl_envs.routing.optimum import find_optimum, most_delivered
from crl_envs.routing.rules import SIDE, Count, State, empty_state, level, linked
from tests.views import assert_verbs_agree, assert_views_agree

ID = "crl/routing-v0"
PATH = nx.path_graph(4)
CASES: list[dict[str, Any]] = [
    {"load": 6.0, "queue_size": 3, "loss": 0.3, "horizon": 40},
    {"topology": "archipelago.graphml", "load": 8.0, "queue_size": 5, "lifetime": 7, "horizon": 30},
    {
        "n_agents": 7,
        "topology": "geometric",
        "mobility": 0.1,
        "load": 3.0,
        "queue_size": 2,
        "loss": 0.2,
        "lifetime": 9,
        "observe": "queues",
        "reward": "delay",
        "horizon": 20,
    },
    {"topology": nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)]), "observe": "queues", "horizon": 9},
]
TRANSLATE: dict[str, Any] = {
    "outcome": lambda said: Outcome[said.upper()].value,
    "sender": lambda said: -1 if not said else int(said.removeprefix("agent_")),
}


@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_one_stream_three_views(kwargs: dict[str, Any]) -> None:
    """With what Numba compiles against NumPy."""
    played = assert_views_agree(ID, kwargs, 90, num_envs=3, seed=5, translate=TRANSLATE)
    assert played.episodes >= 6
    assert played.terminated == 0
    assert_verbs_agree(crl_envs.make_vec(ID, 1, **kwargs).world)


def seeded(columns: int, seed: int = 0) -> Stream:
    stream = Stream(columns)
    stream.seed(seed)
    return stream


def with_packets(world: RoutingWorld, packets: list[tuple[int, int]], columns: int = 1) -> State:
    """A state with packets (node, destination), in this order, that have just entered."""
    state = empty_state(world.rules, columns)
    for node, goal in packets:
        at = state.length[node]
        state.goal[node, at[0]], state.via[node, at[0]] = goal, -1
        state.length[node] += 1
    state.tally[Count.ARRIVED] = len(packets)
    return state


def quiet(topology: nx.Graph = PATH, **kwargs: Any) -> RoutingWorld:
    """A network that nothing enters."""
    return RoutingWorld(topology=topology, **{"load": 0.0, "backend": "numpy", **kwargs})


def acts(*actions: int) -> Any:
    return np.array(actions)[:, None]


def test_a_packet_takes_a_step_a_link() -> None:
    world = quiet()
    state, stream = with_packets(world, [(0, 3)]), seeded(1)
    for node in (1, 2):
        state, _ = world.step(state, acts(1, 2, 2, 1), stream)
        assert state.length[:, 0].tolist() == [int(i == node) for i in range(4)]
        assert world.info(state)["sender"][node] == node - 1
        assert state.outcome[node - 1] == Outcome.FORWARDED
    state, _ = world.step(state, acts(1, 2, 2, 1), stream)
    metrics = {name: value[0] for name, value in world.metrics(state).items() if name != "queue"}
    assert state.outcome[:, 0].tolist() == [0, 0, Outcome.DELIVERED, 0]
    assert (metrics["delivered"], metrics["mean_delay"], metrics["waiting"]) == (1, 3.0, 0)
    assert metrics["messages_sent"] == 3


def test_queues_are_first_in_first_out_in_the_order_of_senders() -> None:
    star = nx.star_graph(3)  # 0 in the middle
    world = quiet(star)
    state = with_packets(world, [(3, 1), (1, 2), (2, 3), (0, 1)])
    state, _ = world.step(state, acts(0, 1, 1, 1), seeded(1))
    assert state.goal[0, :4, 0].tolist() == [1, 2, 3, 1]
    assert state.via[0, 1:4, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("reward", ["waiting", "delay"])
def test_a_full_queue_drops_what_comes(reward: str) -> None:
    world = quiet(nx.star_graph(3), queue_size=2, reward=reward, horizon=10)
    state = with_packets(world, [(0, 1), (0, 1), (1, 2), (2, 3), (3, 1)])
    state, paid = world.step(state, acts(1, 1, 1, 1), seeded(1))
    # 0 delivers one, and so has room for the first of three.
    assert state.outcome[:, 0].tolist() == [1, 2, 4, 4]
    assert state.length[:, 0].tolist() == [2, 0, 0, 0]
    assert world.metrics(state)["dropped"] == 2
    if reward == "waiting":  # the dropped ones wait for ten steps, of which this is the first
        assert paid[:, 0].tolist() == [-(2 + 2 * 10) / 2, 0, 0, 0]
    else:
        assert paid[:, 0] == pytest.approx([1 - 1 / 10, 0, 0, 0])


def test_a_lost_packet_stays_and_its_sender_knows() -> None:
    """Of 4,000 transmissions; false alarm below 1e-4."""
    world = quiet(nx.path_graph(2), loss=0.3)
    state = with_packets(world, [(0, 1)], columns=4000)
    state, _ = world.step(state, np.repeat(acts(1, 1), 4000, axis=1), seeded(4000))
    lost = state.outcome[0] == Outcome.LOST
    assert (state.length[0] == lost).all()
    assert abs(lost.mean() - 0.3) < 4 * (0.21 / 4000) ** 0.5
    assert (state.tally[Count.LOST] == lost).all()


def test_whoever_has_a_packet_that_is_too_old_drops_it() -> None:
    world = quiet(lifetime=2)
    state, stream = with_packets(world, [(0, 3)]), seeded(1)
    for outcome in (0, 0, Outcome.EXPIRED):
        state, _ = world.step(state, acts(0, 0, 0, 0), stream)
        assert state.outcome[0] == outcome
    assert world.metrics(state)["dropped"] == 1


def test_what_enters_is_poisson_and_uniform() -> None:
    """Of 200,000 packets; false alarm below 1e-4 in all."""
    world = RoutingWorld(topology=nx.path_graph(4), load=50.0, queue_size=100, backend="numpy")
    state = world.initial(seeded(4000))
    entered = state.length.astype(int)
    n = entered.size
    assert abs(entered.mean() - 12.5) < 4 * (12.5 / n) ** 0.5
    assert abs(entered.var() / 12.5 - 1) < 5 * (2 / n) ** 0.5
    there = np.arange(100)[:, None] < state.length[:, None]
    for node in range(4):
        goals = state.goal[node][there[node]]
        counts = np.bincount(goals, minlength=4)
        assert counts[node] == 0
        others = np.delete(counts, node)
        assert (abs(others - len(goals) / 3) < 5 * (len(goals) * 2 / 9) ** 0.5).all()


def test_nodes_walk_in_the_square_and_links_follow() -> None:
    world = RoutingWorld(12, "geometric", mobility=0.02, radius=0.4, load=0.0, backend="numpy")
    stream = seeded(3)
    state, changed = world.initial(stream), 0
    for _ in range(60):
        stream.advance()
        before, mask = state.place.copy(), world.action_mask(state)
        state, _ = world.step(state, np.zeros((12, 3), np.int64), stream)
        assert (state.place >= 0).all() and (state.place < SIDE).all()
        assert (abs(state.place - before) <= 0.02 * SIDE).all()
        near = (
            np.hypot(*np.moveaxis((state.place[:, None] - state.place[None]) / SIDE, 2, 0)) <= 0.4
        )
        slots = linked(world.rules, state)
        for i, others in enumerate(world.rules.successors):
            assert (slots[i] == near[i, others]).all()
        changed += (world.action_mask(state) != mask).any()
    assert changed > 10


def test_a_link_that_is_not_there_is_a_wasted_step() -> None:
    env = crl_envs.make(ID, n_agents=5, topology="geometric", radius=0.0, load=20.0, horizon=5)
    _, infos = env.reset(seed=0)
    assert all(info["action_mask"].tolist() == [1, 0, 0, 0, 0] for info in infos.values())
    *_, infos = env.step(dict.fromkeys(env.agents, 2))
    assert all(info["illegal_action"] and info["outcome"] == "none" for info in infos.values())
    assert env.metrics()["messages_sent"] == 0


ARGUMENTS = st.fixed_dictionaries(
    {
        "n_agents": st.integers(2, 9),
        "topology": st.sampled_from(["ring", "star", "tree", "random", "geometric"]),
        "load": st.sampled_from([0.0, 0.5, 3.0, 30.0]),
        "queue_size": st.integers(1, 6),
        "lifetime": st.one_of(st.none(), st.integers(1, 8)),
        "loss": st.sampled_from([0.0, 0.3, 1.0]),
        "radius": st.sampled_from([0.0, 0.4, 1.5]),
        "observe": st.sampled_from(["destination", "queues"]),
        "reward": st.sampled_from(["waiting", "delay"]),
        "horizon": st.sampled_from([30, 40]),
        "backend": st.sampled_from(["numpy", "auto"]),
    }
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(arguments=ARGUMENTS, moves=st.booleans(), seed=st.integers(0, 10))
def test_no_packet_is_made_or_vanishes(arguments: Any, moves: bool, seed: int) -> None:
    mobility = 0.2 if moves and arguments["topology"] == "geometric" else 0.0
    world = RoutingWorld(**arguments, mobility=mobility)
    stream, rng = seeded(2, seed), np.random.default_rng(seed)
    state = world.initial(stream)
    for _ in range(30):
        stream.advance()
        action = rng.integers(0, int(world.single_action_space.n), (world.n_agents, 2))
        before, (state, paid) = state, world.step(state, action, stream)
        m = world.metrics(state)
        np.testing.assert_array_equal(m["arrived"], m["delivered"] + m["waiting"] + m["dropped"])
        assert (state.length >= 0).all() and (state.length <= world.rules.queue_size).all()
        assert (m["messages_lost"] <= m["messages_sent"]).all()
        assert (m["delivered"] <= m["messages_sent"]).all()
        sent = state.tally[Count.MESSAGES] - before.tally[Count.MESSAGES]
        kinds = (Outcome.DELIVERED, Outcome.FORWARDED, Outcome.LOST, Outcome.DROPPED)
        np.testing.assert_array_equal(np.isin(state.outcome, kinds).sum(axis=0), sent)
        assert np.isfinite(paid).all()
        assert ((paid <= 0) if arguments["reward"] == "waiting" else (paid >= 0)).all()
        assert (world.info(state)["waited"] >= 0).all()
        assert world.action_mask(state)[:, 0].all()
        for column in range(2):
            assert world.single_state_space.contains(world.state_array(state)[:, column])


def test_levels() -> None:
    lengths = np.array([0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 10_000])
    assert level(lengths).tolist() == [0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 7]


# What is published


def test_the_irregular_grid_is_the_one_of_the_paper() -> None:
    """50 links, and routes by shortest paths that pass 6,092 nodes in all, as published."""
    problem = RoutingProblem()
    assert (problem.n, len(problem.edges)) == (36, 100)
    assert problem.hops.sum() == 6092
    assert problem.hops.sum() / (36 * 35) == pytest.approx(4.835, abs=5e-4)


def test_the_fluid_optimum() -> None:
    assert most_delivered(RoutingProblem(), all_alike=True) == pytest.approx(35 / 9)
    assert most_delivered(RoutingProblem(loss=0.5), all_alike=True) == pytest.approx(35 / 18)
    assert most_delivered(RoutingProblem(load=3.5)) == pytest.approx(3.5)
    most = most_delivered(RoutingProblem(load=5.0))
    assert most is not None
    assert 35 / 9 < most < 5.0  # of short ways more than their share


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_fluid_optimum_of_a_star(n: int) -> None:
    """The middle sends its own packets, 1/n of all, and those between others, (n − 2)/n."""
    star = RoutingProblem(topology=nx.star_graph(n - 1))
    assert most_delivered(star, all_alike=True) == pytest.approx(n / (n - 1))


# The bound


def test_the_bound_is_reached_where_packets_never_wait_for_each_other() -> None:
    """One packet in a hundred steps on a complete graph; false alarm below 1e-4."""
    kwargs: dict[str, Any] = {"topology": nx.complete_graph(4), "load": 0.01, "horizon": 300}
    for reward in ("waiting", "delay"):
        optimum = find_optimum(RoutingProblem(**kwargs, reward=reward))
        assert optimum.lower <= optimum.value
        assert optimum.value - optimum.lower < 0.25 * abs(optimum.value)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"load": 3.0, "horizon": 200},
        {"load": 6.0, "horizon": 100, "queue_size": 5},
        {"load": 1.0, "loss": 0.5, "horizon": 200},
        {"load": 2.0, "reward": "delay", "horizon": 100},
        {"topology": nx.empty_graph(4), "horizon": 20},
        {"topology": nx.Graph([(0, 1), (2, 3)]), "horizon": 20, "load": 0.5},
        {"topology": "geometric", "n_agents": 6, "horizon": 30},
        {"topology": "ring", "n_agents": 5, "loss": 1.0, "horizon": 20},
    ],
)
def test_bounds_are_in_order(kwargs: dict[str, Any]) -> None:
    optimum = find_optimum(RoutingProblem(**kwargs))
    assert optimum.kind == "bound"
    assert np.isfinite([optimum.lower, optimum.value]).all()
    assert optimum.lower <= optimum.value + 1e-9


def test_nothing_is_better_than_a_network_without_links_allows() -> None:
    """All packets wait for good: the bound is what they cost, on average."""
    problem = RoutingProblem(topology=nx.empty_graph(4), load=1.0, horizon=20)
    every = 20 + sum(range(1, 21))  # a packet a step, and one before the first
    assert find_optimum(problem).value == pytest.approx(-every / (4 * 100))


# Graphs


def test_unreachable_destinations_have_a_name() -> None:
    env = crl_envs.make(ID, topology=nx.Graph([(0, 1), (2, 3)]), load=1.0, lifetime=5, horizon=300)
    observations, infos = env.reset(seed=0)
    while env.agents:
        actions = {
            agent: 1 if infos[agent]["action_mask"][1] else 0 for agent in observations
        }  # the only neighbour
        observations, *_, infos = env.step(actions)
    metrics = env.metrics()
    assert 0.1 < metrics["delivery_share"] < 0.6
    assert metrics["dropped"] > 0


def test_a_graph_from_a_file_has_its_names(tmp_path: Path) -> None:
    for id, kwargs in ((ID, {}), ("crl/load_balancing-v0", {"entries": ["Merrow"]})):
        env: Any = crl_envs.make(id, topology="archipelago.graphml", **kwargs)
        assert env.reset(seed=0)[1]["agent_0"]["node"] == "Tarn Holm"
        assert pickle.loads(pickle.dumps(env)).world.nodes == env.world.nodes
    graph = nx.Graph([("a", "b"), ("b", "c"), ("c", "c")])
    nx.write_graphml(graph, tmp_path / "own.graphml")
    read = read_graphml(str(tmp_path / "own.graphml"))
    assert set(read.edges) == {("a", "b"), ("b", "c")}
    assert RoutingProblem(topology=str(tmp_path / "own.graphml")).n == 3


# Bad arguments


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"n_agents": 35, "topology": "irregular_grid"},
            "n_agents must be 36 with topology='irregular_grid'",
        ),
        ({"topology": "irregular"}, "did you mean 'irregular_grid'"),
        ({"topology": "none.graphml"}, "topology must be a GraphML file, got 'none.graphml'"),
        ({"queue_size": 0}, "queue_size must be an integer in"),
        ({"load": -1.0}, "load must be a finite number in"),
        ({"load": 721.0}, "load must be a finite number in \\[0, 720\\]"),
        ({"loss": 1.1}, "loss must be"),
        ({"lifetime": 0}, "lifetime must be an integer"),
        ({"mobility": 0.1, "topology": "ring"}, "mobility must be 0 without topology='geometric'"),
        ({"topology": "geometric", "n_agents": 1001}, "n_agents must be at most 1000"),
        ({"observe": "all"}, "observe must be one of 'destination', 'queues'"),
        ({"reward": "hops"}, "reward must be one of 'waiting', 'delay'"),
        ({"horizon": 0}, "horizon must be an integer in"),
        ({"topology": "torus", "n_agents": 10**6, "queue_size": 10**5}, "n_agents × queue_size"),
    ],
)
def test_bad_arguments_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RoutingWorld(**kwargs)
    with pytest.raises(ValueError, match=message):
        crl_envs.make(ID, **kwargs)


def test_the_default_topology_follows_the_number_of_nodes() -> None:
    assert [RoutingProblem(n).topology for n in (None, 36, 35)] == ["irregular_grid"] * 2 + [
        "torus"
    ]
    assert RoutingProblem(35, mobility=0.1).topology == "geometric"


def test_with_one_node_nothing_enters() -> None:
    env = crl_envs.make(ID, n_agents=1, load=5.0, horizon=5)
    env.reset(seed=0)
    while env.agents:
        env.step({"agent_0": 0})
    assert env.metrics()["arrived"] == 0
    assert env.optimum().value == 0


def test_a_million_nodes() -> None:
    world = RoutingWorld(1_000_000, "torus", load=100_000.0, queue_size=2)
    stream = seeded(1)
    state = world.initial(stream)
    stream.advance()
    state, _ = world.step(state, np.ones((1_000_000, 1), np.uint8), stream)
    assert abs(state.tally[Count.ARRIVED, 0] - 200_000) < 5 * 200_000**0.5
