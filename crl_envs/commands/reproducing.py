"""``reproduce`` and ``optimum``: the papers' figures, and what is best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crl_envs.bench.papers import find_reproduction
from crl_envs.bench.plan import reproduction_plan
from crl_envs.bench.store import write_atomically
from crl_envs.bench.sweep import begin
from crl_envs.bench.text import Table
from crl_envs.commands.console import counting_bar, refusals, say, show
from crl_envs.commands.sweeping import (
    Address,
    EngineName,
    Engines,
    Memory,
    Timeout,
    Workers,
    carry_out_and_report,
    chosen_engine,
)
from crl_envs.sysadmin.dynamics import RING_DYNAMICS
from crl_envs.sysadmin.optimum.certificates import ring_optimum
from crl_envs.sysadmin.optimum.ring import checked_problem
from crl_envs.sysadmin.optimum.table import (
    HORIZON,
    OPTIMA_HEADER,
    START_UP,
    as_json,
    differences,
    optimum_row,
    recomputed_table,
    table_rows,
)


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
    engine: Engines = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    timeout: Timeout = None,
    memory: Memory = None,
) -> None:
    """Reproduce a figure of a paper: picture, data, table and report.

    Stopped at any moment, even by kill -9, it goes on with `crl-envs resume DIR`, or when it is given again. What has
    been run in the folder stays, also for another number of seeds.
    """
    with refusals():
        entry = find_reproduction(name)
        folder = out or Path("results") / entry.name
        plan = reproduction_plan(
            name,
            seeds,
            first_seed=seed,
            iterations=iterations,
            timeout=timeout,
            memory=memory,
        )
        chosen = chosen_engine(engine, address, workers)
        say(f"{entry.title}\n{entry.claim}")
        begin(folder, plan)
    carry_out_and_report(folder, chosen)


def optimum(
    dynamics: Annotated[str, typer.Option(help=", ".join(RING_DYNAMICS) + ", on a ring.")] = "ring",
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
    with refusals(OSError, RuntimeError):
        if whole_table:
            _recompute_optima(write)
        elif write is not None:
            raise ValueError(f"write needs --all, got {str(write)!r} alone")
        else:
            problem = checked_problem(dynamics, n_agents, horizon, start_up)
            known = ring_optimum(problem, recompute)
            show(Table(OPTIMA_HEADER, [optimum_row(problem, known)]))
            say(known.method)


def _recompute_optima(write: Path | None) -> None:
    with counting_bar() as progress:
        task = progress.add_task("optima")
        table = recomputed_table(
            lambda done, total: progress.update(task, completed=done, total=total)
        )
    if write is not None:
        write_atomically(write, as_json(table))
    lines = differences(table)
    show(Table(OPTIMA_HEADER, table_rows(table)))
    say("\n".join(lines) or "as shipped")
