"""The optimum is reached by a policy that is written here, and by no other."""

from collections import deque
from functools import cache
from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.load_balancing.optimum import every_store


def routes(graph, entry=0):
    """First hop from each agent towards each target on a shortest path."""
    return {
        target: {
            a: path[1]
            for a, path in nx.shortest_path(graph, target=target).items()
            if len(path) > 1
        }
        for target in graph
    }


@cache
def fill_by_plan(topology, cost_model):
    """Send each load to the store that is cheapest at that moment; return (env, steps, mean return)."""
    env = crl_envs.make("crl/load_balancing-v0", topology=topology, cost_model=cost_model)
    world = env.unwrapped.world
    first_hop = routes(world.topology)
    _, infos = env.reset(seed=0)
    loads, target, steps, total = [0] * world.n_agents, None, 0, 0.0
    while env.agents:
        holder = next(i for i, a in enumerate(env.agents) if not infos[a]["action_mask"][0])
        if target is None:
            target = min(range(world.n_agents), key=lambda i: marginal_cost(world, i, loads[i]))
        if holder == target:
            move, loads[target], target = 1, loads[target] + 1, None
        else:
            name = f"agent_{first_hop[target][holder]}"
            move = 2 + infos[f"agent_{holder}"]["neighbors"].index(name)
        actions = dict.fromkeys(env.agents, 0) | {f"agent_{holder}": move}
        _, rewards, _, _, infos = env.step(actions)
        steps += 1
        total += sum(rewards.values())
    return env, steps, total / world.n_agents


def marginal_cost(world, i, load):
    spare = int(world.capacity[i]) - load - 1
    if spare < 0 or world.hops[i] < 0:
        return np.inf
    store = 0.0
    if world.problem.cost_model == "gradient":
        store = 200.0 / (2 * spare) if spare else 200.0
    return 12 * int(world.hops[i]) + store


@pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
@pytest.mark.parametrize("topology", ["grid", "random"])
def test_a_planned_policy_reaches_the_exact_optimum(topology, cost_model):
    env, steps, value = fill_by_plan(topology, cost_model)
    optimum = env.unwrapped.optimum()
    assert optimum.kind == "exact"
    assert optimum.lower == optimum.value
    assert value == pytest.approx(optimum.value, rel=1e-5)
    assert steps == every_store(env.unwrapped.world.problem)[1].sum()


def test_breadth_first_filling_of_the_grid_takes_6700_steps():
    """The specification's count: the sum over agents of capacity · (hops + 1)."""
    assert fill_by_plan("grid", "discrete")[1] == 6700


@pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
@pytest.mark.parametrize("n_loads", [1, 2, 3, 4])
def test_no_sequence_of_actions_does_better(cost_model, n_loads):
    """All action sequences of a three-agent world, by breadth-first search over its states."""
    graph = nx.DiGraph([(0, 1), (1, 2), (2, 0)])
    capacity = (1, 2, 1)
    env = crl_envs.make(
        "crl/load_balancing-v0",
        topology=graph,
        capacity=capacity,
        n_loads=n_loads,
        cost_model=cost_model,
    )
    best = {(0, (0, 0, 0)): 0.0}
    frontier, final = deque(best), -np.inf
    while frontier:
        holder, loads = frontier.popleft()
        value = best[holder, loads]
        after = {((holder + 1) % 3, loads): value - 12}
        if loads[holder] < capacity[holder]:
            spare = capacity[holder] - loads[holder] - 1
            cost = 0.0 if cost_model == "discrete" else (200 / (2 * spare) if spare else 200)
            stored = tuple(x + (i == holder) for i, x in enumerate(loads))
            if sum(stored) == n_loads:
                final = max(final, value - cost)
            else:
                after[0, stored] = value - cost
        for state, worth in after.items():
            if worth > best.get(state, -np.inf) and worth > -2000:
                best[state] = worth
                frontier.append(state)
    assert env.unwrapped.optimum().value == pytest.approx(final / 3)


def best_return(steps, travellers=1, **arguments):
    """The best return of all sequences of `steps` actions, legal or not, played in one batch.

    All agents without a load play the same as those with one, which changes nothing; of two loads in flight, those of
    even and of odd agents are moved apart.
    """
    id = "crl/load_balancing-v0"
    actions = int(crl_envs.make(id, **arguments).action_space("agent_0").n)
    sequences = np.array(list(product(range(actions), repeat=steps * travellers)))
    vec = crl_envs.make_vec(id, len(sequences), autoreset_mode="Disabled", **arguments)
    vec.reset(seed=0)
    turns = sequences.reshape(len(sequences), steps, travellers)
    total = np.zeros(len(sequences))
    for t in range(steps):
        asked = turns[:, t, np.arange(vec.n_agents) % travellers]
        total += vec.step(asked)[1].mean(axis=1, dtype=np.float64)
    return total.max()


