"""One step of binary SYSADMIN in NumPy, in blocks that stay in cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import words
from crl_envs.core.topology import row_sums

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
    for low, high in row_blocks(n, b):
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


def step_graph(
    state: State,
    action: State,
    keys: NDArray[np.uint64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    thresholds: NDArray[np.uint32],
    next_state: State,
) -> None:
    """Write the next states on any graph.

    Args:
        state, action, next_state: ``uint8[n, B]``.
        keys: ``uint64[B]``.
        indptr, indices: Parents in compressed rows.
        offsets: ``int64[n]``: where agent i's rows begin in `thresholds`.
        thresholds: ``uint32``: for each own state, one entry for each number of parents up.
    """
    n, b = state.shape
    degree = indptr[1:] - indptr[:-1]
    ups = row_sums(indptr, degree, state[indices])
    degree += 1
    ups += state * degree[:, None]
    ups += offsets[:, None]
    for low, high in row_blocks(n, b):
        up = words(keys, high - low, low) < thresholds.take(ups[low:high])
        np.logical_or(up, action[low:high], out=next_state[low:high].view(np.bool_))


def step_status_load(
    state: State,
    action: State,
    status_keys: NDArray[np.uint64],
    load_keys: NDArray[np.uint64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    risk: NDArray[np.uint32],
    progress: NDArray[np.uint32],
    next_state: State,
) -> None:
    """Write the next states ``3 · status + load`` of `crl_envs.sysadmin.StatusLoadWorld`.

    Args:
        state, action, next_state: ``uint8[n, B]``.
        status_keys, load_keys: ``uint64[B]``.
        indptr, indices: Parents in compressed rows.
        offsets: ``int64[n]``: where agent i's rows begin in `risk`.
        risk: ``uint32``: for each own status, one entry for each number of parents in a worse status.
        progress: ``uint32[9]``, by state.
    """
    n, b = state.shape
    degree = np.diff(indptr)
    status, load = np.divmod(state, np.uint8(3))
    worse = row_sums(indptr, degree, status[indices] > np.repeat(status, degree, axis=0))
    index = offsets[:, None] + status * (degree + 1)[:, None] + worse
    for low, high in row_blocks(n, b):
        rows = slice(low, high)
        next_status = status[rows] + (words(status_keys, high - low, low) < risk[index[rows]])
        next_load = load[rows] + (words(load_keys, high - low, low) < progress[state[rows]])
        next_load[(status[rows] == 2) | (load[rows] == 2)] = 0
        next_state[rows] = np.where(action[rows], 0, 3 * next_status + next_load)


def row_blocks(n: int, b: int) -> list[tuple[int, int]]:
    """Return the ranges of rows, each starting at an even one, of about `_BLOCK` elements."""
    rows = max(2, _BLOCK // b // 2 * 2)
    return [(low, min(low + rows, n)) for low in range(0, n, rows)]
