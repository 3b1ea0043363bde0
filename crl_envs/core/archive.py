"""Archives: an .npz of arrays, one JSON string and a digest of both, without pickle, written all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_size, shown

_META: Final = "meta"
_DIGEST: Final = "digest"

Arrays = dict[str, NDArray[Any]]
_Kept = TypeVar("_Kept")


def write(path: str | os.PathLike[str], kind: str, meta: Mapping[str, Any], arrays: Arrays) -> None:
    """Write an archive to exactly `path`; a reader never sees half of one.

    Args:
        path: The file, overwritten when it exists.
        kind: What it holds, with the version of its format; `read` asks for it.
        meta: What JSON can say; arrays and numpy scalars in it are allowed.
        arrays: By name, of any dtype but object.

    Raises:
        ValueError: An array of objects.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:  # savez's own allow_pickle is younger than NumPy 2.1
            raise ValueError(f"{name} must not be an array of objects, got {array.dtype}")
    target = Path(path)
    text = json.dumps({"format": kind, **meta}, default=_to_json)
    stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    stored = {_META: np.array(text), _DIGEST: np.array(_digest_of(text, stored)), **stored}
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, **stored)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], kind: str, name: str) -> tuple[dict[str, Any], Arrays]:
    """Return what `write` wrote.

    Args:
        path: The file.
        kind: What it must hold.
        name: What to call that in an error: ``"a learner's checkpoint"``.

    Raises:
        ValueError: The file is damaged, isn't an archive of this kind or would take more than
            `crl_envs.core.arguments.MOST_BYTES` of memory; the message names it.
        OSError: The file can't be opened.
    """
    with Path(path).open("rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no .npz archive")
            with zipfile.ZipFile(file) as zipped:
                check_size("its size", sum(member.file_size for member in zipped.infolist()), 1)
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays: Arrays = {key: archive[key] for key in archive.files}
            text = str(arrays.pop(_META)[()])
            meta = json.loads(text, object_hook=_from_json)
            if meta["format"] != kind:
                raise ValueError(f"its format is {meta['format']!r}, not {kind!r}")
            if _DIGEST not in arrays:
                raise ValueError("it has no digest, as those of version 0.1")
            if str(arrays.pop(_DIGEST)[()]) != _digest_of(text, arrays):
                raise ValueError("its digest is that of other contents")
        except Exception as error:  # a damaged zip, header or JSON can raise almost anything
            raise ValueError(f"{os.fspath(path)} is not {name}: {error}") from error
    return meta, arrays


def _digest_of(text: str, arrays: Arrays) -> str:
    """A digest of the JSON and of the arrays with their names, dtypes and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an archive")


def _from_json(value: dict[str, Any]) -> Any:
    return np.array(value["__array__"], value["dtype"]) if "__array__" in value else value


def opened(name: str, given: Any, kind: type[_Kept]) -> _Kept:
    """Return a value as it is, or the one in a file of this name, as `kind.load` reads it.

    Args:
        name: The argument's, for errors.
        given: The value or the file.
        kind: What it must be; has `load`.

    Raises:
        ValueError: Neither such a value nor a file with one.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, str | os.PathLike):
        try:
            loaded: _Kept = kind.load(given)  # type: ignore[attr-defined]
        except OSError as error:
            raise ValueError(
                f"{name} can't be read from {shown(os.fspath(given))}: {error.strerror}"
            ) from error
        except ValueError as error:
            raise ValueError(f"{name} must be a {kind.__name__}: {error}") from error
        return loaded
    raise ValueError(
        f"{name} must be a {kind.__name__} or the name of a file with one, got {shown(given)}"
    )
