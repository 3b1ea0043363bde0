"""A step of routing in Numba: the events of `rules.advance`, one column after another, with the same results."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint64

from crl_envs.core.numba_stream import lane_word
from crl_envs.routing.rules import FIRST_LINK, HOLD, OUTSIDE, SIDE, Count, Outcome

_TIME, _ARRIVED, _DELIVERED = int(Count.TIME), int(Count.ARRIVED), int(Count.DELIVERED)
_DROPPED, _DELAY = int(Count.DROPPED), int(Count.DELAY)
_MESSAGES, _LOST = int(Count.MESSAGES), int(Count.LOST)
_OUT_DELIVERED, _OUT_FORWARDED = int(Outcome.DELIVERED), int(Outcome.FORWARDED)
_OUT_LOST, _OUT_DROPPED = int(Outcome.LOST), int(Outcome.DROPPED)
_OUT_EXPIRED = int(Outcome.EXPIRED)


@njit(cache=True, nogil=True)
def advance(rules, state, action, keys):
    """See `rules.advance`."""
    n, columns = state.length.shape
    held = np.empty(
        (3, n), np.int64
    )  # destination, birth and receiver of what each agent has sent; −1: of nobody
    for c in range(columns):
        for i in range(n):
            state.outcome[i, c] = 0
            state.delay[i, c] = 0
            if state.tally[_TIME, c] > 0:
                state.dropped[i, c] = 0
        state.tally[_TIME, c] += 1
        _take(rules, state, action, keys, held, c)
        for i in range(n):
            if held[2, i] >= 0:
                taken = _queue(rules, state, held[2, i], c, held[0, i], held[1, i], i)
                if not taken:
                    state.outcome[i, c] = _OUT_DROPPED
        enter(rules, state, keys, c)
        if rules.stride:
            for i in range(n):
                for axis in range(2):
                    word = np.int64(lane_word(keys.motion[c], 2 * i + axis))
                    moved = state.place[i, axis, c] + (word * (2 * rules.stride + 1) >> 32)
                    moved = abs(moved - rules.stride)
                    state.place[i, axis, c] = moved if moved < SIDE else 2 * (SIDE - 1) - moved


@njit(cache=True, nogil=True)
def _take(rules, state, action, keys, held, c):
    """Take from the queues what is sent on, and deliver what has come home."""
    for i in range(state.length.shape[0]):
        held[2, i] = -1
        if state.length[i, c] == 0:
            continue
        head = state.first[i, c]
        goal, born = state.goal[i, head, c], state.born[i, head, c]
        if rules.lifetime and state.tally[_TIME, c] - born > rules.lifetime:
            state.first[i, c] = (head + 1) % rules.queue_size
            state.length[i, c] -= 1
            state.outcome[i, c] = _OUT_EXPIRED
            state.dropped[i, c] += 1
            state.tally[_DROPPED, c] += 1
            continue
        if action[i, c] == HOLD:
            continue
        j = rules.successors[i, np.int64(action[i, c]) - FIRST_LINK]
        if j < 0:
            continue
        if rules.places:
            x = np.int64(state.place[i, 0, c]) - np.int64(state.place[j, 0, c])
            y = np.int64(state.place[i, 1, c]) - np.int64(state.place[j, 1, c])
            if x * x + y * y > rules.reach:
                continue
        state.tally[_MESSAGES, c] += 1
        if rules.loss and lane_word(keys.loss[c], i) < rules.loss:
            state.outcome[i, c] = _OUT_LOST
            state.tally[_LOST, c] += 1
            continue
        state.first[i, c] = (head + 1) % rules.queue_size
        state.length[i, c] -= 1
        if goal == j:
            delay = state.tally[_TIME, c] - born
            state.outcome[i, c] = _OUT_DELIVERED
            state.delay[i, c] = delay
            state.tally[_DELIVERED, c] += 1
            state.tally[_DELAY, c] += delay
        else:
            state.outcome[i, c] = _OUT_FORWARDED
            held[0, i], held[1, i], held[2, i] = goal, born, j


@njit(cache=True, nogil=True)
def enter(rules, state, keys, c):
    """Let new packets enter."""
    n, most = state.length.shape[0], len(rules.arrivals)
    for i in range(n):
        word = uint64(lane_word(keys.arrival[c], i))
        k = 0
        while k < most and word >= rules.arrivals[k]:
            drawn = np.int64(lane_word(keys.goal[c], i * most + k))
            goal = drawn * (n - 1) >> 32
            if goal >= i:
                goal += 1
            state.tally[_ARRIVED, c] += 1
            _queue(rules, state, i, c, goal, state.tally[_TIME, c], OUTSIDE)
            k += 1


@njit(cache=True, nogil=True)
def _queue(rules, state, node, c, goal, born, via):
    """Put a packet at the end of a queue; return whether it had room."""
    length = state.length[node, c]
    if length >= rules.queue_size:
        state.dropped[node, c] += 1
        state.tally[_DROPPED, c] += 1
        return False
    at = (state.first[node, c] + length) % rules.queue_size
    state.goal[node, at, c] = goal
    state.born[node, at, c] = born
    state.via[node, at, c] = via
    state.since[node, at, c] = state.tally[_TIME, c]
    state.length[node, c] = length + 1
    return True
