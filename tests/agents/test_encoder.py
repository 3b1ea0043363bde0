"""From observations to rows of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from agents.encoder import ObservationEncoder


def rows_of(observed: dict[str, Any], seen: dict[str, Any]) -> list[int]:
    encoder = ObservationEncoder(list(observed.items()))
    rows = encoder.rows(encoder.flatten(seen)[:, None])
    assert rows.shape == (len(observed), 1)
    return [int(row) for row in rows[:, 0]]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4), st.lists(st.integers(-3, 3), min_size=4)
)
def test_multidiscrete_rows_are_all_different(sizes: list[int], starts: list[int]) -> None:
    space = spaces.MultiDiscrete(sizes, start=starts[: len(sizes)])
    encoder = ObservationEncoder([("a", space)])
    every = np.stack(np.meshgrid(*[np.arange(n) for n in sizes], indexing="ij")).reshape(
        len(sizes), -1
    )
    rows = encoder.rows(every + space.start[:, None])[0]
    assert rows.tolist() == list(range(int(np.prod(sizes))))  # the last component varies fastest
    assert encoder.n_rows == np.prod(sizes)


def test_a_box_is_cut_in_the_middle_of_each_component() -> None:
    box = spaces.Box(np.array([0.0, -4.0, 0.0]), np.array([1.0, 2.0, 255.0]), dtype=np.float64)
    observed = {"a": box}
    for seen, row in [
        ([0.0, -4.0, 0.0], 0b000),
        ([0.49, -1.01, 127.4], 0b000),
        ([0.5, -1.0, 127.5], 0b111),
        ([1.0, -4.0, 255.0], 0b101),
    ]:
        assert rows_of(observed, {"a": np.array(seen)}) == [row]
    assert ObservationEncoder(list(observed.items())).n_rows == 8


def test_components_at_their_upper_bounds_alone_make_the_row() -> None:
    box = spaces.Box(np.array([0.0, -4.0, 0.0]), np.array([1.0, 2.0, 255.0]), dtype=np.float64)
    for at_top, rows in {(1,): (0, 1, 0), (2, 0): (0b00, 0b10, 0b01), (0,): (0, 0, 1)}.items():
        encoder = ObservationEncoder([("a", box), ("b", box)], at_top)
        assert encoder.n_rows == 2 ** len(at_top)
        for seen, row in zip(
            ([0.9, 1.9, 254.0], [0.5, 2.0, 255.0], [1.0, -4.0, 0.0]), rows, strict=True
        ):
            joint = {"a": np.array(seen), "b": np.zeros(3)}
            assert encoder.rows(encoder.flatten(joint)[:, None])[:, 0].tolist() == [row, 0]


def test_every_agent_may_have_a_space_of_its_own() -> None:
    observed: dict[str, Any] = {
        "a": spaces.Discrete(3, start=7),
        "b": spaces.MultiDiscrete([[2, 3], [2, 2]]),
        "c": spaces.Box(-1, 1, (2,), np.float32),
        "d": spaces.Box(-1, 1, (), np.float32),
    }
    seen = {
        "a": 9,
        "b": np.array([[1, 2], [0, 1]]),
        "c": np.array([0.3, -0.2]),
        "d": np.float32(-1),
    }
    rows = [2, 1 * 12 + 2 * 4 + 0 * 2 + 1, 0b10, 0]
    assert rows_of(observed, seen) == rows
    assert rows_of(observed, {"b": seen["b"]}) == [0, rows[1], 0, 0]  # in range for the others
    assert ObservationEncoder(list(observed.items())).n_rows == 24


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ({"a": 2, "b": 0}, "observation of a must be in its space, got 2"),
        ({"a": 0, "b": -1}, "observation of b must be in its space, got -1"),
        ({"a": 0, "b": 2**40}, "observation of b must be in its space"),
        ({"a": 0.5, "b": 0.0}, "observation of a must be in its space, got 0.5"),
        ({"a": float("nan"), "b": 0.0}, "observation of a must be in its space, got nan"),
        ({"a": [0, 1], "b": 0}, r"observation of a must have 1 numbers, got \[0, 1\]"),
        ({"a": 0, "b": None}, "observation of b must have 1 numbers, got None"),
        ({"z": 0}, "observations must be of agents 'a' … 'b', got one of 'z'"),
    ],
)
def test_observations_outside_of_their_space(seen: dict[str, Any], message: str) -> None:
    space = spaces.Discrete(2)
    with pytest.raises(ValueError, match=message):
        rows_of({"a": space, "b": space}, seen)


def test_components_outside_of_their_space() -> None:
    """Even where the row would be one that exists."""
    with pytest.raises(ValueError, match="observation of a must be in its space, got 3"):
        rows_of({"a": spaces.MultiDiscrete([3, 3])}, {"a": np.array([0, 3])})
