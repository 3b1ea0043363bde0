"""A section of the report, and writing one or several of them to a folder."""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crl_envs.bench.files import writable_folder, write_atomically
from crl_envs.bench.provenance import versions
from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.bench.tables import Table, plain
from crl_envs.core.arguments import check_int, check_seed
from crl_envs.core.backend import resolve_backend


@dataclass(frozen=True)
class Plan:
    """What a section is asked for.

    Attributes:
        seeds: Runs of each configuration.
        seed: Seed of the first.
    """

    seeds: int
    seed: int


@dataclass(frozen=True)
class Section:
    """What a section found.

    Attributes:
        title: Its heading.
        claim: What the paper says, or what is asked.
        verdict: What was found, in a sentence or two.
        table: The numbers.
        notes: How it was measured and what differs, in Markdown.
        picture: PNG.
        csv: The picture's data.
        numbers: For ``summary.json``.
    """

    title: str
    claim: str
    verdict: str
    table: Table
    notes: str
    picture: bytes
    csv: str
    numbers: Mapping[str, Any]


Maker = Callable[[Plan, Watch], Section]


def run_sections(
    name: str, heading: str, makers: Mapping[str, Maker], options: Options, watch: Watch
) -> Outcome:
    """Make sections and write ``SECTION.png`` and ``SECTION.csv`` of each, ``summary.json`` and ``report.md``.

    Raises:
        ValueError: Options out of range, an unwritable folder, or a missing learner.
    """
    if options.iterations is not None:
        raise ValueError(
            f"--iterations doesn't go with {name}: its sections have lengths of their own"
        )
    seeds = check_int("seeds", options.seeds, low=2)
    plan = Plan(seeds, check_seed("seed", options.seed, high=2**64 - 1 - 1000 * seeds))
    out = writable_folder(options.out)
    start = time.perf_counter()
    sections: dict[str, Section] = {}
    seconds: dict[str, float] = {}
    for key, make in makers.items():
        begun = time.perf_counter()
        sections[key] = make(plan, watch)
        seconds[key] = round(time.perf_counter() - begun, 1)
        write_atomically(out / f"{key}.png", sections[key].picture)
        write_atomically(out / f"{key}.csv", sections[key].csv)
    command = [
        *("crl-envs", "reproduce", name, "--seeds", str(seeds), "--seed", str(plan.seed)),
        *("--out", options.out.as_posix()),
    ]
    facts = {
        "command": shlex.join(command),
        "seeds": seeds,
        "seed": plan.seed,
        "backend": resolve_backend("auto"),
        "versions": versions("matplotlib", "scipy"),
        "seconds": {**seconds, "all": round(time.perf_counter() - start, 1)},
    }
    found = {key: {"verdict": s.verdict, **s.numbers} for key, s in sections.items()}
    summary = json.dumps(plain({**facts, "found": found}), indent=2, allow_nan=False)
    write_atomically(out / "summary.json", summary + "\n")
    report = out / "report.md"
    write_atomically(report, write_report(heading, sections, facts))
    if len(sections) == 1:
        only = next(iter(sections.values()))
        return Outcome(report, only.table, only.verdict)
    overview = Table(("section", "verdict"), [(key, s.verdict) for key, s in sections.items()])
    return Outcome(report, overview, f"{len(sections)} sections")


def write_report(heading: str, sections: Mapping[str, Section], facts: Mapping[str, Any]) -> str:
    """The report in Markdown; the heading is a title and, after an empty line, what it is about."""
    listed = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        f"# {heading}",
        *(_written(key, section) for key, section in sections.items()),
        "## How to run it again",
        f"    {facts['command']}",
        f"Measured in {facts['seconds']['all']:.0f} s with {listed}; backend {facts['backend']}. "
        "All numbers are in `summary.json`, the data of each picture in its `.csv`.",
    ]
    return "\n\n".join(parts) + "\n"


def _written(key: str, section: Section) -> str:
    parts = [
        f"## {section.title}",
        f"> {section.claim}",
        f"**{section.verdict}**",
        f"![{section.title}]({key}.png)",
        section.table.markdown(),
        section.notes,
    ]
    return "\n\n".join(part for part in parts if part)


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV; floats with six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
