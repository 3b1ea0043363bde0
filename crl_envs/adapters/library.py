"""What another library must be like to be used, and what to say when it isn't."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from crl_envs.core.install import install_hint


class MissingLibraryError(ImportError):
    """A library that an adapter or a learner needs is missing or too old; the message says what to install."""


def require(distribution: str, minimum: str, install: str = "", *, extra: str = "") -> None:
    """See that a distribution is installed in a version that is known to work. It is not imported.

    Args:
        distribution: Its name, as pip knows it.
        minimum: The oldest version, ``"2.3"``.
        install: The command that installs it, for the message.
        extra: Of crl-envs, which brings it; then `install` is left out.

    Raises:
        MissingLibraryError: It isn't there, or is older.
    """
    try:
        found = version(distribution)
    except PackageNotFoundError:
        raise MissingLibraryError(
            f"{distribution} isn't installed, and {minimum} or newer is needed: "
            f"{install_hint(extra) if extra else install}"
        ) from None
    if _numbers(found) < _numbers(minimum):
        raise MissingLibraryError(
            f"{distribution} {found} is too old, {minimum} or newer is needed: "
            f"pip install '{distribution}>={minimum}'"
        )


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers at the head of a version: ``"2.13.0+cpu"`` gives (2, 13, 0)."""
    release = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in release[0].split(".")) if release else ()
