"""The rolling history behind heat maps and curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.rendering.history import MOST_COLUMNS, MOST_ROWS, History, bin_starts
from tests.rendering.playing import SYSADMIN, play


@given(n=st.integers(1, 5000), rows=st.integers(1, 300))
def test_bins_are_as_equal_as_may_be(n: int, rows: int) -> None:
    rows = min(rows, n)
    starts = bin_starts(n, rows)
    sizes = np.diff(np.append(starts, n))
    assert starts[0] == 0
    assert sizes.sum() == n
    assert set(sizes.tolist()) <= {n // rows, -(-n // rows)}


@given(data=st.data(), n=st.integers(1, 60), rows=st.integers(1, 60))
def test_rows_are_means_of_neighbours(data: st.DataObject, n: int, rows: int) -> None:
    """Against a loop over agents, which puts agent i into the row of the last start at or below i."""
    values = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), np.float64)
    history = History(n, 1, 5, rows)
    history.note(values, (0.5,))
    starts = history.starts.tolist()
    members: dict[int, list[float]] = {}
    for i, value in enumerate(values.tolist()):
        members.setdefault(max(k for k, start in enumerate(starts) if start <= i), []).append(value)
    expected = [sum(row) / len(row) for _, row in sorted(members.items())]
    np.testing.assert_allclose(history.values[:, 0], expected, rtol=1e-6)
    assert np.isnan(history.values[:, 1:]).all()


@given(
    horizon=st.sampled_from([None, 3, MOST_COLUMNS - 1, MOST_COLUMNS, 5000]),
    moves=st.lists(st.one_of(st.none(), st.integers(1, 700)), max_size=30),
)
def test_columns_are_steps(horizon: int | None, moves: list[int | None]) -> None:
    """Against a list of all steps: None notes one, a number skips as many (an episode has room for them)."""
    history = History(1, 1, horizon)
    steps: list[float] = []
    for move in moves:
        if not history.rolls and len(steps) + (move or 1) > history.width:
            break
        if move is None:
            history.note(np.array([float(len(steps))]), (float(len(steps)),))
            steps.append(float(len(steps)))
        else:
            history.skip(move)
            steps += [np.nan] * move
    blank = [np.nan] * history.width
    expected = (
        (blank + steps)[-history.width :] if history.rolls else (steps + blank)[: history.width]
    )
    np.testing.assert_array_equal(history.values[0], np.array(expected, np.float32))
    np.testing.assert_array_equal(history.levels[0], expected)


@pytest.mark.parametrize(
    ("n", "rows"), [(99, None), (100, 100), (199, 199), (200, 200), (1003, 200)]
)
def test_rows_of_an_environment(n: int, rows: int | None) -> None:
    """What is noted at each step are the means of the machines' states; a graph scene needs none."""
    import crl_envs

    env = crl_envs.make(SYSADMIN, n_agents=n, render_mode="rgb_array")
    play(env, 4)
    history = env._renderer.history
    if rows is None:
        assert np.isnan(history.values).all()
        return
    assert len(history.values) == rows <= MOST_ROWS
    groups = np.split(env.state().astype(float), history.starts[1:])
    np.testing.assert_allclose(history.values[:, 4], [g.mean() for g in groups], rtol=1e-6)
    assert history.levels[0, 4] == env.metrics()["up"]


def test_what_is_remembered_over_a_reset() -> None:
    """Episodes of one step go on in one history, longer ones begin anew."""
    import crl_envs

    bandit = crl_envs.make("crl/bandit-v0", n_agents=200, render_mode="rgb_array")
    play(bandit, 5)
    bandit.reset()
    assert (~np.isnan(bandit._renderer.history.values[0])).sum() == 5
    machines = crl_envs.make(SYSADMIN, n_agents=200, render_mode="rgb_array")
    play(machines, 5)
    machines.reset()
    assert (~np.isnan(machines._renderer.history.values[0])).sum() == 1
