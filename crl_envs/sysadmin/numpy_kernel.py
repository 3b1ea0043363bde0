"""One step of SYSADMIN's ring in NumPy, in blocks that stay in cache; the same numbers as its array form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import words

_BLOCK = 65536  # agents × columns at a time
_FEW = 8192  # agents × columns up to which fewer calls win over fewer bytes

State = NDArray[np.uint8]


def step_ring(
    state: State,
    action: State,
    keys: NDArray[np.uint64],
    thresholds: NDArray[np.uint32],
    next_state: State,
    reward: NDArray[np.float32],
) -> None:
    """Write the next states and 0/1 rewards where the only parent of a machine is the one before it.

    Args:
        state, action, next_state: ``uint8[n, B]``, n ≥ 2.
        keys: ``uint64[B]``.
        thresholds: ``uint32[4]``, indexed by 2·own + parent, ascending.
        reward: ``float32[n, B]``, written.
    """
    n, b = state.shape
    out = next_state.view(np.bool_)
    if n * b <= _FEW:
        index = state + state
        index += np.concatenate([state[-1:], state[:-1]])
        np.logical_or(words(keys, n) < thresholds.take(index), action, out=out)
        np.greater(state, action, out=reward)
        return
    up = state.view(np.bool_)
    reboot = action.view(np.bool_)
    both_down, parent_up, own_up, both_up = thresholds
    parent = np.concatenate([up[-1:], up[:-1]])
    for low, high in _row_blocks(n, b):
        word = words(keys, high - low, low)
        own, before = up[low:high], parent[low:high]
        healthy = word < both_up
        healthy &= before
        healthy |= word < own_up
        healthy &= own
        ailing = word < parent_up
        ailing &= before
        healthy |= ailing
        healthy |= word < both_down
        np.logical_or(healthy, reboot[low:high], out=out[low:high])
        np.greater(own, reboot[low:high], out=reward[low:high])


def _row_blocks(n: int, b: int) -> list[tuple[int, int]]:
    """Return the ranges of rows, each starting at an even one, of about `_BLOCK` elements."""
    rows = max(2, _BLOCK // b // 2 * 2)
    return [(low, min(low + rows, n)) for low in range(0, n, rows)]
