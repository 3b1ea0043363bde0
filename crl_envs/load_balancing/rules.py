"""Load balancing's codes, state and costs, and its dynamics in NumPy, vectorised over loads in flight and columns.

The order of events in a step: stored loads depart; every active agent acts on the first load of its queue; the
step ends (time + 1) and what has arrived by wire joins its queue; agents fail and return; a server joins; loads time
out; new loads arrive and enter; queues are put in order.

`numba_kernel` compiles what needs no second form: the functions of numbers, which take arrays too. The tuples stay in
this module: the caches that Numba keeps name them by it, and can't be read where one has gone.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.delegation import Dop, Kind
from crl_envs.core.stream import Purpose, lane_words, words

Ints = NDArray[np.int64]

NOOP: Final = 0
STORE: Final = 1
FIRST_DELEGATION: Final = 2

KINDS: Final = tuple(kind.name.lower() for kind in Kind)

NEVER: Final = -1
WHEN_FULL: Final = -2
ENDLESS: Final = 2**62
LEAST_RECENT: Final = 2
LAST_TURN: Final = 2**31 - 1  # no later one fits into what a load remembers

_NO_TICKET: Final = np.iinfo(np.int64).max


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
    discover_again: (
        bool  # also one that there is a slot for by topology; where no slot is free, one gives way
    )
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
    memory: int  # 0 for none, 1 or LEAST_RECENT
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
    visited: NDArray[
        np.int32
    ]  # int32[L, n, B]: `turn` when it last set out for each; [L, 0, B] without memory
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


class Costs(NamedTuple):
    """What outcomes cost."""

    reward: NDArray[
        np.float32
    ]  # float32[8], by Outcome; that of a store in the gradient model is `min_q` times a share
    link: NDArray[np.float32]  # float32[8], the part of it that pays for a link or a discovery
    dop: NDArray[np.int8]  # int8[8], Dop of each Outcome
    min_q: float  # in the gradient model a store costs a share of it
    gradient: bool
    before: int  # how many stores before its own a store's spare capacity is counted after: 0, 1; −1: after the next


def draws(rules: Rules) -> tuple[bool, ...]:
    """Return whether the rules make any draw with each field of `Keys`."""
    departs, fails, discovers = rules.none_departs.size > 0, rules.fail > 0, rules.extra_slots > 0
    return (
        rules.poisson,
        departs,
        rules.loss > 0,
        rules.delay > 0,
        fails,
        fails,
        discovers,
        discovers,
    )


def ticket(ready: Any, source: Any, place: Any, n: int, places: int) -> Any:
    """Return the ticket of a load ready at a step, from agent `source` or, with n, from outside."""
    return (ready * (n + 1) + source) * places + place


def turn(step: Any) -> Any:
    """Return what a load remembers of a step at which it came to an agent: 1 or more, as 0 is for never."""
    return np.minimum(step + 1, LAST_TURN)


def is_open(target: Any, visited: Any, earliest: Any, memory: Any) -> Any:
    """Return whether a slot may be used: it leads to an agent where the load hasn't been, or has been with all of them.

    Args:
        target: The agent behind the slot, −1 for none.
        visited: `turn` of the load's last visit there, 0 for never and without memory.
        earliest: The least of them among this agent's slots, 0 without memory.
        memory: Of the rules. `LEAST_RECENT`: where the load has been with all of them, to the least recent alone.
    """
    latest = earliest + (LAST_TURN - earliest) * ((earliest > 0) & (memory != LEAST_RECENT))
    return (target >= 0) & (visited <= latest)


def may_discover(rules: Rules, allowed: Any, slot_is_free: Any, joined: Any) -> Any:
    """Return whether an agent with a load may look for another, from its entry of ``rules.may_discover``."""
    can_take = slot_is_free | rules.discover_again
    return (allowed > 0) & can_take & ((joined > 0) | (rules.join_at == NEVER))


def store_reward(min_q: float, spare: Any) -> Any:
    """Return the reward of a store in the gradient model, from the spare capacity that it is reckoned with.

    MinQ / (2 · spare), and MinQ where that capacity is 0 or, with the next load counted, −1.
    """
    return min_q * (1.0 / np.maximum(2 * spare, 1))


def has_ended(state: State, columns: Any) -> Any:
    """Return whether every load has entered and none is in flight, in a column or in each of a slice."""
    return (
        (state.tally[Count.REMAINING.value, columns] == 0)
        & all_below(1, state.backlog, columns)
        & all_below(0, state.at, columns)
    )


def all_below(limit: int, array: NDArray[Any], columns: Any) -> Any:
    """Return whether a column has only numbers below the limit; `numba_kernel` has it for compiled code."""
    return (array[:, columns] < limit).all(axis=0)


def advance(rules: Rules, state: State, action: NDArray[np.integer], keys: Keys) -> None:
    """Carry out one step in place; `action` is ``[n, B]``, legal or 0."""
    state.outcome[:] = Outcome.NONE
    if rules.none_departs.size:
        _depart(rules, state, keys)
    _act(rules, state, action, keys)
    state.tally[Count.TIME] += 1
    if rules.fail or rules.recover:
        _fail_and_return(rules, state, keys)
    if rules.join_at != NEVER:
        _join(rules, state)
    if rules.timeout != NEVER:
        _time_out(rules, state)
    if rules.poisson:
        _arrive(rules, state, keys)
    admit(rules, state)
    order_queues(state)


def admit(rules: Rules, state: State) -> None:
    """Let loads enter in place, in turn at the entries that offer one, until there is no place or no load."""
    n, n_entries = rules.capacity.size, rules.entries.size
    places, columns = state.at.shape
    count = state.tally
    free = state.at.T < 0
    empty = np.nonzero(free)[1]  # places, ascending in each column
    left = free.sum(axis=1)
    first = np.cumsum(left) - left
    while True:
        supply = state.backlog if rules.poisson else count[Count.REMAINING][None]
        offered = (supply > 0) & (state.active[rules.entries] > 0)
        # As many at once as no entry runs out of, so that the same ones go on offering.
        most = np.minimum(left, np.where(offered, supply, ENDLESS).min(axis=0))
        most[~offered.any(axis=0)] = 0
        total = int(most.sum())
        if total == 0:
            return
        b = np.repeat(np.arange(columns), most)
        nth = np.arange(total) - np.repeat(np.cumsum(most) - most, most)
        entry = _next_offered(offered)[(count[Count.ENTERED, b] + nth) % n_entries, b]
        place = empty[first[b] + nth]
        if rules.poisson:
            np.subtract.at(state.backlog, (entry, b), 1)
        else:
            count[Count.REMAINING] -= most
        count[Count.ENTERED] += most
        left -= most
        first += most
        agent = rules.entries[entry]
        now = count[Count.TIME, b]
        state.at[place, b] = agent
        state.ready[place, b] = now
        state.birth[place, b] = now
        state.ticket[place, b] = ticket(now, n, place, n, places)
        if rules.memory:
            state.visited[place, :, b] = 0
            state.visited[place, agent, b] = turn(now)


def _next_offered(offered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first entry from each on, around, that offers a load: ``int64[E, B]``; anything where none does."""
    n_entries = len(offered)
    twice = np.concatenate([offered, offered])
    place = np.where(twice, np.arange(2 * n_entries)[:, None], 2 * n_entries)
    return np.minimum.accumulate(place[::-1])[::-1][:n_entries] % n_entries


