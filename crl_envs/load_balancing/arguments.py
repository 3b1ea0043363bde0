"""Arguments of `LoadBalancingEnv` to what `rules.Rules` holds; each bad one is a ``ValueError`` that names it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    about_bytes,
    check_each,
    check_int,
    check_real,
    is_sequence,
    is_word,
    shown,
)
from crl_envs.load_balancing.rules import ENDLESS, WHEN_FULL

LARGEST_CAPACITY: Final = 2**31 - 1
LAST_STEP: Final = 2**40

_MOST_WITH_DEPARTURES: Final = (
    10_000_000  # loads at an agent: a table has an entry for each number of them
)


def changed(function: Callable[..., Any], given: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the arguments that differ from the defaults of a method."""
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
    del defaults["self"]
    return frozenset(name for name in defaults if not _equal(given[name], defaults[name]))


def _equal(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default)
    except Exception:  # an array has no truth value, and anything at all may have been given
        return False


def agent_indices(
    name: str, agents: Sequence[Any], n: int, nodes: Mapping[Any, int]
) -> NDArray[np.int64]:
    """Distinct agents as an array of their numbers.

    Args:
        name: The argument.
        agents: Numbers of agents, or the names of nodes where those have names.
        n: Number of agents.
        nodes: The agent of each node that has a name; empty where nodes have none.
    """
    if nodes:
        checked = check_each(name, agents, _named, nodes=nodes)
    else:
        checked = check_each(name, agents, check_int, low=0, high=n - 1)
    if len(set(checked)) != len(checked):
        raise ValueError(f"{name} must be distinct agents, got {shown(list(agents))}")
    return np.array(checked, np.int64)


def _named(name: str, node: Any, nodes: Mapping[Any, int]) -> int:
    try:
        if isinstance(node, bool) and not any(isinstance(known, bool) for known in nodes):
            raise KeyError(node)  # True is 1 to a dict
        return nodes[node]
    except Exception:
        raise ValueError(
            f"{name} must be nodes of topology, which are {shown(list(nodes))}, got {shown(node)}"
        ) from None


def capacities(
    capacity: int | Sequence[int], n: int, servers: Sequence[int], server_capacity: int
) -> NDArray[np.int64]:
    """``int64[n]``, loads: one number for all or a list, and that of the servers."""
    if is_sequence(capacity):
        if len(capacity) != n:
            raise ValueError(
                f"capacity must have one entry for each of {n} agents, got {len(capacity)}"
            )
        values = check_each("capacity", capacity, check_int, low=0, high=LARGEST_CAPACITY)
        each = np.array(values, np.int64)
    else:
        each = np.full(n, check_int("capacity", capacity, low=0, high=LARGEST_CAPACITY), np.int64)
    each[list(servers)] = check_int(
        "server_capacity", server_capacity, low=0, high=LARGEST_CAPACITY
    )
    return each


def discoverers(
    discovery: str,
    n: int,
    founders: int,
    successors: NDArray[np.int32],
    entries: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Agents that have the discovery action."""
    finders = np.zeros(n, np.uint8)
    if discovery == "all":
        finders[:founders] = 1
    elif discovery == "entry_neighbors":
        near = successors[entries].ravel()
        finders[near[near >= 0]] = 1
    return finders


def join_step(join_at: int | str) -> int:
    """The step at which a server joins, or `WHEN_FULL`."""
    if is_word(join_at, "full"):
        return WHEN_FULL
    if isinstance(join_at, str):
        raise ValueError(f"join_at must be 'full' or a step ≥ 1, got {shown(join_at)}")
    return check_int("join_at", join_at, low=1, high=LAST_STEP)


def supply(n_loads: int | str | None, capacity: int) -> int:
    """Loads of an episode: a number, `ENDLESS`, or what the capacity holds."""
    if n_loads is None:
        return capacity
    if is_word(n_loads, "endless"):
        return ENDLESS
    if isinstance(n_loads, str):
        raise ValueError(f"n_loads must be an integer ≥ 1, 'endless' or None, got {shown(n_loads)}")
    return check_int("n_loads", n_loads, low=1, high=ENDLESS)


def capacity_in_reach(capacity: NDArray[np.int64], reached: NDArray[np.bool_]) -> int:
    """Loads that can be stored by delegating from an entry.

    Args:
        capacity: ``int64[n]``, loads.
        reached: ``bool[n]``, agents to which delegations lead from an entry.

    Raises:
        ValueError: There is capacity, and none of it is in reach.
    """
    total, within = int(capacity.sum()), int(capacity[reached].sum())
    if total > 0 and within == 0:
        raise ValueError(
            f"topology must lead from an entry to capacity: none of the {total} loads that the agents "
            f"{np.flatnonzero(capacity)[:5].tolist()}{' …' if np.count_nonzero(capacity) > 5 else ''} "
            "have room for could get there"
        )
    return within


def arrivals(rate: float | None) -> dict[str, Any]:
    """The fields of `Rules` that describe Poisson arrivals; unused ones without a rate."""
    if rate is None:
        return {"arrival_rate": 0.0, "arrival_zero": 1.0, "most_arrivals": 0}
    rate = check_real("arrival_rate", rate, low=0.0, high=500.0, open_low=True)
    most = math.ceil(rate + 40 * math.sqrt(rate) + 40)
    return {"arrival_rate": rate, "arrival_zero": math.exp(-rate), "most_arrivals": most}


def none_departs(rate: float, largest: int) -> NDArray[np.float64]:
    """P(none of k stored loads departs) for k = 0 … largest; empty without departures."""
    if rate == 0:
        return np.empty(0)
    if largest > _MOST_WITH_DEPARTURES:
        raise ValueError(
            f"capacity must be at most {_MOST_WITH_DEPARTURES} with departures, got {largest}: a table for each "
            f"number of loads would take about {about_bytes(24 * largest)} of memory"
        )
    if largest * -math.log1p(-rate) > 700:
        raise ValueError(
            f"departure_rate must be at most {-math.expm1(-700 / largest):.3g} for a capacity of "
            f"{largest}, got {shown(rate)}"
        )
    return np.asarray((1.0 - rate) ** np.arange(largest + 1))
