"""One step of a rule on a graph in Numba; the same results as the array form's in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import MANY, fill_pair, fill_words, pair_word

_BLOCK = 4096  # agents at a time when there is one column; even


@njit(cache=True, nogil=True)
def step(state, action, keys, ring, signal, graph, tables, next_state, reward):
    """Write next states and rewards.

    Args:
        state, action, next_state: ``uint8[n, B]``.
        keys: ``uint64[B]``.
        ring: Whether the only parent of an agent is the one before it.
        signal: ``uint8[S, A]``.
        graph: ``int64`` arrays ``indptr, indices``, parents in compressed rows, and ``offsets``, where an agent's rows
            begin in the tables.
        tables: ``last uint32[S − 1, R]`` and ``some uint8[S − 1, R]`` of the chances, ``paid float32[R]``.
        reward: ``float32[n, B]``.
    """
    last, some, paid = tables
    if ring and state.shape[1] == 1 and signal.size == 4 and len(paid) == 8:
        row = last[0], some[0], paid
        flat = state.ravel(), action.ravel(), next_state.ravel(), reward.ravel()
        _two_by_two(flat, keys[0], signal, row)
    elif state.shape[1] >= MANY:
        _rows(state, action, keys, signal, graph, last, some, paid, next_state, reward)
    else:
        _on_graph(state, action, keys, signal, graph, last, some, paid, next_state, reward)


@njit(cache=True, nogil=True)
def _on_graph(state, action, keys, signal, graph, last, some, paid, next_state, reward):
    indptr, indices, offsets = graph
    n, b = state.shape
    n_actions, most = signal.shape[1], np.int64(signal.max())
    emitted = np.empty((n, b), np.uint8)
    for i in range(n):
        for c in range(b):
            emitted[i, c] = signal[state[i, c], action[i, c]]
    felt = np.empty(b, np.int64)
    for i in range(n):
        felt[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            theirs = emitted[indices[e]]
            for c in range(b):
                felt[c] += theirs[c]
        width = most * (indptr[i + 1] - indptr[i]) + 1
        shift = uint64(32 * (i & 1))
        for c in range(b):
            word = uint32(pair_word(keys[c], i >> 1) >> shift)
            own = np.int64(state[i, c]) * n_actions + np.int64(action[i, c])
            row = offsets[i] + own * width + felt[c]
            drawn = uint8(0)
            for k in range(last.shape[0]):
                drawn += uint8(word <= last[k, row]) & some[k, row]
            next_state[i, c] = drawn
            reward[i, c] = paid[row]


@njit(cache=True, nogil=True)
def _rows(state, action, keys, signal, graph, last, some, paid, next_state, reward):
    indptr, indices, offsets = graph
    n, b = state.shape
    signals, most = signal.ravel(), np.int64(signal.max())
    own = np.empty((n, b), np.uint16)
    for i in range(n):
        for c in range(b):
            own[i, c] = state[i, c] * np.uint16(signal.shape[1]) + action[i, c]
    emitted = np.empty((n, b), np.uint8)
    for i in range(n):
        for c in range(b):
            emitted[i, c] = signals[own[i, c]]
    row, words = np.empty(b, np.uint32), np.empty((2, b), np.uint32)
    for i in range(n):
        if i % 2 == 0:
            fill_pair(keys, i >> 1, words)
        lane, first = i & 1, uint32(offsets[i])
        width = uint32(most * (indptr[i + 1] - indptr[i]) + 1)
        for c in range(b):
            row[c] = first + own[i, c] * width
        for e in range(indptr[i], indptr[i + 1]):
            source = indices[e]
            for c in range(b):
                row[c] += emitted[source, c]
        for c in range(b):
            next_state[i, c] = 0
        for k in range(last.shape[0]):
            for c in range(b):
                next_state[i, c] += uint8(words[lane, c] <= last[k, row[c]]) & some[k, row[c]]
        for c in range(b):
            reward[i, c] = paid[row[c]]


@njit(cache=True, nogil=True)
def _two_by_two(flat, key, signal, tables):
    """Two states, two actions, signals 0 and 1, one column on the directed ring: as vectors, in blocks."""
    state, action, next_state, reward = flat
    last, some, paid = tables
    n = len(state)
    buffer, emitted = np.empty(_BLOCK // 2, np.uint64), np.empty(_BLOCK + 1, np.uint8)
    word = buffer.view(np.uint32)
    e0, e1, e2, e3 = signal[0, 0], signal[0, 1], signal[1, 0], signal[1, 1]
    emitted[0] = signal[state[n - 1], action[n - 1]]
    for low in range(0, n, _BLOCK):
        size = min(_BLOCK, n - low)
        fill_words(key, low >> 1, buffer[: (size + 1) >> 1])
        s, a = state[low : low + size], action[low : low + size]
        for i in range(size):
            down, up = e1 if a[i] else e0, e3 if a[i] else e2
            emitted[i + 1] = up if s[i] else down
        _row(
            s,
            a,
            emitted,
            word,
            last,
            some,
            paid,
            next_state[low : low + size],
            reward[low : low + size],
        )
        emitted[0] = emitted[size]


@njit(cache=True, nogil=True)
def _row(s, a, felt, word, last, some, paid, out, pay):
    l0, l1, l2, l3, l4, l5, l6, l7 = last
    h0, h1, h2, h3, h4, h5, h6, h7 = some
    p0, p1, p2, p3, p4, p5, p6, p7 = paid
    for i in range(len(s)):
        t00, t01 = l1 if felt[i] else l0, l3 if felt[i] else l2
        t10, t11 = l5 if felt[i] else l4, l7 if felt[i] else l6
        t0, t1 = t01 if a[i] else t00, t11 if a[i] else t10
        t = t1 if s[i] else t0
        out[i] = uint8(word[i] <= t)
    for i in range(len(s)):
        g00, g01 = h1 if felt[i] else h0, h3 if felt[i] else h2
        g10, g11 = h5 if felt[i] else h4, h7 if felt[i] else h6
        g0, g1 = g01 if a[i] else g00, g11 if a[i] else g10
        out[i] &= g1 if s[i] else g0
    for i in range(len(s)):
        q00, q01 = p1 if felt[i] else p0, p3 if felt[i] else p2
        q10, q11 = p5 if felt[i] else p4, p7 if felt[i] else p6
        q0, q1 = q01 if a[i] else q00, q11 if a[i] else q10
        pay[i] = q1 if s[i] else q0
