"""What a report says and shows, for the page and for Markdown alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crl_envs.bench.experiment import one_seed
from crl_envs.bench.report import pictures
from crl_envs.bench.report.pictures import Styles, learning_curves, styles
from crl_envs.bench.score.reading import NO_INTERVAL, sentences
from crl_envs.bench.store import Record
from crl_envs.bench.text import Table, number

Scores = Mapping[str, Any]
NONE: Final = "–"


@dataclass(frozen=True)
class Picture:
    """A picture with what it says.

    Attributes:
        name: Of its file, without the ending.
        png: The picture.
        alt: What can be seen, for those who can't.
        title: What it answers; may be empty.
        caption: How to read it; may be empty.
    """

    name: str
    png: bytes
    alt: str
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """What a report says of one experiment.

    Attributes:
        id: Of the experiment.
        title: One line.
        knob: What was varied.
        unit: Of samples.
        setting: What was varied and when a run has arrived.
        confidence: Of the intervals: ``"95 %"``.
        verdict: Sentences.
        learners: Names, best first.
        board: The leaderboard; its second column has the learners.
        bars: IQMs of the board's rows, for a bar beside them.
        pictures: Over the knob, and profiles.
        curves: Learning curves, one a value.
        improvement: Probability that the row's learner scores higher than the column's; None on the diagonal and where
            two have no value in common.
        samples: Samples-to-ε by learner and value; None where they mean nothing.
        scores: Scores by learner and value.
        runs: Rows of the table of runs.
    """

    id: str
    title: str
    knob: str
    unit: str
    setting: str
    confidence: str
    verdict: Sequence[str]
    learners: Sequence[str]
    board: Table
    bars: Sequence[float]
    pictures: Sequence[Picture]
    curves: Sequence[Picture]
    improvement: Sequence[Sequence[float | None]]
    samples: Table | None
    scores: Table
    runs: Sequence[RunRow]


@dataclass(frozen=True)
class RunRow:
    """A run in the table of runs.

    Attributes:
        id: Of the run.
        cells: What the columns say of it: `RUN_COLUMNS`, or `UNFINISHED_COLUMNS`.
        status: Its status.
        error: Its traceback, if it has one.
    """

    id: str
    cells: Sequence[str]
    status: str
    error: str | None


@dataclass(frozen=True)
class Content:
    """All of a report.

    Attributes:
        title: Of the report.
        counts: How much there is of what, in a line.
        overview: The leaderboard over all experiments; None where there is one or none.
        sections: One an experiment.
        unfinished: Runs that aren't done.
        unfinished_counts: How many of them have which status.
        complaints: About files that were set aside.
        resume: The command that goes on with the sweep.
        provenance: What the runs were made with: names and values.
        styles: Of the learners.
    """

    title: str
    counts: str
    overview: Table | None
    sections: Sequence[Section]
    unfinished: Sequence[RunRow]
    unfinished_counts: str
    complaints: Sequence[str]
    resume: str
    provenance: Sequence[tuple[str, str]]
    styles: Styles


RUN_COLUMNS: Final = (
    "value",
    "learner",
    "seed",
    "status",
    "evaluations",
    "score",
    "samples to ε",
    "seconds",
)
UNFINISHED_COLUMNS: Final = ("status", "evaluations", "score", "seconds")


def content(
    title: str,
    scores: Scores,
    records: Sequence[Record],
    complaints: Sequence[str],
    command: str,
    resume: str,
) -> Content:
    """Return what a report says.

    Args:
        title: Of the report.
        scores: As `crl_envs.bench.score.results.sweep_scores` gives them for the records.
        records: All runs.
        complaints: Sentences about files that were set aside.
        command: What the runs were made with.
        resume: The command that goes on with the sweep.
    """
    ordered = sorted(records, key=lambda record: str(record.id))
    look = styles(entry["learner"] for entry in scores["leaderboard"])
    unfinished = _unfinished(scores, ordered)
    return Content(
        title=title,
        counts=_counts(scores, ordered),
        overview=_overview(scores) if len(scores["experiments"]) > 1 else None,
        sections=[_section(scores, id, ordered, look) for id in scores["experiments"]],
        unfinished=unfinished,
        unfinished_counts=", ".join(
            f"{count:,} {status}" for status, count in Counter(r.status for r in unfinished).items()
        ),
        complaints=complaints,
        resume=resume,
        provenance=_provenance(ordered, command),
        styles=look,
    )


def _counts(scores: Scores, records: Sequence[Record]) -> str:
    done = sum(record.status == "done" for record in records)
    parts = [
        _plural(len(scores["leaderboard"]), "learner"),
        _plural(len(scores["experiments"]), "experiment"),
        _plural(len(records), "run"),
    ]
    unfinished = len(records) - done
    return ", ".join(parts) + (f", {unfinished} of them unfinished" if unfinished else "")


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _overview(scores: Scores) -> Table:
    ids = list(scores["experiments"])
    rows = []
    for entry in scores["leaderboard"]:
        cells = []
        for id in ids:
            of = entry["experiments"][id]
            cells.append(
                NONE
                if of is None
                else f"{_number(of['iqm']['value'])} ({of['rank']} of {of['of']})"
            )
        rows.append([entry["learner"], _number(entry["iqm"]), *cells])
    return Table(["learner", "mean IQM", *ids], rows)


def _section(scores: Scores, id: str, records: Sequence[Record], look: Styles) -> Section:
    found = scores["experiments"][id]
    standings = {
        entry["learner"]: entry["experiments"][id]
        for entry in scores["leaderboard"]
        if entry["experiments"][id] is not None
    }
    learners = sorted(standings, key=lambda name: (standings[name]["rank"], name))
    values = [str(value) for value in found["values"]]
    has_samples = any(
        value["samples"]
        for learner in found["summary"]["learners"].values()
        for value in learner["values"].values()
    )
    return Section(
        id=id,
        title=found["title"],
        knob=found["knob"],
        unit=found["unit"],
        setting=(
            f"Varied: {found['knob']} ({', '.join(values)}). A run has arrived when its score stays at "
            f"{1 - found['epsilon']:g} or above (0: random, 1: optimum)."
        ),
        confidence=f"{100 * found['summary']['settings']['confidence']:g} %",
        verdict=sentences(found),
        learners=learners,
        board=_board(found, learners, standings),
        bars=[standings[name]["iqm"]["value"] for name in learners],
        pictures=_pictures(id, found, look) if learners else [],
        curves=_curves(scores, id, records, look),
        improvement=_improvement(found, learners),
        samples=_by_value(found, learners, _samples_cell) if has_samples else None,
        scores=_by_value(found, learners, lambda of: _interval(of["score"])),
        runs=[_run_row(scores, run) for run in records if _experiment(run) == id],
    )


def _board(found: Mapping[str, Any], learners: Sequence[str], standings: Scores) -> Table:
    fitted = any(standings[name]["exponent"] is not None for name in learners)
    solved = any(found["summary"]["learners"][name]["solved"] is not None for name in learners)
    header = ["", "learner", "IQM", "optimality gap"]
    header += ["exponent"] if fitted else []
    header += ["solved up to"] if solved else []
    header += ["arrived", "runs"]
    rows = []
    for name in learners:
        of = standings[name]
        one = one_seed(found["summary"]["learners"][name])
        shown = [_interval(of[key], one) for key in ("iqm", "optimality_gap")]
        row = [str(of["rank"]), name, *shown]
        row += [_exponent(of, found["summary"]["learners"][name])] if fitted else []
        row += [NONE if of["largest"] is None else f"{of['largest']:,}"] if solved else []
        rows.append([*row, f"{of['arrived']:.0%}", str(of["runs"])])
    return Table(header, rows)


def _exponent(of: Mapping[str, Any], learner: Mapping[str, Any]) -> str:
    """The exponent; a triangle marks the values that it doesn't speak for."""
    if of["exponent"] is None:
        return NONE
    one = one_seed(learner)
    shown = NONE if of["exponent"]["value"] is None else _interval(of["exponent"], one)
    if one and shown != NONE:
        shown += f" ({NO_INTERVAL})"
    censored, used = of["censored"], learner["exponent"]["runs"]["used"]
    if not censored:
        return shown
    if not used:
        return f"{shown} △ all"
    if len(censored) > 1 and censored[0] > used[-1]:
        return f"{shown} △ ≥ {censored[0]:,}"
    return f"{shown} △ {', '.join(f'{value:,}' for value in censored)}"


