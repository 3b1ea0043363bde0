"""The least cost of storing all loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crl_envs.core.optimum import Optimum
from crl_envs.load_balancing.rules import NEVER

if TYPE_CHECKING:
    from crl_envs.load_balancing.world import LoadBalancingWorld


def find_optimum(world: LoadBalancingWorld) -> Optimum:
    """The best episode return, mean over agents: every load goes straight to the agent where it costs least.

    Storing the x-th load at an agent h hops from the entry costs h delegations and the store, which in the gradient
    model grows with x; the cheapest set of stores is therefore the cheapest ones taken one by one. Exact with one
    entry, a finite supply that fits, and neither departures, faults, timeouts nor a server that joins, if the horizon
    leaves the steps for it. Otherwise only the bound 0: every reward is a cost, and a run that the horizon cuts off
    may have paid little of it.
    """
    rules = world.rules
    room = int(world.capacity[world.hops >= 0].sum())
    steady = not rules.none_departs.size and rules.timeout == NEVER and rules.join_at == NEVER
    faultless = not (rules.loss or rules.fail or rules.poisson or rules.extra_slots)
    if rules.n_loads <= room and steady and faultless and world.entries.size == 1:
        costs, steps = cheapest_stores(world)
        if steps <= world.horizon:
            value = float(costs.sum()) / world.n_agents
            return Optimum(value, "exact", "cheapest stores by hops and marginal cost", value)
    return Optimum(0.0, "bound", "every reward is a cost", -np.inf)


def fewest_steps(world: LoadBalancingWorld) -> int:
    """Fewest steps that store all loads on the paper's clock: breadth-first filling from the entry.

    A load that ends h hops from the entry takes h delegations and a store, one step each, so the sum over the
    `n_loads` places next to the entry of (hops + 1); 6,700 for the paper's grid (§6.1, the policy "DP").

    Raises:
        ValueError: A setting in which that isn't the number.
    """
    rules = world.rules
    room = np.where(world.hops >= 0, world.capacity, 0)
    hindrances = {
        "max_in_flight": world.places > 1,
        "entries": world.entries.size > 1,
        "arrival_rate": rules.poisson,
        "departure_rate": rules.none_departs.size > 0,
        "message_loss": rules.loss > 0,
        "message_delay": rules.delay > 0,
        "fail_rate": rules.fail > 0,
        "join_capacity": rules.join_at != NEVER,
        "discovery": rules.extra_slots > 0,
        "timeout": rules.timeout != NEVER,
    }
    for name, hinders in hindrances.items():
        if hinders:
            raise ValueError(
                "optimal_steps() is known for one load in flight, one entry and neither faults, arrivals, "
                f"departures, timeouts nor discovery; {name} makes it another problem"
            )
    if rules.n_loads > room.sum():
        raise ValueError(
            f"optimal_steps() needs n_loads ≤ {room.sum()}, the capacity in reach of the entry, "
            f"got {rules.n_loads}"
        )
    steps = np.sort(np.repeat(world.hops + 1, room))
    return int(steps[: rules.n_loads].sum())


def cheapest_stores(world: LoadBalancingWorld) -> tuple[np.ndarray, int]:
    """Rewards of the `n_loads` best stores, best first, and the steps that they take one after another.

    Returns:
        ``float64[n_loads]``, each the delegations and the store of one load, and the sum of hops + 1.
    """
    per_hop = world.delegation_reward + world.connection_cost
    rewards, lengths = [], []
    for hops, capacity in zip(world.hops.tolist(), world.capacity.tolist(), strict=True):
        if hops < 0 or capacity == 0:
            continue
        after = 0 if world.spare == "after" else 1
        store = world.store_costs(np.arange(capacity - 1, -1, -1) + after)
        rewards.append(hops * per_hop + store)
        lengths.append(np.full(capacity, hops + 1))
    every, steps = np.concatenate(rewards), np.concatenate(lengths)
    best = np.argsort(-every, kind="stable")[: world.rules.n_loads]
    return every[best], int(steps[best].sum())
