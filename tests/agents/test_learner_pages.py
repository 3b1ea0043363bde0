"""The pages in docs/learners: one for each learner, complete, and true to the code and to what was measured."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import tomllib
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import agents
from agents import Learner

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = DOCS / "learners"
SHARED = {"index", "messages", "callbacks"}
HEADINGS = [
    "Update rule",
    "Source",
    "On which worlds, with which rewards",
    "Example",
    "What it reaches",
    "Known limits",
    "API",
]
MOST_COLUMNS = 82  # what the site shows of plain text without scrolling
MEASURED = "samples to a score of .9, or steps"
CONFIGURED_EVERYWHERE = {"seed", "fused"}  # and in the API

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TARGETS = {
    name: target
    for name, target in PROJECT["entry-points"]["crl_envs.learners"].items()
    if not target.startswith("agents.libraries.")
}
LEARNERS = {name: EntryPoint(name, target, "").load() for name, target in TARGETS.items()}
SPEC = spec_from_file_location("learner_pages", DOCS / "learner_pages.py")
assert SPEC is not None and SPEC.loader is not None
learner_pages = module_from_spec(SPEC)
SPEC.loader.exec_module(learner_pages)
SCORES = json.loads((DOCS / "bench/leaderboard/scores.json").read_text("utf-8"))["experiments"]

every_learner = pytest.mark.parametrize("name", LEARNERS)


# What there is


def test_every_public_learner_has_a_name_and_a_page() -> None:
    public = {getattr(agents, name) for name in agents.__all__}
    classes = {c for c in public if isinstance(c, type) and issubclass(c, Learner)}
    assert set(LEARNERS.values()) >= {c for c in classes if not inspect.isabstract(c)}
    assert {page.stem for page in PAGES.glob("*.md")} == set(LEARNERS) | SHARED


@every_learner
def test_headings_stand_in_their_order(name: str) -> None:
    text = without_code(page(name))
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(re.findall(r"^# .+$", text, re.MULTILINE)) == 1
    for heading in HEADINGS:
        assert section(name, heading).strip(), heading


@every_learner
def test_page_begins_with_name_class_and_idea(name: str) -> None:
    _, names, idea, *_ = page(name).split("\n\n")
    assert names.startswith(f"`{name}`: `{TARGETS[name].replace(':', '.')}`, for ")
    assert len(idea.split()) >= 25 and not idea.startswith("#")


@every_learner
def test_update_rule_has_formulas_and_source_a_year(name: str) -> None:
    blocks = re.findall(
        r"^```(math|text)\n(.+?)^```$", section(name, "Update rule"), re.DOTALL | re.MULTILINE
    )
    assert blocks
    plain = [line for kind, block in blocks if kind == "text" for line in block.splitlines()]
    assert max(map(len, plain), default=0) <= MOST_COLUMNS
    source = section(name, "Source")
    assert re.search(r"\b(Bagnell & Ng|Dowling & Haridi)\b.*\(\d{4}\)", source) or (
        re.search(r"\b([Oo]urs|[Oo]ur (own )?addition)\b", source)
        and re.search(r"\(\d{4}\)", source)
    )


@every_learner
def test_example_uses_the_learner(name: str) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```", section(name, "Example"), re.DOTALL | re.MULTILINE
    )
    assert any(re.search(rf"import.*\b{LEARNERS[name].__name__}\b", block) for block in blocks)


# The code


@every_learner
def test_api_pulls_in_class_and_config(name: str) -> None:
    learner = LEARNERS[name]
    pulled = []
    for module, members in re.findall(
        r"^::: (\S+)\n(?:    .*\n)*?      members: \[(.*)\]$", section(name, "API"), re.MULTILINE
    ):
        for member in filter(None, members.split(", ")):
            pulled.append(getattr(importlib.import_module(module), member))
    assert pulled[:2] == [learner, learner.config_class]


@every_learner
def test_settings_are_those_of_the_config(name: str) -> None:
    """The table of symbols has each field once, with its default."""
    table = {
        row["setting"].strip("`"): row["default"].strip("`")
        for row in rows(section(name, "Update rule"), "symbol")
        if row["setting"]
    }
    config = LEARNERS[name].config_class
    fields = {f.name for f in dataclasses.fields(config)} - CONFIGURED_EVERYWHERE
    assert set(table) == fields
    for field, default in table.items():
        given = eval(default, dict(vars(agents)))
        assert config(**{field: given}) == config(), field
        assert type(given) is type(getattr(config(), field)) or field == "exploration", field


@every_learner
def test_no_setting_is_listed_twice(name: str) -> None:
    listed = [row["setting"] for row in rows(section(name, "Update rule"), "symbol")]
    listed = [setting for setting in listed if setting]
    assert len(listed) == len(set(listed))


# What was measured


@every_learner
def test_leaderboard_rows_are_the_shipped_scores(name: str) -> None:
    """Every run of this class that is on the leaderboard is on the page, and with the leaderboard's numbers."""
    expected = {row for variant in variants(name) for row in leaderboard_rows(variant)}
    quoted = {
        line
        for line in section(name, "What it reaches").splitlines()
        if re.match(r"\| `[\w-]+`, `[\w-]+` \|", line)
    }
    assert quoted == expected


@every_learner
def test_other_rows_are_those_of_the_reproductions(name: str) -> None:
    """Under the same row and column in a page of docs/reproductions."""
    known = reproduced_cells()
    for row in rows(section(name, "What it reaches")):
        header, label = next(iter(row.items()))
        if header == "learner, experiment":
            continue
        for column, cell in list(row.items())[1:]:
            assert cell in known.get((header, label, column), ()), (label, column, cell)


