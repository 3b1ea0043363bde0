"""The load-balancing dynamics in NumPy, vectorised over loads in flight and columns.

The order of events in a step: stored loads depart; every active agent acts on the first load of its queue; the
step ends (time + 1) and what has arrived by wire joins its queue; agents fail and return; a server joins; loads time
out; new loads arrive and enter; queues are put in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import lane_words, words
from crl_envs.load_balancing.rules import (
    FIRST_DELEGATION,
    NEVER,
    NOOP,
    STORE,
    WHEN_FULL,
    Count,
    Keys,
    Outcome,
    Rules,
    State,
)

Ints = NDArray[np.int64]

_NO_TICKET = np.iinfo(np.int64).max


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


def draws(rules: Rules) -> tuple[bool, ...]:
    """Return whether the rules make any draw with each field of `Keys`; compiled in `numba_kernel`."""
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
    """Return the ticket of a load ready at a step, from agent `source` or, with n, from outside; compiled likewise."""
    return (ready * (n + 1) + source) * places + place


def admit(rules: Rules, state: State) -> None:
    """Let loads enter in place, one column after another in rounds, until there is no place or no load."""
    n, n_entries = rules.capacity.size, rules.entries.size
    places, columns = state.at.shape
    count = state.tally
    turn = np.arange(n_entries)[:, None]
    while True:
        free = state.at < 0
        if rules.poisson:
            offered = state.backlog > 0
        else:
            offered = np.broadcast_to(count[Count.REMAINING] > 0, (n_entries, columns))
        offered = offered & (state.active[rules.entries] > 0)
        b = np.flatnonzero(offered.any(axis=0) & free.any(axis=0))
        if b.size == 0:
            return
        order = (count[Count.ENTERED, b] + turn) % n_entries
        first = np.take_along_axis(offered[:, b], order, axis=0).argmax(axis=0)
        entry = order[first, np.arange(b.size)]
        place = free[:, b].argmax(axis=0)
        agent = rules.entries[entry]
        if rules.poisson:
            state.backlog[entry, b] -= 1
        else:
            count[Count.REMAINING, b] -= 1
        count[Count.ENTERED, b] += 1
        now = count[Count.TIME, b]
        state.at[place, b] = agent
        state.ready[place, b] = now
        state.birth[place, b] = now
        state.ticket[place, b] = ticket(now, n, place, n, places)
        if rules.memory:
            state.visited[place, :, b] = 0
            state.visited[place, agent, b] = 1


def order_queues(state: State) -> None:
    """Find the first load (of active agents) and the length of every queue, in place."""
    n, columns = state.head.shape
    place, b = np.nonzero((state.at >= 0) & (state.ready <= state.tally[Count.TIME]))
    queue = state.at[place, b].astype(np.int64) * columns + b
    turn = state.ticket[place, b]
    first = np.full(n * columns, _NO_TICKET)
    np.minimum.at(first, queue, turn)
    leads = first[queue] == turn
    head = state.head.reshape(-1)
    head[:] = -1
    head[queue[leads]] = place[leads]
    state.head[state.active == 0] = -1
    state.waiting[:] = np.bincount(queue, minlength=n * columns).reshape(n, columns)


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
    agent, b = np.nonzero(state.head >= 0)
    place = state.head[agent, b].astype(np.int64)
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
        state.visited[place, target, b] = 1


def _discover(rules: Rules, state: State, keys: Keys, i: int, c: int) -> None:
    """Agent i of column c looks for an active agent that it has no slot for, uniformly among them."""
    state.tally[Count.MESSAGES, c] += 1
    lane, column = np.array([i]), np.array([c])
    word = lane_words(keys.discovery[column], lane)[0]
    open_slots = np.flatnonzero(state.found[i, :, c] < 0)
    candidates = state.active[:, c] > 0
    if not rules.discover_any:
        candidates[: rules.n_founders] = False
    candidates[i] = False
    known = np.concatenate([rules.successors[i], state.found[i, :, c]])
    candidates[known[known >= 0]] = False
    who = np.flatnonzero(candidates)
    if word >= rules.find or who.size == 0 or open_slots.size == 0:
        state.outcome[i, c] = Outcome.NOT_DISCOVERED
        return
    pick = int(lane_words(keys.discovered[column], lane)[0]) * who.size >> 32
    state.found[i, open_slots[0], c] = who[pick]
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
