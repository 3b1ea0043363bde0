"""Checkpoints: an .npz of arrays and one JSON string, without pickle, written all or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_META: Final = "meta"
_FORMAT: Final = "crl-envs learner 1"

Arrays = dict[str, NDArray[Any]]


def write(path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a checkpoint to exactly `path`; a reader never sees half of one.

    Args:
        path: The file, overwritten when it exists.
        meta: What JSON can say; arrays and numpy scalars in it are allowed.
        arrays: By name, of any dtype but object.
    """
    target = Path(path)
    text = json.dumps({"format": _FORMAT, **meta}, default=_to_json)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{_META: np.array(text)}, **arrays)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """What `write` wrote.

    Raises:
        ValueError: The file is damaged or isn't a checkpoint; the message names it.
        OSError: The file can't be opened.
    """
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays: Arrays = {name: archive[name] for name in archive.files}
            meta = json.loads(str(arrays.pop(_META)[()]), object_hook=_from_json)
            if meta["format"] != _FORMAT:
                raise ValueError(f"its format is {meta['format']!r}, not {_FORMAT!r}")
        except Exception as error:  # a damaged zip, header or JSON can raise almost anything
            raise ValueError(f"{os.fspath(path)} is not a learner's checkpoint: {error}") from error
    return meta, arrays


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a checkpoint")


def _from_json(value: dict[str, Any]) -> Any:
    return np.array(value["__array__"], value["dtype"]) if "__array__" in value else value
