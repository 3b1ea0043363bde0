"""The report as Markdown, with its pictures beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from crl_envs.bench.report.content import UNFINISHED_COLUMNS, Content, Picture, RunRow, Section
from crl_envs.bench.tables import Table

PICTURES: Final = "report"  # the folder of the pictures, beside the file
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#+!|~$])")


def as_markdown(content: Content) -> str:
    """The text; pictures are linked as ``report/NAME.png``."""
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
    """Text that Markdown and HTML leave as it is, in one line."""
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
    cells = [[row.id, *row.cells, _last_line(row.error)] for row in rows]
    return _table(Table(["run", *UNFINISHED_COLUMNS, "error"], cells))


def _last_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return lines[-1] if lines else ""


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
