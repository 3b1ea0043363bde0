"""The tables in docs that are made from the code say what it says now, and the worlds' pages open with their films."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
WORLDS = sorted((DOCS / "envs").glob("*.md"))
API = sorted((DOCS / "api").glob("*.md"))


def program(name: str) -> ModuleType:
    """A program in docs/, which isn't a package."""
    sys.path.insert(0, str(DOCS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def tables() -> Any:
    pytest.importorskip("griffe")
    return program("tables")


def marked() -> list[Path]:
    return [
        p for p in sorted(DOCS.glob("**/*.md")) if "<!-- docs/tables.py" in p.read_text("utf-8")
    ]


@pytest.mark.parametrize("page", marked(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_table_is_what_the_program_writes(
    tables: Any, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # worlds are made from files in examples/
    assert tables.renewed(page) == page.read_text("utf-8"), "make tables"


def test_every_world_every_page_of_the_api_and_the_learners_have_one() -> None:
    assert set(marked()) >= {*WORLDS, *API, DOCS / "learners" / "index.md"}


def test_no_page_is_a_mark_for_something_elsewhere() -> None:
    """In the repository's own view, where nothing is put in its place, each page has words of its own."""
    for page in sorted(DOCS.glob("**/*.md")):
        text = page.read_text("utf-8")
        own = re.sub(r"^(:::|    |--8<--).*$", "", text, flags=re.MULTILINE)
        assert len(own.split()) >= 60, page
        assert [line for line in re.findall(r"--8<--.*", text) if "CHANGELOG" not in line] == []


def test_formulas_in_lines_have_nothing_that_markdown_would_take_for_its_own() -> None:
    r"""GitHub makes a comma of ``\,`` and a brace of ``\{``, and italics of two ``*``, before it reads ``$…$``."""
    for page in sorted(DOCS.glob("**/*.md")):
        plain = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
        for formula in re.findall(r"\$([^$\n]+)\$", plain):
            assert not re.search(r"\\[^A-Za-z]|\*", formula), (page.name, formula)


@pytest.mark.parametrize("page", API, ids=lambda page: page.stem)
def test_every_name_of_the_api_has_a_sentence(page: Path) -> None:
    rows = re.findall(r"^\| \[`[\w.]+`\]\(#([\w.]+)\) \| (.*) \|$", page.read_text("utf-8"), re.M)
    assert rows
    assert [name for name, sentence in rows if len(sentence.split()) < 3] == []
    assert len({name for name, _ in rows}) == len(rows)


@pytest.mark.parametrize("page", WORLDS, ids=lambda page: page.stem)
def test_a_world_opens_with_its_film_words_table_and_formulas(page: Path) -> None:
    title, film, words, *_ = page.read_text("utf-8").split("\n\n")
    assert title.startswith("# ")
    assert re.fullmatch(rf"!\[[^\]]+\]\({page.stem}\.webp\)", film)
    assert len(words.split()) >= 40
    before_the_docstring = page.read_text("utf-8").partition("\n::: ")[0]
    table = before_the_docstring.index(f"docs/tables.py: world crl/{page.stem}-v0 -->")
    assert before_the_docstring.index("```math") > table


@pytest.mark.parametrize("page", WORLDS, ids=lambda page: page.stem)
def test_a_film_moves_and_is_small(page: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    films = program("world_films")
    path = page.with_suffix(".webp")
    assert path.stat().st_size <= films.MOST_BYTES
    with image.open(path) as film:
        assert film.n_frames >= 10
        assert film.size == films.SIZE
    id = f"crl/{page.stem}-v0"
    assert films.command(page)[:3] == ["crl-envs", "render", id]


def test_a_film_is_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    page = tmp_path / "tiger.md"
    page.write_text("`crl-envs render crl/tiger-v0 --steps 3 --out tiger.gif`", "utf-8")
    program("world_films").film(page)
    with image.open(tmp_path / "tiger.webp") as film:
        assert film.n_frames == 3
