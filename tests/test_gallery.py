"""The gallery shows every picture and every reproduction, and its numbers are those of the pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_tables import program

FOLDER = Path(__file__).parent.parent / "docs" / "reproductions"
GALLERY = (FOLDER / "index.md").read_text("utf-8")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+")


class Row(NamedTuple):
    """A row of one of the tables: where it leads, and its cells without the first."""

    picture: str
    link: str
    command: str
    paper: str
    here: str
    difference: str


def rows() -> list[Row]:
    found = []
    for line in GALLERY.splitlines():
        if line.startswith("| [<img"):
            first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            picture, link = re.findall(r'src="(\S+)".*?\((\S+?)\)', first)[0]
            command = re.findall(r"`crl-envs reproduce (\S+)`", first)[0]
            found.append(Row(picture, link, command, *(cell.strip(" |") for cell in cells)))
    return found


ROWS = rows()
each_row = pytest.mark.parametrize("row", [pytest.param(row, id=row.command) for row in ROWS])


def numbers(text: str) -> set[float]:
    return {float(found.replace(",", "")) for found in NUMBER.findall(text)}


def section(link: str) -> str:
    """The page, or the part of it, that a link leads to."""
    toc = pytest.importorskip("markdown.extensions.toc")
    page, _, anchor = link.partition("#")
    text = (FOLDER / page).read_text("utf-8")
    if not anchor:
        return text
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return next(part for part in parts if toc.slugify(part.split("\n")[0], "-") == anchor)


def test_every_picture_is_there() -> None:
    assert sorted(row.picture for row in ROWS) == sorted(p.name for p in FOLDER.glob("*.png"))


def test_every_reproduction_is_there() -> None:
    reproductions = pytest.importorskip("crl_envs.bench.papers").REPRODUCTIONS
    named = set(re.findall(r"`crl-envs reproduce ([\w.-]+)`", GALLERY))
    assert named == set(reproductions)


@each_row
def test_the_command_makes_the_picture(row: Row) -> None:
    assert row.picture == f"{row.command}.png"
    assert f"crl-envs reproduce {row.command}" in section(row.link)
    assert f"({row.picture})" in section(row.link)


@each_row
def test_numbers_are_those_of_the_page(row: Row) -> None:
    here = numbers(row.here)
    assert here - numbers(section(row.link)) == set()
    assert len(here) >= 3


@each_row
def test_numbers_in_the_difference_are_on_a_page(row: Row) -> None:
    known = numbers(section(row.link)) | numbers(row.paper)
    assert numbers(row.difference) - known == set()


def test_verdicts_are_coloured_by_what_they_say() -> None:
    verdicts = program("verdicts")
    claims = (FOLDER / "claims.md").read_text("utf-8")
    found = {
        (kind, text)
        for page in (GALLERY, claims)
        for kind, text in re.findall(
            r'<b class="verdict (\w+)">([^<]+)</b>', verdicts.coloured(page)
        )
    }
    assert {kind for kind, text in found if text == "Reproduced"} == {"reproduced", "reading"}
    assert {kind for kind, text in found if text == "Under a reading"} == {"reading"}
    assert {kind for kind, text in found if text == "Not reproduced"} == {"not"}
    assert {kind for kind, text in found if text.startswith(("Beyond", "Not testable"))} == {
        "beyond"
    }
    assert len(re.findall("verdict", verdicts.coloured(GALLERY))) > len(ROWS)


@each_row
def test_the_difference_begins_with_a_verdict(row: Row) -> None:
    verdicts = "Reproduced|Holds|Shown|Seen|Beyond|Partly|No numbers|Not reproduced"
    assert re.match(rf"\*\*({verdicts})", row.difference)
