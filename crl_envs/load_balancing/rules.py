"""Load balancing's codes, state and costs, and what both kernels reckon with.

The functions of numbers here take arrays too, and are compiled: `numpy_kernel` and `numba_kernel` call the same ones.
The tuples stay in this module: the caches that Numba keeps name them by it, and can't be read where one has gone.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.delegation import Dop, Kind
from crl_envs.core.stream import Purpose

NOOP: Final = 0
STORE: Final = 1
FIRST_DELEGATION: Final = 2

KINDS: Final = tuple(kind.name.lower() for kind in Kind)

NEVER: Final = -1
WHEN_FULL: Final = -2
ENDLESS: Final = 2**62


class Outcome(IntEnum):
    """What an agent's last action led to."""

    NONE = 0
    STORED = 1
    STORE_FAILED = 2
    DELEGATED = 3
    MESSAGE_LOST = 4
    DISCOVERED = 5
    NOT_DISCOVERED = 6
    IDLED = 7  # with a load in hand it did nothing, or what the mask forbids


DOP_OF_OUTCOME: Final = {
    Outcome.NONE: Dop.NONE,
    Outcome.STORED: Dop.SOLVED,
    Outcome.STORE_FAILED: Dop.KEPT,
    Outcome.DELEGATED: Dop.DELEGATED,
    Outcome.MESSAGE_LOST: Dop.KEPT,
    Outcome.DISCOVERED: Dop.KEPT,
    Outcome.NOT_DISCOVERED: Dop.KEPT,
    Outcome.IDLED: Dop.KEPT,
}

USES_LINK: Final = (
    Outcome.DELEGATED,
    Outcome.MESSAGE_LOST,
    Outcome.DISCOVERED,
    Outcome.NOT_DISCOVERED,
)


def action_kinds(slots: int, discovers: bool) -> tuple[str, ...]:
    """Return the kind of each action, with so many delegation slots."""
    return ("noop", "local") + ("delegation",) * slots + ("discovery",) * discovers


class Count(IntEnum):
    """Rows of `State.tally`."""

    TIME = 0
    REMAINING = 1
    ENTERED = 2
    DEPARTED = 3
    TIMED_OUT = 4
    MESSAGES = 5
    MESSAGES_LOST = 6
    JOINED = 7


class Rules(NamedTuple):
    """Constants of one problem; n agents, K delegation slots by topology and S for discovered neighbours."""

    capacity: NDArray[np.int64]  # int64[n], loads
    successors: NDArray[
        np.int32
    ]  # int32[n, K], agent of each delegation slot, −1 where there is none
    extra_slots: int  # S
    may_discover: NDArray[np.uint8]  # uint8[n]
    discover_any: bool  # any agent may be found, or only one that joined
    entries: NDArray[np.int64]  # int64[E], agents at which loads enter
    n_founders: int  # agents that are there from the start; at most one joins later
    founders_capacity: int  # loads
    join_at: int  # a step, WHEN_FULL or NEVER
    n_loads: int
    poisson: bool
    arrival_rate: float  # loads a step at each entry
    arrival_zero: float  # exp(−arrival_rate)
    most_arrivals: int  # loads at one entry in one step
    departure_odds: float  # p / (1 − p)
    none_departs: NDArray[
        np.float64
    ]  # float64[largest capacity + 1], (1 − p)^k; empty without departures
    loss: int  # threshold in [0, 2^32]
    delay: int  # most extra steps on a link
    fail: int  # threshold
    recover: int  # threshold
    find: int  # threshold
    memory: bool
    timeout: int  # steps, or NEVER


