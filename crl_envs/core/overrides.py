"""What a user's class changes of ours: where it changes something public, its world's arrays can't stand for it.

Fast paths (compiled loops, vector views, adapters on arrays) go round an environment's methods to its world. They are
for environments whose methods are the shipped ones; any other is stepped itself, or refused with a reason.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, Final

_OURS: Final = "crl_envs.", "agents."
_DRAWING: Final = {"render", "close"}  # they change nothing that a learner sees
_ACCESS: Final = "__getattribute__"  # may put another method in the place of any


def overridden(thing: Any) -> list[str]:
    """Return the public methods and properties that a class or an object has in the place of the shipped ones.

    Args:
        thing: An environment, vector environment, world or learner of ours, of a subclass, or such a class.

    Returns:
        Names, sorted, of what the most derived of our classes says otherwise; of everything where there is none.
    """
    cls = thing if isinstance(thing, type) else type(thing)
    shipped = next((c for c in cls.__mro__ if c.__module__.startswith(_OURS)), object)
    own = {} if isinstance(thing, type) else vars(thing)
    behaviour = _behaviour(cls if shipped is object else shipped)
    if cls is shipped:  # sooner than to look for each
        return sorted(name for name in own if behaviour.get(name))
    return [
        name
        for name, is_method in behaviour.items()
        if (is_method and name in own) or _static(cls, name) is not _static(shipped, name)
    ]


def makes_own_world(entry_point: Any) -> bool:
    """Return whether ``make_world`` takes what the entry point itself is called with.

    A class's does if nothing that makes its objects has changed since; a function's if it isn't copied from what the
    function wraps.
    """
    if not isinstance(entry_point, type):
        wrapped = getattr(entry_point, "__wrapped__", None)
        return getattr(wrapped, "make_world", None) is not entry_point.make_world
    making = {"__init__", "__new__"}
    return type(entry_point).__call__ is type.__call__ and next(
        "make_world" in vars(c)
        for c in entry_point.__mro__
        if "make_world" in vars(c) or making & vars(c).keys()
    )


@lru_cache(maxsize=64)
def _behaviour(cls: type[Any]) -> dict[str, bool]:
    """Return the names that count of a class, each with whether it is a method."""
    return {
        name: inspect.isfunction(what)
        for name, what in inspect.getmembers_static(cls)
        if name == _ACCESS
        or (not name.startswith("_") and name not in _DRAWING and _is_behaviour(what))
    }


def _static(cls: type[Any], name: str) -> Any:
    return inspect.getattr_static(cls, name, None)


def _is_behaviour(what: Any) -> bool:
    return inspect.isfunction(what) or isinstance(what, property) or hasattr(what, "attrname")
