"""Sums over agents: right, and the same for a column alone as in any batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crl_envs.core.backend import has_numba
from crl_envs.core.returns import _fold_halves, fold_each, fold_sum, take_mean, team_reward

_FOLDED: Any = fold_each
if has_numba():
    from numba import njit

    _FOLDED = njit(fold_each)

matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.floats(-(2.0**30), 2.0**30, width=32),
)


@given(matrices)
def test_close_to_the_exact_sum(values: Any) -> None:
    """Pairwise: the error is at most log2(n) rounding errors of the sum of magnitudes (Higham 1993)."""
    depth = max(1, math.ceil(math.log2(max(values.shape[0], 2))) + 1)
    for b, total in enumerate(fold_sum(values).tolist()):
        column = values[:, b].astype(np.float64)
        bound = depth * 2.0**-53 * math.fsum(abs(column))
        assert abs(total - math.fsum(column)) <= bound


@given(st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=300))
def test_integers_are_exact(values: list[int]) -> None:
    assert float(fold_sum(np.array(values))) == sum(values)


@given(matrices, st.randoms(use_true_random=False))
def test_a_column_is_the_same_alone_in_a_batch_and_in_any_layout(values: Any, random: Any) -> None:
    whole = fold_sum(values)
    assert whole.dtype == np.float64
    columns = list(range(values.shape[1]))
    random.shuffle(columns)
    np.testing.assert_array_equal(fold_sum(values[:, columns]), whole[columns])
    np.testing.assert_array_equal(fold_sum(np.asfortranarray(values)), whole)
    np.testing.assert_array_equal(fold_sum(values.repeat(3, axis=1)[:, ::3]), whole)
    for b in columns:
        assert fold_sum(values[:, b]) == whole[b]
        assert fold_sum(np.ascontiguousarray(values[:, b : b + 1]))[0] == whole[b]


@given(matrices)
def test_a_compiled_sum_is_the_same(values: Any) -> None:
    """`fold_each` as Python runs it, and as Numba compiles it where that is."""
    expected = values.astype(np.float64)
    _fold_halves(expected.reshape(-1), values.shape[1])
    for fold in (fold_each, _FOLDED):
        folded = values.astype(np.float64)
        fold(folded.reshape(-1), values.shape[1])
        assert folded[0].tolist() == expected[0].tolist() == fold_sum(values).tolist()


def test_no_columns() -> None:
    assert fold_sum(np.zeros((3, 0))).shape == (0,)


def test_many_agents() -> None:
    """A million thirds in float32, whose naive float32 sum is off in the third digit."""
    thirds = np.full(1_000_001, 1 / 3, np.float32)
    assert float(fold_sum(thirds)) == pytest.approx(1_000_001 * float(np.float32(1 / 3)), rel=1e-15)


def test_leaves_its_argument_alone() -> None:
    values = np.arange(14.0).reshape(7, 2)
    fold_sum(values)
    np.testing.assert_array_equal(values, np.arange(14.0).reshape(7, 2))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_team_reward(n: int) -> None:
    local = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    total = [n * (n - 1), n * n]
    assert team_reward(local, "sum").tolist() == total
    assert team_reward(local).tolist() == [total[0] / n, total[1] / n]


@given(st.lists(st.sampled_from([0.0, 0.1, -7.3, 1e16]), min_size=1, max_size=40))
def test_a_mean_taken_in_place_is_the_team_reward(values: list[float]) -> None:
    array = np.array(values)
    expected, nonzero = float(team_reward(array)), np.flatnonzero(array)
    assert take_mean(array, nonzero, nonzero.size) == expected
    assert not array.any()
