"""Checks of arguments: each raises ``ValueError`` naming the argument, its value and what is allowed.

Every number that comes from outside goes through `check_int` or `check_real`, and what they return is what is used.
One rule for all: an integer is at most 2^63 − 1 and a real number at most 10^30 in magnitude, so that no sum or
product of a few of them leaves its type (a reward is a float32). True and False are no numbers, NumPy's neither; text
and bytes aren't either, whatever they spell. `check_size` refuses what would take more than `MOST_BYTES` of memory
before anything is made.
"""

from __future__ import annotations

import difflib
import inspect
import math
import operator
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeGuard, TypeVar

import numpy as np

LARGEST_INT: Final = 2**63 - 1
LARGEST_REAL: Final = 1e30
SMALLEST_REAL: Final = 1e-30  # of what is divided by
MOST_BYTES: Final = 8 * 2**30  # that one environment or batch may take
T = TypeVar("T")

_LONGEST_SHOWN: Final = 200  # characters of a value in a message
_FEW: Final = 12  # names that a message lists in full


def check_int(name: str, value: Any, *, low: int, high: int = LARGEST_INT) -> int:
    """Return `value` as an int in [low, high]; booleans and floats are refused."""
    try:
        number = operator.index(value)
    except Exception:
        number = None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        unbounded = high == LARGEST_INT and (number is None or number < high)
        allowed = f"an integer ≥ {low}" if unbounded else f"an integer in [{low}, {high}]"
        raise ValueError(f"{name} must be {allowed}, got {shown(value)}")
    return number


def check_real(
    name: str,
    value: Any,
    *,
    low: float = -LARGEST_REAL,
    high: float = LARGEST_REAL,
    open_low: bool = False,
) -> float:
    """Return `value` as a float in [low, high], or (low, high] with `open_low`."""
    number = _as_float(value)
    if not (low < number <= high if open_low else low <= number <= high):
        bracket = "(" if open_low else "["
        raise ValueError(
            f"{name} must be a finite number in {bracket}{low:g}, {high:g}], got {shown(value)}"
        )
    return number


def _as_float(value: Any) -> float:
    """Return the value of what is a real number; NaN for everything else."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    is_number = hasattr(value, "__float__") or hasattr(value, "__index__")
    if not is_number or isinstance(value, bool) or kind not in "iuf" or np.ndim(value):
        return math.nan
    try:
        return float(value)
    except Exception:  # too large, or no number after all
        return math.nan


def is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a list of things: a sequence or an array, and not text or bytes."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def is_word(value: Any, word: str) -> bool:
    """Return whether a value is this text, for arguments that may be of any kind: arrays have no truth value."""
    return isinstance(value, str) and value == word


def check_each(name: str, values: Any, check: Callable[..., T], **limits: Any) -> list[T]:
    """Return the items of a sequence, each put through a check."""
    if not is_sequence(values):
        raise ValueError(f"{name} must be a sequence, got {shown(values)}")
    return [check(name, value, **limits) for value in values]


def check_probability(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1]."""
    return check_real(name, value, low=0.0, high=1.0)


def check_bool(name: str, value: Any) -> bool:
    """Return `value` as a bool if it is True or False, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return `value` if it is one of `choices`; near matches are suggested otherwise."""
    if isinstance(value, str) and value in choices:
        return str(value)
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, choices))}, got {shown(value)}"
        f"{suggestion(value, choices)}"
    )


def check_seed(name: str, value: Any, *, high: int = 2**64 - 1) -> int:
    """Return `value` as a seed: an integer in [0, high]."""
    return check_int(name, value, low=0, high=high)


def check_size(name: str, value: int, each: int, what: str = "") -> int:
    """Return `value` if so many things of `each` bytes fit into `MOST_BYTES`.

    Args:
        name: The argument.
        value: How many.
        each: About how many bytes one of them takes.
        what: What else matters, for the message: ``" with topology='grid'"``.
    """
    if value * each > MOST_BYTES:
        raise ValueError(
            f"{name} must be at most {MOST_BYTES // each}{what}, got {shown(value)}: it would take about "
            f"{about_bytes(value * each)} of memory, and {about_bytes(MOST_BYTES)} are allowed"
        )
    return value


