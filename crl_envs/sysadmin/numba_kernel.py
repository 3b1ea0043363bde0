"""One step of SYSADMIN in Numba; the same numbers as its array form."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import float32, njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import MANY, fill_keys, fill_pair, fill_words, pair_word
from crl_envs.core.stream import Purpose

_ACTION, _TRANSITION = int(Purpose.ACTION), int(Purpose.TRANSITION)
_ALL = uint64(1 << 32)  # words
_LAST = uint32((1 << 32) - 1)
_CELLS = 131_072  # agents × columns
_KEYS = 131_072  # columns × steps
_BLOCK = 4096  # agents at a time when there is one column; even
_NARROW = 32  # entries of an agent's table up to which they are gone through one after the other


@njit(cache=True, nogil=True)
def step_ring(state, action, keys, thresholds, next_state, reward):
    """See `numpy_kernel.step_ring`."""
    n, b = state.shape
    t0, t1, t2, t3 = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    if b == 1:  # as flat contiguous arrays, which LLVM can vectorise
        own, reboot = state.ravel(), action.ravel()
        out, pay = next_state.ravel(), reward.ravel()
        buffer = np.empty(_BLOCK // 2, np.uint64)
        word = buffer.view(np.uint32)
        for low in range(0, n, _BLOCK):
            high = min(low + _BLOCK, n)
            fill_words(keys[0], low >> 1, buffer[: (high - low + 1) >> 1])
            first = max(low, 1)
            if low == 0:
                _ring_row(own[:1], own[n - 1 :], reboot[:1], word, t0, t1, t2, t3, out[:1], pay[:1])
            _ring_row(
                own[first:high],
                own[first - 1 : high - 1],
                reboot[first:high],
                word[first - low :],
                t0,
                t1,
                t2,
                t3,
                out[first:high],
                pay[first:high],
            )
        return
    word = np.empty((2, b), np.uint32)
    for i in range(n):
        if i % 2 == 0:
            fill_pair(keys, i >> 1, word)
        lane, before = i & 1, i - 1 if i else n - 1
        for c in range(b):
            when_down = t1 if state[before, c] else t0
            when_up = t3 if state[before, c] else t2
            limit = when_up if state[i, c] else when_down
            next_state[i, c] = uint8(word[lane, c] < limit) | action[i, c]
        for c in range(b):
            reward[i, c] = float32(state[i, c] & (action[i, c] ^ uint8(1)))


@njit(cache=True, nogil=True)
def _ring_row(own, parent, reboot, word, t0, t1, t2, t3, out, pay):
    for i in range(own.shape[0]):
        s = own[i]
        a = reboot[i]
        p = parent[i]
        when_down = t1 if p else t0
        when_up = t3 if p else t2
        t = when_up if s else when_down
        out[i] = uint8(word[i] < t) | a
        pay[i] = float32(s & (a ^ uint8(1)))


@njit(cache=True, nogil=True)
def step_graph(state, action, keys, indptr, indices, offsets, thresholds, next_state):
    """Write the next states on any graph.

    Args:
        state, action, next_state: ``uint8[n, B]``.
        keys: ``uint64[B]``.
        indptr, indices: Parents in compressed rows.
        offsets: ``int64[n]``: where agent i's rows begin in `thresholds`.
        thresholds: ``uint32``: for each own state, one entry for each number of parents up.
    """
    n, b = state.shape
    if b >= MANY:
        _graph_rows(state, action, keys, indptr, indices, offsets, thresholds, next_state)
        return
    ups = np.empty(b, np.int64)
    for i in range(n):
        ups[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            source = state[indices[e]]
            for c in range(b):
                ups[c] += source[c]
        width = indptr[i + 1] - indptr[i] + 1
        shift = uint64(32 * (i & 1))
        for c in range(b):
            word = uint32(pair_word(keys[c], i >> 1) >> shift)
            t = thresholds[offsets[i] + state[i, c] * width + ups[c]]
            next_state[i, c] = uint8(word < t) | action[i, c]


@njit(cache=True, nogil=True)
def _graph_rows(state, action, keys, indptr, indices, offsets, thresholds, next_state):
    n, b = state.shape
    few, ups = np.empty(b, np.uint8), np.empty(b, np.uint32)
    words, limit = np.empty((2, b), np.uint32), np.empty(b, np.uint32)
    for i in range(n):
        if i % 2 == 0:
            fill_pair(keys, i >> 1, words)
        lane, width, down = i & 1, indptr[i + 1] - indptr[i] + 1, offsets[i]
        up = down + width
        if width <= _NARROW:
            few[:] = 0
            for e in range(indptr[i], indptr[i + 1]):
                source = indices[e]
                for c in range(b):
                    few[c] += state[source, c]
            for m in range(0, width, 2):  # two entries at once, or one twice
                second, count = min(m + 1, width - 1), uint8(m)
                down_0, down_1 = thresholds[down + m], thresholds[down + second]
                up_0, up_1 = thresholds[up + m], thresholds[up + second]
                for c in range(b):
                    when_down = down_1 if few[c] > count else down_0
                    when_up = up_1 if few[c] > count else up_0
                    mine = when_up if state[i, c] else when_down
                    limit[c] = mine if few[c] >= count else limit[c]
        else:
            ups[:] = 0
            for e in range(indptr[i], indptr[i + 1]):
                source = indices[e]
                for c in range(b):
                    ups[c] += state[source, c]
            for c in range(b):
                limit[c] = thresholds[(up if state[i, c] else down) + ups[c]]
        for c in range(b):
            next_state[i, c] = uint8(words[lane, c] < limit[c]) | action[i, c]


@njit(cache=True, nogil=True)
def step_status_load(
    state,
    action,
    status_keys,
    load_keys,
    indptr,
    indices,
    offsets,
    risk,
    progress,
    next_state,
):
    """Write the next states ``3 · status + load`` of `crl_envs.sysadmin.StatusLoadWorld`.

    Args:
        state, action, next_state: ``uint8[n, B]``.
        status_keys, load_keys: ``uint64[B]``.
        indptr, indices: Parents in compressed rows.
        offsets: ``int64[n]``: where agent i's rows begin in `risk`.
        risk: ``uint32``: for each own status, one entry for each number of parents in a worse status: not good for a
            good machine, dead for a faulty one.
        progress: ``uint32[9]``, by state.
    """
    n, b = state.shape
    if b >= MANY:
        graph = indptr, indices, offsets
        _status_load_rows(
            state, action, (status_keys, load_keys), graph, risk, progress, next_state
        )
        return
    worse = np.empty(b, np.int64)
    for i in range(n):
        worse[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            source = state[indices[e]]
            for c in range(b):
                worse[c] += source[c] // uint8(3) > state[i, c] // uint8(3)
        width = indptr[i + 1] - indptr[i] + 1
        shift = uint64(32 * (i & 1))
        for c in range(b):
            own = state[i, c]
            status, load = own // uint8(3), own % uint8(3)
            word = uint32(pair_word(status_keys[c], i >> 1) >> shift)
            next_status = status + (word < risk[offsets[i] + status * width + worse[c]])
            word = uint32(pair_word(load_keys[c], i >> 1) >> shift)
            next_load = load + (word < progress[own])
            if status == 2 or load == 2:
                next_load = 0
            next_state[i, c] = 0 if action[i, c] else uint8(3 * next_status + next_load)


@njit(cache=True, nogil=True)
def _status_load_rows(state, action, keys, graph, risk, progress, next_state):
    indptr, indices, offsets = graph
    n, b = state.shape
    status, load = state // uint8(3), state % uint8(3)
    worse, limit = np.empty(b, np.uint32), np.empty(b, np.uint32)
    words, gains = np.empty((2, b), np.uint32), np.empty((2, b), np.uint32)
    for i in range(n):
        if i % 2 == 0:
            fill_pair(keys[0], i >> 1, words)
            fill_pair(keys[1], i >> 1, gains)
        lane, width, first = i & 1, uint32(indptr[i + 1] - indptr[i] + 1), uint32(offsets[i])
        worse[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            source = indices[e]
            for c in range(b):
                worse[c] += uint8(status[source, c] > status[i, c])
        for c in range(b):
            limit[c] = risk[first + status[i, c] * width + worse[c]]
        for c in range(b):
            following = status[i, c] + uint8(words[lane, c] < limit[c])
            next_state[i, c] = uint8(0) if action[i, c] else uint8(3) * following
        for k in range(len(progress)):
            chance, value = progress[k], uint8(k)
            for c in range(b):
                limit[c] = chance if state[i, c] >= value else limit[c]
        for c in range(b):
            going = (action[i, c] == 0) & (status[i, c] != 2) & (load[i, c] != 2)
            grown = load[i, c] + uint8(gains[lane, c] < limit[c])
            next_state[i, c] += grown if going else uint8(0)


@njit(cache=True, nogil=True)
def play(state, limits, swap, paid, seeds, clocks, steps, ring, parents, thresholds, seen):
    """Play binary machines by a table: see `SysadminWorld.play`.

    Args:
        state: ``uint8[n, B]``, changed.
        limits: ``uint64[n, 2, B]``, or ``uint64[n, 2, 1]`` where all columns have the same.
        swap: ``uint8[n, 1]``, 1 where the two actions are exchanged.
        paid: ``float32[4]``, by 2·state + reboot.
        seeds, clocks: ``uint64[2, B]``, the world's and the policy's.
        steps: How many.
        ring: Whether `step_ring` is for it.
        parents: ``int64`` arrays ``indptr, indices, offsets`` of `step_graph`.
        thresholds: ``uint32``, of either.
        seen: ``uint32[n, 2, B, 2]`` or none, ``float64[n, B]`` and ``float64[B]``, added to. All rewards are quarters,
            so that their sums are exact in any order.
    """
    visits, sums, team = seen
    n, b = state.shape
    paid = paid.astype(np.float64)
    fixed = 0  # limits that leave nothing to be drawn
    for limit in limits.flat:
        if 0 < limit < _ALL:
            break
        fixed += 1
    drawn = fixed < limits.size
    width = min(b, max(32, _CELLS // n))  # columns that stay in cache through all steps
    for low in range(0, b, width):
        high = min(low + width, b)
        now = state[:, low:high].copy()
        own = slice(low, high) if limits.shape[2] == b else slice(0, 1)
        tables = limits[:, :, own].copy()
        own_seeds = seeds[:, low:high].copy()
        left = steps
        while left > 0:
            part = min(left, 255, max(1, _KEYS // width))  # that a byte can count
            times = clocks[:, low:high] + uint64(steps - left)
            keys = np.empty((2, part, high - low), np.uint64)
            for k in range(1 + drawn):
                fill_keys(own_seeds[k], times[k], _ACTION if k else _TRANSITION, keys[k])
            tallies = np.zeros((3, n, high - low), np.uint8)
            now = _play_columns(
                now,
                tables,
                drawn,
                swap,
                paid,
                keys,
                part,
                ring,
                parents,
                thresholds,
                tallies,
                team[low:high],
            )
            _add_up(tallies, part, swap, paid, visits, sums, low)
            left -= part
        for i in range(n):
            for c in range(low, high):
                state[i, c] = now[i, c - low]


@njit(cache=True, nogil=True)
def _add_up(tallies, steps, swap, paid, visits, sums, low):
    for i in range(tallies.shape[1]):
        none, act = paid[swap[i, 0]], paid[uint8(1) ^ swap[i, 0]]
        up, both = paid[uint8(2) + swap[i, 0]], paid[uint8(3) - swap[i, 0]]
        for c in range(tallies.shape[2]):
            ups, acts, at_once = tallies[0, i, c], tallies[1, i, c], tallies[2, i, c]
            earned = (steps - ups - acts + at_once) * none + (acts - at_once) * act
            sums[i, low + c] += earned + (ups - at_once) * up + at_once * both
    for i in range(len(visits)):
        for c in range(tallies.shape[2]):
            ups, acts, at_once = tallies[0, i, c], tallies[1, i, c], tallies[2, i, c]
            visits[i, 0, low + c, 0] += uint32(steps - ups - acts + at_once)
            visits[i, 0, low + c, 1] += uint32(acts - at_once)
            visits[i, 1, low + c, 0] += uint32(ups - at_once)
            visits[i, 1, low + c, 1] += uint32(at_once)


@njit(cache=True, nogil=True)
def _play_columns(
    now, limits, drawn, swap, paid, every, steps, ring, parents, thresholds, tallies, team
):
    """Play some columns; return their states, and add up ups, actions and both at once ``uint8[3, n, B]``."""
    indptr, indices, offsets = parents
    n, b = now.shape
    # A word is at the limit or above unless there is a last word below it.
    last = np.empty((2, n, limits.shape[2]), np.uint32)
    some = np.empty((2, n, limits.shape[2]), np.uint8)
    for i in range(n):
        for s in range(2):
            for c in range(limits.shape[2]):
                last[s, i, c] = uint32(limits[i, s, c] - uint64(1))
                some[s, i, c] = limits[i, s, c] > uint64(0)
    reboot, after = np.empty_like(now), np.empty_like(now)
    reward = np.empty(now.shape, np.float32)
    words = np.zeros((2, b), np.uint32)
    block = np.zeros(_BLOCK // 2, np.uint64)
    flat = block.view(np.uint32)
    total, few = np.empty((3, b), np.int32), np.zeros((3, 1, b), np.uint8)
    for step in range(steps):
        keys = every[1, step]
        total[:] = 0
        if b == 1:
            for low in range(0, n, _BLOCK):
                high = min(low + _BLOCK, n)
                if drawn:
                    fill_words(keys[0], low >> 1, block[: (high - low + 1) >> 1])
                own, act = now.ravel()[low:high], reboot.ravel()[low:high]
                _choose_row(
                    own,
                    flat[: high - low],
                    last[0].ravel()[low:high],
                    last[1].ravel()[low:high],
                    some[0].ravel()[low:high],
                    some[1].ravel()[low:high],
                    act,
                )
                ups, acts, both = tallies[0].ravel(), tallies[1].ravel(), tallies[2].ravel()
                _count_flat(own, act, ups[low:high], acts[low:high], both[low:high])
                exchanged = swap.ravel()[low:high]
                for i in range(high - low):
                    act[i] ^= exchanged[i]
                for i in range(high - low):
                    total[0, 0] += own[i]
                for i in range(high - low):
                    total[1, 0] += act[i]
                for i in range(high - low):
                    total[2, 0] += own[i] & act[i]
        else:
            for i in range(n):
                if drawn and i % 2 == 0:
                    fill_pair(keys, i >> 1, words)
                _choose(now, i, words, last, some, reboot)
                _count(now, reboot, i, tallies, i)
                if swap[i, 0]:
                    for c in range(b):
                        reboot[i, c] ^= uint8(1)
                _count(now, reboot, i, few, 0)
                if i % 255 == 254 or i == n - 1:  # as much as a byte counts
                    for k in range(3):
                        for c in range(b):
                            total[k, c] += few[k, 0, c]
                            few[k, 0, c] = 0
        for c in range(b):
            up, rebooted, waste = total[0, c], total[1, c], total[2, c]
            earned = paid[3] * waste + paid[2] * (up - waste)
            earned += paid[1] * (rebooted - waste)
            earned += paid[0] * (n - up - rebooted + waste)
            team[c] += earned / n
        keys = every[0, step]
        if ring:
            step_ring(now, reboot, keys, thresholds, after, reward)
        else:
            step_graph(now, reboot, keys, indptr, indices, offsets, thresholds, after)
        now, after = after, now
    return now


@njit(cache=True, nogil=True)
def _choose(now, i, words, last, some, reboot):
    lane = i & 1
    if last.shape[2] == 1:
        down, up, some_down, some_up = last[0, i, 0], last[1, i, 0], some[0, i, 0], some[1, i, 0]
        drawn = some_down & (down < _LAST) | some_up & (up < _LAST)
        for c in range(now.shape[1]):
            reboot[i, c] = uint8(1) ^ (some_up if now[i, c] else some_down)
        if drawn:
            for c in range(now.shape[1]):
                limit = up if now[i, c] else down
                reboot[i, c] |= uint8(words[lane, c] > limit)
    else:
        for c in range(now.shape[1]):
            down = (words[lane, c] <= last[0, i, c]) & (some[0, i, c] != 0)
            up = (words[lane, c] <= last[1, i, c]) & (some[1, i, c] != 0)
            reboot[i, c] = uint8(1) ^ (uint8(up) if now[i, c] else uint8(down))


@njit(cache=True, nogil=True)
def _choose_row(own, word, last0, last1, some0, some1, act):
    for c in range(own.shape[0]):
        s, w = own[c], word[c]
        down = (w <= last0[c]) & (
            some0[c] != 0
        )  # all is read in any case: only then are there vectors
        up = (w <= last1[c]) & (some1[c] != 0)
        act[c] = uint8(1) ^ (uint8(up) if s else uint8(down))


@njit(cache=True, nogil=True)
def _count_flat(own, act, ups, acts, both):
    # Each loop writes to one array: LLVM makes no vectors of more, which might be the same.
    for c in range(own.shape[0]):
        ups[c] += own[c]
    for c in range(own.shape[0]):
        acts[c] += act[c]
    for c in range(own.shape[0]):
        both[c] += own[c] & act[c]


@njit(cache=True, nogil=True, inline="always")
def _count(own, act, i, counts, k):
    for c in range(own.shape[1]):
        counts[0, k, c] += own[i, c]
    for c in range(own.shape[1]):
        counts[1, k, c] += act[i, c]
    for c in range(own.shape[1]):
        counts[2, k, c] += own[i, c] & act[i, c]
