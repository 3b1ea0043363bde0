"""What a simulated policy earns at least: how many episodes there are, and how rarely it is too much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crl_envs.core.simulated import columns_for, low_mean


@given(st.integers(1, 10**9), st.integers(1, 10**7), st.integers(1, 1000))
def test_there_are_enough_episodes_or_none(n: int, horizon: int, policies: int) -> None:
    columns = columns_for(n, horizon, policies)
    assert columns == 0 or 8 <= columns <= 256
    assert columns * n * horizon * policies <= 160_000_000
    assert columns <= columns_for(n, horizon, 1)


@pytest.mark.parametrize("episodes", [8, 256])
def test_a_low_mean_is_rarely_too_high(episodes: int) -> None:
    """Student's t says how rarely; at most twice as often among 40,000, false alarm 3e-9."""
    rng, count = np.random.default_rng(0), 40_000
    low = np.apply_along_axis(low_mean, 1, rng.normal(3.0, 2.0, (count, episodes)))
    expected = count * stats.t.sf(4, episodes - 1)
    assert (low > 3.0).sum() <= 2 * expected + 10
    assert (low > 3.0 - 16 / episodes**0.5).mean() > 0.9
