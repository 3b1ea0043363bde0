"""The random stream in JAX: the same words as NumPy's, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax", reason="the extra 'jax' isn't installed")

import jax.numpy as jnp  # noqa: E402

from crl_envs.core.stream import Purpose, Stream  # noqa: E402
from crl_envs.jax.stream import advance, keys, pair, words  # noqa: E402

NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**32 - 1, 2**32, 2**64 - 1]))
LANES = 7


def whole(halves: object) -> int:
    low, high = np.asarray(halves).tolist()
    return low | high << 32


@jax.jit
def drawn(seed: jax.Array, clock: jax.Array, purpose: int) -> jax.Array:
    return words(keys(seed, clock, purpose), LANES)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS, st.sampled_from(list(Purpose)))
def test_words_are_those_of_numpy(seed: int, clock: int, purpose: Purpose) -> None:
    stream = Stream(1)
    stream.seed(seed, np.array([clock], np.uint64))
    found = drawn(pair(seed), pair(clock), int(purpose))
    assert found.dtype == jnp.uint32
    np.testing.assert_array_equal(found, stream.words(purpose, LANES)[:, 0])


@given(NUMBERS)
def test_a_clock_carries(clock: int) -> None:
    assert whole(pair(clock)) == clock
    assert whole(advance(pair(clock))) == (clock + 1) % 2**64


def test_columns_are_apart() -> None:
    seeds = jnp.stack([pair(3), pair(2**40), pair(5)], axis=1)
    clocks = jnp.stack([pair(9), pair(2**33), pair(0)], axis=1)
    every = words(keys(seeds, clocks, 1), 100_001)
    for b in range(3):
        alone = words(keys(seeds[:, b], clocks[:, b], 1), 100_001)
        np.testing.assert_array_equal(every[:, b], alone)
