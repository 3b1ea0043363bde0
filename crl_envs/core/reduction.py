"""Sums over agents whose result doesn't depend on the batch size or the memory layout."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reduce = Literal["mean", "sum"]


def fold_sum(values: NDArray[Any]) -> NDArray[np.float64]:
    """Sum over the first axis in float64 by folding halves onto each other.

    ``np.sum`` chooses its order of addition by shape and strides, so a column of a batch may differ from
    the same column alone in the last bit. Here every column is added in one fixed order.

    Args:
        values: Array of shape ``(n, …)``, n ≥ 1.

    Returns:
        ``float64`` array of shape ``(…)``.
    """
    total = np.array(values, np.float64)
    while (length := total.shape[0]) > 1:
        half = length // 2
        folded = total[:half] + total[half : 2 * half]
        if length % 2:
            folded[0] += total[-1]
        total = folded
    return np.asarray(total[0])


def team_reward(local: NDArray[Any], reduce: Reduce = "mean") -> NDArray[np.float64]:
    """The global reward of local ones: ``(n, B)`` to ``float64[B]``, their mean or sum (Bagnell & Ng 2005, §2)."""
    total = fold_sum(local)
    return total / local.shape[0] if reduce == "mean" else total
