"""``list``, ``describe`` and ``doctor``: what there is."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

import crl_envs
from crl_envs.adapters.library import MissingLibraryError, require
from crl_envs.bench.doctor import Diagnosis, examine
from crl_envs.bench.experiment import Experiment
from crl_envs.bench.experiments import experiment_names, find_experiment
from crl_envs.bench.learners import PRESETS, installed_learners, is_ours, learner_spec
from crl_envs.bench.papers import REPRODUCTIONS
from crl_envs.bench.text import Table, printable
from crl_envs.commands.console import refusals, say, show
from crl_envs.core.arguments import near_or_all
from crl_envs.registration import entry_point

_LIBRARIES: Final = "agents.libraries."

AsJson = Annotated[bool, typer.Option("--json", help="For a script to read.")]


def list_ids(as_json: AsJson = False) -> None:
    """List the environments, experiments, learners and reproductions."""
    learners = installed_learners()
    found = {
        "environments": _each(
            crl_envs.registered_ids(), lambda id: _documentation(id).splitlines()[0]
        ),
        "experiments": _each(experiment_names(), lambda name: find_experiment(name).title),
        "learners": _each(sorted({*learners, *PRESETS}), lambda name: _learner(name, learners)),
        "reproductions": {entry.name: entry.title for entry in REPRODUCTIONS.values()},
    }
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for i, (kind, entries) in enumerate(found.items()):
        if i:
            say("")
        header = (kind.removesuffix("s"), "what it is")
        show(Table(header, list(entries.items())), numbers=False)


def describe(
    id: Annotated[str, typer.Argument(metavar="ID", help="As in `crl-envs list`.")],
    as_json: AsJson = False,
) -> None:
    """Print what is documented about an environment, an experiment, a learner or a reproduction."""
    with refusals():
        text, facts = _described(id)
        text = printable(text, most=2**20)
    if as_json:
        print(json.dumps({"id": id, "text": text, **facts}, indent=1, ensure_ascii=False))
    else:
        from rich.markdown import Markdown  # slow to import, and only needed here

        Console().print(Markdown(f"# {id}\n\n{_as_markdown(text)}"))


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed and which extras work; exit code 1 if the package itself doesn't."""
    with refusals():
        found = examine()
    if as_json:
        print(json.dumps(found.plain(), indent=1))
    else:
        say(
            f"crl-envs {found.crl_envs}, Python {found.python}, {found.cores} cores, backend {found.backend}, "
            f"cache {found.cache}"
        )
        show(Table(("extra", "works", "missing or too old"), _extra_rows(found)))
        broken = {name: state for name, state in found.learners.items() if state != "ok"}
        say(
            f"{len(found.learners)} learners, {len(broken)} of them can't be loaded; the libraries of "
            f"{len(found.not_installed)} others are missing"
        )
        for name, state in {**broken, **found.not_installed}.items():
            say(f"  {name}: {state}")
    raise typer.Exit(0 if found.healthy else 1)


def _extra_rows(found: Diagnosis) -> list[tuple[str, str, str]]:
    rows = []
    for extra, packages in found.extras.items():
        wanting = [f"{p.name}{p.needed} ({p.installed or 'none'})" for p in packages if not p.works]
        rows.append((extra, "no" if wanting else "yes", ", ".join(wanting)))
    return rows


def _each(names: Iterable[str], describe: Callable[[str], str]) -> dict[str, str]:
    """What it says of each, or why it can't."""
    found = {}
    for name in names:
        try:
            found[name] = printable(describe(name))
        except MissingLibraryError as error:
            found[name] = printable(f"not installed: {error}")
        except Exception as error:  # another package's import may raise anything
            found[name] = printable(f"can't be loaded: {type(error).__name__}: {error}")
    return found


