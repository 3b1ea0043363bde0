"""The random stream: a draw is a pure function of (seed, clock, purpose, agent).

Every column (one environment of a batch) has a 64-bit seed and a clock that counts its resets and steps
since it was seeded. A draw is made in two levels:

1. a 64-bit *key* per (seed, clock, purpose): the first two output words of Philox4x32-10 (Salmon et al. 2011,
   "Parallel random numbers: as easy as 1, 2, 3") with the seed as its key and
   ``(clock mod 2^32, clock div 2^32, purpose, 0)`` as its counter;
2. a 32-bit *word* per agent: the SplitMix64 sequence (Steele, Lea & Flood 2014) started at the key, each output
   giving two words, low half first.

Nothing depends on the order of evaluation, the batch or the thread count, so every view and every backend of a
world sees the same numbers. Level 2 is SplitMix64 because Philox for every agent costs a NumPy-only
installation about five times as much.
"""

from __future__ import annotations

import copy
import os
import secrets
import sys
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_seed
from crl_envs.core.backend import Compiled
from crl_envs.core.copies import owned

UInt32Array = NDArray[np.uint32]
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
_LONGEST_KEPT: Final = 65536
_LITTLE_64: Final = np.dtype("<u8")
_LITTLE_32: Final = np.dtype("<u4")

_KEYS_PER_BLOCK: Final = 4096
_MOST_STEPS_AHEAD: Final = 256
_NO_BLOCK: Final = (0, np.empty((0, 1), np.uint64))


class Purpose(IntEnum):
    """What a draw is for; two purposes at the same clock are independent."""

    __hash__ = int.__hash__  # an enum's own is written in Python

    INITIAL = 0
    TRANSITION = 1
    REWARD = 2
    LOAD = 3
    ARRIVAL = 4
    DEPARTURE = 5
    LINK_LOSS = 6
    LINK_DELAY = 7
    FAILURE = 8
    RETURN = 9
    DISCOVERY = 10
    DISCOVERED_AGENT = 11
    REWARD_NOISE = 12
    OBSERVATION_NOISE = 13
    INSTANCE = 16
    TOPOLOGY = 17
    ACTION = 32
    GOSSIP = 33
    POST_LOSS = 34
    POST_DELAY = 35
    WEIGHTS = 36
    SHUFFLE = 37
    FORGIVENESS = 38


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


@lru_cache(maxsize=16)
def _ladder(pairs: int) -> UInt64Array:
    """Return ``uint64[pairs]``: 1, 2, … times the golden gamma, read-only."""
    rungs = np.arange(1, pairs + 1, dtype=np.uint64) * GOLDEN
    rungs.setflags(write=False)
    return rungs


