"""Look-ups over both namespaces, in short and long tables."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' isn't installed")

import jax.numpy as jnp  # noqa: E402

from crl_envs.core.array_form import Rows, look_up  # noqa: E402


@pytest.mark.parametrize("longest", [3, 32, 33, 70])
@pytest.mark.parametrize("columns", [(), (5,)])
def test_agents_have_rows_of_their_own(longest: int, columns: tuple[int, ...]) -> None:
    """Some begin at the same place, and the last entries are the table's."""
    rng = np.random.default_rng(0)
    sizes = np.array([1, longest, 2, longest])
    rows = Rows(np.array([4, 1, 4, 1]), sizes)
    table = rng.random(1 + longest).astype(np.float32)
    table = np.concatenate([table, table[:6]])
    for _ in range(20):
        index = rng.integers(sizes.reshape(-1, *(1,) * len(columns)), size=(4, *columns))
        expected = [
            [table[b + k] for k in np.ravel(row)] for b, row in zip(rows.begins, index, strict=True)
        ]
        for xp in (np, jnp):
            found = look_up(xp, xp.asarray(table), xp.asarray(index, np.int32), rows)
            assert found.shape == index.shape
            assert np.asarray(found).reshape(4, -1).tolist() == expected


@pytest.mark.parametrize("size", [1, 16, 17])
def test_all_have_one_table(size: int) -> None:
    table = np.arange(size) ** 2
    index = np.random.default_rng(0).integers(size, size=(7, 3))
    for xp in (np, jnp):
        found = look_up(xp, xp.asarray(table), xp.asarray(index))
        assert np.asarray(found).tolist() == (index**2).tolist()
