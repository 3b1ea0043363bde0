"""With what something was measured."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import crl_envs

PACKAGES: Final = ("numpy", "gymnasium", "pettingzoo", "numba")


def versions(*further: str) -> dict[str, str]:
    """Versions of Python, of this package and of those installed packages that can matter to a result."""
    found = {"python": platform.python_version(), "crl-envs": crl_envs.__version__}
    for package in (*PACKAGES, *further):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
