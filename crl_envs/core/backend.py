"""Choice of the array backend: NumPy always, Numba with the extra ``fast``; the same results from both."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Generic, Literal, TypeVar

from crl_envs.core.arguments import check_choice

BackendName = Literal["numpy", "numba"]
F = TypeVar("F", bound=Callable[..., Any])

HEAD_START: Final = "CRL_ENVS_HEAD_START"
_MOMENT: Final = 0.3  # seconds: about what it takes to import Numba and to load compiled code


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


class Compiled(Generic[F]):
    """A compiled function in the place of one that does the same without a compiler, once that is worth the wait.

    Compiling takes seconds, in which the other may have done all that there is to do. So the other one works first. When
    it has worked for as long as compiling takes, or for a moment and a compiled one is on disk, the compiled one goes on.

    `HEAD_START` in the environment multiplies that time: 0 compiles at the first use.

    Args:
        load: Returns the function compiled by Numba, with ``cache=True``; called once, at most.
        seconds: CPU seconds that compiling it takes, about.
    """

    def __init__(self, load: Callable[[], F], seconds: float) -> None:
        self._load, self._seconds = load, seconds
        self._function: F | None = None
        self._loaded: F | None = None
        self._spent, self._next_look = 0.0, _MOMENT

    def ready(self) -> F | None:
        """Return the compiled function, or None while the other one is to work.

        Raises:
            ValueError: `HEAD_START` is no number ≥ 0.
        """
        if self._function is None and self._spent >= self._next_look * _head_start():
            if self._loaded is None:
                self._loaded, self._next_look = self._load(), self._seconds
            if self._spent >= self._seconds * _head_start() or _is_kept(self._loaded):
                self._function = self._loaded
        return self._function

    def waited(self, seconds: float) -> None:
        """Take in that the other one has worked for so long."""
        self._spent += seconds

    def or_else(self, plain: Callable[..., Any], *args: Any) -> Any:
        """Call the compiled function, or `plain` in its place."""
        function = self._function or self.ready()
        if function is not None:
            return function(*args)
        begun = perf_counter()
        result = plain(*args)
        self._spent += perf_counter() - begun
        return result


def _head_start() -> float:
    given = os.environ.get(HEAD_START, "1")
    with suppress(ValueError):
        if (factor := float(given)) >= 0:
            return factor
    raise ValueError(f"{HEAD_START} in the environment must be a number ≥ 0, got {given!r}")


def _is_kept(function: Any) -> bool:
    """Return whether Numba has some form of a function on disk that is newer than its source."""
    code = function.py_func.__code__
    name = function.py_func.__qualname__.replace("<", "").replace(">", "")
    source = Path(code.co_filename)
    with suppress(OSError):
        written = source.stat().st_mtime
        kept = Path(function.stats.cache_path).glob(
            f"{source.stem}.{name}-{code.co_firstlineno}.*.nbi"
        )
        return any(index.stat().st_mtime >= written for index in kept)
    return False
