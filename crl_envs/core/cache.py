"""Results kept on disk between processes: by the value of what they answer, whole or not there, never in the way.

Each has a digest of all that it says. A file that somebody or something has changed is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Return where results are kept; the folder need not exist.

    The environment variable ``CRL_ENVS_CACHE``; without it, the folder ``crl-envs`` in ``XDG_CACHE_HOME`` (on Windows
    ``LOCALAPPDATA``) or in ``~/.cache``.

    Raises:
        RuntimeError: None of these is set and there is no home folder.
    """
    if chosen := os.environ.get("CRL_ENVS_CACHE"):
        return Path(chosen)
    home = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "crl-envs"


def load(kind: str, key: Mapping[str, Any]) -> Any:
    """Return what was stored for a key, or None if there is nothing that can be read.

    Args:
        kind: What it is, with the version of its format, as a folder's name.
        key: What it answers, in JSON's types.
    """
    with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):
        found = json.loads(_path(kind, key).read_text("utf-8"))
        if found["key"] == dict(key):
            return value_of(kind, found)
    return None


def store(kind: str, key: Mapping[str, Any], value: Any) -> None:
    """Keep a value, in JSON's types, for a key; without effect where the folder can't be written in."""
    text = json.dumps(entry(kind, key, value))
    with suppress(OSError, RuntimeError):
        path = _path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            draft.write_text(text, "utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def entry(kind: str, key: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Return what a file says: the key, its value and a digest of both."""
    return {"key": dict(key), "value": value, "digest": _digest([kind, dict(key), value])}


def value_of(kind: str, found: Mapping[str, Any]) -> Any:
    """Return the value of an entry.

    Raises:
        ValueError: It isn't what `entry` made.
        KeyError: It lacks something.
    """
    if found["digest"] != _digest([kind, found["key"], found["value"]]):
        raise ValueError(f"an entry of {kind} doesn't have the digest that it says")
    return found["value"]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _path(kind: str, key: Mapping[str, Any]) -> Path:
    return cache_folder() / kind / f"{_digest(dict(key))[:24]}.json"