def order_queues(state: State) -> None:
    """Find the first load (of active agents) and the length of every queue, in place of none."""
    columns = state.head.shape[1]
    place, b = np.nonzero((state.at >= 0) & (state.ready <= state.tally[Count.TIME]))
    queue = state.at[place, b].astype(np.int64) * columns + b
    turn = state.ticket[place, b]
    first = np.empty(state.head.size, np.int64)  # written to where there is a queue alone
    first[queue] = _NO_TICKET
    np.minimum.at(first, queue, turn)
    leads = (first[queue] == turn) & (state.active.reshape(-1)[queue] > 0)
    state.head.reshape(-1)[queue[leads]] = place[leads]
    np.add.at(state.waiting.reshape(-1), queue, np.int32(1))


def _depart(rules: Rules, state: State, keys: Keys) -> None:
    """Each stored load leaves with the departure rate: a binomial number by inversion."""
    agent, b = np.nonzero(state.load)
    stored = state.load[agent, b].astype(np.int64)
    u = (lane_words(keys.departure[b], agent) + 0.5) * 2.0**-32
    leaving = np.zeros(stored.size, np.int64)
    p = rules.none_departs[stored]
    below = p.copy()
    going = np.flatnonzero((u >= below) & (leaving < stored))
    while going.size:
        k = leaving[going]
        p[going] = p[going] * ((stored[going] - k) / (k + 1)) * rules.departure_odds
        below[going] = below[going] + p[going]
        leaving[going] = k + 1
        going = going[(u[going] >= below[going]) & (leaving[going] < stored[going])]
    state.load[agent, b] -= leaving.astype(np.int32)
    np.add.at(state.tally[Count.DEPARTED], b, leaving)


