"""One step of SYSADMIN in Numba; same arguments and same results as the NumPy kernels."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import float32, njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import fill_words, pair_word

_BLOCK = 1024  # agents at a time when there is one column


@njit(cache=True, nogil=True)
def step_ring(state, action, keys, thresholds, next_state, reward):
    """See `numpy_kernel.step_ring`."""
    n, b = state.shape
    t0, t1, t2, t3 = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    if b == 1:
        own, reboot = state[:, 0], action[:, 0]
        out, pay = next_state[:, 0], reward[:, 0]
        buffer = np.empty(_BLOCK // 2, np.uint64)
        word = buffer.view(np.uint32)
        parent = np.empty(_BLOCK, np.uint8)
        for low in range(0, n, _BLOCK):
            high = min(low + _BLOCK, n)
            m = high - low
            fill_words(keys[0], low >> 1, buffer[: (m + 1) >> 1])
            parent[0] = own[low - 1] if low else own[n - 1]
            parent[1:m] = own[low : high - 1]
            _ring_row(
                own[low:high],
                parent[:m],
                reboot[low:high],
                word[:m],
                t0,
                t1,
                t2,
                t3,
                out[low:high],
                pay[low:high],
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
