"""The fewest steps on the paper's clock, against searches; what there is room for; the two ways to count spare room."""

from collections import deque
from itertools import pairwise, permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.load_balancing import LoadBalancingWorld, Outcome
from crl_envs.load_balancing.optimum import fewest_steps
from tests.load_balancing.driving import rollout


@st.composite
def problems(draw, most_agents=7, most_capacity=4):
    """A digraph with an entry, and capacities of which the entry reaches some."""
    n = draw(st.integers(1, most_agents))
    pairs = list(permutations(range(n), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(edges)
    capacity = draw(st.lists(st.integers(0, most_capacity), min_size=n, max_size=n))
    entry = draw(st.integers(0, n - 1))
    capacity[entry] = max(capacity[entry], 1)
    return graph, capacity, entry


def in_reach(graph, capacity, entry):
    return sum(capacity[j] for j in nx.single_source_shortest_path_length(graph, entry))


@settings(max_examples=80)
@given(problem=problems(), share=st.floats(0, 1))
def test_filling_by_hops_is_what_shortest_paths_say(problem, share):
    graph, capacity, entry = problem
    hops = nx.single_source_shortest_path_length(graph, entry)
    lengths = sorted(hops[j] + 1 for j in hops for _ in range(capacity[j]))
    n_loads = 1 + round(share * (len(lengths) - 1))
    world = LoadBalancingWorld(
        topology=graph, capacity=capacity, entries=(entry,), n_loads=n_loads, backend="numpy"
    )
    assert fewest_steps(world.problem) == sum(lengths[:n_loads])


@settings(max_examples=40)
@given(problem=problems(most_agents=4, most_capacity=2))
def test_no_sequence_of_actions_is_shorter(problem):
    """Breadth-first search over (holder, stored loads), in which a full agent's store is left out: it only waits."""
    graph, capacity, entry = problem
    n_loads = in_reach(graph, capacity, entry)
    world = LoadBalancingWorld(topology=graph, capacity=capacity, entries=(entry,), backend="numpy")
    start = (entry, (0,) * len(capacity))
    steps, frontier = {start: 0}, deque([start])
    while frontier:
        here = frontier.popleft()
        holder, loads = here
        if sum(loads) == n_loads:
            assert fewest_steps(world.problem) == steps[here]
            return
        following = [(j, loads) for j in graph.successors(holder)]
        if loads[holder] < capacity[holder]:
            stored = list(loads)
            stored[holder] += 1
            following.append((entry, tuple(stored)))
        for there in following:
            if there not in steps:
                steps[there] = steps[here] + 1
                frontier.append(there)
    raise AssertionError("the loads can't be stored at all")


@pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
def test_the_papers_grid_takes_6700_steps(cost_model):
    env = crl_envs.make("crl/load_balancing-v0", cost_model=cost_model).unwrapped
    assert env.optimal_steps() == 6700
    hops = env.world.hops
    assert (env.capacity * (hops + 1)).sum() == 6700


def test_memory_does_not_stand_in_the_way_of_shortest_paths():
    assert crl_envs.make("crl/load_balancing-v0", memory=True).unwrapped.optimal_steps() == 6700


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_in_flight", 2),
        ("entries", (0, 3)),
        ("arrival_rate", 0.5),
        ("departure_rate", 0.1),
        ("message_loss", 0.1),
        ("message_delay", 1),
        ("fail_rate", 0.1),
        ("join_capacity", 4),
        ("discovery", "all"),
        ("timeout", 9),
    ],
)
def test_another_problem_is_refused_by_the_argument_that_makes_it_one(name, value):
    env = crl_envs.make("crl/load_balancing-v0", **{name: value}).unwrapped
    with pytest.raises(ValueError, match=rf"optimal_steps\(\) .*; {name} makes it another problem"):
        env.optimal_steps()


def test_more_loads_than_room_are_refused():
    env = crl_envs.make("crl/load_balancing-v0", n_loads=1361).unwrapped
    with pytest.raises(ValueError, match=r"optimal_steps\(\) needs n_loads ≤ 1360.* got 1361"):
        env.optimal_steps()