def _act(rules: Rules, state: State, action: NDArray[np.integer], keys: Keys) -> None:
    place, b = np.nonzero(state.at >= 0)
    agent = state.at[place, b].astype(np.int64)
    queue = agent * action.shape[1] + b
    leads = state.head.reshape(-1)[queue] == place
    agent, b, place = agent[leads], b[leads], place[leads]
    chosen = action[agent, b].astype(np.int64)
    slots = rules.successors.shape[1] + rules.extra_slots
    idling = chosen == NOOP
    state.outcome[agent[idling], b[idling]] = Outcome.IDLED
    storing = chosen == STORE
    delegating = (chosen >= FIRST_DELEGATION) & (chosen < FIRST_DELEGATION + slots)
    discovering = chosen == FIRST_DELEGATION + slots
    _store(rules, state, agent[storing], b[storing], place[storing])
    targets = neighbor_table(rules, state)[
        agent[delegating], chosen[delegating] - FIRST_DELEGATION, b[delegating]
    ]
    _delegate(rules, state, keys, agent[delegating], b[delegating], place[delegating], targets)
    for i, c in zip(agent[discovering].tolist(), b[discovering].tolist(), strict=True):
        _discover(rules, state, keys, i, c)
    state.head.reshape(-1)[
        queue
    ] = -1  # all others have no load; `order_queues` says who has one now
    state.waiting.reshape(-1)[queue] = 0


def neighbor_table(rules: Rules, state: State) -> NDArray[np.int32]:
    """Return ``int32[n, K + S, B]``: the agent behind each delegation slot, −1 where there is none."""
    n, k = rules.successors.shape
    base = np.broadcast_to(rules.successors[:, :, None], (n, k, state.load.shape[1]))
    return np.concatenate([base, state.found], axis=1) if rules.extra_slots else base


def _store(rules: Rules, state: State, agent: Ints, b: Ints, place: Ints) -> None:
    fits = state.load[agent, b] < rules.capacity[agent]
    state.outcome[agent, b] = np.where(fits, Outcome.STORED, Outcome.STORE_FAILED)
    state.load[agent[fits], b[fits]] += 1
    state.at[place[fits], b[fits]] = -1


def _delegate(
    rules: Rules, state: State, keys: Keys, agent: Ints, b: Ints, place: Ints, target: Ints
) -> None:
    n, places = rules.capacity.size, state.at.shape[0]
    nobody = target < 0  # behind that slot; the views' masks forbid it
    if nobody.any():
        state.outcome[agent[nobody], b[nobody]] = Outcome.IDLED
        there = ~nobody
        agent, b, place, target = agent[there], b[there], place[there], target[there]
    lost = state.active[target, b] == 0
    if rules.loss:
        lost |= lane_words(keys.loss[b], agent) < np.uint64(rules.loss)
    state.outcome[agent, b] = np.where(lost, Outcome.MESSAGE_LOST, Outcome.DELEGATED)
    np.add.at(state.tally[Count.MESSAGES], b, 1)
    np.add.at(state.tally[Count.MESSAGES_LOST], b, lost.astype(np.int64))
    sent = ~lost
    agent, b, place, target = agent[sent], b[sent], place[sent], target[sent]
    ready = state.tally[Count.TIME, b] + 1
    if rules.delay:
        word = lane_words(keys.delay[b], agent).astype(np.uint64)
        ready += ((word * np.uint64(rules.delay + 1)) >> np.uint64(32)).astype(np.int64)
    state.at[place, b] = target
    state.ready[place, b] = ready
    state.ticket[place, b] = ticket(ready, agent, place, n, places)
    if rules.memory:
        state.visited[place, target, b] = turn(state.tally[Count.TIME, b] + 1)


