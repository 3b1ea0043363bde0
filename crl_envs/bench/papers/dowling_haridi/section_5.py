"""What §5 describes beside the setting of the experiments: states, removal and rediscovery, a load's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.runs import (
    MODELS,
    Run,
    Runs,
    curves,
    mean_steps,
    numbered,
    runs_of,
)
from crl_envs.bench.papers.dowling_haridi.variants import Change, steps_cell
from crl_envs.bench.score.statistics import Interval, positive_interval
from crl_envs.bench.text import Table, number, with_interval

MOST_STEPS: Final = 40_000
AT: Final = 20_000  # a step at which the stored loads are counted
_REMOVED: Final = "removal (§5.3)"
_REMOVAL: Final = {"decay_rate": 0.01, "drop_below": -200.0}
_AGAIN: Final = {"discovery": "all", "discover": "again"}
_STATES: Final = {"states": "observation"}
MEANS: Final[Mapping[str, Change]] = {
    "one state": Change("states (§5.1)"),
    "several states": Change("states (§5.1)", _STATES),
    "connected states": Change("states (§5.1)", {**_STATES, "connected_states": True}),
    "connected states, latest P": Change(
        "states (§5.1)", {**_STATES, "connected_states": True, "transition_rate": 1.0}
    ),
    "removal": Change(_REMOVED, _REMOVAL),
    "removal, strangers found": Change(_REMOVED, _REMOVAL, {"discovery": "all"}),
    "removal, anybody found again": Change(_REMOVED, _REMOVAL, _AGAIN),
    "the same, three slots": Change(_REMOVED, _REMOVAL, {**_AGAIN, "discovery_slots": 3}),
    "memory": Change("memory (§5.6)", env={"memory": True}),
    "memory, least recent": Change("memory (§5.6)", env={"memory": "least_recent"}),
}


def runs_of_section_5(extent: Extent) -> Cases:
    """Declare runs of both models with each of the means."""
    return {
        (name, model.label): model.having(**change.config).runs(
            extent, env={**change.env, "max_steps": MOST_STEPS}, every=100
        )
        for name, change in MEANS.items()
        for model in MODELS
    }


def section_5(extent: Extent, found: Recordings) -> Section:
    """Show steps, loads and messages of both models with each of the means."""
    played = runs_of(found)
    steps = {key: mean_steps(runs) for key, runs in played.items()}
    stored = {key: _counted([_stored(run) for run in runs]) for key, runs in played.items()}
    sent = {key: _counted([_sent(run) for run in runs]) for key, runs in played.items()}
    rows = []
    for name, change in MEANS.items():
        cells = []
        for model in MODELS:
            key = (name, model.label)
            cells += [
                steps_cell(played[key], steps[key]),
                number(stored[key].value, 0),
                with_interval(sent[key], 1),
            ]
        rows.append([f"{name}: `{change.name}`", *cells])
    header = (
        "grid",
        *(
            f"{model.label}{what}"
            for model in MODELS
            for what in (", steps", f", loads at step {AT:,}", ", messages a load")
        ),
    )
    return Section(
        title="What §5 has beside the experiments",
        claim="“agents can also asynchronously advertise to their neighbors updates to the V-values of their connected "
        "states” (§5.2); “The decay model allows agents to remove non-contactable agents from their set of neighbors "
        "when a cost threshold is reached” (§5.3); “A discovery action that finds a new neighbor adds a new delegation "
        "action” (§5); “The DOP memory can ensure that DOPs do not traverse loops” (§5.6). What does each do here?",
        verdict=_verdict(played, steps, stored),
        table=Table(header, rows),
        notes="States are the sixteen rows of an agent's observation, each component below or above its middle. "
        "Connected states: the cache holds a value for each state of a neighbour. Removal: who has decayed to MinQ "
        "leaves the view. Strangers are agents for whom there is no slot; found again is also who has been removed, "
        "and where no slot is free one gives way. Memory: a load goes where it has been only if it has been with all "
        "neighbours; least recent: it then goes to the one that it left first. Messages are delegations, discoveries "
        "and advertisements for each stored load. ≥: not every run "
        f"stored everything within {MOST_STEPS:,} steps.",
        picture=draw_section_5(played),
        csv=csv_text(
            ("means", "policy", "run", "steps", "finished", f"stored_at_{AT}", "messages_a_load"),
            [
                (*at, run.length, int(run.finished), _stored(run), _sent(run))
                for at, run in numbered(played)
            ],
        ),
        numbers={
            "steps": {"/".join(key): x for key, x in steps.items()},
            "stored": {"/".join(key): x for key, x in stored.items()},
            "messages": {"/".join(key): x for key, x in sent.items()},
        },
    )


def _counted(values: list[float]) -> Interval:
    return positive_interval(np.array(values, np.float64))


def _stored(run: Run) -> float:
    return float(np.interp(AT, run.steps, run.stored))


def _sent(run: Run) -> float:
    """Return the messages of all kinds for each stored load: delegations, discoveries and advertisements."""
    sent = run.last["messages_sent"] + run.last["advertisements_sent"]
    return float(sent) / max(int(run.stored[-1]), 1)


def _verdict(played: Runs, steps: Mapping[Any, Interval], stored: Mapping[Any, Interval]) -> str:
    """Say which of the means store everything, and by which factor they change the steps."""
    said = []
    for model in MODELS:
        base = steps[next(iter(MEANS)), model.label].value
        words = []
        for name in list(MEANS)[1:]:
            key = (name, model.label)
            if all(run.finished for run in played[key]):
                words.append(f"{name} × {steps[key].value / base:.2f}")
            else:
                words.append(f"{name} {stored[key].value:,.0f} loads by step {AT:,}")
        said.append(f"{model.label}: {', '.join(words)}")
    return f"Steps against those with {next(iter(MEANS))}: {'; '.join(said)}."


def draw_section_5(played: Runs) -> bytes:
    """Draw the stored loads against steps, means over runs: a column a model, removal in the second row."""
    from crl_envs.bench.report import pictures

    base, *others = MEANS
    removal = [name for name in others if MEANS[name].point == _REMOVED]
    rows = [[base, *(name for name in others if name not in removal)], [base, *removal]]
    colors = [
        "black",
        *(getattr(pictures, name) for name in ("BLUE", "VERMILLION", "GREEN", "SKY", "PURPLE")),
    ]
    figure, panels = pictures.new_figure(len(MODELS), rows=len(rows))
    grid = np.linspace(0, MOST_STEPS, 801)
    for k, panel in enumerate(panels):
        row, model = divmod(k, len(MODELS))
        for line, (name, color) in enumerate(zip(rows[row], colors, strict=False)):
            every = curves(played[name, MODELS[model].label], grid, lambda run: run.stored)
            dash = ("-", "--", ":")[line % 3]
            panel.plot(grid, every.mean(axis=0), color=color, linestyle=dash, label=name)
        panel.set(title=MODELS[model].label, xlabel="steps", xlim=(0, MOST_STEPS))
        if model == 0:
            panel.set_ylabel("loads stored")
        else:
            panel.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return pictures.as_png(figure)


SECTION_5: Final = Figure(runs_of_section_5, section_5)
