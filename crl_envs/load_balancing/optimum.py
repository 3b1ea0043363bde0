"""The least cost of storing all loads."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.load_balancing.problem import LoadBalancingProblem

# Arguments of the problem that `fewest_steps` and `find_optimum` solve, whatever their values. All others must be at
# their defaults: one that is added later makes the optimum a bound until somebody has thought about it.
_SIZES: Final = frozenset(
    {"n_agents", "topology", "out_degree", "capacity", "servers", "server_capacity", "entries"}
    | {"n_loads", "max_steps", "instance_seed", "backend", "memory"}
)
_PRICES: Final = frozenset(
    {"cost_model", "spare", "min_q_value", "delegation_reward", "connection_cost"}
)
# Without effect as long as what switches them on (faults, discovery, a server that joins) is off, as it must be.
_UNUSED: Final = frozenset(
    {"return_rate", "discover", "discovery_rate", "discovery_slots", "discovery_cost", "join_at"}
)
# `fewest_steps`: prices don't change a number of steps.
_COUNTED: Final = _SIZES | _PRICES | _UNUSED
# `find_optimum`: loads that travel at once cost what they cost alone.
_PROVEN: Final = _COUNTED | {"max_in_flight"}

_MOST_PLACES: Final = 50_000_000  # of 16 bytes each, and half a minute to sort


def find_optimum(problem: LoadBalancingProblem) -> Optimum:
    """Return the best episode return, mean over agents.

    Storing the x-th load at an agent h hops from the entry costs h delegations and the store, which in the gradient
    model grows with x; the cheapest set of stores is therefore the cheapest ones taken one by one. No policy that ends
    the episode pays less. One that doesn't, and so lives to the horizon, acts on a load at every step: each step that
    is no part of the way to a store is a failed store, a load kept waiting, or a delegation that leads nowhere.

    Exact with one entry, loads that fit and all arguments but those in `_PROVEN` at their defaults, where the horizon
    leaves the steps for it and living to the horizon isn't cheaper. Otherwise an upper bound: the better of the two
    for the same arguments, and 0, since every reward is a cost, for others and for more than `_MOST_PLACES` places.
    """
    room = int(problem.rules.capacity[problem.hops >= 0].sum())
    known = problem.changed <= _PROVEN and problem.rules.entries.size == 1
    places = int(_places(problem).sum())
    if not known or not 1 <= problem.rules.n_loads <= room or places > _MOST_PLACES:
        return Optimum(0.0, "bound", "every reward is a cost", -np.inf)
    rewards, lengths, counts = _stores(problem)
    stored, steps = _cheapest(problem.rules.n_loads, rewards, lengths, counts)
    stored /= problem.n
    unfinished = _most_unfinished(problem, rewards, lengths, counts) / problem.n
    reached = stored if steps <= problem.max_steps else -np.inf
    if unfinished <= reached:
        return Optimum(stored, "exact", "cheapest stores by hops and marginal cost", stored)
    method = "upper: cheapest stores, or the cheapest way to the horizon; lower: cheapest stores"
    return Optimum(min(max(stored, unfinished), 0.0), "bound", method, reached)


def _most_unfinished(
    problem: LoadBalancingProblem,
    rewards: NDArray[np.float64],
    lengths: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> float:
    """Return an upper bound on the sum of rewards of an episode that the horizon ends.

    Each of the `horizon` steps costs at least the cheapest way to spend one without a store; a load that is stored
    replaces as many of them as it takes hops and a store, and at most all but one load are.
    """
    waiting = max(problem.min_q_value, problem.delegation_reward + problem.connection_cost)
    gains = np.maximum(rewards - lengths * waiting, 0.0)
    most, _ = _cheapest(problem.rules.n_loads - 1, gains, lengths, counts)
    return problem.max_steps * waiting + most


def _places(problem: LoadBalancingProblem) -> NDArray[np.int64]:
    """Return how many of the loads each agent can hold, ``int64[n]``; none beyond the reach of the entry."""
    within = np.minimum(problem.rules.capacity, problem.rules.n_loads)
    return np.where(problem.hops >= 0, within, 0)


def fewest_steps(problem: LoadBalancingProblem) -> int:
    """Return the fewest steps that store all loads on the paper's clock: breadth-first filling from the entry.

    A load that ends h hops from the entry takes h delegations and a store, one step each, so the sum over the
    `n_loads` places next to the entry of (hops + 1); 6,700 for the paper's grid (§6.1, the policy "DP").

    Raises:
        ValueError: A setting in which that isn't the number.
    """
    hindering = sorted(problem.changed - _COUNTED) or ["entries"] * (problem.rules.entries.size > 1)
    if hindering:
        raise ValueError(
            "optimal_steps() is known for one load in flight, one entry and neither faults, arrivals, "
            f"departures, timeouts nor discovery; {', '.join(hindering)} makes it another problem"
        )
    n_loads, places = problem.rules.n_loads, _places(problem)
    if n_loads > places.sum():
        raise ValueError(
            f"optimal_steps() needs n_loads ≤ {places.sum()}, the capacity in reach of the entry, "
            f"got {n_loads}"
        )
    order = np.argsort(problem.hops, kind="stable")
    taken = np.diff(np.minimum(np.cumsum(places[order]), n_loads), prepend=0)
    return int(taken @ (problem.hops[order] + 1))


def every_store(problem: LoadBalancingProblem) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return what storing a load costs at each free place in reach of the entry, cheapest first.

    Returns:
        ``float64[places]``, the reward of the delegations and the store, and ``int64[places]``, their steps: hops + 1.
    """
    rewards, lengths, counts = _stores(problem)
    best = np.lexsort((lengths, -rewards))
    return np.repeat(rewards[best], counts[best]), np.repeat(lengths[best], counts[best])


def _stores(
    problem: LoadBalancingProblem,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return rewards and steps of stores, as `every_store`, in no order, and how many places there are of each."""
    per_hop = problem.delegation_reward + problem.connection_cost
    places = _places(problem)
    agent = np.flatnonzero(places)
    hops, capacity, places = problem.hops[agent], problem.rules.capacity[agent], places[agent]
    if not problem.costs.gradient:  # then all places of an agent are equal
        return np.asarray(hops * per_hop, np.float64), hops + 1, places
    nth = np.arange(1, places.sum() + 1) - np.repeat(np.cumsum(places) - places, places)
    spare = np.repeat(capacity, places) - nth + problem.costs.before
    hops = np.repeat(hops, places)
    return hops * per_hop + problem.store_costs(spare), hops + 1, np.ones_like(hops)


def _cheapest(
    n_loads: int,
    rewards: NDArray[np.float64],
    lengths: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> tuple[float, int]:
    """Return the sums of the rewards and of the steps of so many of the best stores."""
    best = np.lexsort((lengths, -rewards))
    taken = np.diff(np.minimum(np.cumsum(counts[best]), n_loads), prepend=0)
    return float(np.repeat(rewards[best], taken).sum()), int(taken @ lengths[best])
