"""Level 2 of the random stream (see `crl_envs.core.stream`) for Numba kernels."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint32, uint64
from numba.extending import overload

from crl_envs.core import stream
from crl_envs.core.stream import (
    GOLDEN,
    MIX_1,
    MIX_2,
    PHILOX_M0,
    PHILOX_M1,
    PHILOX_W0,
    PHILOX_W1,
)

# Columns from which loops over them, each so simple that it goes through a processor's vectors, are worth their number.
MANY = 16
_LOW = uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def stream_key(seed, clock, purpose):
    """Return the key of one column, ``uint64``: level 1 of the random stream; see `Stream.keys`."""
    k0, k1 = uint64(seed) & _LOW, uint64(seed) >> uint64(32)
    x0, x1 = uint64(clock) & _LOW, uint64(clock) >> uint64(32)
    x2, x3 = uint64(purpose), uint64(0)
    for _ in range(10):
        p0 = x0 * PHILOX_M0
        p1 = x2 * PHILOX_M1
        x0 = (p1 >> uint64(32)) ^ x1 ^ k0
        x2 = (p0 >> uint64(32)) ^ x3 ^ k1
        x1 = p1 & _LOW
        x3 = p0 & _LOW
        k0 = (k0 + PHILOX_W0) & _LOW
        k1 = (k1 + PHILOX_W1) & _LOW
    return x0 | (x1 << uint64(32))


@njit(cache=True, nogil=True, inline="always")
def pair_word(key, pair):
    """Return the ``uint64`` whose halves are the words of lanes 2·pair and 2·pair + 1."""
    z = key + uint64(pair + 1) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    return z ^ (z >> uint64(31))


@njit(cache=True, nogil=True, inline="always")
def lane_word(key, lane):
    """Return the ``uint32`` word of one lane."""
    return uint32(pair_word(key, lane >> 1) >> uint64(32 * (lane & 1)))


@njit(cache=True, nogil=True, inline="always")
def fill_pair(keys, pair, words):
    """Write the words of lanes 2·pair and 2·pair + 1 of all columns to ``uint32[2, B]``."""
    for c in range(keys.shape[0]):
        z = pair_word(keys[c], pair)
        words[0, c] = uint32(z)
        words[1, c] = uint32(z >> uint64(32))


@njit(cache=True, nogil=True)
def fill_words(key, first_pair, out):
    """Write ``pair_word(key, first_pair + j)`` to ``out[j]`` (``uint64[:]``)."""
    counter = key + uint64(first_pair + 1) * GOLDEN
    for j in range(out.shape[0]):
        z = counter
        counter += GOLDEN  # cheaper than j * GOLDEN where vectors have no 64-bit product
        z = (z ^ (z >> uint64(30))) * MIX_1
        z = (z ^ (z >> uint64(27))) * MIX_2
        out[j] = z ^ (z >> uint64(31))


@njit(cache=True, nogil=True)
def fill_keys(seeds, clock, purpose, block):
    """Write the keys of a clock ``uint64[B]`` and the ones after it to ``uint64[ahead, B]``."""
    for ahead in range(block.shape[0]):
        fill_row(seeds, clock, ahead, purpose, block[ahead])


@njit(cache=True, nogil=True)
def fill_row(seeds, clock, ahead, purpose, row):
    """Write the keys of one clock to ``uint64[B]``; as a loop of its own it goes through a processor's vectors."""
    for c in range(row.shape[0]):
        row[c] = stream_key(seeds[c], clock[c] + uint64(ahead), purpose)


@overload(stream.lane_word, inline="always")
def _lane_word(key, lane):
    return lambda key, lane: np.int64(lane_word(key, lane))


@overload(stream.stream_key, inline="always")
def _stream_key(seed, clock, purpose):
    return lambda seed, clock, purpose: uint64(stream_key(seed, clock, purpose))
