"""The page "Both papers, claim by claim": every row has its place, its numbers, a command that exists and a verdict."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_gallery import FOLDER, NUMBER, numbers, section

ROOT = Path(__file__).parent.parent
PAGE = (FOLDER / "claims.md").read_text("utf-8")
MEASURED = ("Reproduced", "Under a reading", "Not reproduced")
UNMEASURED = ("Not testable here",)
QUICK = ("radius", "samples", "boltzmann")
SLOW = ("ants", "half_full", "decay", "refreshed", "bootstrap", "stable", "fillings", "timeouts")


class Claim(NamedTuple):
    """A row of one of the two tables."""

    where: str
    says: str
    here: str
    command: str
    verdict: str

    @property
    def kind(self) -> str:
        found = re.match(r"\*\*([^*]+)\*\*", self.verdict)
        return found[1] if found else ""


def claims() -> list[Claim]:
    found = []
    for line in PAGE.splitlines():
        if re.match(r"\| (Abstract|§)", line):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.append(Claim(*(cell.strip() for cell in cells)))
    return found


CLAIMS = claims()
each = pytest.mark.parametrize(
    "claim", [pytest.param(c, id=f"{c.where}: {c.says}") for c in CLAIMS]
)


def named_tests(command: str) -> list[str]:
    return re.findall(r"`pytest (\S+)`", command)


@each
def test_a_row_says_where_what_and_how_it_ended(claim: Claim) -> None:
    assert re.fullmatch(r"Abstract|§\d(\.\d)?(, (footnote|Figs?\.|Figure) \d.*)?", claim.where)
    assert claim.says
    assert claim.kind in (*MEASURED, *UNMEASURED)


@each
def test_no_verdict_without_a_measurement_and_none_is_missing_without_a_reason(
    claim: Claim,
) -> None:
    if claim.kind in MEASURED:
        assert NUMBER.search(claim.here)
        assert claim.command != "–"
    else:
        assert "because" in claim.verdict
    if claim.kind in ("Under a reading", "Not reproduced"):
        assert len(claim.verdict) > len(claim.kind) + 12  # which reading, or why


@each
def test_commands_exist(claim: Claim) -> None:
    papers = pytest.importorskip("crl_envs.bench.papers")
    experiments = pytest.importorskip("crl_envs.bench.experiments")
    known = 0
    for command in re.findall(r"`([^`]+)`", claim.command):
        program, *words = command.split()
        if command.startswith("crl-envs reproduce "):
            papers.find_reproduction(words[1])
        elif command.startswith("crl-envs sweep "):
            assert all(map(experiments.find_experiment, words[1].split(",")))
        elif command.startswith("python -m benchmarks."):
            module = importlib.import_module(words[1])
            assert set(words[2:]) <= set(getattr(module, "TABLES", ()))
        elif command.startswith("python examples/"):
            assert (ROOT / words[0]).is_file()
        else:
            assert program == "pytest"
            path, _, name = words[0].partition("::")
            assert re.search(rf"^(def|class) {name}\b", (ROOT / path).read_text("utf-8"), re.M)
        known += 1
    assert known or claim.command == "–"


@each
def test_numbers_are_those_of_the_pages_that_it_leads_to(claim: Claim) -> None:
    """Or, where a test is what shows it, of the test."""
    links = re.findall(r"\]\(([^)]+)\)", claim.here)
    texts = [section(link) for link in links]
    texts += [
        (ROOT / name.partition("::")[0]).read_text("utf-8") for name in named_tests(claim.command)
    ]
    text = re.sub(r"\[[^]\[]*[a-z§][^]\[]*\]\([^)]+\)", "", claim.here)  # without the links' words
    assert links or named_tests(claim.command) or claim.kind in UNMEASURED
    assert numbers(text) - set().union(*map(numbers, texts)) == set()


@each
def test_its_pages_have_the_command(claim: Claim) -> None:
    pages = "".join(
        (FOLDER / link.partition("#")[0]).read_text("utf-8")
        for link in re.findall(r"\]\(([^)]+)\)", claim.here)
    )
    for name in re.findall(r"`crl-envs reproduce (\S+)`", claim.command):
        assert f"crl-envs reproduce {name}" in pages


def test_verdicts_are_counted() -> None:
    for kind in (*MEASURED, *UNMEASURED):
        row = re.search(rf"^\| \*\*{kind}\*\* \|.*\| (\d+) \|$", PAGE, re.M)
        assert row, kind
        assert int(row[1]) == sum(claim.kind == kind for claim in CLAIMS)


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_tables_are_those_of_the_command(name: str) -> None:
    pytest.importorskip("scipy")
    table = importlib.import_module("benchmarks.claims").TABLES[name]
    assert f"{table.__doc__}\n\n{table().markdown()}\n" in PAGE


def test_the_page_is_linked() -> None:
    docs = ROOT / "docs"
    for page in ("index.md", "findings.md", "reproductions/index.md"):
        assert "claims.md" in (docs / page).read_text("utf-8"), page
    for paper in ("bagnell-ng", "dowling-haridi"):
        assert "../reproductions/claims.md" in (docs / "guide" / f"paper-{paper}.md").read_text(
            "utf-8"
        )
    assert "reproductions/claims.md" in (ROOT / "mkdocs.yml").read_text("utf-8")
