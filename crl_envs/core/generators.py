"""The two generators of the random stream in NumPy, and their constants.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox); Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators" (SplitMix64).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UInt64Array = NDArray[np.uint64]

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)

PHILOX_M0: Final = np.uint64(0xD2511F53)
PHILOX_M1: Final = np.uint64(0xCD9E8D57)
PHILOX_W0: Final = np.uint64(0x9E3779B9)
PHILOX_W1: Final = np.uint64(0xBB67AE85)
_INTS: Final = [int(c) for c in (GOLDEN, MIX_1, MIX_2, PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1)]
_MASK_64: Final = 2**64 - 1
_LOW: Final = np.uint64(0xFFFFFFFF)
_S27, _S30, _S31, _S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


def philox4x32(
    counter: tuple[UInt64Array, UInt64Array, UInt64Array, UInt64Array],
    key: tuple[UInt64Array, UInt64Array],
    rounds: int = 10,
) -> tuple[UInt64Array, UInt64Array, UInt64Array, UInt64Array]:
    """Turn four counter words and two key words into four random words by Philox4x32.

    Args:
        counter: Four broadcastable ``uint64`` arrays holding 32-bit words.
        key: Two broadcastable ``uint64`` arrays holding 32-bit words.
        rounds: 10 for the generator as published.

    Returns:
        Four ``uint64`` arrays holding 32-bit words.
    """
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for r in range(rounds):
        p0 = x0 * PHILOX_M0
        p1 = x2 * PHILOX_M1
        bump0 = np.uint64(r * int(PHILOX_W0) & 0xFFFFFFFF)
        bump1 = np.uint64(r * int(PHILOX_W1) & 0xFFFFFFFF)
        x0 = (p1 >> _S32) ^ x1 ^ ((k0 + bump0) & _LOW)
        x2 = (p0 >> _S32) ^ x3 ^ ((k1 + bump1) & _LOW)
        x1 = p1 & _LOW
        x3 = p0 & _LOW
    return x0, x1, x2, x3


def splitmix64(z: UInt64Array) -> UInt64Array:
    """Apply the output function of SplitMix64, elementwise (``uint64`` array of any shape, not modified)."""
    t = z >> _S30
    t ^= z
    t *= MIX_1
    u = t >> _S27
    t ^= u
    t *= MIX_2
    np.right_shift(t, _S31, out=u)
    t ^= u
    return t


def lane_word(key: Any, lane: int) -> int:
    """Return the word of one lane; in compiled code this is `numba_stream`'s."""
    lane = int(lane)
    z = (int(key) + ((lane >> 1) + 1) * _INTS[0]) & _MASK_64
    z = ((z ^ (z >> 30)) * _INTS[1]) & _MASK_64
    z = ((z ^ (z >> 27)) * _INTS[2]) & _MASK_64
    return ((z ^ (z >> 31)) >> (32 * (lane & 1))) & 0xFFFFFFFF


def stream_key(seed: Any, clock: Any, purpose: int) -> int:
    """Return the key of one column, as `Stream.keys`; in compiled code this is `numba_stream`'s."""
    m0, m1, w0, w1 = _INTS[3:]
    k1, k0 = divmod(int(seed), 2**32)
    x1, x0 = divmod(int(clock), 2**32)
    x2, x3 = purpose, 0
    for _ in range(10):
        p0, p1 = x0 * m0, x2 * m1
        x0, x2 = (p1 >> 32) ^ x1 ^ k0, (p0 >> 32) ^ x3 ^ k1
        x1, x3 = p1 & 0xFFFFFFFF, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + w0) & 0xFFFFFFFF, (k1 + w1) & 0xFFFFFFFF
    return x0 | (x1 << 32)
