"""Observations as rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.adapters.encoding import AgentEncoder

SPACES: dict[str, Any] = {
    "discrete": spaces.Discrete(4),
    "discrete from 3": spaces.Discrete(4, start=3),
    "one value": spaces.Discrete(1),
    "multi": spaces.MultiDiscrete([3, 1, 5]),
    "multi with a start": spaces.MultiDiscrete([3, 2], start=[1, -1]),
    "table": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "box": spaces.Box(-1.0, 2.0, (3,), np.float32),
    "image": spaces.Box(0, 255, (2, 3), np.uint8),
    "number": spaces.Box(0.0, 1.0, (), np.float32),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("agent_ids", [False, True])
@given(seed=st.integers(0, 1000))
def test_rows_are_what_gymnasium_flattens_with_the_number_behind(
    space: Any, agent_ids: bool, seed: int
) -> None:
    n = 3
    encoder = AgentEncoder(space, n, agent_ids)
    space.seed(seed)
    samples = [[space.sample() for _ in range(n)] for _ in range(2)]
    rows = encoder.encode(np.array(samples))
    assert rows.dtype == np.float32
    assert rows.shape == (2, n, *(encoder.space.shape or ()))
    for b in range(2):
        for i in range(n):
            if isinstance(space, spaces.MultiDiscrete):  # Gymnasium's own flatten wants no start
                plain = spaces.MultiDiscrete(space.nvec)
                expected = flatten(plain, samples[b][i] - space.start)
            else:
                expected = np.ravel(flatten(space, samples[b][i]))
            if agent_ids:
                expected = [*expected, *(np.arange(n) == i)]
            np.testing.assert_array_equal(rows[b, i], np.array(expected, np.float32))
            assert rows[b, i] in encoder.space


def test_rows_are_fresh() -> None:
    encoder = AgentEncoder(spaces.Box(0.0, 1.0, (2,), np.float32), 2)
    observations = np.zeros((1, 2, 2), np.float32)
    encoder.encode(observations)[:] = 1
    assert not observations.any()


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match="Text"):
        AgentEncoder(spaces.Text(5), 2)
    with pytest.raises(ValueError, match="agent_ids must be True or False"):
        AgentEncoder(spaces.Discrete(2), 2, agent_ids=1)  # type: ignore[arg-type]
