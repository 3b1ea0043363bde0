"""One step of wireless access in Numba; the same results as the array form's in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint8, uint32, uint64

from crl_envs.core.numba_stream import fill_words, lane_word

_LOST = uint8(2)  # as in `crl_envs.access.form`, which takes longer to import
_BLOCK = 4096  # agents at a time when there is one column; even


@njit(cache=True, nogil=True)
def step(state, action, keys, points, nowhere, tables, newest, following, reward):
    """Write the next state and rewards.

    Args:
        state, following: ``queue uint8[n, B], sent uint8[n, B]``.
        action: ``uint8[n, B]``.
        keys: ``uint64[2, B]``, of arrivals and of links.
        points: ``int32[n, 5]``, the access point that each action sends to.
        nowhere: The number P that stands for none.
        tables: ``last uint32, some bool`` of arrivals and of a packet's success.
        newest: Of the bits of a queue, that of a packet which has just come.
        reward: ``float32[n, B]``.
    """
    queue, (n, b) = state[0], action.shape
    senders = np.zeros((nowhere + 1, b), np.uint8)
    for i in range(n):
        for c in range(b):
            senders[points[i, action[i, c]], c] += uint8(queue[i, c] > 0)
    senders[nowhere] = 0
    if b > 1:
        _in_columns(queue, action, keys, points, senders, tables, newest, following, reward)
        return
    coming, carried = np.empty((2, _BLOCK // 2), np.uint64)
    for first in range(0, n, _BLOCK):
        stop = min(n, first + _BLOCK)
        fill_words(keys[0, 0], first // 2, coming[: (stop - first + 1) // 2])
        fill_words(keys[1, 0], first // 2, carried[: (stop - first + 1) // 2])
        here = slice(first, stop)
        _in_one(
            (queue[here, 0], action[here, 0], points[here], senders[:, 0]),
            (coming, carried),
            tables,
            newest,
            (following[0][here, 0], following[1][here, 0], reward[here, 0]),
        )


@njit(cache=True, nogil=True)
def _in_columns(queue, action, keys, points, senders, tables, newest, following, reward):
    """Draw what is needed."""
    after, sent = following
    (last, some), (received, any_received) = tables
    n, b = action.shape
    for i in range(n):
        for c in range(b):
            packets, through = queue[i, c], uint8(0)
            if packets > 0 and senders[points[i, action[i, c]], c] == 1:
                through = uint8(any_received and lane_word(keys[1, c], i) <= received)
            sent[i, c] = _LOST * uint8(packets > 0 and action[i, c] > 0) - through
            left = (
                packets & (packets - through)
            ) >> 1  # without the oldest, where that came through
            came = uint8(some and lane_word(keys[0, c], i) <= last)
            after[i, c] = left | (came << newest)
            reward[i, c] = through


@njit(cache=True, nogil=True)
def _in_one(seen, words, tables, newest, following):
    """Do without branches, which are slow where they are as good as random."""
    queue, action, points, senders = seen
    after, sent, reward = following
    (last, some), (received, any_received) = tables
    for i in range(len(queue)):
        packets, pair, shift = queue[i], i >> 1, uint64(32 * (i & 1))
        tried = uint8(packets > 0) & uint8(action[i] > 0)
        arrives = uint8(uint32(words[1][pair] >> shift) <= received) & uint8(any_received)
        through = tried & arrives & uint8(senders[points[i, action[i]]] == 1)
        came = uint8(uint32(words[0][pair] >> shift) <= last) & uint8(some)
        sent[i] = _LOST * tried - through
        left = (packets & (packets - through)) >> 1
        after[i] = left | (came << newest)
        reward[i] = through
