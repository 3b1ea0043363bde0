"""Choice of the array backend: NumPy always, Numba with the extra ``fast``; the same results from both."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Literal

from crl_envs.core.arguments import check_choice

BackendName = Literal["numpy", "numba"]


@cache  # looking through the path takes as long as much of a world's making
def has_numba() -> bool:
    """Return whether Numba is installed."""
    return find_spec("numba") is not None


def resolve_backend(name: str) -> BackendName:
    """Return ``"auto"`` as ``"numba"`` where that is installed, else ``"numpy"``; other names as they are.

    Raises:
        ValueError: Unknown backend, or ``"numba"`` asked for and not installed.
    """
    check_choice("backend", name, ("auto", "numpy", "numba"))
    if name == "numpy":
        return "numpy"
    if has_numba():
        return "numba"
    if name == "numba":
        raise ValueError(
            "backend='numba' needs Numba: pip install 'crl-envs[fast]', or use backend='numpy'"
        )
    return "numpy"
