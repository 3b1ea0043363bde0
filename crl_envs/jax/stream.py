"""The random stream of `crl_envs.core.stream` in JAX: the same words, with 64-bit numbers switched on in JAX or not.

Between functions a 64-bit number is a pair of ``uint32``, its low and its high half, along the first axis of an array:
``uint32[2, …]``. Inside of them it is one ``uint64``, of which processors compute several at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from crl_envs.core.stream import (
    GOLDEN,
    MIX_1,
    MIX_2,
    PHILOX_M0,
    PHILOX_M1,
    PHILOX_W0,
    PHILOX_W1,
)

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _in_64_bits(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let a function have 64-bit numbers, which JAX would make 32-bit ones of by default."""

    @wraps(function)
    def inside(*args: Any) -> Array:
        with jax.enable_x64(True):
            return function(*args)

    return inside


def pair(number: int) -> Array:
    """Return a 64-bit number as ``uint32[2]``."""
    return jnp.array([number & 0xFFFFFFFF, number >> 32], jnp.uint32)


def advance(clock: Array) -> Array:
    """Return a clock ``uint32[2, …]`` one tick later."""
    low = clock[0] + np.uint32(1)
    return jnp.stack([low, clock[1] + (low == 0)])


@_in_64_bits
def keys(seed: Array, clock: Array, purpose: int) -> Array:
    """Return the keys of a purpose: level 1, Philox4x32-10.

    Args:
        seed: ``uint32[2, …]``.
        clock: ``uint32[2, …]``.
        purpose: What is drawn for.

    Returns:
        ``uint32[2, …]``.
    """
    (x0, x1), (k0, k1) = clock.astype(jnp.uint64), seed.astype(jnp.uint64)
    x2, x3 = jnp.full_like(x0, purpose), jnp.zeros_like(x0)
    for _ in range(10):
        p0, p1 = x0 * PHILOX_M0, x2 * PHILOX_M1
        x0, x1, x2, x3 = (p1 >> _HALF) ^ x1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ x3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + PHILOX_W0) & _LOW, (k1 + PHILOX_W1) & _LOW
    return jnp.stack([x0, x1]).astype(jnp.uint32)


@_in_64_bits
def words(key: Array, lanes: int) -> Array:
    """Return the words of lanes 0 … `lanes` − 1: level 2, SplitMix64.

    Both lanes of a pair compute it and keep a half each: dearer in operations, and cheaper than to put halves side by
    side, which would be written to memory.

    Args:
        key: ``uint32[2, …]``.
        lanes: Number of lanes (agents) n.

    Returns:
        ``uint32[n, …]``.
    """
    lane = jnp.arange(lanes, dtype=jnp.uint32).reshape(lanes, *[1] * (key.ndim - 1))
    low, high = key.astype(jnp.uint64)
    z = (low | high << _HALF) + ((lane >> 1).astype(jnp.uint64) + np.uint64(1)) * GOLDEN
    z = (z ^ z >> np.uint64(30)) * MIX_1
    z = (z ^ z >> np.uint64(27)) * MIX_2
    z = z ^ z >> np.uint64(31)
    return jnp.where(lane & 1, z >> _HALF, z).astype(jnp.uint32)