def _pictures(id: str, found: Mapping[str, Any], look: Styles) -> list[Picture]:
    knob, unit = found["knob"], found["unit"]
    names = ", ".join(found["summary"]["learners"])
    level = f"{1 - found['epsilon']:g}"
    shown = []
    samples = pictures.samples(found, look)
    if samples is not None:
        shown.append(
            Picture(
                f"{id}-samples",
                samples,
                f"{unit} to a score of {level} against {knob}, for {names}",
                "How much learning it takes",
                f"{unit.capitalize()} until the score stays at {level} or above: the median of the runs with its "
                "bootstrap interval. An open triangle: half of the runs or more didn't get there within their budget, "
                "where it is drawn.",
            )
        )
    shown.append(
        Picture(
            f"{id}-scores",
            pictures.scores(found, look),
            f"score against {knob}, for {names}",
            "How good it gets",
            f"Mean score at the end of the budget, with its interval. Line: the optimum; grey: where it may lie, if "
            f"only bounds of it are known; dotted: {level}.",
        )
    )
    shown.append(
        Picture(
            f"{id}-profiles",
            pictures.profiles(found, look),
            f"performance profiles of {names}",
            "How often it gets how good",
            "Performance profiles: the share of runs that end with a score of at least τ, with its interval.",
        )
    )
    return shown