class State(NamedTuple):
    """B columns of the world. A load in flight occupies one of L places; stored ones are only counted."""

    load: NDArray[np.int32]  # int32[n, B], stored loads
    active: NDArray[np.uint8]  # uint8[n, B], 0 while failed or not yet joined
    found: NDArray[np.int32]  # int32[n, S, B], discovered neighbours, −1 where the slot is free
    at: NDArray[
        np.int32
    ]  # int32[L, B], the agent where a load is or is going to; −1 for an empty place
    ready: NDArray[np.int64]  # int64[L, B], the step from which it is in that agent's queue
    ticket: NDArray[np.int64]  # int64[L, B], queues are served in ascending order
    birth: NDArray[np.int64]  # int64[L, B], the step at which it entered
    visited: NDArray[np.uint8]  # uint8[L, n, B], or [L, 0, B] without memory
    head: NDArray[
        np.int32
    ]  # int32[n, B], place of the load that each agent can act on: the first of its queue, or −1
    waiting: NDArray[np.int32]  # int32[n, B], length of each queue
    outcome: NDArray[np.int8]  # int8[n, B], Outcome of the last action
    backlog: NDArray[np.int64]  # int64[E, B], loads that arrived and haven't entered
    tally: NDArray[np.int64]  # int64[8, B], its rows are those of Count


class Keys(NamedTuple):
    """Keys ``uint64[B]`` of the present clock for each kind of draw; unused ones may hold anything."""

    arrival: NDArray[np.uint64]
    departure: NDArray[np.uint64]
    loss: NDArray[np.uint64]
    delay: NDArray[np.uint64]
    failure: NDArray[np.uint64]
    recovery: NDArray[np.uint64]
    discovery: NDArray[np.uint64]
    discovered: NDArray[np.uint64]


PURPOSES: Final = (
    Purpose.ARRIVAL,
    Purpose.DEPARTURE,
    Purpose.LINK_LOSS,
    Purpose.LINK_DELAY,
    Purpose.FAILURE,
    Purpose.RETURN,
    Purpose.DISCOVERY,
    Purpose.DISCOVERED_AGENT,
)
"""What the draws of each field of `Keys` are for."""


def is_open(target: Any, been_there: Any) -> Any:
    """Return whether a slot may be used: it leads to an agent, where the load hasn't been."""
    return (target >= 0) & (been_there == 0)


def may_discover(rules: Rules, allowed: Any, slot_is_free: Any, joined: Any) -> Any:
    """Return whether an agent with a load may look for another, from its entry of ``rules.may_discover``."""
    return (allowed > 0) & slot_is_free & ((joined > 0) | (rules.join_at == NEVER))


def store_reward(min_q: float, spare: Any) -> Any:
    """Return the reward of a store in the gradient model, from the spare capacity ≥ 0 that it is reckoned with."""
    return min_q * (1.0 / np.maximum(2 * spare, 1))


class Costs(NamedTuple):
    """What outcomes cost."""

    reward: NDArray[
        np.float32
    ]  # float32[8], by Outcome; that of a store in the gradient model is `min_q` times a share
    link: NDArray[np.float32]  # float32[8], the part of it that pays for a link
    dop: NDArray[np.int8]  # int8[8], Dop of each Outcome
    min_q: float  # in the gradient model a store costs a share of it
    gradient: bool
    before: int  # 1 where the spare capacity counts before the store, else 0


def costs_of(
    min_q_value: float,
    delegation_reward: float,
    connection_cost: float,
    gradient: bool,
    before: bool,
) -> Costs:
    """Return what outcomes cost, from a problem's prices and its cost model."""
    by_outcome = {
        Outcome.NONE: 0.0,
        Outcome.STORED: 0.0,
        Outcome.STORE_FAILED: min_q_value,
        Outcome.DELEGATED: delegation_reward + connection_cost,
        Outcome.MESSAGE_LOST: connection_cost,
        Outcome.DISCOVERED: connection_cost,
        Outcome.NOT_DISCOVERED: connection_cost,
        Outcome.IDLED: min_q_value,  # or waiting would be the best policy
    }
    return Costs(
        reward=np.array([by_outcome[outcome] for outcome in Outcome], np.float32),
        link=np.array([connection_cost if o in USES_LINK else 0.0 for o in Outcome], np.float32),
        dop=np.array([DOP_OF_OUTCOME[outcome] for outcome in Outcome], np.int8),
        min_q=min_q_value,
        gradient=gradient,
        before=int(before),
    )
