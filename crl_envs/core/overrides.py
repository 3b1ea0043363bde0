"""What a user's class changes of ours: where it changes something public, its world's arrays can't stand for it.

Fast paths (compiled loops, vector views, adapters on arrays) go round an environment's methods to its world. They are
for environments whose methods are the shipped ones; any other is stepped itself, or refused with a reason.
"""

from __future__ import annotations

import inspect
from functools import cache, cached_property
from typing import Any, Final

_DRAWING: Final = {"render", "close"}  # they change nothing that a learner sees


def overridden(env: Any) -> list[str]:
    """Return the public methods and properties that a class or an object has in the place of the shipped ones.

    Args:
        env: An environment or vector environment of this package, of a subclass, or such a class.

    Returns:
        Names, sorted, of what the most derived of our classes says otherwise.
    """
    cls, own = (env, {}) if isinstance(env, type) else (type(env), vars(env))
    shipped = next((c for c in cls.__mro__ if c.__module__.startswith("crl_envs.")), cls)
    return [
        name
        for name, what in _behaviour(shipped).items()
        if _found(cls, name) is not what or (name in own and inspect.isfunction(what))
    ]


@cache
def _behaviour(cls: type) -> dict[str, Any]:
    """The public methods and properties of a class, by name in order."""
    names = sorted(name for name in dir(cls) if not name.startswith("_") and name not in _DRAWING)
    found = {name: _found(cls, name) for name in names}
    return {name: what for name, what in found.items() if _behaves(what)}


def _found(cls: type, name: str) -> Any:
    """What a class has under a name, as it is written there."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


def _behaves(what: Any) -> bool:
    return inspect.isfunction(what) or isinstance(what, property | cached_property)


def makes_own_world(cls: Any) -> bool:
    """Whether ``make_world`` takes what the class itself is made with: no subclass has another ``__init__`` since."""
    mro = getattr(cls, "__mro__", ())
    return not mro or next(
        "make_world" in vars(c) for c in mro if "make_world" in vars(c) or "__init__" in vars(c)
    )
