"""Exact values of small problems: backward induction over all joint states and all joint actions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def joint_value(
    paid: NDArray[np.float64],
    parts: Iterable[Iterable[NDArray[np.float64]]],
    start: Iterable[NDArray[np.float64]],
    horizon: int,
) -> float:
    """Return the best expected sum of rewards of policies that see the whole state and the step.

    Args:
        paid: ``float64[J, N]``, the reward of each joint action in each joint state.
        parts: For each joint action, for each part of the state, ``float64[S, N]``: the probabilities of its next value
            in each joint state. Parts are independent given the joint state. N is S to the power of their number; the
            first part's value changes fastest in the number of a joint state.
        start: For each part ``float64[S]``, its first value's probabilities.
        horizon: Steps.
    """
    n_joint, n_states = paid.shape
    transition = np.empty((n_joint, n_states, n_states))
    for j, of_parts in enumerate(parts):
        chance = np.ones((n_states, 1))
        for part in of_parts:
            chance = (part.T[:, :, None] * chance[:, None, :]).reshape(n_states, -1)
        transition[j] = chance
    value = np.zeros(n_states)
    for _ in range(horizon):
        value = (paid + transition @ value).max(axis=0)
    first = np.ones(1)
    for part in start:
        first = (part[:, None] * first).ravel()
    return float(first @ value)