def _discover(rules: Rules, state: State, keys: Keys, i: int, c: int) -> None:
    """Agent i of column c looks for an active agent that it has no slot for, uniformly among them.

    With `discover_again` those of its slots by topology can be found too, and where it has no free one, the uniform
    number below `find` that the discovery succeeds with says which one gives way.
    """
    state.tally[Count.MESSAGES, c] += 1
    lane, column = np.array([i]), np.array([c])
    word = lane_words(keys.discovery[column], lane)[0]
    open_slots = np.flatnonzero(state.found[i, :, c] < 0)
    candidates = state.active[:, c] > 0
    if not rules.discover_any:
        candidates[: rules.n_founders] = False
    candidates[i] = False
    known = state.found[i, :, c]
    if not rules.discover_again:
        known = np.concatenate([rules.successors[i], known])
    candidates[known[known >= 0]] = False
    who = np.flatnonzero(candidates)
    slots = open_slots.size or rules.discover_again
    if word >= rules.find or who.size == 0 or not slots:
        state.outcome[i, c] = Outcome.NOT_DISCOVERED
        return
    pick = int(lane_words(keys.discovered[column], lane)[0]) * who.size >> 32
    slot = open_slots[0] if open_slots.size else int(word) * rules.extra_slots // rules.find
    state.found[i, slot, c] = who[pick]
    state.outcome[i, c] = Outcome.DISCOVERED


def _fail_and_return(rules: Rules, state: State, keys: Keys) -> None:
    n = rules.capacity.size
    up = state.active > 0
    present = np.ones_like(up)
    present[rules.n_founders :] = state.tally[Count.JOINED] > 0
    fails = up & (words(keys.failure, n) < np.uint64(rules.fail))
    returns = ~up & present & (words(keys.recovery, n) < np.uint64(rules.recover))
    state.active[:] = (up & ~fails) | returns


def _join(rules: Rules, state: State) -> None:
    count = state.tally
    if rules.join_at == WHEN_FULL:
        due = state.load.sum(axis=0) >= rules.founders_capacity
    else:
        due = count[Count.TIME] >= rules.join_at
    joins = due & (count[Count.JOINED] == 0)
    count[Count.JOINED, joins] = 1
    state.active[rules.n_founders :, joins] = 1


def _time_out(rules: Rules, state: State) -> None:
    count = state.tally
    late = (state.at >= 0) & (count[Count.TIME] - state.birth >= rules.timeout)
    state.at[late] = -1
    count[Count.TIMED_OUT] += late.sum(axis=0)


def _arrive(rules: Rules, state: State, keys: Keys) -> None:
    """A Poisson number of loads at each entry, by inversion, as long as there are any left."""
    n_entries, columns = state.backlog.shape
    u = (words(keys.arrival, n_entries) + 0.5) * 2.0**-32
    p = np.full((n_entries, columns), rules.arrival_zero)
    below = p.copy()
    arrivals = np.zeros((n_entries, columns), np.int64)
    going = (u >= below) & (arrivals < rules.most_arrivals)
    while going.any():
        arrivals[going] += 1
        p[going] = p[going] * (rules.arrival_rate / arrivals[going])
        below[going] = below[going] + p[going]
        going &= (u >= below) & (arrivals < rules.most_arrivals)
    for entry in range(n_entries):
        coming = np.minimum(arrivals[entry], state.tally[Count.REMAINING])
        state.backlog[entry] += coming
        state.tally[Count.REMAINING] -= coming
