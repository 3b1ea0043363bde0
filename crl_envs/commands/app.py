"""The commands of ``crl-envs``; started by `crl_envs.cli`, which checks that what they need is installed."""

from __future__ import annotations

from typing import Annotated

import typer

import crl_envs
from crl_envs.commands import looking, rendering, reproducing, sweeping
from crl_envs.commands.exploring import explore

app = typer.Typer(
    name="crl-envs",
    help="Environments in which to measure how cooperative multi-agent learning scales.",
    epilog="First steps: crl-envs list; crl-envs sweep bandit-n --learners local-means,random --seeds 3 --quick "
    "--out results/first; then open results/first/report.html.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
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


app.command("list")(looking.list_ids)
app.command()(looking.describe)
app.command()(sweeping.run)
app.command()(sweeping.sweep)
app.command()(sweeping.extend)
app.command()(sweeping.resume)
app.command()(sweeping.score)
app.command()(sweeping.report)
app.command()(reproducing.reproduce)
app.command()(reproducing.optimum)
app.command()(rendering.render)
app.command()(explore)
app.command()(looking.doctor)
