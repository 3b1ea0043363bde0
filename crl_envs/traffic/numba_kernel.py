"""One step of traffic lights in Numba; the same results as the array form's in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import pair_word
from crl_envs.traffic.problem import LEFT, MOST_AGE, RIGHT

_HALF = uint64(32)


@njit(cache=True, nogil=True)
def step(state, action, keys, streets, tables, limits, following, reward):
    """Write the next state and rewards.

    Args:
        state, following: ``phase uint8[n, B], age uint8[n, B], queue uint8[4, n, B], counts int64[4, B]``.
        action: ``uint8[n, B]``.
        keys: ``uint64[2, B]``, of transitions and arrivals.
        streets: ``ahead int64[4, n], sources bool[4, n]``.
        tables: ``last uint32[3], some bool[3]`` of turns, ``last uint32[], some bool[]`` of arrivals, both as pairs,
            and rewards ``float32[4C + 1]``.
        limits: Capacity and lost steps.
        reward: ``float32[n, B]``.
    """
    crossed = np.zeros(action.shape, np.uint8)  # bits: by the first, the second of the green pair
    _cross(state, action, keys[0], streets[0], tables[0], limits, following, crossed)
    _arrive(
        action, keys[1], streets[1], tables[1], tables[2], limits[0], crossed, following, reward
    )


@njit(cache=True, nogil=True)
def _cross(state, action, keys, ahead, turns, limits, following, crossed):
    phase, age, queue, counts = state
    next_phase, next_age, there, next_counts = following
    capacity, lost = limits
    n, b = action.shape
    for side in range(len(queue)):  # Numba compiles this seconds sooner than `there[:] = queue`
        for i in range(n):
            for c in range(b):
                there[side, i, c] = queue[side, i, c]
    for which in range(len(counts)):
        for c in range(b):
            next_counts[which, c] = counts[which, c] + (which == 0)
    last, some = turns
    for i in range(n):
        for c in range(b):
            to = np.int64(action[i, c])
            old = min(np.int64(age[i, c]) + 1, MOST_AGE) if to == phase[i, c] else 0
            next_phase[i, c], next_age[i, c] = to, old
            if old < lost or (queue[to, i, c] == 0 and queue[to + 2, i, c] == 0):
                continue
            both = pair_word(keys[c], 2 * i + to)
            went_right = 0  # bits
            for k in range(2):
                h = to + 2 * k
                word = uint32(both >> (_HALF * uint64(k)))
                leaves = word <= last[0] and some[0]
                turns_right = not (word <= last[2] and some[2])
                if queue[h, i, c] == 0 or not (leaves or turns_right):
                    continue
                g = (h + RIGHT) % 4
                if leaves or _enters(queue, there, ahead[g, i], g, c, capacity, next_counts):
                    crossed[i, c] |= uint8(1 << k)
                    went_right |= 0 if leaves else 1 << k
                next_counts[2, c] += leaves
            for k in range(2):
                h = to + 2 * k
                word = uint32(both >> (_HALF * uint64(k)))
                straight = word <= last[1] and some[1]
                if (
                    queue[h, i, c] == 0
                    or (crossed[i, c] >> k) & 1
                    or not (word <= last[2] and some[2])
                ):
                    continue
                g = h if straight else (h + LEFT) % 4
                taken = 0 if straight else (went_right >> (1 - k)) & 1
                if _enters(queue, there, ahead[g, i], g, c, capacity - taken, next_counts):
                    crossed[i, c] |= uint8(1 << k)


@njit(cache=True, nogil=True, inline="always")
def _enters(queue, there, place, g, c, capacity, counts):
    """Let a vehicle into the queue of a crossing, or out of an open border; return whether there was room."""
    if place == queue.shape[1]:
        counts[2, c] += 1
        return True
    if queue[g, place, c] >= capacity:
        return False
    there[g, place, c] += uint8(1)
    return True


@njit(cache=True, nogil=True)
def _arrive(action, keys, sources, arrivals, paid, capacity, crossed, following, reward):
    there, counts = following[2], following[3]
    last, some = arrivals[0][0], arrivals[1][0]
    n, b = action.shape
    for i in range(n):
        for c in range(b):
            waiting = np.int64(0)
            for pair in range(2):
                both = pair_word(keys[c], 2 * i + pair)
                for k in range(2):
                    h = pair + 2 * k
                    now = np.int64(there[h, i, c])
                    if uint32(both >> (_HALF * uint64(k))) <= last and some and sources[h, i]:
                        counts[1, c] += 1
                        if now < capacity:
                            now += 1
                        else:
                            counts[3, c] += 1
                    if action[i, c] == pair:
                        now -= (crossed[i, c] >> k) & 1
                    there[h, i, c] = now
                    waiting += now
            reward[i, c] = paid[waiting]
