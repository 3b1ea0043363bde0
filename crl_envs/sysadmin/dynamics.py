"""Probabilities of the binary SYSADMIN dynamics: a machine is up or down, a reboot brings it up for sure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINARY_DYNAMICS: Final = ("ring", "ring-bidirectional", "ippc2011")
DYNAMICS: Final = (*BINARY_DYNAMICS, "status-load")

REBOOT_COST: Final = {"ring": 0.0, "ring-bidirectional": 0.0, "ippc2011": 0.75}


def up_probability(dynamics: str, degree: int) -> NDArray[np.float64]:
    """P(up next | own state, parents up) of a machine that isn't rebooted.

    - ``ring``: Guestrin, Koller & Parr (2003), .95, .475, .0475, .0238 for one parent; every further parent that
      is down halves it.
    - ``ring-bidirectional``: .95 · .5^(parents down), times .05 for a machine that is down.
    - ``ippc2011``: .45 + .5 · (1 + parents up) / (1 + parents) for a machine that is up, .1 for one that is down.

    Args:
        dynamics: One of `BINARY_DYNAMICS`.
        degree: Number of parents.

    Returns:
        ``float64[2, degree + 1]``, indexed by own state (0 down, 1 up) and the number of parents that are up.
    """
    ups = np.arange(degree + 1)
    downs = degree - ups
    if dynamics == "ippc2011":
        up = 0.45 + 0.5 * (1 + ups) / (1 + degree)
        return np.stack([np.full(degree + 1, 0.1), up])
    up = np.asarray(0.95 * 0.5**downs, np.float64)
    down = 0.05 * up
    if dynamics == "ring":
        down[downs == 1] = 0.0238
    return np.stack([down, up])
