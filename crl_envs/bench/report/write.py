"""All files of a sweep's report, into its folder: a page in one HTML file that needs nothing else, Markdown, tables."""

from __future__ import annotations

import base64
import csv
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from crl_envs.bench.plan import read_plan
from crl_envs.bench.report.content import (
    RUN_COLUMNS,
    UNFINISHED_COLUMNS,
    Content,
    Picture,
    RunRow,
    Section,
    content,
    seconds,
)
from crl_envs.bench.report.pictures import landmarks_of, legend
from crl_envs.bench.score.measures import normalised
from crl_envs.bench.score.results import Results, as_json
from crl_envs.bench.store import Record, refusals_named, write_atomically
from crl_envs.bench.text import Table, reason


def as_html(content: Content) -> str:
    """Return the page. Whatever learners, tracebacks and arguments hold is shown as text."""
    folder = files("crl_envs.bench.report") / "templates"
    names = ("report.html", "tables.html", "report.css")
    loader = DictLoader({name: (folder / name).read_text(encoding="utf-8") for name in names})
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["shade"] = _shade
    swatches = {name: Markup(style.swatch) for name, style in content.styles.items()}
    template = environment.get_template("report.html")
    return template.render(
        page=content,
        swatches=swatches,
        run_columns=RUN_COLUMNS,
        unfinished_columns=UNFINISHED_COLUMNS,
    )


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _shade(probability: float) -> str:
    """A background for a probability: blue above ½, vermillion below, the stronger the farther."""
    red, green, blue = (0, 114, 178) if probability >= 0.5 else (213, 94, 0)
    return f"rgb({red} {green} {blue} / {abs(probability - 0.5) * 0.9:.2f})"


PICTURES: Final = "report"  # the folder of the pictures, beside the file
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#+!|~$])")


def as_markdown(content: Content) -> str:
    """Return the text; pictures are linked as ``report/NAME.png``."""
    blocks = [f"# {text(content.title)}", text(content.counts)]
    if not content.sections:
        blocks.append("There are no runs here yet.")
    if content.overview:
        blocks += ["## Leaderboard", _table(content.overview)]
        blocks.append(
            "IQM (0: random, 1: optimum) and rank; in the order of the mean over a learner's experiments."
        )
    if content.styles:
        blocks.append(f"![{', '.join(map(text, content.styles))}]({PICTURES}/legend.png)")
    for section in content.sections:
        blocks += _section(section)
    if content.unfinished:
        blocks += ["## Not finished"]
        blocks.append(f"{content.unfinished_counts}. To go on: {_code(content.resume)}")
        blocks.append(_runs(content.unfinished))
    if content.complaints:
        blocks += ["## Files set aside", _list(content.complaints)]
    made = [f"{name}: {_code(value)}" for name, value in content.provenance]
    blocks += ["## How it was made", "\n".join(f"- {line}" for line in made)]
    return "\n\n".join(blocks) + "\n"