@st.composite
def tiny_problems(draw):
    """Up to three agents with room for up to two loads, at any prices, over up to six steps."""
    n = draw(st.integers(1, 3))
    graph = nx.empty_graph(n, create_using=nx.DiGraph)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    graph.add_edges_from(draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else [])
    capacity = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    price = st.sampled_from([0.0, -1.0, -7.0, -200.0])
    return {
        "topology": graph,
        "capacity": [max(capacity[0], 1), *capacity[1:]],
        "n_loads": draw(st.integers(1, 3)),
        "cost_model": draw(st.sampled_from(["discrete", "gradient"])),
        "spare": draw(st.sampled_from(["after", "before", "next"])),
        "min_q_value": draw(price),
        "delegation_reward": draw(price),
        "connection_cost": draw(price),
        "memory": draw(st.booleans()),
        "max_steps": draw(st.integers(1, 6)),
    }


@settings(max_examples=60)
@given(arguments=tiny_problems())
def test_no_policy_beats_the_optimum_and_where_it_is_exact_one_reaches_it(arguments):
    optimum = crl_envs.make("crl/load_balancing-v0", **arguments).unwrapped.optimum()
    best = best_return(arguments["max_steps"], **arguments)
    assert optimum.lower - 1e-4 <= best <= optimum.value + 1e-4
    assert optimum.kind == "bound" or optimum.lower == optimum.value


CHAIN = nx.DiGraph([(0, 1), (1, 2)])


@pytest.mark.parametrize(
    "arguments",
    [
        {"message_delay": 50},
        {"message_loss": 0.5},
        {"fail_rate": 0.5, "return_rate": 0.5},
        {"timeout": 2},
        {"departure_rate": 0.5},
        {"arrival_rate": 1.0, "n_loads": 3},
        {"entries": (0, 1)},
        {"discovery": "all"},
        {"join_capacity": 2, "join_at": 1},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_no_policy_beats_the_bound_of_a_problem_beyond_the_exact_ones(arguments):
    """Delay 50: exact was −24, the cost of two loads' ways, where seven steps of waiting cost less."""
    made = {"topology": CHAIN, "capacity": (0, 0, 3), "max_steps": 7, **arguments}
    optimum = crl_envs.make("crl/load_balancing-v0", **made).unwrapped.optimum()
    assert (optimum.kind, optimum.value) == ("bound", 0.0)
    assert optimum.lower <= best_return(7, **made) <= 0.0


def test_two_loads_in_flight_cost_what_they_cost_alone():
    made = {
        "topology": nx.DiGraph([(0, 1)]),
        "capacity": (1, 1),
        "max_in_flight": 2,
        "max_steps": 4,
    }
    optimum = crl_envs.make("crl/load_balancing-v0", **made).unwrapped.optimum()
    assert optimum.kind == "exact"
    assert best_return(4, travellers=2, **made) == pytest.approx(optimum.value)


def test_doing_nothing_with_a_load_costs_what_a_failed_store_costs():
    """An agent that plays the illegal no-op to the horizon earned 0, above the "exact" optimum."""
    env = crl_envs.make("crl/load_balancing-v0", max_steps=30)
    env.reset(seed=0)
    total = 0.0
    while env.agents:
        total += sum(env.step(dict.fromkeys(env.agents, 0))[1].values())
    assert total == 30 * -200.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"return_rate": 0.5},
        {"discovery_rate": 0.5, "discovery_slots": 3, "discover": "any", "discovery_cost": -7.0},
        {"join_at": 7},
    ],
)
def test_arguments_that_nothing_switches_on_change_no_optimum(arguments):
    env = crl_envs.make("crl/load_balancing-v0", **arguments)
    assert env.unwrapped.optimum() == crl_envs.make("crl/load_balancing-v0").unwrapped.optimum()
    assert env.unwrapped.optimal_steps() == 6700


def test_a_capacity_without_end_is_bounded_at_once():
    env = crl_envs.make("crl/load_balancing-v0", capacity=2**31 - 1, cost_model="gradient")
    assert env.unwrapped.optimum().kind == "bound"
    few = crl_envs.make("crl/load_balancing-v0", capacity=2**31 - 1, n_loads=5).unwrapped
    assert few.optimum().value == 0.0
    assert few.optimal_steps() == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"departure_rate": 0.1},
        {"message_loss": 0.1},
        {"n_loads": 5000},
        {"timeout": 4},
        {"join_capacity": 5},
        {"entries": (0, 1)},
        {"max_steps": 100},
        {"arrival_rate": 1.0},
        {"message_delay": 1},
    ],
)
def test_what_is_not_known_exactly_is_a_bound(arguments):
    optimum = crl_envs.make("crl/load_balancing-v0", **arguments).unwrapped.optimum()
    assert (optimum.kind, optimum.value) == ("bound", 0.0)


def test_brute_force_agrees_with_the_cheapest_stores_on_tiny_capacities():
    """All ways to spread three loads over three agents."""
    env = crl_envs.make(
        "crl/load_balancing-v0",
        topology=nx.DiGraph([(0, 1), (1, 2)]),
        capacity=(2, 3, 4),
        n_loads=3,
        cost_model="gradient",
    )
    world = env.unwrapped.world
    spreads = (s for s in product(range(4), repeat=3) if sum(s) == 3)
    costs = [
        sum(marginal_cost(world, i, x) for i in range(3) for x in range(spread[i]))
        for spread in spreads
    ]
    assert -every_store(world.problem)[0][:3].sum() == pytest.approx(min(costs))
