"""The report of a reproduction: a section for each figure, drawn of the runs in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from crl_envs.bench.figure import Cases, Recording, Section
from crl_envs.bench.papers import find_reproduction
from crl_envs.bench.plan import planned_records, read_plan
from crl_envs.bench.store import Record, Store, refusals_named, versions, write_atomically
from crl_envs.bench.text import Table, plain, reason
from crl_envs.core.backend import resolve_backend


class Drawn(NamedTuple):
    """What a reproduction has come to.

    Attributes:
        sections: By figure, of those whose runs are all done.
        waiting: The other figures.
        summary: What ``summary.json`` holds.
        text: What ``report.md`` holds.
        table: For the terminal.
        verdict: Whether the paper's claims showed, in a sentence.
        records: Of the plan's runs that have begun.
        complaints: A sentence for each file that was set aside.
    """

    sections: dict[str, Section]
    waiting: tuple[str, ...]
    summary: dict[str, Any]
    text: str
    table: Table
    verdict: str
    records: list[Record]
    complaints: list[str]


def drawn(folder: Path) -> Drawn:
    """Draw the figures of the reproduction in a folder: the same for the same runs.

    Raises:
        ValueError: No reproduction there, or no figure whose runs are all done.
    """
    plan, store = read_plan(folder), Store(folder)
    assert plan.reproduces is not None
    records, complaints = planned_records(store, plan)
    done = {str(record.id): record for record in records if record.status == "done"}
    sections: dict[str, Section] = {}
    waiting: list[str] = []
    seconds: dict[str, float] = {}
    used: set[str] = set()
    for name, figure in plan.figures().items():
        cases = figure.cases(plan.extent)
        ids = _ids(cases)
        if ids <= done.keys():
            sections[name] = figure.view(plan.extent, _recordings(store, cases, done))
            seconds[name] = _seconds(done[id] for id in ids)
            used |= ids
        else:
            waiting.append(name)
    if not sections:
        failed = [record for record in records if record.status not in ("done", "running")]
        said = f"{str(folder)!r} has no figure whose runs are all done; go on with crl-envs resume {folder}"
        if failed:
            said += f" --retry; {failed[0].id}: {failed[0].status} {reason(failed[0].error)}"
        raise ValueError(said)
    facts = {
        "command": plan.command(folder),
        "seeds": plan.seeds,
        "seed": plan.first_seed,
        **({} if plan.iterations is None else {"iterations": plan.iterations}),
        "backend": resolve_backend("auto"),
        "versions": versions("matplotlib", "scipy"),
        "seconds": {**seconds, "all": _seconds(done[id] for id in used)},
    }
    first = next(iter(sections.values()))
    single = len(sections) == 1 and not waiting
    if single and first.alone is not None:
        summary, text, table = first.alone(facts)
        verdict = summary["verdict"]
    else:
        found = {key: {"verdict": s.verdict, **s.numbers} for key, s in sections.items()}
        summary = plain({**facts, "found": found})
        text = _text(find_reproduction(plan.reproduces).heading(), sections, waiting, facts)
        rows = [(key, s.verdict) for key, s in sections.items()]
        table = first.table if single else Table(("section", "verdict"), rows)
        verdict = first.verdict if single else f"{len(sections)} sections"
    planned = {str(id) for id, _ in plan.runs()}
    begun = [record for record in records if str(record.id) in planned]
    return Drawn(sections, tuple(waiting), summary, text, table, verdict, begun, complaints)


def write_figures(folder: Path, found: Drawn) -> Path:
    """Write ``NAME.png`` and ``NAME.csv`` of each figure, ``summary.json`` and ``report.md``, each in one step.

    Returns:
        Where the report is.

    Raises:
        StoreError: The disk is full, or the folder can't be written in.
    """
    report = folder / "report.md"
    with refusals_named(folder):
        for name, section in found.sections.items():
            write_atomically(folder / f"{name}.png", section.picture)
            write_atomically(folder / f"{name}.csv", section.csv)
        write_atomically(folder / "summary.json", as_json(found.summary))
        write_atomically(report, found.text)
    return report


def as_json(summary: Mapping[str, Any]) -> str:
    """Return a summary as it stands in ``summary.json``."""
    return json.dumps(summary, indent=2, allow_nan=False) + "\n"


def _ids(cases: Cases) -> set[str]:
    return {str(case.id) for some in cases.values() for case in some}


def _recordings(
    store: Store, cases: Cases, done: Mapping[str, Record]
) -> dict[Any, list[Recording]]:
    """Return what the runs have recorded; a run that stands for several is read once."""
    read: dict[str, Recording] = {}

    def recording(id: str) -> Recording:
        if id not in read:
            recorded = done[id].recorded
            assert recorded is not None
            read[id] = Recording(recorded.numbers, store.arrays(done[id]))
        return read[id]

    return {key: [recording(str(case.id)) for case in some] for key, some in cases.items()}


def _seconds(records: Iterable[Record]) -> float:
    return round(sum(float(record.provenance["seconds"]["learn"]) for record in records), 1)


def _text(
    heading: str, sections: Mapping[str, Section], waiting: list[str], facts: Mapping[str, Any]
) -> str:
    listed = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        f"# {heading}",
        *(_written(key, section) for key, section in sections.items()),
        *(
            [f"Not drawn, since not all of its runs are done: {', '.join(waiting)}."]
            * bool(waiting)
        ),
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
