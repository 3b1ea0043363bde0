"""Problems: a world's arguments as one frozen dataclass, of which its environment's signature and page are made."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final, TypeVar

from crl_envs.core.arguments import shown

EnvT = TypeVar("EnvT", bound=type[Any])
ProblemT = TypeVar("ProblemT", bound=type[Any])

_OF_THE_VIEW: Final = """\
    render_mode: ``"human"``, ``"rgb_array"``, ``"ansi"`` or None; see the rendering page.
    encode: ``"onehot"``: observations and ``state()`` are ``Box (d,) float32``, as networks want them: Discrete
        components as one-hot vectors, Boxes flattened. Default None: as described under Observation Space."""
_SECTION: Final = re.compile(r"(?<=^## Arguments\n\n).*?(?=^## )", re.DOTALL | re.MULTILINE)


def listing(**choices: Iterable[str]) -> Callable[[ProblemT], ProblemT]:
    """Write into a problem's docstring, in the place of a name in braces, the words that an argument may be."""

    def fill(problem: ProblemT) -> ProblemT:
        for name, words in choices.items():
            *others, last = (f'``"{word}"``' for word in words)
            if problem.__doc__:  # there is none with python -OO
                listed = f"{', '.join(others)} or {last}"
                problem.__doc__ = problem.__doc__.replace(f"{{{name}}}", listed)
        return problem

    return fill


def documented_by(problem: type[Any]) -> Callable[[EnvT], EnvT]:
    """Give an environment the signature and the section "Arguments" of its page, both from its problem's fields.

    Its ``__init__`` gets all arguments by name, however they were given.

    Args:
        problem: A dataclass that takes all arguments but `render_mode` and `encode`.

    Returns:
        A class decorator. The class has an ``__init__`` of its own.
    """

    def document(env: EnvT) -> EnvT:
        init = env.__init__
        taken = inspect.signature(init).parameters.values()
        own = [p for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        last = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in own[1:]]
        given = inspect.signature(problem).parameters.values()
        signature = inspect.Signature([own[0], *given, *last])

        @functools.wraps(init)
        def by_name(self: Any, *args: Any, **arguments: Any) -> None:
            try:
                bound = signature.bind(self, *args, **arguments)
            except TypeError as error:
                raise TypeError(f"{env.__name__}.__init__(): {error}") from None
            by_names = dict(bound.arguments)
            init(by_names.pop(own[0].name), **by_names)
            self._given = {  # for its repr
                name: text
                for name, value in by_names.items()
                if name != "n_agents"
                and (text := shown(value)) != shown(signature.parameters[name].default)
            }

        by_name.__signature__ = signature  # type: ignore[attr-defined]
        env.__init__ = by_name
        if env.__doc__ and problem.__doc__:  # there are none with python -OO
            env.__doc__ = page(inspect.cleandoc(env.__doc__), inspect.cleandoc(problem.__doc__))
        return env

    return document


def page(text: str, problem: str) -> str:
    """Return an environment's page with its section "Arguments" as the docstring of a problem has them.

    Args:
        text: The environment's docstring, without indentation.
        problem: That of its problem, with sections ``Attributes:`` and ``Raises:``.
    """
    attributes, raises = problem.partition("Attributes:\n")[2].split("\n\nRaises:")
    arguments = f"Args:\n{attributes}\n{_OF_THE_VIEW}\n\nRaises:{raises}\n\n"
    return _SECTION.sub(lambda _: arguments, text)


def changed(problem: Any) -> frozenset[str]:
    """Return the names of a problem's fields that differ from their defaults."""
    return frozenset(
        field.name
        for field in fields(problem)
        if not _equal(getattr(problem, field.name), field.default)
    )


def _equal(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default)
    except Exception:  # an array has no truth value, and anything at all may have been given
        return False