@pytest.mark.parametrize("name", [*LEARNERS, "index"])
def test_intervals_in_the_text_were_measured(name: str) -> None:
    sources = [*(DOCS / "reproductions").glob("*.md"), DOCS / "bench" / "leaderboard.md"]
    measured = "\n".join(source.read_text("utf-8") for source in sources)
    text = "\n".join(line for line in page(name).splitlines() if not line.startswith("|"))
    for quoted in re.findall(r"\d+\.\d+ \[[^\]]+\](?!\()", without_code(text)):
        assert quoted in measured


@every_learner
def test_index_names_it(name: str) -> None:
    (row,) = (row for row in index() if row["name, class"].startswith(f"[`{name}`]"))
    assert row["name, class"] == f"[`{name}`]({name}.md)<br>`{LEARNERS[name].__name__}`"


def test_index_lists_nothing_else() -> None:
    assert len(index()) == len(LEARNERS)


@every_learner
def test_exponents_in_the_index_are_the_leaderboards(name: str) -> None:
    """Learners of the bandit on bandit-n, the others on sysadmin-n."""
    (row,) = (row for row in index() if f"({name}.md)" in row["name, class"])
    quoted = dict(re.findall(r"(?:(\w+): )?n\^(-?[\d.]+ \[[^\]]+\])", row[MEASURED]))
    experiment = "bandit-n@1" if row["worlds"] == "bandit" else "sysadmin-n@1"
    expected = {}
    for variant in variants(name):
        scores = SCORES[experiment]["summary"]["learners"].get(variant)
        if scores and scores["exponent"]["runs"]["power"]["value"] is not None:
            ending = variant.removeprefix(name).removeprefix("-")
            expected[ending] = interval(scores["exponent"]["runs"]["power"], ".2f")
    assert quoted == expected


STEPS = {  # header of the first column, row and column
    "crl": ("", "CRL-discrete", "grid: steps to store all"),
    "dvf": ("", "distributed value functions", "grid: steps to store all"),
    "independent-q": ("", "independent Q-learning", "grid: steps to store all"),
    "ant-colony": ("", "ant colony", "grid: steps to store all"),
    "random": ("", "random", "grid: steps to store all"),
    "breadth-first": ("grid", "DP (breadth-first)", "steps to store all"),
    "shortest-queue": ("steps to store all", "two choices", "1 in flight"),
}


def test_steps_in_the_index_are_those_of_the_reproductions() -> None:
    known, found = reproduced_cells(), {}
    for row in index():
        for steps in re.findall(r"(\S+ \[[^\]]+\]) steps", row[MEASURED]):
            found[row["name, class"].split("`")[1]] = steps
    assert set(found) == set(STEPS)
    assert all(steps in known[STEPS[name]] for name, steps in found.items())


# Reading the pages


def page(name: str) -> str:
    """What is read of a page: all but the lines at the top that say where it is listed."""
    text = (PAGES / f"{name}.md").read_text("utf-8")
    return re.sub(r"\A---\n.*?\n---\n\n", "", text, flags=re.DOTALL)


def index() -> list[dict[str, str]]:
    """The table of all learners, which `docs/tables.py` puts together of what the pages say."""
    return rows((PAGES / "index.md").read_text("utf-8"), "name, class")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(name: str, heading: str) -> str:
    """The text between a heading and the next of its rank; "" where it is missing."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page(name), re.DOTALL | re.MULTILINE
    )
    return found[1] if found else ""


def rows(text: str, first: str | None = None) -> list[dict[str, str]]:
    """Rows of all tables, or of those whose first column has this header, by column."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", without_code(text) + "\n", re.MULTILINE):
        head, rule, *body = (cells(line) for line in table.splitlines())
        assert all(re.fullmatch(r":?-+:?", cell) for cell in rule), table
        if first in (None, head[0]):
            found += [dict(zip(head, row, strict=True)) for row in body]
    return found


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def reproduced_cells() -> dict[tuple[str, str, str], set[str]]:
    """By the header of the first column, row and column."""
    known: dict[tuple[str, str, str], set[str]] = {}
    for path in (DOCS / "reproductions").glob("*.md"):
        for row in rows(path.read_text("utf-8")):
            (header, label), *others = row.items()
            for column, cell in others:
                known.setdefault((header, label, column), set()).add(cell)
    return known


def variants(name: str) -> list[str]:
    """The names under which a class is on the leaderboard."""
    from crl_envs.bench.learners import PRESETS

    return [name, *(preset for preset, (source, _) in PRESETS.items() if source == name)]


def leaderboard_rows(variant: str) -> list[str]:
    found = []
    for id, experiment in SCORES.items():
        scores = experiment["summary"]["learners"].get(variant)
        if scores is None:
            continue
        head = f"| `{variant}`, `{id.split('@')[0]}` | {interval(scores['aggregates']['iqm'], '.3f')} |"
        if scores["exponent"] is None:
            found.append(f"{head} {scores['arrived']:.0%} |".replace("%", " %"))
            continue
        largest, last = list(scores["values"].items())[-1]
        samples = interval(last["samples"]["runs"], ",.0f")
        reached = f"{samples} at n = {largest}" if samples != "–" else "not within the budget"
        found.append(f"{head} {interval(scores['exponent']['runs']['power'], '.2f')} | {reached} |")
    return found


def interval(found: dict[str, Any], form: str) -> str:
    if found["value"] is None:
        return "–"
    return "{} [{}, {}]".format(*(format(found[key], form) for key in ("value", "low", "high")))
