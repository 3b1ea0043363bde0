"""One step of SYSADMIN in Numba; same arguments and same results as the NumPy kernels."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import float32, njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import fill_words, pair_word, stream_key
from crl_envs.core.stream import Purpose

_ACTION, _TRANSITION = int(Purpose.ACTION), int(Purpose.TRANSITION)
_BLOCK = 4096  # agents at a time when there is one column; even


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
    for i in range(0, n, 2):
        pair = i >> 1
        for c in range(b):
            z = pair_word(keys[c], pair)
            word[0, c] = uint32(z)
            word[1, c] = uint32(z >> uint64(32))
        for k in range(i, min(i + 2, n)):
            _ring_row(
                state[k],
                state[k - 1 if k else n - 1],
                action[k],
                word[k - i],
                t0,
                t1,
                t2,
                t3,
                next_state[k],
                reward[k],
            )


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
    """See `numpy_kernel.step_graph`."""
    n, b = state.shape
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
    """See `numpy_kernel.step_status_load`."""
    n, b = state.shape
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
def play(state, limits, swap, paid, seeds, clocks, steps, ring, parents, thresholds, seen):
    """Play binary machines by a table: see `SysadminWorld.play`.

    Args:
        state: ``uint8[n, B]``, changed.
        limits: ``uint64[n·2·B, 1]``.
        swap: ``uint8[n, 1]``, 1 where the two actions are exchanged.
        paid: ``float32[4]``, by 2·state + reboot.
        seeds, clocks: ``uint64[2, B]``, the world's and the policy's.
        steps: How many.
        ring: Whether `step_ring` is for it.
        parents: ``int64`` arrays ``indptr, indices, offsets`` of `step_graph`.
        thresholds: ``uint32``, of either.
        seen: ``uint32[n·2·B, 2]``, added to, ``float64[n, B]``, written, and ``float64[B]``, added to. All rewards are
            quarters, so that their sums are exact in any order.
    """
    counts, sums, team = seen
    indptr, indices, offsets = parents
    n, b = state.shape
    visits, by_state = counts.reshape(n, 2, b, 2), limits.reshape(n, 2, b)
    action, reboot, after = np.empty_like(state), np.empty_like(state), np.empty_like(state)
    reward = np.empty(state.shape, np.float32)
    keys, both = np.empty(b, np.uint64), np.empty((2, b), np.uint32)
    block = np.empty(_BLOCK // 2, np.uint64)
    flat = block.view(np.uint32)
    tally = np.empty((3, b), np.int64)
    now = state
    for step in range(steps):
        for c in range(b):
            keys[c] = stream_key(seeds[1, c], clocks[1, c] + uint64(step), _ACTION)
        tally[:] = 0
        if b == 1:
            for low in range(0, n, _BLOCK):
                high = min(low + _BLOCK, n)
                fill_words(keys[0], low >> 1, block[: (high - low + 1) >> 1])
                own, chosen, rows = now[low:high, 0], action[low:high, 0], by_state[low:high]
                _choose_row(own, flat[: high - low], rows[:, 0, 0], rows[:, 1, 0], chosen)
                ups, reboots, waste = 0, 0, 0
                for i in range(low, high):
                    r = action[i, 0] ^ swap[i, 0]
                    reboot[i, 0] = r
                    ups += now[i, 0]
                    reboots += r
                    waste += now[i, 0] & r
                tally[0, 0] += ups
                tally[1, 0] += reboots
                tally[2, 0] += waste
        else:
            for i in range(n):
                if i % 2 == 0:
                    for c in range(b):
                        z = pair_word(keys[c], i >> 1)
                        both[0, c] = uint32(z)
                        both[1, c] = uint32(z >> uint64(32))
                _choose_row(now[i], both[i % 2], by_state[i, 0], by_state[i, 1], action[i])
                exchanged = swap[i, 0]
                for c in range(b):
                    r = action[i, c] ^ exchanged
                    reboot[i, c] = r
                    tally[0, c] += now[i, c]
                    tally[1, c] += r
                    tally[2, c] += now[i, c] & r
        for i in range(n):
            for c in range(b):
                visits[i, uint64(now[i, c]), c, uint64(action[i, c])] += uint32(1)
        for c in range(b):
            up, rebooted, wasted = tally[0, c], tally[1, c], tally[2, c]
            total = paid[3] * np.float64(wasted) + paid[2] * np.float64(up - wasted)
            total += paid[1] * np.float64(rebooted - wasted)
            total += paid[0] * np.float64(n - up - rebooted + wasted)
            team[c] += total / n
            keys[c] = stream_key(seeds[0, c], clocks[0, c] + uint64(step), _TRANSITION)
        if ring:
            step_ring(now, reboot, keys, thresholds, after, reward)
        else:
            step_graph(now, reboot, keys, indptr, indices, offsets, thresholds, after)
        now, after = after, now
    if steps % 2:
        state[:] = now
    for i in range(n):
        for c in range(b):
            sums[i, c] = 0.0
            for s in range(2):
                for a in range(2):
                    r = uint8(a) ^ swap[i, 0]
                    sums[i, c] += visits[i, s, c, a] * np.float64(paid[uint64(2 * s + r)])


@njit(cache=True, nogil=True)
def _choose_row(own, word, when_down, when_up, action):
    for i in range(own.shape[0]):
        action[i] = uint64(word[i]) >= (when_up[i] if own[i] else when_down[i])
