"""Figures of papers: the runs that one is drawn of, and the section of a report that it becomes.

A figure declares its runs as `Case`s. They are made, stored and resumed like those of any sweep
(`crl_envs.bench.sweep`), and the figure is then a view of what they have recorded.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.store import RunId
from crl_envs.bench.text import Table

KNOB: Final = "case"  # as it stands in the ids of these runs
VERSION: Final = 1  # of what is recorded; whatever changes that changes it


class Extent(NamedTuple):
    """How much of a figure is run.

    Attributes:
        seeds: Runs of each configuration.
        seed: Of the first; the others follow.
        iterations: Length of each run, for the figures that let it be chosen; None for the paper's.
    """

    seeds: int
    seed: int
    iterations: int | None = None


class Recording(NamedTuple):
    """What a run leaves.

    Attributes:
        numbers: In JSON's types, all finite.
        arrays: By name, of any dtype but object: curves, samples.
    """

    numbers: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """One run of a figure.

    Attributes:
        paper: First part of its id. Figures of one paper share the runs that they have in common.
        name: Second part: what sets it apart from the paper's other runs of this learner.
        spec: The learner.
        record: Function at the top level of a module that makes the run:
            ``record(spec, seed, columns, **arguments) -> Recording``.
        arguments: Its others, in JSON's types: of the environment, lengths, what is recorded.
        seed: Of the learner and the environment.
        columns: Seeds that are learnt at once, as columns of one vector env: `seed` and those that follow.
        rehearsal: Arguments with which a run takes a moment and needs the same compiled code.
    """

    paper: str
    name: str
    spec: LearnerSpec
    record: Callable[..., Recording]
    arguments: Mapping[str, Any]
    seed: int
    columns: int = 1
    rehearsal: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> RunId:
        """The run's name in its sweep."""
        return RunId(self.paper, VERSION, KNOB, self.name, self.spec.label, self.seed, self.columns)

    def make(self) -> Recording:
        """Make the run."""
        return self.record(self.spec, self.seed, self.columns, **self.arguments)

    def rehearse(self) -> None:
        """Load what the run needs, by one that is thrown away."""
        self.record(self.spec, 0, 1, **{**self.arguments, **self.rehearsal})

    def facts(self) -> dict[str, Any]:
        """Return what the run is, as its record says it."""
        return {
            "recorded_by": self.record.__name__,
            "arguments": dict(self.arguments),
            "learner": {"source": self.spec.source, "config": dict(self.spec.config)},
            "seed": self.seed,
            "columns": self.columns,
        }


def learner(source: str, **config: Any) -> LearnerSpec:
    """Return an installed learner with its arguments, which are part of its label."""
    parts = [f"{name}-{as_word(value)}" for name, value in config.items()]
    return LearnerSpec("_".join([source, *parts]), source, config)


def as_word(value: Any) -> str:
    """Return a value as part of a run's id: everything but letters, digits and . + - becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", str(value)).strip("-") or "none"


@dataclass(frozen=True)
class Section:
    """What a figure shows.

    Attributes:
        title: Its heading.
        claim: What the paper says, or what is asked.
        verdict: What was found, in a sentence or two.
        table: The numbers.
        notes: How it was measured and what differs, in Markdown.
        picture: PNG.
        csv: The picture's data.
        numbers: For ``summary.json``.
        alone: Where the figure has a report of its own when it is drawn by itself: from facts about the runs to what
            ``summary.json`` and ``report.md`` hold, and a table for the terminal.
    """

    title: str
    claim: str
    verdict: str
    table: Table
    notes: str
    picture: bytes
    csv: str
    numbers: Mapping[str, Any]
    alone: Callable[[Mapping[str, Any]], tuple[dict[str, Any], str, Table]] | None = None


Cases = Mapping[Any, Sequence[Case]]  # by whatever the figure looks them up with
Recordings = Mapping[Any, Sequence[Recording]]  # the same


@dataclass(frozen=True)
class Figure:
    """A figure of a paper, or a section beyond it.

    Attributes:
        cases: Its runs.
        view: Draws it of what they have recorded.
    """

    cases: Callable[[Extent], Cases]
    view: Callable[[Extent, Recordings], Section]


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV; floats with six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def arrays_of(recordings: Sequence[Recording], name: str) -> NDArray[Any]:
    """Return an array of several runs, stacked along a new first axis."""
    return np.stack([recording.arrays[name] for recording in recordings])
