"""All files of a report, into the folder of its sweep."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crl_envs.bench.files import write_atomically
from crl_envs.bench.report.content import Content, content
from crl_envs.bench.report.data import as_csv, as_parquet, has_parquet, rows
from crl_envs.bench.report.html import as_html
from crl_envs.bench.report.markdown import PICTURES, as_markdown
from crl_envs.bench.report.pictures import legend
from crl_envs.bench.score.sweep_scores import as_json
from crl_envs.bench.store import Record


def write_report(
    folder: Path,
    title: str,
    scores: Mapping[str, Any],
    records: Sequence[Record],
    complaints: Sequence[str],
    command: str,
) -> Path:
    """Write the report of a sweep, each file in one step; the same bytes for the same arguments.

    - ``report.html``: the page, in one file;
    - ``report.md`` with the pictures in ``report/``;
    - ``scores.json``: what ``crl-envs score --json`` prints;
    - ``runs.csv``, and ``runs.parquet`` where pyarrow is installed: a row for each evaluation.

    Args:
        folder: Of the sweep.
        title: Of the report.
        scores: As `crl_envs.bench.score.sweep_scores.sweep_scores` gives them for the same records.
        records: All runs, in any order.
        complaints: Sentences about files that were set aside.
        command: What the runs were made with.

    Returns:
        Where the page is.

    Raises:
        OSError: The disk is full, or the folder can't be written in.
    """
    said = content(
        title, scores, records, complaints, command, f"crl-envs resume {shlex.quote(str(folder))}"
    )
    found = rows(scores, records)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "scores.json", as_json(scores))
    write_atomically(folder / "runs.csv", as_csv(found))
    if has_parquet():
        write_atomically(folder / "runs.parquet", as_parquet(found))
    _write_pictures(folder / PICTURES, said)
    write_atomically(folder / "report.md", as_markdown(said))
    page = folder / "report.html"
    write_atomically(page, as_html(said))
    return page


def _write_pictures(folder: Path, said: Content) -> None:
    """Those of the report, and none of an earlier one."""
    folder.mkdir(exist_ok=True)
    pictures = {
        f"{picture.name}.png": picture.png
        for section in said.sections
        for picture in (*section.pictures, *section.curves)
    }
    if said.styles:
        pictures["legend.png"] = legend(said.styles)
    for name, png in pictures.items():
        write_atomically(folder / name, png)
    for path in folder.glob("*.png"):
        if path.name not in pictures:
            path.unlink()
