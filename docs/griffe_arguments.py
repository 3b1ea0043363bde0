"""What the site takes from elsewhere than docstrings: environments' arguments, and the fields of NamedTuples.

Arguments come from the environments' problems, as the decorators of `crl_envs.core.problem` have them; what a field is,
from the comment on its line.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import griffe


class Arguments(griffe.Extension):
    """Does to the classes that are read from source what the decorators do to those that run."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        self._document(pkg)

    def _document(self, module: griffe.Module) -> None:
        for child in module.modules.values():
            if not child.is_alias:
                self._document(child)
        for env in module.classes.values():
            if env.is_alias:
                continue
            if any(str(base) == "NamedTuple" for base in env.bases):
                self._list_fields(env)
            for decorator in env.decorators:
                if not decorator.callable_path.startswith("crl_envs.core.problem."):
                    continue
                running = getattr(import_module(module.path), env.name)
                env.docstring.value = inspect.cleandoc(running.__doc__)
                if decorator.callable_path.endswith(".documented_by"):
                    name = str(decorator.value.arguments[0])  # type: ignore[union-attr]
                    self._fill(env, module[name])

    def _list_fields(self, tuple_: griffe.Class) -> None:
        if tuple_.docstring is None or "Attributes:" in tuple_.docstring.value:
            return
        fields = [a for a in tuple_.attributes.values() if "#" in a.source]
        if fields:
            listed = [f"    {a.name}: {a.source.partition('#')[2].strip()}" for a in fields]
            tuple_.docstring.value += "\n\nAttributes:\n" + "\n".join(listed)

    def _fill(self, env: griffe.Class, problem: griffe.Class) -> None:
        init = env.members["__init__"]
        own = [p for p in init.parameters if not p.kind.value.startswith("variadic")]
        kind = griffe.ParameterKind.positional_or_keyword
        given = [
            griffe.Parameter(a.name, annotation=a.annotation, kind=kind, default=a.value)
            for a in problem.members.values()
            if a.is_attribute and "property" not in a.labels
        ]
        for last in own[1:]:
            last.kind = kind
        init.parameters = griffe.Parameters(own[0], *given, *own[1:])
