"""The Walsh–Hadamard transform, and the parities that it is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def walsh_hadamard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Σ_x (−1)^(ones of x & s) values[x] for every s, along the first axis, whose length is a power of two."""
    result = values.copy()
    half = 1
    while half < len(result):
        pairs = result.reshape(-1, 2, half, *values.shape[1:])
        result = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        result = result.reshape(values.shape)
        half *= 2
    return result


def parity(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whether the number of one bits is odd: 0 or 1, for numbers in [0, 2^32)."""
    folded = numbers
    for shift in (16, 8, 4, 2, 1):
        folded = folded ^ (folded >> shift)
    return folded & 1
