"""Systems of equations with triangular matrices, in NumPy alone."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_STRIPE: Final = 64  # rows of a triangular matrix that are solved for together


def forward_substitution(
    lower: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the solution of L x = b for a lower triangular L, stripe by stripe."""
    x = right.copy()
    for start in range(0, len(x), _STRIPE):
        stripe = slice(start, start + _STRIPE)
        x[stripe] = np.linalg.solve(lower[stripe, stripe], x[stripe])
        x[stripe.stop :] -= lower[stripe.stop :, stripe] @ x[stripe]
    return x


def solve_factorised(lower: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the solution of L Lᵀ x = b for a lower triangular L, such as Cholesky's."""
    upper = lower.T[::-1, ::-1]  # lower triangular too, read from the end
    half_way = forward_substitution(lower, right)
    return forward_substitution(upper, half_way[::-1])[::-1].copy()
