"""Choice of the array backend: NumPy always, Numba with the extra ``fast``; the same results from both."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Generic, Literal, TypeVar

from crl_envs.core.arguments import check_choice
from crl_envs.core.install import install_hint
from crl_envs.core.named import named

BackendName = Literal["numpy", "numba"]
F = TypeVar("F", bound=Callable[..., Any])

HEAD_START: Final = "CRL_ENVS_HEAD_START"


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
            f"backend='numba' needs Numba: {install_hint('fast')}, or use backend='numpy'"
        )
    return "numpy"


class Compiled(Generic[F]):
    """A compiled function in the place of one that does the same without a compiler, once that is worth the wait.

    Compiling takes seconds, in which the other one may have done all that there is to do. So that one works first: for
    as long as compiling takes, or for a moment where Numba has kept compiled code on disk.

    `HEAD_START` in the environment multiplies both times: 0 compiles at the first use.

    Args:
        plain: The other one; None where there are more ways to do without.
        load: Returns the function compiled by Numba, with ``cache=True``; called once, at most.
        source: The file that the function is in.
        name: Its qualified name there.
        seconds: CPU seconds that compiling it takes, about.
        moment: CPU seconds that loading it is worth; it takes about .3, with Numba.

    Attributes:
        plain: The same.
        function: The compiled one, from when it is in use.
    """

    def __init__(
        self,
        plain: Any,
        load: Callable[[], F],
        source: str,
        name: str,
        seconds: float,
        moment: float = 0.3,
    ) -> None:
        self.plain, self._load, self._source, self._name = plain, load, Path(source), name
        self._seconds, self._next_look = seconds, moment
        self.function: F | None = None
        self._spent = 0.0

    @staticmethod
    def at(
        path: str, *, seconds: float, plain: Any = None, source: str | None = None
    ) -> Compiled[Any]:
        """Return one of a compiled function named ``"module:function"``; its code is there, or in the file `source`."""
        module, _, name = path.partition(":")
        source = source or str(getattr(find_spec(module), "origin", None))
        return Compiled(plain, partial(named, path), source, name, seconds)

    @staticmethod
    def loop(loop: Callable[..., None], *, seconds: float, plain: Any) -> Compiled[Any]:
        """Return one of a function that Numba compiles as it stands."""

        def load() -> Any:
            from numba import njit  # here: all is there without Numba, too

            return njit(cache=True, nogil=True)(loop)

        return Compiled(plain, load, loop.__code__.co_filename, loop.__name__, seconds)

    def ready(self) -> F | None:
        """Return the compiled function, or None while the other one is to work.

        Raises:
            ValueError: `HEAD_START` is no number ≥ 0.
        """
        if self.function is None and self._spent >= self._next_look * (factor := _head_start()):
            if self._spent >= self._seconds * factor or self._is_kept():
                self.function = self._load()
            else:
                self._next_look = self._seconds
        return self.function

    def waited(self, seconds: float) -> None:
        """Take in that the other one has worked for so long."""
        self._spent += seconds

    def __call__(self, *args: Any) -> Any:
        """Call the compiled function, or the other one in its place."""
        function = self.function or self.ready()
        if function is not None:
            return function(*args)
        begun = perf_counter()
        result = self.plain(*args)
        self._spent += perf_counter() - begun
        return result

    def _is_kept(self) -> bool:
        """Return whether some form of it is where Numba keeps compiled code, newer than its source.

        Numba isn't asked, since it takes as long to import as what may be all there is to do. It may also keep code
        elsewhere (where neither place can be written to); that is taken for none.
        """
        folder = os.environ.get("NUMBA_CACHE_DIR")
        files = f"{self._source.stem}.{re.sub('[<>]', '', self._name)}-*.nbi"
        with suppress(OSError):
            written = self._source.stat().st_mtime
            found = (
                Path(folder).glob(f"*/{files}")
                if folder
                else (self._source.parent / "__pycache__").glob(files)
            )
            return any(index.stat().st_mtime >= written for index in found)
        return False


def _head_start() -> float:
    given = os.environ.get(HEAD_START, "1")
    with suppress(ValueError):
        if (factor := float(given)) >= 0:
            return factor
    raise ValueError(f"{HEAD_START} in the environment must be a number ≥ 0, got {given!r}")
