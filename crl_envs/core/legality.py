"""Illegal actions: replaced by action 0 and flagged, in every view alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def legalise(
    action: NDArray[np.integer], mask: NDArray[np.int8] | None
) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
    """Replace what the mask forbids by action 0.

    Args:
        action: ``[n, B]``, each in [0, A).
        mask: ``int8[n, A, B]``, or None when everything is legal.

    Returns:
        The actions to carry out ``[n, B]`` and ``bool[n, B]``: which ones were illegal (None without a mask).
    """
    if mask is None:
        return action, None
    n, columns = action.shape
    illegal = mask[np.arange(n)[:, None], action, np.arange(columns)] == 0
    return np.where(illegal, action.dtype.type(0), action), illegal