def _learner(name: str, learners: Mapping[str, EntryPoint]) -> str:
    source, config = (name, {}) if name in learners else PRESETS[name]
    if source not in learners:
        source = learner_spec(name).source  # says what is missing
    found = learners[source]
    settings = (f" ({key}={value!r})" for key, value in config.items())
    if is_ours(found) and found.module.startswith(_LIBRARIES):
        own, module = _docstrings(found.module, found.attr)
    else:
        cls = found.load()
        own, module = inspect.getdoc(cls) or cls.__name__, inspect.getdoc(inspect.getmodule(cls))
    said = module if module and own.startswith("See the module") else own
    return said.splitlines()[0] + "".join(settings)


def _docstrings(module: str, name: str) -> tuple[str, str | None]:
    """A class's and its module's, read from the file: importing the library that it stands on takes seconds.

    Raises:
        MissingLibraryError: As the module, and the adapters that it imports, would at their import.
    """
    tree = _parsed(module)
    for adapter in {n.module for n in tree.body if isinstance(n, ast.ImportFrom) and n.module}:
        if adapter.startswith("crl_envs.adapters."):
            _require(_parsed(adapter))
    _require(tree)
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    return ast.get_docstring(classes[name]) or name, ast.get_docstring(tree)


@cache
def _parsed(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return ast.parse(Path(spec.origin).read_bytes())


def _require(tree: ast.Module) -> None:
    """Make a module's calls of `require`, which have nothing but texts."""
    for node in tree.body:
        call = getattr(node, "value", None)
        if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "require":
            extra = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            require(*map(ast.literal_eval, call.args), **extra)


def _described(id: str) -> tuple[str, dict[str, Any]]:
    """The text about an id, and facts about it.

    Raises:
        ValueError: It is no id, with near matches.
    """
    if id in crl_envs.registered_ids():
        return _documentation(id), {}
    if id.partition("@")[0] in experiment_names():
        experiment = find_experiment(id)
        return experiment.statement, _facts(experiment)
    learners = {*installed_learners(), *PRESETS}
    if id in learners or ":" in id:
        spec = learner_spec(id)
        cls = spec.load()
        module = inspect.getdoc(inspect.getmodule(cls)) or ""
        text = f"{module}\n\n{inspect.getdoc(cls) or ''}"
        return text, {"source": spec.source, "config": dict(spec.config)}
    if id in REPRODUCTIONS:
        entry = REPRODUCTIONS[id]
        return f"{entry.title}\n\n{entry.claim}", {}
    every = [*crl_envs.registered_ids(), *experiment_names(), *sorted(learners), *REPRODUCTIONS]
    raise ValueError(f"unknown id {id!r}{near_or_all(id, every)}")


def _facts(experiment: Experiment) -> dict[str, Any]:
    return {
        "version": experiment.version,
        "knob": experiment.knob,
        "values": list(experiment.values),
        "quick": list(experiment.quick),
        "budgets": {str(value): experiment.budgets(value)[-1] for value in experiment.values},
        "unit": experiment.unit,
        "epsilon": experiment.epsilon,
        "baselines": list(experiment.baselines),
    }


def _documentation(id: str) -> str:
    """The docstring of an environment's class."""
    made = entry_point(id)
    shown = made if isinstance(made, type) else type(crl_envs.make(id).unwrapped)
    return inspect.getdoc(shown) or shown.__name__


def _as_markdown(docstring: str) -> str:
    """Google's ``Args:`` and ``Raises:`` sections as lists; double backquotes as single ones."""
    lines: list[str] = []
    in_section = False
    for line in docstring.replace("``", "`").splitlines():
        if line in ("Args:", "Raises:"):
            in_section = True
            lines += ["", *(["**Raises**", ""] if line == "Raises:" else [])]
        elif in_section and line.startswith("    ") and not line.startswith("     "):
            name, _, text = line.strip().partition(": ")
            lines.append(f"- `{name}`: {text}")
        else:
            in_section = in_section and (not line or line.startswith(" "))
            lines.append(line)
    return "\n".join(lines)
