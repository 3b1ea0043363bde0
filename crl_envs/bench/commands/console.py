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

from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.report import Table
from crl_envs.bench.store import StoreError


def counting_bar() -> Progress:
    """Bars that count, on the error stream."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def as_rich(table: Table) -> RichTable:
    """A table for the terminal."""
    rich = RichTable(box=None, pad_edge=False)
    for i, title in enumerate(table.header):
        rich.add_column(title, justify="right" if i else "left", no_wrap=not i)
    for row in table.rows:
        rich.add_row(*row)
    return rich


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
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
