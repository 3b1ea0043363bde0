"""Checkpoints of learners: archives of their own kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from crl_envs.core import archive
from crl_envs.core.archive import Arrays

_KIND: Final = "crl-envs learner 2"


def write(path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a checkpoint to exactly `path`; see `crl_envs.core.archive.write`."""
    archive.write(path, _KIND, meta, arrays)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return what `write` wrote.

    Raises:
        ValueError: The file is damaged or isn't a checkpoint; the message names it.
        OSError: The file can't be opened.
    """
    return archive.read(path, _KIND, "a learner's checkpoint")