@settings(max_examples=60)
@given(problem=problems())
def test_by_default_there_are_as_many_loads_as_room_in_reach(problem):
    graph, capacity, entry = problem
    world = LoadBalancingWorld(topology=graph, capacity=capacity, entries=(entry,), backend="numpy")
    assert world.rules.n_loads == in_reach(graph, capacity, entry)


def test_room_that_any_entry_reaches_counts_once():
    graph = nx.empty_graph(5, create_using=nx.DiGraph)
    graph.add_edges_from([(0, 2), (1, 2), (3, 4)])
    world = LoadBalancingWorld(topology=graph, capacity=[1, 2, 4, 8, 16], entries=(0, 1))
    assert world.rules.n_loads == 7
    assert LoadBalancingWorld(topology=graph, capacity=[1, 2, 4, 8, 16]).rules.n_loads == 5


def test_a_topology_without_room_in_reach_is_refused():
    graph = nx.empty_graph(3, create_using=nx.DiGraph)
    graph.add_edges_from([(1, 0), (2, 1)])
    with pytest.raises(ValueError, match=r"topology must lead .* none of the 5 loads .*\[1, 2\]"):
        crl_envs.make("crl/load_balancing-v0", topology=graph, capacity=[0, 2, 3])


@pytest.mark.parametrize(
    ("spare", "room"),
    [("after", [3, 2, 1, 0]), ("before", [4, 3, 2, 1]), ("next", [2, 1, 0, -1])],
)
def test_a_store_costs_by_the_room_that_counts(spare, room):
    """One agent of four places, filled: 200 over twice the spare room, all of 200 when there is none."""
    env = crl_envs.make(
        "crl/load_balancing-v0",
        topology=nx.empty_graph(1, create_using=nx.DiGraph),
        capacity=4,
        cost_model="gradient",
        spare=spare,
    )
    env.reset(seed=0)
    paid = [env.step({"agent_0": 1})[1]["agent_0"] for _ in range(4)]
    assert paid == [pytest.approx(-200 / (2 * r) if r > 0 else -200.0) for r in room]
    assert not env.agents


def test_the_next_store_is_what_a_store_costs_one_load_later():
    """R(store) after k stores under "next" is what the (k + 1)-th costs under "after"."""
    after, following = (
        LoadBalancingWorld(capacity=9, cost_model="gradient", spare=spare).problem
        for spare in ("after", "next")
    )
    left = np.arange(1, 9)
    np.testing.assert_array_equal(
        following.store_costs(left + following.costs.before), after.store_costs(left - 1)
    )


def test_room_before_the_store_counts_a_load_that_departs():
    world = LoadBalancingWorld(
        n_agents=4,
        capacity=3,
        cost_model="gradient",
        spare="before",
        departure_rate=0.2,
        n_loads="endless",
        max_in_flight=3,
    )
    stores = 0
    for _, _, after, reward in rollout(world, 2, 150, seed=4):
        if reward is None:
            continue
        agent, b = np.nonzero(after.outcome == Outcome.STORED)
        room = world.capacity[agent] - after.load[agent, b] + 1
        np.testing.assert_array_equal(reward[agent, b], (-200 / (2 * room)).astype(np.float32))
        stores += agent.size
    assert stores > 50


def test_the_optimum_knows_which_spare_room_counts():
    """Filling one agent of capacity 3."""
    graph = nx.empty_graph(1, create_using=nx.DiGraph)
    values = {
        spare: crl_envs.make(
            "crl/load_balancing-v0",
            topology=graph,
            capacity=3,
            cost_model="gradient",
            spare=spare,
        )
        .unwrapped.optimum()
        .value
        for spare in ("before", "after", "next")
    }
    expected = {
        "before": -200 / 6 - 200 / 4 - 200 / 2,
        "after": -200 / 4 - 200 / 2 - 200,
        "next": -200 / 2 - 200 - 200,
    }
    assert values == pytest.approx(expected)
    assert all(x > y for x, y in pairwise(values.values()))
