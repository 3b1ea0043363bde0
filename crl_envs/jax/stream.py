"""The random stream of `crl_envs.core.stream` in JAX: the same words, from 32-bit numbers only.

A 64-bit number is a pair of ``uint32``, its low and its high half, along the first axis of an array: ``uint32[2, …]``.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from crl_envs.core.array_form import product
from crl_envs.core.stream import (
    GOLDEN,
    MIX_1,
    MIX_2,
    PHILOX_M0,
    PHILOX_M1,
    PHILOX_W0,
    PHILOX_W1,
)

_LOW = 0xFFFFFFFF


def pair(number: int) -> Array:
    """Return a 64-bit number as ``uint32[2]``."""
    return jnp.array([number & _LOW, number >> 32], jnp.uint32)


def advance(clock: Array) -> Array:
    """Return a clock ``uint32[2, …]`` one tick later."""
    low = clock[0] + np.uint32(1)
    return jnp.stack([low, clock[1] + (low == 0)])


def keys(seed: Array, clock: Array, purpose: int) -> Array:
    """Return the keys of a purpose: level 1, Philox4x32-10.

    Args:
        seed: ``uint32[2, …]``.
        clock: ``uint32[2, …]``.
        purpose: What is drawn for.

    Returns:
        ``uint32[2, …]``.
    """
    x0, x1 = clock[0], clock[1]
    x2, x3 = jnp.full_like(x0, purpose), jnp.zeros_like(x0)
    k0, k1 = seed[0], seed[1]
    for _ in range(10):
        high0, low0 = product(x0, int(PHILOX_M0))
        high1, low1 = product(x2, int(PHILOX_M1))
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = k0 + np.uint32(PHILOX_W0), k1 + np.uint32(PHILOX_W1)
    return jnp.stack([x0, x1])


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
    step_high, step_low = _times((jnp.zeros_like(lane), (lane >> 1) + 1), int(GOLDEN))
    low = key[0] + step_low
    high = key[1] + step_high + (low < step_low)
    z = _times(_mixed((high, low), 30), int(MIX_1))
    z = _times(_mixed(z, 27), int(MIX_2))
    high, low = _mixed(z, 31)
    return jnp.where(lane & 1, high, low)


def _mixed(z: tuple[Any, Any], shift: int) -> tuple[Any, Any]:
    """Return z ^ (z >> shift), shift < 32."""
    high, low = z
    return high ^ (high >> shift), low ^ ((low >> shift) | (high << (32 - shift)))


def _times(z: tuple[Any, Any], factor: int) -> tuple[Any, Any]:
    """Return z · factor mod 2^64."""
    high, low = z
    carried, least = product(low, factor & _LOW)
    return carried + low * np.uint32(factor >> 32) + high * np.uint32(factor & _LOW), least
