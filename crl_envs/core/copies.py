"""Copies of objects that write into their own arrays: out of a pickle, an object store, or `copy.copy`."""

from __future__ import annotations

import copy
import weakref
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]

# By the id of a read-only array that is still alive: it, and the copy that all who hold it share.
_COPIES: dict[int, tuple[weakref.ref[_Array], _Array]] = {}


class OwnsArrays:
    """Mixin: what comes out of a pickle can be written to, as what went in.

    Pickle protocol 5 may leave arrays where they lie, in memory that others read too: Ray's object store, joblib's
    files. They are read-only then, and copied here. Objects inside this one that have arrays need the mixin too.
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(owned(state))


class CopiesApart(OwnsArrays):
    """Mixin: a shallow copy goes on by itself; that of an environment has the same world, and shares nothing else."""

    def __copy__(self) -> Self:
        world = getattr(getattr(self, "unwrapped", self), "world", None)
        return copy.deepcopy(self, {} if world is None else {id(world): world})


def owned(value: Any) -> Any:
    """Return the value with copies in place of its read-only arrays; in dicts, lists and tuples, nested.

    An array that several hold stays one.
    """
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else _copy_of(value)
    kind = type(value)
    if kind is dict:
        for key, part in value.items():
            if (own := owned(part)) is not part:
                value[key] = own
    elif kind is list:
        for place, part in enumerate(value):
            if (own := owned(part)) is not part:
                value[place] = own
    elif isinstance(value, tuple):
        parts = [owned(part) for part in value]
        if any(own is not part for own, part in zip(parts, value, strict=True)):
            return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    return value


def _copy_of(array: _Array) -> _Array:
    key = id(array)
    if key not in _COPIES:
        forget = weakref.ref(array, lambda _: _COPIES.pop(key, None))
        _COPIES[key] = forget, array.copy()
    return _COPIES[key][1]
