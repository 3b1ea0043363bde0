"""Values and their spaces: is a value what its space says, is a mask, and random actions that respect masks.

Membership is stricter than `Space.contains`: exact dtypes, finite numbers. Actions are drawn from the checker's own
generator: the random stream of an action space belongs to the user, and is shared by everybody who holds the space.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium import spaces

MASK_KEY = "action_mask"


def masks(observation: Any, info: Any) -> dict[str, Any]:
    """Find the action masks an agent was given, by the place where they lie."""
    found = {}
    if isinstance(info, dict) and MASK_KEY in info:
        found["info"] = info[MASK_KEY]
    if isinstance(observation, dict) and MASK_KEY in observation:
        found["observation"] = observation[MASK_KEY]
    return found


def mask_expectation(space: spaces.Space[Any], mask: Any) -> str | None:
    """Return what `mask` should have been, or None if it is a good mask for `space`.

    Args:
        space: An action space. Discrete takes a mask of shape (n,), MultiDiscrete with a flat
            `nvec` a tuple of one such mask for each entry, as in Gymnasium. For other spaces
            there is no rule here.
        mask: The mask.
    """
    if isinstance(space, spaces.Discrete):
        return _vector_expectation(int(space.n), mask)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        if not isinstance(mask, tuple) or len(mask) != len(space.nvec):
            return f"a tuple of {len(space.nvec)} int8 arrays, one for each action"
        for n, part in zip(space.nvec, mask, strict=True):
            expectation = _vector_expectation(int(n), part)
            if expectation is not None:
                return expectation
    return None


def _vector_expectation(n: int, mask: Any) -> str | None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.int8:
        return f"an int8 array of shape ({n},)"
    if mask.shape != (n,):
        return f"a mask of length {n}, one entry for each action"
    values = set(mask.tobytes())
    if not values <= {0, 1}:
        return "a mask of zeros and ones only"
    if 1 not in values:
        return "a mask that is never all zero: at least one legal action"
    return None


def sample(space: spaces.Space[Any], rng: np.random.Generator, mask: Any = None) -> Any:
    """Draw an action from `space`.

    Args:
        space: An action space. Discrete, MultiDiscrete, MultiBinary and Box are drawn here; for
            any other a deep copy of the space is seeded and asked.
        rng: The generator to draw from, and the only one that moves.
        mask: A mask that `mask_expectation` finds good, or None.
    """
    if isinstance(space, spaces.Discrete):
        return space.dtype.type(int(space.start) + _index(int(space.n), rng, mask))
    if isinstance(space, spaces.MultiDiscrete) and (mask is None or space.nvec.ndim == 1):
        if mask is None:
            return (space.start + rng.integers(space.nvec)).astype(space.dtype)
        drawn = [_index(int(n), rng, part) for n, part in zip(space.nvec, mask, strict=True)]
        return (space.start + np.array(drawn)).astype(space.dtype)
    if mask is None and isinstance(space, spaces.MultiBinary):
        return rng.integers(0, 2, size=space.shape, dtype=space.dtype)
    if mask is None and isinstance(space, spaces.Box):
        return _sample_box(space, rng)
    twin = copy.deepcopy(space)
    twin.seed(int(rng.integers(2**31)))
    return twin.sample() if mask is None else twin.sample(mask=mask)


def _index(n: int, rng: np.random.Generator, mask: Any) -> int:
    # Several times faster than `rng.integers`, and even enough for these purposes.
    if mask is None:
        return int(rng.random() * n)
    legal = mask.nonzero()[0]
    return int(legal[int(rng.random() * len(legal))])


def _sample_box(space: spaces.Box[Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    dtype: Any = space.dtype
    if dtype.kind != "f":
        low, high = space.low.astype(dtype), space.high.astype(dtype)
        return np.asarray(rng.integers(low, high, endpoint=True, dtype=dtype))
    # Where a bound is infinite, a window of width one next to the other bound, or [-1, 1].
    below, above = space.bounded_below, space.bounded_above
    least, most = space.low.astype(np.float64), space.high.astype(np.float64)
    low = np.where(below, least, np.where(above, most - 1.0, -1.0))
    high = np.where(above, most, np.where(below, least + 1.0, 1.0))
    share = rng.random(space.shape)
    drawn = low * (1.0 - share) + high * share  # high - low could overflow
    return np.asarray(np.clip(drawn.astype(dtype), space.low, space.high))


def dtype_expectation(space: spaces.Space[Any], value: Any) -> str | None:
    """Return what the type of `value` should have been, or None if it is right.

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
    """Return what `value` should have been, or None if it lies in `space` and has finite numbers only."""
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