def _curves(scores: Scores, id: str, records: Sequence[Record], look: Styles) -> list[Picture]:
    found = scores["experiments"][id]
    drawn = pictures.curves(found, learning_curves(scores, id, records), look)
    return [
        Picture(
            f"{id}-curves-{value}",
            png,
            f"learning curves: score against {found['unit']}, {found['knob']} = {value}",
        )
        for value, png in drawn.items()
    ]


def _improvement(found: Mapping[str, Any], learners: Sequence[str]) -> list[list[float | None]]:
    known = {}
    for entry in found["summary"]["improvement"]:
        probability = entry["probability"]["value"]
        known[entry["first"], entry["second"]] = probability
        known[entry["second"], entry["first"]] = 1 - probability
    return [[known.get((row, column)) for column in learners] for row in learners]


def _by_value(found: Mapping[str, Any], learners: Sequence[str], cell: Any) -> Table:
    values = [str(value) for value in found["values"]]
    rows = []
    for name in learners:
        of = found["summary"]["learners"][name]["values"]
        rows.append([name, *(cell(of[value]) if value in of else NONE for value in values)])
    knob = found["knob"]
    return Table(["learner", *(f"{knob} = {value}" for value in values)], rows)


def _samples_cell(of: Mapping[str, Any]) -> str:
    if of["samples"] is None:
        return NONE
    samples = of["samples"]["runs"]
    if samples["value"] is None:
        return f"> {of['budget']:,.0f}"
    if of["runs"] == 1:
        return f"{samples['value']:,.0f}"
    ends = ["∞" if samples[end] is None else f"{samples[end]:,.0f}" for end in ("low", "high")]
    return f"{samples['value']:,.0f} [{', '.join(ends)}]"


def _run_row(scores: Scores, record: Record) -> RunRow:
    found = scores["experiments"][_experiment(record)]
    of = found["runs"].get(str(record.id), {"score": None, "samples": None})
    cells = [
        str(record.id.value),
        record.id.learner,
        str(record.id.seed),
        record.status,
        str(len(record.evaluations)),
        _number(of["score"]),
        NONE if of["samples"] is None else f"{of['samples']:,.0f}",
        _number(seconds(record), 1),
    ]
    return RunRow(str(record.id), cells, record.status, record.error)


def _unfinished(scores: Scores, records: Sequence[Record]) -> list[RunRow]:
    by_id = {str(record.id): record for record in records}
    rows = []
    for found in scores["experiments"].values():
        for entry in found["unfinished"]:
            record = by_id[entry["id"]]
            score = found["runs"].get(entry["id"], {"score": None})["score"]
            made = f"{entry['evaluations']} of {entry['of']}"
            cells = [entry["status"], made, _number(score), _number(seconds(record), 1)]
            rows.append(RunRow(entry["id"], cells, entry["status"], record.error))
    return rows


def _experiment(record: Record) -> str:
    return f"{record.id.experiment}@{record.id.version}"


def _provenance(records: Sequence[Record], command: str) -> list[tuple[str, str]]:
    """The command, what the versions and machines were, most frequent first, and how long it took together."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for name in ("versions", "git_commit", "machine"):
            for part, value in _parts(name, record.provenance.get(name)):
                counts.setdefault(part, Counter())[value] += 1
    rows = [("command", command)]
    for name, values in counts.items():
        ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
        text = ", ".join(
            value if len(ordered) == 1 else f"{value} ({_plural(count, 'run')})"
            for value, count in ordered
        )
        rows.append((name, text))
    times = [found for record in records if (found := seconds(record)) is not None]
    if times:
        rows.append(("time of all runs together", f"{math.fsum(times):,.1f} s"))
    return rows


def _parts(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(str(key), str(part)) for key, part in value.items()]
    return [(name.replace("_", " "), str(value))]


def _number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return NONE
    shown = number(value, digits)
    return shown.lstrip("-") if float(shown) == 0 else shown


def _interval(found: Mapping[str, float | None], one_seed: bool = False) -> str:
    """``value [low, high]``, without an interval where there is none, as of one seed."""
    if one_seed or (found["low"] is None and found["high"] is None):
        return _number(found["value"])
    value, low, high = (_number(found[name]) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def seconds(record: Record) -> float | None:
    """Return the wall time of a run, if its provenance tells."""
    found = record.provenance.get("seconds")
    if isinstance(found, Mapping):
        return float(sum(found.values()))
    return None if found is None else float(found)
