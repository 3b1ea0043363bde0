"""What is named by a text and imported when it is needed: most of what can be done needs little of the package."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def named(path: str) -> Any:
    """Return what ``"module:attribute"`` names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
