"""What a user's class changes of ours: where it changes something public, its world's arrays can't stand for it.

Fast paths (compiled loops, vector views, adapters on arrays) go round an environment's methods to its world. They are
for environments whose methods are the shipped ones; any other is stepped itself, or refused with a reason.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

_DRAWING: Final = {"render", "close"}  # they change nothing that a learner sees


def overridden(env: Any) -> list[str]:
    """Return the public methods and properties that a class or an object has in the place of the shipped ones.

    Args:
        env: An environment or vector environment of this package, of a subclass, or such a class.

    Returns:
        Names, sorted: of what the most derived of our classes says otherwise. Everything for a class that has none.
    """
    cls = env if isinstance(env, type) else type(env)
    shipped = next((c for c in cls.__mro__ if c.__module__.startswith("crl_envs.")), object)
    own = {} if isinstance(env, type) else vars(env)
    return [
        name
        for name, what in inspect.getmembers_static(cls if shipped is object else shipped)
        if not name.startswith("_")
        and name not in _DRAWING
        and _is_behaviour(what)
        and (
            inspect.getattr_static(cls, name) is not inspect.getattr_static(shipped, name, None)
            or (inspect.isfunction(what) and name in own)
        )
    ]


def makes_own_world(cls: Any) -> bool:
    """Whether ``make_world`` takes what the class itself is made with: no subclass has another ``__init__`` since."""
    mro = getattr(cls, "__mro__", ())
    return not mro or next(
        "make_world" in vars(c) for c in mro if "make_world" in vars(c) or "__init__" in vars(c)
    )


def _is_behaviour(what: Any) -> bool:
    return inspect.isfunction(what) or isinstance(what, property) or hasattr(what, "attrname")
