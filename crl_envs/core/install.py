"""The command that installs what is missing: one that works from an index, a git URL and a clone alike."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "crl-envs"


def install_hint(extra: str) -> str:
    """Return the command that adds an extra: ``pip install 'crl-envs[sb3]'``.

    Where crl-envs is installed, from wherever it came, pip takes the installed one and asks an index only for what the
    extra needs. Where it runs from the folder of a clone, the command installs that folder.

    Args:
        extra: As in pyproject.toml.
    """
    try:
        version(DISTRIBUTION)
    except PackageNotFoundError:
        folder = Path(__file__).parents[2]
        if (folder / "pyproject.toml").exists():
            return f"pip install -e '{folder}[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
