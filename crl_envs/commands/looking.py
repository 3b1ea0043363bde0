"""``list``, ``describe`` and ``doctor``: what there is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

import crl_envs
from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.doctor import Diagnosis, examine
from crl_envs.bench.experiment import Experiment
from crl_envs.bench.experiments import experiment_names, find_experiment
from crl_envs.bench.learners import PRESETS, installed_learners, learner_spec
from crl_envs.bench.papers import REPRODUCTIONS
from crl_envs.bench.text import Table, printable
from crl_envs.commands.console import refusals, say, show
from crl_envs.core.arguments import suggestion

AsJson = Annotated[bool, typer.Option("--json", help="For a script to read.")]


def list_ids(as_json: AsJson = False) -> None:
    """List the environments, experiments, learners and reproductions."""
    found = {
        "environments": _each(
            crl_envs.registered_ids(), lambda id: _documentation(id).splitlines()[0]
        ),
        "experiments": _each(experiment_names(), lambda name: find_experiment(name).title),
        "learners": _each(sorted({*installed_learners(), *PRESETS}), _learner),
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
    """Print what is documented about an environment, an experiment or a learner."""
    with refusals():
        text, facts = _described(id)
        text = printable(text, most=2**20)
    if as_json:
        print(json.dumps({"id": id, "text": text, **facts}, indent=1, ensure_ascii=False))
    else:
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


def _learner(name: str) -> str:
    spec = learner_spec(name)
    settings = (f" ({key}={value!r})" for key, value in spec.config.items())
    return _first_line(spec.load()) + "".join(settings)


def _first_line(cls: Any) -> str:
    """Of the docstring of its module where the class's own refers to it, else of its own."""
    own = (inspect.getdoc(cls) or cls.__name__).splitlines()[0]
    module = inspect.getdoc(inspect.getmodule(cls))
    return module.splitlines()[0] if module and own.startswith("See the module") else own


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
    every = [*crl_envs.registered_ids(), *experiment_names(), *sorted(learners)]
    raise ValueError(f"unknown id {id!r}{suggestion(id, every)}; known: {', '.join(every)}")


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
    env = crl_envs.make(id)
    return inspect.getdoc(type(env.unwrapped)) or type(env.unwrapped).__name__


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
