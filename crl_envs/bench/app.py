"""The commands of ``crl-envs``; started by `crl_envs.cli`, which checks that what they need is installed."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table as RichTable

import crl_envs
from crl_envs.bench.doctor import Diagnosis, examine
from crl_envs.bench.files import write_atomically
from crl_envs.bench.report import Table
from crl_envs.bench.reproductions import REPRODUCTIONS, Options, find_reproduction
from crl_envs.sysadmin.certificates import ring_optimum
from crl_envs.sysadmin.dynamics import BINARY_DYNAMICS
from crl_envs.sysadmin.optimum_table import (
    HORIZON,
    OPTIMA_HEADER,
    START_UP,
    as_json,
    differences,
    optimum_row,
    recomputed_table,
    table_rows,
)
from crl_envs.sysadmin.ring_problem import checked_problem

app = typer.Typer(
    name="crl-envs",
    help="Environments in which to measure how cooperative multi-agent learning scales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"crl-envs {crl_envs.__version__}")
        raise typer.Exit()


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command("list")
def list_ids() -> None:
    """List the environments and the reproductions."""
    console = Console()
    table = RichTable("environment", "what it is", box=None, pad_edge=False)
    for id in crl_envs.registered_ids():
        table.add_row(id, _documentation(id).splitlines()[0])
    console.print(table)
    table = RichTable("reproduction", "what it shows", box=None, pad_edge=False)
    for entry in REPRODUCTIONS.values():
        table.add_row(entry.name, entry.title)
    console.print()
    console.print(table)


@app.command()
def describe(
    id: Annotated[str, typer.Argument(metavar="ID", help="As in `crl-envs list`.")],
) -> None:
    """Print what is documented about an environment."""
    try:
        text = _documentation(id)
    except ValueError as error:
        _refuse(error)
    Console().print(Markdown(f"# {id}\n\n{_as_markdown(text)}"))


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in `crl-envs list`.")],
    seeds: Annotated[int, typer.Option(help="Independent runs of each configuration.")] = 10,
    iterations: Annotated[
        int | None, typer.Option(help="Length of each run.", show_default="as in the paper")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to.", show_default="results/NAME")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 0,
) -> None:
    """Reproduce a figure of a paper: picture, data, table and report."""
    console = Console()
    try:
        entry = find_reproduction(name)
        options = Options(out or Path("results") / entry.name, seeds, iterations, seed)
        console.print(f"{entry.title}\n{entry.claim}", highlight=False)
        with _progress() as progress:
            tasks: dict[str, TaskID] = {}

            def watch(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = progress.add_task(what, total=total)
                progress.update(tasks[what], completed=done)

            outcome = entry.run(options, watch)
    except ValueError as error:
        _refuse(error)
    console.print(_as_rich(outcome.summary))
    console.print(outcome.verdict, highlight=False)
    console.print(f"Report: {outcome.report}", highlight=False, soft_wrap=True)


@app.command()
def optimum(
    dynamics: Annotated[
        str, typer.Option(help=", ".join(BINARY_DYNAMICS) + ", on a ring.")
    ] = "ring",
    n_agents: Annotated[int, typer.Option(help="Number of machines.")] = 10,
    horizon: Annotated[int, typer.Option(help="Steps of an episode.")] = HORIZON,
    start_up: Annotated[float, typer.Option(help="Probability of starting up.")] = START_UP,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Use nothing that is shipped or kept on disk.")
    ] = False,
    whole_table: Annotated[
        bool, typer.Option("--all", help="Recompute what is shipped, and say where it differs.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="With --all: a file for the table, as JSON.")
    ] = None,
) -> None:
    """Print SYSADMIN's optimum on a ring, or the two ends that it lies between, and keep it on disk."""
    try:
        if whole_table:
            _recompute_optima(write)
        elif write is not None:
            raise ValueError(f"write needs --all, got {str(write)!r} alone")
        else:
            problem = checked_problem(dynamics, n_agents, horizon, start_up)
            known = ring_optimum(problem, recompute)
            Console().print(_as_rich(Table(OPTIMA_HEADER, [optimum_row(problem, known)])))
            print(known.method)
    except (OSError, RuntimeError, ValueError) as error:
        _refuse(error)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a script to read.")] = False,
) -> None:
    """Say what is installed and which extras work; exit code 1 if the package itself doesn't."""
    try:
        found = examine()
    except ValueError as error:
        _refuse(error)
    if as_json:
        print(json.dumps(found.plain(), indent=1))
    else:
        console = Console()
        console.print(
            f"crl-envs {found.crl_envs}, Python {found.python}, {found.cores} cores, backend {found.backend}, "
            f"cache {found.cache}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(_as_rich(Table(("extra", "works", "missing or too old"), _extra_rows(found))))
        broken = {name: state for name, state in found.learners.items() if state != "ok"}
        console.print(f"{len(found.learners)} learners, {len(broken)} of them can't be loaded")
        for name, state in broken.items():
            console.print(f"  {name}: {state}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if found.healthy else 1)


def _extra_rows(found: Diagnosis) -> list[tuple[str, str, str]]:
    rows = []
    for extra, packages in found.extras.items():
        wanting = [f"{p.name}{p.needed} ({p.installed or 'none'})" for p in packages if not p.works]
        rows.append((extra, "no" if wanting else "yes", ", ".join(wanting)))
    return rows


def _recompute_optima(write: Path | None) -> None:
    with _progress() as progress:
        task = progress.add_task("optima")
        table = recomputed_table(
            lambda done, total: progress.update(task, completed=done, total=total)
        )
    if write is not None:
        write_atomically(write, as_json(table))
    lines = differences(table)
    Console().print(_as_rich(Table(OPTIMA_HEADER, table_rows(table))))
    print("\n".join(lines) or "as shipped")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _documentation(id: str) -> str:
    """The docstring of an environment's class.

    Raises:
        ValueError: Unknown id.
    """
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


def _as_rich(table: Table) -> RichTable:
    rich = RichTable(box=None, pad_edge=False)
    for i, title in enumerate(table.header):
        rich.add_column(title, justify="right" if i else "left")
    for row in table.rows:
        rich.add_row(*row)
    return rich


def _refuse(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(2)
