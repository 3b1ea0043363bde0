"""The optimum is reached by a policy that is written here, and by no other."""

from collections import deque
from itertools import product

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.load_balancing.optimum import cheapest_stores


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


def fill_by_plan(env):
    """Send each load to the store that is cheapest at that moment; return (steps, mean return)."""
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
    return steps, total / world.n_agents


def marginal_cost(world, i, load):
    spare = int(world.capacity[i]) - load - 1
    if spare < 0 or world.hops[i] < 0:
        return np.inf
    store = 0.0
    if world.cost_model == "gradient":
        store = 200.0 / (2 * spare) if spare else 200.0
    return 12 * int(world.hops[i]) + store


@pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
@pytest.mark.parametrize("topology", ["grid", "random"])
def test_a_planned_policy_reaches_the_exact_optimum(topology, cost_model):
    env = crl_envs.make("crl/load_balancing-v0", topology=topology, cost_model=cost_model)
    optimum = env.unwrapped.optimum()
    steps, value = fill_by_plan(env)
    assert optimum.kind == "exact"
    assert optimum.lower == optimum.value
    assert value == pytest.approx(optimum.value, rel=1e-5)
    assert steps == cheapest_stores(env.unwrapped.world)[1]


def test_breadth_first_filling_of_the_grid_takes_6700_steps():
    """The specification's count: the sum over agents of capacity · (hops + 1)."""
    env = crl_envs.make("crl/load_balancing-v0")
    assert fill_by_plan(env)[0] == 6700


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
    ],
)
def test_what_is_not_known_exactly_is_a_bound(arguments):
    optimum = crl_envs.make("crl/load_balancing-v0", **arguments).unwrapped.optimum()
    assert (optimum.kind, optimum.value) == ("bound", 0.0)


def test_brute_force_agrees_with_cheapest_stores_on_tiny_capacities():
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
    assert -cheapest_stores(world)[0].sum() == pytest.approx(min(costs))
