"""What the commands share: tables, progress bars, errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.store import StoreError
from crl_envs.bench.text import Table, printable


def counting_bar() -> Progress:
    """Bars that count, on the error stream."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def say(text: str, *, err: bool = False) -> None:
    """Print text as it is, whoever wrote it: brackets are no markup, and what isn't printable is escaped."""
    typer.echo(printable(text), err=err)


def show(table: Table, numbers: bool = True) -> None:
    """Print a table, its cells as `say` prints text.

    Args:
        table: The table.
        numbers: Whether all columns but the first are set to the right.
    """
    rich = RichTable(box=None, pad_edge=False)
    for i, title in enumerate(table.header):
        right = i > 0 and numbers
        rich.add_column(_as_it_is(title), justify="right" if right else "left", no_wrap=not i)
    for row in table.rows:
        rich.add_row(*map(_as_it_is, row))
    Console().print(rich)


def _as_it_is(text: str) -> Text:
    return Text(printable(text))


@contextmanager
def refusals(*kinds: type[Exception]) -> Iterator[None]:
    """Print an error as one line and end with exit code 2.

    A `ValueError`, what can't be written, a library that is missing, and further kinds.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (ValueError, StoreError, MissingLibraryError, *kinds)):
            raise
        say(f"error: {error}", err=True)
        raise typer.Exit(2) from error