def check_keywords(what: str, function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Refuse keywords that `function` doesn't take, with near matches among those it does."""
    try:
        allowed = _keywords_of(function)
    except TypeError:  # what is called can't be hashed
        allowed = _keywords_of.__wrapped__(function)
    if allowed is None:
        return
    for keyword in keywords:
        if keyword not in allowed:
            raise ValueError(
                f"{what} has no argument {shown(keyword)}{suggestion(keyword, allowed)}; "
                f"allowed: {', '.join(allowed)}"
            )


@lru_cache(maxsize=64)
def _keywords_of(function: Callable[..., Any]) -> list[str] | None:
    """Return the keywords that a function takes; None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]


def check_needed(what: str, function: Callable[..., Any], keywords: Collection[str]) -> None:
    """Refuse keywords without one that `function` can't do without."""
    for name, parameter in inspect.signature(function).parameters.items():
        named = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if named and parameter.default is parameter.empty and name not in keywords:
            raise ValueError(f"{what} needs the argument {name!r}")


def check_options(options: Any, allowed: Collection[str] = ()) -> Mapping[str, Any]:
    """Return the options of a ``reset``, none for None, if all of them are `allowed`."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(f"options must be a dict or None, got {shown(options)}")
    for key in options:
        if key not in allowed:
            known = ", ".join(map(repr, allowed)) or "none"
            raise ValueError(f"options has an unknown key {shown(key)}; allowed: {known}")
    return options


def keep(config: Any, check: Callable[..., Any], name: str, *args: Any, **limits: Any) -> None:
    """Put a field of a (frozen) config through a check, and keep what it returns."""
    object.__setattr__(config, name, check(name, getattr(config, name), *args, **limits))


def suggestion(value: Any, choices: Iterable[str], most: int = 3, cutoff: float = 0.5) -> str:
    """Return ``" (did you mean …?)"`` with up to `most` near matches, or an empty string."""
    if not isinstance(value, str) or len(value) > _LONGEST_SHOWN:
        return ""
    near = difflib.get_close_matches(value, list(choices), n=most, cutoff=cutoff)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def near_or_all(value: Any, choices: Collection[str]) -> str:
    """Return what to say of an unknown name: all choices where they are few, else five near ones and how to see all."""
    if len(choices) <= _FEW:
        return f"{suggestion(value, choices)}; there are: {', '.join(choices)}"
    return f"{suggestion(value, choices, 5, 0.3)}; `crl-envs list` shows all"


def about(number: int) -> str:
    """Write a whole number ≥ 0 to two digits; from 10^15 on only its order of magnitude."""
    return f"10^{int(math.log10(number))}" if number >= 10**15 else f"{number:.2g}"


def about_bytes(number: int) -> str:
    """Write a number of bytes in GiB."""
    return f"{about(number >> 30)} GiB" if number >= 2**40 else f"{number / 2**30:.3g} GiB"


def shown(value: Any) -> str:
    """Return a ``repr`` for a message: of bounded length, whatever it is and whatever its ``repr`` does."""
    try:
        text = _SHORT.repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


class _Short(reprlib.Repr):
    """Short texts of numbers, arrays and containers of them."""

    def repr_int(self, value: int, level: int) -> str:
        """Return the number, or its order of magnitude: beyond 4,300 digits Python refuses to write it."""
        if abs(value) < 10**40:
            return repr(value)
        return f"{'-' if value < 0 else ''}{about(abs(value))}"

    def repr_ndarray(self, value: np.ndarray[Any, Any], level: int) -> str:
        """Return the array if it is small, else what kind of array it is."""
        if value.size <= 8:
            return repr(value)
        return f"an array of {value.dtype} with shape {value.shape}"


_SHORT: Final = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_SHOWN