def text(anything: str) -> str:
    """Return text that Markdown and HTML leave as it is, in one line."""
    line = " ".join(anything.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", line)


def _section(section: Section) -> list[str]:
    blocks = [f"## {text(section.title)} ({_code(section.id)})"]
    if section.verdict:
        blocks.append(_list(section.verdict))
    blocks.append(text(section.setting))
    if section.learners:
        blocks.append(_table(section.board))
    for picture in section.pictures:
        blocks += [_picture(picture), f"**{picture.title}.** {text(picture.caption)}"]
    if section.curves:
        blocks += ["### Learning curves", "\n".join(map(_picture, section.curves))]
    if len(section.learners) > 1:
        blocks += ["### Probability in % that the row's learner ends higher than the column's"]
        blocks.append(_table(_matrix(section)))
    if section.samples:
        blocks += [f"### Samples to ε ({section.unit})", _table(section.samples)]
    if section.learners:
        blocks += ["### Final scores", _table(section.scores)]
    return blocks


def _matrix(section: Section) -> Table:
    rows = [
        [name, *("" if p is None else f"{100 * p:.0f}" for p in row)]
        for name, row in zip(section.learners, section.improvement, strict=True)
    ]
    return Table(["", *section.learners], rows)


def _runs(rows: Sequence[RunRow]) -> str:
    cells = [[row.id, *row.cells, reason(row.error)] for row in rows]
    return _table(Table(["run", *UNFINISHED_COLUMNS, "error"], cells))


def _table(table: Table) -> str:
    rows = [[text(cell) for cell in row] for row in table.rows]
    return Table([text(cell) for cell in table.header], rows).markdown()


def _picture(picture: Picture) -> str:
    return f"![{text(picture.alt)}]({PICTURES}/{picture.name}.png)"


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {text(sentence)}" for sentence in sentences)


def _code(anything: str) -> str:
    """An inline code span that holds any text, backticks too."""
    line = " ".join(anything.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def report(folder: Path, found: Results) -> Path:
    """Write the report of the sweep in a folder, out of its results; see `write_report`.

    Returns:
        Of the page.

    Raises:
        StoreError: The report can't be written.
    """
    plan = read_plan(folder)
    titles = [x.title for x in plan.found_experiments()]
    title = titles[0] if len(titles) == 1 else f"{len(titles)} experiments"
    with refusals_named(folder):
        return write_report(
            folder,
            title,
            found.scores,
            found.records,
            found.complaints,
            plan.command(folder),
        )


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
        scores: As `crl_envs.bench.score.results.sweep_scores` gives them for the same records.
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


# Column, what it is in Parquet, and what it says.
COLUMNS: Final = {
    "run": "string",  # the run's id
    "experiment": "string",
    "version": "int64",
    "knob": "string",
    "value": "string",  # of the knob; as text, for some experiments vary a number and others a name
    "learner": "string",
    "seed": "uint64",
    "status": "string",  # of the whole run
    "budget": "int64",  # of this evaluation, in the experiment's unit
    "env_steps": "int64",
    "agent_steps": "int64",
    "global_return": "double",
    "local_return": "double",
    "score": "double",  # of the global return; empty where the task's landmarks aren't known
    "episodes": "int64",
    "illegal_actions": "double",  # share; empty where it wasn't measured
    "run_seconds": "double",  # of the whole run; empty where it wasn't measured
}

Row = dict[str, Any]


def rows(scores: Mapping[str, Any], records: Sequence[Record]) -> list[Row]:
    """Return the rows in the order of the runs' ids; None stands for what isn't known."""
    found = []
    for record in sorted(records, key=lambda record: str(record.id)):
        landmarks = landmarks_of(scores, record)
        for point in record.evaluations:
            score = None
            if landmarks is not None:
                score = float(normalised(point.global_return, landmarks))  # type: ignore[arg-type]
            found.append(
                {
                    "run": str(record.id),
                    "experiment": record.id.experiment,
                    "version": record.id.version,
                    "knob": record.id.knob,
                    "value": str(record.id.value),
                    "learner": record.id.learner,
                    "seed": record.id.seed,
                    "status": record.status,
                    **{name: getattr(point, name) for name in _MEASURED},
                    "score": score,
                    "run_seconds": seconds(record),
                }
            )
    return [{name: row[name] for name in COLUMNS} for row in found]


_MEASURED: Final = (
    "budget",
    "env_steps",
    "agent_steps",
    "global_return",
    "local_return",
    "episodes",
    "illegal_actions",
)


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows with a header; numbers in full, None as an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def has_parquet() -> bool:
    """Return whether Parquet can be written: the extra ``parquet``."""
    return find_spec("pyarrow") is not None


def as_parquet(rows: Sequence[Row]) -> bytes:
    """Return the rows as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, kind) for name, kind in COLUMNS.items()])
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), buffer)
    return buffer.getvalue()
