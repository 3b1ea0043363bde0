"""Exact values of small problems: backward induction over all joint states and all joint actions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MOST_PRODUCTS: Final = 2**24  # of a step: joint states × joint actions × joint next states
_MOST_IN_ALL: Final = 2**36  # of all steps, two or three minutes
_OF_A_STEP: Final = 2**14  # products in the time that a step takes beside them


def is_quick(bits: float, horizon: int) -> bool:
    """Return whether `joint_value` takes no more than a few minutes.

    Args:
        bits: Logarithm, to base 2, of the joint states × joint actions × joint next states.
        horizon: Steps.
    """
    if bits > math.log2(_MOST_PRODUCTS):
        return False
    return horizon * (2**bits + _OF_A_STEP) <= _MOST_IN_ALL


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
