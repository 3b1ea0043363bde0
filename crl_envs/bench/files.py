"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

UMASK: Final = os.umask(0o022)
os.umask(UMASK)


def writable_folder(path: Path) -> Path:
    """Make the folder and prove that a file can be written in it.

    Raises:
        ValueError: It can't be made or written in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = _beside(path / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"out must be a folder to write in, got {str(path)!r}: {error}") from None
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file beside its final place and then move it there in one step."""
    data = content.encode() if isinstance(content, str) else content
    draft = _beside(path)
    try:
        draft.write_bytes(data)
        draft.chmod(0o666 & ~UMASK)  # whatever a learner has set since
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
