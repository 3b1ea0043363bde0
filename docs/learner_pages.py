"""Where a page in docs/learners stands in the navigation and in the table of learners: as the lines at its top say.

A hook of MkDocs for the navigation; `tables.py` writes the table. A page begins with `group` (a heading under
*Learners* in mkdocs.yml), `learns_from`, `worlds` and `reaches`, and its first heading is followed by the learner's
name and class.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "learners"
SITE = Path(__file__).parents[1] / "mkdocs.yml"
HEAD = ["name, class", "learns from", "worlds", "samples to a score of .9, or steps"]


class LearnerPage(NamedTuple):
    """What a page says of itself."""

    name: str  # of the entry point
    title: str
    class_name: str
    meta: dict[str, str]


def read(path: Path) -> LearnerPage | None:
    """Return what a page says of itself; None for a page of no learner."""
    found = re.match(
        r"---\n(.*?)\n---\n\n# (.+)\n\n`([\w-]+)`: `[\w.]*?(\w+)`, for ",
        path.read_text("utf-8"),
        re.DOTALL,
    )
    if not found:
        return None
    meta = (line.split(": ", 1) for line in found[1].splitlines())
    return LearnerPage(found[3], found[2], found[4], {k: v.strip('"') for k, v in meta})


def pages(group: str) -> list[LearnerPage]:
    """Return the pages of a group by title."""
    found = [page for path in FOLDER.glob("*.md") if (page := read(path))]
    return sorted((p for p in found if p.meta["group"] == group), key=lambda p: p.title.lower())


def groups() -> list[str]:
    """Return the groups under *Learners*: the headings there that have no pages in mkdocs.yml."""
    return re.findall(r"^      - (.+): \[\]$", SITE.read_text("utf-8"), re.MULTILINE)


def table() -> list[list[str]]:
    """Return the table of all learners, group by group, its head first."""
    rows = [HEAD]
    for page in (page for group in groups() for page in pages(group)):
        named = f"[`{page.name}`]({page.name}.md)<br>`{page.class_name}`"
        rows.append([named, *(page.meta[key] for key in ("learns_from", "worlds", "reaches"))])
    return rows


def on_config(config: Any) -> None:
    """Fill in the groups of the navigation, where there is one."""
    if not config.nav:
        return
    for group in groups():
        (section,) = (item["Learners"] for item in config.nav if "Learners" in item)
        (entry,) = (item for item in section if group in item)
        entry[group] = [{page.title: f"learners/{page.name}.md"} for page in pages(group)]
