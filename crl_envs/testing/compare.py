"""Copies of what an environment returned, and bit-for-bit comparison of two such copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

_IMMUTABLE = frozenset({bool, int, float, complex, str, bytes, type(None)})
_TEXT = frozenset({str, bytes})


class Difference(NamedTuple):
    """The first place where two values part."""

    path: tuple[Any, ...]  # keys and positions that lead there
    seen: Any
    expected: Any


def snapshot(value: Any) -> Any:
    """Return a copy of `value` that no later write to `value` changes; types and dtypes are kept.

    An object that cannot be copied is returned itself.
    """
    kind = type(value)
    if kind in _IMMUTABLE or issubclass(kind, np.generic):
        return value
    if kind is np.ndarray and value.dtype != object:
        return value.copy()
    if kind is dict:
        return {k: v if type(v) in _IMMUTABLE else snapshot(v) for k, v in value.items()}
    if kind is tuple and _IMMUTABLE.issuperset(map(type, value)):
        return value
    if kind is list or kind is tuple:
        return kind(snapshot(item) for item in value)
    try:
        return copy.deepcopy(value)
    except Exception:  # a lock, an open file: nothing to compare anyway
        return value


def difference(seen: Any, expected: Any) -> Difference | None:
    """Compare two values bit for bit, types and dtypes included.

    `1`, `1.0`, `True` and `np.int64(1)` all differ; so do `0.0` and `-0.0`; NaN equals NaN. The
    order of a dict's keys does not count. Objects of other types are equal if `==` says so or if
    they pickle alike.

    Args:
        seen: One value: scalars, arrays, and dicts, lists and tuples of them, nested.
        expected: The other value.

    Returns:
        The first difference, or None.
    """
    if seen is expected:
        return None
    kind = type(seen)
    if kind is not type(expected):
        return Difference((), seen, expected)
    if kind is dict:
        if seen.keys() != expected.keys():
            return Difference((), seen, expected)
        return _first_difference(seen.items(), expected)
    if kind is list or kind is tuple:
        if len(seen) != len(expected):
            return Difference((), seen, expected)
        if {*map(type, seen), *map(type, expected)} <= _TEXT and seen == expected:
            return None  # no `1 == True` among these
        return _first_difference(enumerate(seen), expected)
    if kind is np.ndarray and seen.dtype == object and seen.shape == expected.shape:
        return difference(seen.tolist(), expected.tolist())
    return None if _same_leaf(seen, expected) else Difference((), seen, expected)


def _first_difference(items: Iterable[tuple[Any, Any]], expected: Any) -> Difference | None:
    for key, item in items:
        found = difference(item, expected[key])
        if found is not None:
            return found._replace(path=(key, *found.path))
    return None


def _same_leaf(seen: Any, expected: Any) -> bool:
    kind = type(seen)
    if kind is float:
        return bool((seen == expected and seen != 0.0) or seen.hex() == expected.hex())
    if kind is np.ndarray or isinstance(seen, np.generic):
        return bool(
            seen.dtype == expected.dtype
            and seen.shape == expected.shape
            and seen.tobytes() == expected.tobytes()
        )
    try:
        if bool(seen == expected):
            return True
    except Exception:  # an `==` without a truth value says nothing
        pass
    if kind in _IMMUTABLE:
        return False
    try:
        return pickle.dumps(seen) == pickle.dumps(expected)
    except Exception:  # cannot be pickled, and `==` found no equality
        return False
