"""Checks of arguments: each raises ``ValueError`` naming the argument, its value and what is allowed."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
from collections.abc import Callable, Collection, Iterable
from typing import Any


def check_int(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """Return `value` as an int in [low, high]; booleans and floats are refused."""
    allowed = f"an integer ≥ {low}" if high is None else f"an integer in [{low}, {high}]"
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be {allowed}, got {value!r}") from None
    if isinstance(value, bool) or number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_real(
    name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, open_low: bool = False
) -> float:
    """Return `value` as a finite float in [low, high], or (low, high] with `open_low`."""
    bracket = "(" if open_low else "["
    allowed = f"a finite number in {bracket}{low:g}, {high:g}]"
    if isinstance(value, bool | str):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {allowed}, got {value!r}") from None
    inside = low < number <= high if open_low else low <= number <= high
    if not math.isfinite(number) or not inside:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_probability(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1]."""
    return check_real(name, value, low=0.0, high=1.0)


def check_bool(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return value


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return `value` if it is one of `choices`; near matches are suggested otherwise."""
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}"
        f"{suggestion(value, choices)}"
    )


def check_seed(name: str, value: Any, *, high: int = 2**64 - 1) -> int:
    """Return `value` as a seed: an integer in [0, high]."""
    return check_int(name, value, low=0, high=high)


def check_keywords(what: str, function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Refuse keywords that `function` doesn't take, with near matches among those it does."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    allowed = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for keyword in keywords:
        if keyword not in allowed:
            raise ValueError(
                f"{what} has no argument {keyword!r}{suggestion(keyword, allowed)}; "
                f"allowed: {', '.join(allowed)}"
            )


def suggestion(value: Any, choices: Iterable[str]) -> str:
    """``" (did you mean …?)"`` with up to three near matches, or an empty string."""
    near = difflib.get_close_matches(str(value), list(choices), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
