"""Is a value what its space says? Stricter than `Space.contains`: exact dtypes, finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces


def dtype_expectation(space: spaces.Space[Any], value: Any) -> str | None:
    """What the type of `value` should have been, or None if it is right.

    Box, MultiDiscrete and MultiBinary take an array of exactly the space's dtype (`contains` also
    takes any dtype that casts safely, so that a batch of mixed dtypes passes). Discrete takes a
    Python int or a NumPy integer, and no bool. Dict and Tuple are searched; spaces of other kinds
    have no rule here.
    """
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        if not isinstance(value, np.ndarray) or value.dtype != space.dtype:
            return f"an array of dtype {space.dtype}"
    elif isinstance(space, spaces.Discrete):
        if isinstance(value, np.ndarray) and value.shape == ():
            value = value[()]
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            return "an integer (Python int or NumPy integer)"
    elif isinstance(space, spaces.Dict):
        if not isinstance(value, dict):
            return "a dict"
        return _first_part((key, space[key], value[key]) for key in space.spaces if key in value)
    elif isinstance(space, spaces.Tuple):
        if not isinstance(value, tuple):
            return "a tuple"
        return _first_part(
            (i, part, item) for i, (part, item) in enumerate(zip(space.spaces, value, strict=False))
        )
    return None


def _first_part(parts: Any) -> str | None:
    for key, space, value in parts:
        expectation = dtype_expectation(space, value)
        if expectation is not None:
            return f"{expectation} at {key!r}"
    return None


def membership_expectation(space: spaces.Space[Any], value: Any) -> str | None:
    """What `value` should have been, or None if it lies in `space` and has finite numbers only."""
    wrong_type = dtype_expectation(space, value)
    if wrong_type is not None:
        return wrong_type
    if not _contains(space, value):
        return f"a member of {space}"
    if not _finite(value):
        return "finite numbers"
    return None


def _contains(space: spaces.Space[Any], value: Any) -> bool:
    if type(space) is spaces.Box:  # several times faster than `contains`, given the right dtype
        return value.shape == space.shape and bool(
            (value >= space.low).all() and (value <= space.high).all()
        )
    return space.contains(value)


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, tuple | list):
        return all(_finite(item) for item in value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
        return bool(np.isfinite(value).all())
    return True