def words(keys: UInt64Array, lanes: int, first: int = 0) -> UInt32Array:
    """Return the words of lanes ``first … first + lanes − 1`` for every column.

    Args:
        keys: ``uint64[B]``, one key a column.
        lanes: Number of lanes (agents).
        first: The first lane; even.

    Returns:
        ``uint32[lanes, B]``, uniform on all 2^32 values.
    """
    pairs = (lanes + 1) // 2
    rungs = _ladder(pairs) if pairs <= _LONGEST_KEPT else _ladder.__wrapped__(pairs)
    start = keys + np.uint64(first // 2 * int(GOLDEN) & _MASK_64) if first else keys
    if keys.shape[0] == 1:
        flat = splitmix64(rungs + start).astype(_LITTLE_64, copy=False).view(_LITTLE_32)
        return flat[:lanes, None].astype(np.uint32, copy=False)
    mixed = splitmix64(rungs[:, None] + start)
    both = np.empty((pairs, 2, keys.shape[0]), np.uint32)
    both[:, 0] = mixed
    both[:, 1] = mixed >> _S32
    return both.reshape(2 * pairs, keys.shape[0])[:lanes]


def lane_words(keys: UInt64Array, lanes: NDArray[np.int64]) -> UInt32Array:
    """Return one word for each (key, lane) pair: ``uint64[M]`` and ``int64[M]`` to ``uint32[M]``."""
    lane = lanes.astype(np.uint64)
    z = splitmix64(keys + ((lane >> np.uint64(1)) + np.uint64(1)) * GOLDEN)
    return (z >> (_S32 * (lane & np.uint64(1)))).astype(np.uint32)


def threshold(probability: float | NDArray[np.float64]) -> UInt64Array:
    """Return the integer below which a word means success: round(p·2^32), so that p = 0 is never and p = 1 always.

    Returns:
        ``uint64`` array of the argument's shape (0-d for a float), in [0, 2^32].
    """
    return np.asarray(np.rint(np.asarray(probability, np.float64) * 2.0**32), np.uint64)


def fixed_words(seed: int, purpose: Purpose, lanes: int) -> UInt32Array:
    """Return the words of a problem instance: ``uint32[lanes]``, a function of the seed and the purpose alone."""
    stream = Stream(1)
    stream.seed(seed)
    return words(stream.keys(purpose), lanes)[:, 0]


class Stream:
    """Seeds and clocks of B columns, and the keys that follow from them.

    Args:
        num_envs: Number of columns B.

    Attributes:
        seeds: ``uint64[B]``; drawn from the operating system until `seed` is called.
    """

    _offset: int | NDArray[np.int64]  # ticks since `_base`
    _blocks: dict[
        Purpose, tuple[int | NDArray[np.int64], UInt64Array]
    ]  # the offset at its start; keys

    def __init__(self, num_envs: int = 1) -> None:
        self.num_envs = num_envs
        self._draw_seed()

    def seed(self, seed: int, clock: UInt64Array | None = None) -> None:
        """Give column b the seed ``seed + b`` (Gymnasium's rule for vector environments).

        Args:
            seed: An integer in [0, 2^64 − B].
            clock: ``uint64[B]``, where to go on from; 0 by default.

        Raises:
            ValueError: The seed is not an integer in [0, 2^64 − B].
        """
        check_seed("seed", seed, high=2**64 - self.num_envs)
        _UNSEEDED.discard(self)
        self.seeds = np.uint64(seed) + np.arange(self.num_envs, dtype=np.uint64)
        self._begin(np.zeros(self.num_envs, np.uint64) if clock is None else clock)

    @property
    def clock(self) -> UInt64Array:
        """``uint64[B]``: ticks (resets and steps) since seeding."""
        return self._base + np.uint64(self._offset)

    def advance(self, columns: NDArray[np.bool_] | None = None, ticks: int = 1) -> None:
        """Move the clock of the given columns (``bool[B]``, all by default) on, by one tick or more."""
        if columns is None or columns.all():
            self._offset = self._offset + ticks
        else:
            self._offset = self._offset + ticks * columns.astype(np.int64)

    def keys(self, purpose: Purpose) -> UInt64Array:
        """Return the keys of the present clock for one purpose: ``uint64[B]``; not to be written to."""
        start, block = self._blocks.get(purpose, _NO_BLOCK)
        row = self._offset - start
        keys: UInt64Array
        if isinstance(row, int):
            if row < len(block):
                keys = block[row]
                return keys
        elif row.max() < block.shape[0]:
            keys = block[row, np.arange(self.num_envs)]
            return keys
        block = self._compute(purpose)
        self._blocks[purpose] = self._offset, block
        keys = block[0]
        return keys

    def words(self, purpose: Purpose, lanes: int) -> UInt32Array:
        """Return ``uint32[lanes, B]`` for the present clock and one purpose."""
        return words(self.keys(purpose), lanes)

    def _draw_seed(self) -> None:
        self.seed(secrets.randbits(63))
        _UNSEEDED.add(self)

    def _begin(self, clock: UInt64Array) -> None:
        """Start at a clock, without any keys."""
        self._base, self._offset, self._blocks = clock, 0, {}

    def _compute(self, purpose: Purpose) -> UInt64Array:
        """Keys of the present clock and of some after it: ``uint64[ahead, B]``."""
        ahead = max(1, min(_MOST_STEPS_AHEAD, _KEYS_PER_BLOCK // self.num_envs))
        block = np.empty((ahead, self.num_envs), np.uint64)
        if "numba" in sys.modules:  # never for the keys alone
            _COMPILED(self.seeds, self.clock, int(purpose), block)
        else:
            _fill_keys(self.seeds, self.clock, int(purpose), block)
        return block

    def __getstate__(self) -> dict[str, object]:
        seeded = self not in _UNSEEDED
        clock = self.clock
        return {"num_envs": self.num_envs, "seeds": self.seeds, "clock": clock, "seeded": seeded}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.num_envs, self.seeds = state["num_envs"], owned(state["seeds"])
        self._begin(owned(state["clock"]))
        if not state.get("seeded", True):
            if self._base.any():
                _UNSEEDED.add(self)
            else:  # nothing to go on with: copies that SuperSuit, or Ray, makes of a new environment differ
                self._draw_seed()

    def __copy__(self) -> Stream:
        return copy.deepcopy(self)


def _fill_keys(seeds: UInt64Array, clock: UInt64Array, purpose: int, block: UInt64Array) -> None:
    """Write the keys of a clock ``uint64[B]`` and the ones after it to ``uint64[ahead, B]``."""
    clocks = clock + np.arange(len(block), dtype=np.uint64)[:, None]
    nothing = np.zeros(1, np.uint64)
    counter = (clocks & _LOW, clocks >> _S32, np.full(1, purpose, np.uint64), nothing)
    low, high, _, _ = philox4x32(counter, (seeds & _LOW, seeds >> _S32))
    np.bitwise_or(low, high << _S32, out=block)


_COMPILED: Final = Compiled.at(
    "crl_envs.core.numba_stream:fill_keys", seconds=0.6, plain=_fill_keys
)
_UNSEEDED: Final[WeakSet[Stream]] = WeakSet()


def _draw_seeds_again() -> None:
    """In the child of a fork, where streams that nobody has seeded would draw what the parent's draw."""
    for stream in list(_UNSEEDED):
        stream._draw_seed()


if hasattr(os, "register_at_fork"):  # not on Windows, where there are no forks
    os.register_at_fork(after_in_child=_draw_seeds_again)
