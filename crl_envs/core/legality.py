"""Actions that aren't allowed: illegal ones are replaced by action 0 and flagged, impossible ones refused."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Stream

_BYTES: Final = bytes(range(256))
_FEW: Final = 1000  # bytes, which Python looks through in less time than NumPy takes to begin


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


def check_actions(
    action: NDArray[np.integer], shape: tuple[int, ...], n_actions: int, stream: Stream
) -> None:
    """Refuse what would lead a kernel, which doesn't look, out of its arrays.

    Args:
        action: What should be integers ``[n, B]`` in [0, A).
        shape: (n, B), those of the world's tables and of the state.
        n_actions: A.
        stream: Should have B columns.

    Raises:
        ValueError: Another shape, no integers, or one out of range.
    """
    kind = action.dtype.kind
    if action.shape != shape or kind not in "iub":
        raise ValueError(
            f"action must be integers of shape {shape}, as the world and its state have it, got "
            f"{action.dtype} of shape {action.shape}"
        )
    if stream.num_envs != shape[1]:
        raise ValueError(f"stream must have {shape[1]} columns, got {stream.num_envs}")
    if kind != "i" and action.nbytes <= _FEW and action.itemsize == 1:
        wrong = bool(action.tobytes().translate(None, _BYTES[:n_actions]))
    else:
        wrong = action.size > 0 and bool(
            action.max() >= n_actions or (kind == "i" and action.min() < 0)
        )
    if wrong:
        raise ValueError(
            f"action must be in [0, {n_actions - 1}], got {action.min()} … {action.max()}"
        )
