"""Beyond the paper: several loads in flight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import (
    DISCRETE,
)
from crl_envs.bench.reproductions.dowling.sweep import (
    CLEAR_NOTE,
    HEURISTICS_NOTE,
    MOST_STEPS,
    POLICIES,
    RIVALS,
    Curves,
    by_policy,
    cell,
    delegations,
    draw_curves,
    messages_of,
    others,
    plain_curves,
    standings,
    steps_of,
)
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number

IN_FLIGHT: Final = (1, 5, 20, 50)


def in_flight(plan: Plan, watch: Watch) -> Section:
    """Several loads in flight on the grid."""
    tasks = {
        (p.label, most): seeds_of(
            p,
            plan.seed,
            plan.seeds,
            env={"max_in_flight": most, "max_steps": MOST_STEPS},
            every=0,
        )
        for p in POLICIES
        for most in IN_FLIGHT
    }
    played = play_table(tasks, watch, "in flight")
    steps = by_policy({key: steps_of(runs) for key, runs in played.items()})
    messages = by_policy({key: messages_of(runs) for key, runs in played.items()})
    loads = int(next(iter(played.values()))[0].capacity.sum())
    last = IN_FLIGHT[-1]
    rows = [
        [
            p.label,
            *(cell(steps[p.label][most]) for most in IN_FLIGHT),
            *(_per_load(played[p.label, last], count) for count in (delegations, others)),
            cell(messages[p.label][last], 1),
        ]
        for p in POLICIES
    ]
    header = (
        "steps to store all",
        *(f"{most} in flight" for most in IN_FLIGHT),
        *(f"{name} a load at {last}" for name in ("delegations", "other messages", "all messages")),
    )
    return Section(
        title="Several loads in flight, grid",
        claim="The paper has one load in flight. What if several agents act at once, on values that others are "
        "just changing?",
        verdict=in_flight_verdict(steps, messages),
        table=Table(header, rows),
        notes=f"All loads enter at agent 0, which acts on one load a step: no policy can take fewer than {loads:,} "
        "steps (dotted), and with more in flight loads only queue at the entry. Other messages: CRL's "
        "advertisements, one for each delegation that arrives; the heuristics' questions and answers, "
        f"both count. {HEURISTICS_NOTE} The gradient model differs in its cost model too: it pays for filling an "
        f"agent up. {CLEAR_NOTE}",
        picture=draw_in_flight(steps, messages, loads),
        csv=csv_text(
            ("policy", "in_flight", "run", "steps", "finished", "delegations", "other_messages"),
            [
                (*key, k, r.length, int(r.finished), r.last["messages_sent"], others(r))
                for key, runs in played.items()
                for k, r in enumerate(runs)
            ],
        ),
        numbers={"steps": plain_curves(steps), "messages_per_load": plain_curves(messages)},
    )


def _per_load(runs: Sequence[Run], count: Callable[[Run], int]) -> str:
    return number(float(np.mean([count(run) / max(run.last["loads_in"], 1) for run in runs])), 1)


def in_flight_verdict(steps: Curves, messages: Curves) -> str:
    """Where CRL takes fewer steps, and who sends the fewest messages at the last level."""
    said = standings(steps, DISCRETE, RIVALS, ("fewer steps", "more steps"), lambda m: f"{m}")
    ends = {label: list(curve.values())[-1] for label, curve in messages.items()}
    least = min(ends, key=lambda label: (ends[label].cut, ends[label].mean.value))
    counts = ", ".join(f"{label} {number(m.mean.value, 1)}" for label, m in ends.items())
    level = list(messages[least])[-1]
    return f"{said} Messages a load with {level} in flight: {counts}; the fewest: {least}."


def draw_in_flight(steps: Curves, messages: Curves, loads: int) -> bytes:
    """Steps and messages against loads in flight."""
    from crl_envs.bench.plotting import as_png, new_figure

    figure, (left, right) = new_figure(2, sharey=False)
    for panel, found in ((left, steps), (right, messages)):
        draw_curves(panel, found)
        panel.set(xscale="log", yscale="log", xlabel="most loads in flight")
        panel.set_xticks(IN_FLIGHT, [str(most) for most in IN_FLIGHT])
        panel.minorticks_off()
    left.axhline(loads, color="black", linestyle=":", linewidth=1)
    left.set(ylabel="steps to store all loads", title="steps")
    right.set(ylabel="messages a load", title="delegations, advertisements, questions")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)
