"""The load-balancing dynamics number by number: the events of `rules.advance`, one column after another.

The functions run as they stand, which for few agents takes less time than NumPy, and compiled by Numba
(`numba_kernel`), with the same results. `advance`, `draw_keys`, `choices`, `reward_of`, `observe` and `has_ended` are
for learners that fuse their loop with the world's: what the environment's views say.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from crl_envs.core.stream import lane_word, stream_key
from crl_envs.load_balancing.rules import (
    FIRST_DELEGATION,
    LAST_TURN,
    NEVER,
    PURPOSES,
    STORE,
    WHEN_FULL,
    Count,
    Outcome,
    draws,
    has_ended,
    is_open,
    may_discover,
    store_reward,
    ticket,
    turn,
)

_PURPOSES = tuple(map(int, PURPOSES))
_TIME, _REMAINING, _ENTERED = int(Count.TIME), int(Count.REMAINING), int(Count.ENTERED)
_DEPARTED, _TIMED_OUT = int(Count.DEPARTED), int(Count.TIMED_OUT)
_MESSAGES, _LOST, _JOINED = int(Count.MESSAGES), int(Count.MESSAGES_LOST), int(Count.JOINED)

_NONE = int(Outcome.NONE)
_STORED, _STORE_FAILED = int(Outcome.STORED), int(Outcome.STORE_FAILED)
_DELEGATED, _MESSAGE_LOST = int(Outcome.DELEGATED), int(Outcome.MESSAGE_LOST)
_DISCOVERED, _NOT_DISCOVERED = int(Outcome.DISCOVERED), int(Outcome.NOT_DISCOVERED)
_IDLED = int(Outcome.IDLED)


def advance(rules, state, action, keys):
    """See `rules.advance`."""
    for c in range(action.shape[1]):
        for i in range(action.shape[0]):
            state.outcome[i, c] = _NONE
        if rules.none_departs.size:
            _depart(rules, state, keys, c)
        _act(rules, state, action, keys, c)
        state.tally[_TIME, c] += 1
        if rules.fail or rules.recover:
            _fail_and_return(rules, state, keys, c)
        if rules.join_at != NEVER:
            _join(rules, state, c)
        if rules.timeout != NEVER:
            _time_out(rules, state, c)
        if rules.poisson:
            _arrive(rules, state, keys, c)
        _admit(rules, state, c)
        _order_queues(state, c)


def draw_keys(rules, keys, seed, clock):
    """Write the keys of a clock for the draws that the rules make; as `LoadBalancingWorld.transition` has them."""
    drawn = draws(rules)
    for k in range(len(_PURPOSES)):
        if drawn[k]:
            keys[k][0] = stream_key(seed, clock, _PURPOSES[k])


def choices(rules, state, i, legal, c):
    """Write what agent i, which holds a load, may do: `legal` is ``uint8[A]``, as a row of the action mask."""
    k, extra = rules.successors.shape[1], rules.extra_slots
    memory, successors, place = rules.memory, rules.successors, state.head[i, c]
    legal[0] = 0
    legal[STORE] = 1
    earliest = LAST_TURN if memory else 0
    if memory:
        for slot in range(k + extra):
            target = successors[i, slot] if slot < k else state.found[i, slot - k, c]
            if target >= 0:
                earliest = min(earliest, state.visited[place, target, c])
    for slot in range(k + extra):
        target = successors[i, slot] if slot < k else state.found[i, slot - k, c]
        visited = state.visited[place, target, c] if memory and target >= 0 else 0
        legal[FIRST_DELEGATION + slot] = is_open(target, visited, earliest, memory)
    if extra:
        free = False
        for slot in range(extra):
            free = free or state.found[i, slot, c] < 0
        joined = state.tally[_JOINED, c]
        legal[FIRST_DELEGATION + k + extra] = may_discover(
            rules, rules.may_discover[i], free, joined
        )


def reward_of(rules, costs, state, i, c):
    """Return the reward ``float32`` of the last action of agent i; as `LoadBalancingWorld.reward` has it."""
    outcome = state.outcome[i, c]
    if costs.gradient and outcome == _STORED:
        spare = rules.capacity[i] - state.load[i, c] + costs.before
        return np.float32(store_reward(costs.min_q, spare))
    return costs.reward[outcome]


def observe(rules, state, i, c, seen):
    """Write what agent i observes: `seen` is ``float32[4]``, as `LoadBalancingWorld.observation` has it."""
    capacity, q = rules.capacity[i], state.waiting[i, c]
    seen[0] = 1.0 if state.head[i, c] >= 0 else 0.0
    seen[1] = q / (1.0 + q)
    seen[2] = state.load[i, c] / capacity if capacity > 0 else 1.0
    seen[3] = 1.0 if state.active[i, c] else 0.0


def _admit(rules, state, c):
    n, n_entries, places = rules.capacity.size, rules.entries.size, state.at.shape[0]
    place = 0
    while True:
        while place < places and state.at[place, c] >= 0:
            place += 1
        if place == places:
            return
        entry = -1
        for k in range(n_entries):
            e = (state.tally[_ENTERED, c] + k) % n_entries
            supply = state.backlog[e, c] if rules.poisson else state.tally[_REMAINING, c]
            if supply > 0 and state.active[rules.entries[e], c]:
                entry = e
                break
        if entry < 0:
            return
        if rules.poisson:
            state.backlog[entry, c] -= 1
        else:
            state.tally[_REMAINING, c] -= 1
        state.tally[_ENTERED, c] += 1
        now = state.tally[_TIME, c]
        agent = rules.entries[entry]
        state.at[place, c] = agent
        state.ready[place, c] = now
        state.birth[place, c] = now
        state.ticket[place, c] = ticket(now, n, place, n, places)
        if rules.memory:
            state.visited[place, :, c] = 0
            state.visited[place, agent, c] = turn(now)


def _order_queues(state, c):
    """Find the first load and the length of every queue, where `_act` has left none."""
    now = state.tally[_TIME, c]
    for place in range(state.at.shape[0]):
        i = state.at[place, c]
        if i < 0 or state.ready[place, c] > now:
            continue
        state.waiting[i, c] += 1
        if not state.active[i, c]:
            continue
        first = state.head[i, c]
        if first < 0 or state.ticket[place, c] < state.ticket[first, c]:
            state.head[i, c] = place


def _depart(rules, state, keys, c):
    for i in range(state.load.shape[0]):
        stored = state.load[i, c]
        if stored == 0:
            continue
        u = (lane_word(keys.departure[c], i) + 0.5) * 2.0**-32
        p = rules.none_departs[stored]
        below = p
        leaving = 0
        while u >= below and leaving < stored:
            p = p * ((stored - leaving) / (leaving + 1)) * rules.departure_odds
            below = below + p
            leaving += 1
        state.load[i, c] -= leaving
        state.tally[_DEPARTED, c] += leaving


def _act(rules, state, action, keys, c):
    slots = rules.successors.shape[1] + rules.extra_slots
    for place in range(state.at.shape[0]):
        i = state.at[place, c]
        if i < 0 or state.head[i, c] != place:
            continue
        state.head[i, c] = -1
        state.waiting[i, c] = 0
        chosen = np.int64(action[i, c])
        if chosen == STORE:
            if state.load[i, c] < rules.capacity[i]:
                state.load[i, c] += 1
                state.at[place, c] = -1
                state.outcome[i, c] = _STORED
            else:
                state.outcome[i, c] = _STORE_FAILED
        elif chosen >= FIRST_DELEGATION + slots:
            _discover(rules, state, keys, i, c)
        elif chosen >= FIRST_DELEGATION:
            _delegate(rules, state, keys, i, place, chosen - FIRST_DELEGATION, c)
        else:
            state.outcome[i, c] = _IDLED
    for place in range(state.at.shape[0]):  # of agents that have failed
        i = state.at[place, c]
        if i >= 0:
            state.waiting[i, c] = 0


def _delegate(rules, state, keys, i, place, slot, c):
    n, places, k = rules.capacity.size, state.at.shape[0], rules.successors.shape[1]
    target = rules.successors[i, slot] if slot < k else state.found[i, slot - k, c]
    if target < 0:  # nobody is behind that slot; the views' masks forbid it
        state.outcome[i, c] = _IDLED
        return
    state.tally[_MESSAGES, c] += 1
    lost = not state.active[target, c]
    if rules.loss and lane_word(keys.loss[c], i) < rules.loss:
        lost = True
    if lost:
        state.tally[_LOST, c] += 1
        state.outcome[i, c] = _MESSAGE_LOST
        return
    state.outcome[i, c] = _DELEGATED
    ready = state.tally[_TIME, c] + 1
    if rules.delay:
        ready += (lane_word(keys.delay[c], i) * (rules.delay + 1)) >> 32
    state.at[place, c] = target
    state.ready[place, c] = ready
    state.ticket[place, c] = ticket(ready, i, place, n, places)
    if rules.memory:
        state.visited[place, target, c] = turn(state.tally[_TIME, c] + 1)


def _is_candidate(rules, state, i, j, c):
    if j == i or not state.active[j, c]:
        return False
    if not rules.discover_any and j < rules.n_founders:
        return False
    if not rules.discover_again:
        for k in range(rules.successors.shape[1]):
            if rules.successors[i, k] == j:
                return False
    for k in range(rules.extra_slots):
        if state.found[i, k, c] == j:
            return False
    return True


def _discover(rules, state, keys, i, c):
    n = rules.capacity.size
    state.tally[_MESSAGES, c] += 1
    state.outcome[i, c] = _NOT_DISCOVERED
    slot = 0
    while slot < rules.extra_slots and state.found[i, slot, c] >= 0:
        slot += 1
    candidates = 0
    for j in range(n):
        candidates += _is_candidate(rules, state, i, j, c)
    word = lane_word(keys.discovery[c], i)
    full = slot == rules.extra_slots
    if word >= rules.find or candidates == 0 or (full and not rules.discover_again):
        return
    if full:
        slot = word * rules.extra_slots // rules.find
    pick = (lane_word(keys.discovered[c], i) * candidates) >> 32
    for j in range(n):
        if _is_candidate(rules, state, i, j, c):
            if pick == 0:
                state.found[i, slot, c] = j
                state.outcome[i, c] = _DISCOVERED
                return
            pick -= 1


def _fail_and_return(rules, state, keys, c):
    for i in range(state.active.shape[0]):
        if state.active[i, c]:
            if lane_word(keys.failure[c], i) < rules.fail:
                state.active[i, c] = 0
        elif i < rules.n_founders or state.tally[_JOINED, c]:
            if lane_word(keys.recovery[c], i) < rules.recover:
                state.active[i, c] = 1


def _join(rules, state, c):
    if state.tally[_JOINED, c]:
        return
    if rules.join_at == WHEN_FULL:
        stored = 0
        for i in range(state.load.shape[0]):
            stored += state.load[i, c]
        due = stored >= rules.founders_capacity
    else:
        due = state.tally[_TIME, c] >= rules.join_at
    if due:
        state.tally[_JOINED, c] = 1
        for i in range(rules.n_founders, state.active.shape[0]):
            state.active[i, c] = 1


def _time_out(rules, state, c):
    for place in range(state.at.shape[0]):
        age = state.tally[_TIME, c] - state.birth[place, c]
        if state.at[place, c] >= 0 and age >= rules.timeout:
            state.at[place, c] = -1
            state.tally[_TIMED_OUT, c] += 1


def _arrive(rules, state, keys, c):
    for e in range(rules.entries.size):
        u = (lane_word(keys.arrival[c], e) + 0.5) * 2.0**-32
        p = rules.arrival_zero
        below = p
        arrivals = 0
        while u >= below and arrivals < rules.most_arrivals:
            arrivals += 1
            p = p * (rules.arrival_rate / arrivals)
            below = below + p
        coming = min(arrivals, state.tally[_REMAINING, c])
        state.backlog[e, c] += coming
        state.tally[_REMAINING, c] -= coming


JITABLE: Final[tuple[Callable[..., Any], ...]] = (
    draws,
    ticket,
    turn,
    is_open,
    may_discover,
    store_reward,
    has_ended,
    advance,
    draw_keys,
    choices,
    reward_of,
    observe,
    _admit,
    _order_queues,
    _depart,
    _act,
    _delegate,
    _is_candidate,
    _discover,
    _fail_and_return,
    _join,
    _time_out,
    _arrive,
)
