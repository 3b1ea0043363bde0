"""Figures 6 and 12: total load against steps, on the grid and on random graphs; and how the last loads slow down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.intervals import Interval, t_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, curves, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import (
    DISCRETE,
    ENV_ID,
    FILLING,
    GRADIENT,
    GRAPHS,
    KNEE,
    PAPERS,
    RANDOM,
    Policy,
)
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval

LEVELS: Final = (0.5, 0.9, 0.95, 0.98, 1.0)
NEAR: Final = 1.5  # × DP's steps: what "near-optimal" is taken to mean here
KNEE_FROM: Final = (0.90, 0.95, 0.98)
SLOW: Final = 2.0  # × as many steps for a load after 95 % as before: what "slows down sharply" is taken to mean
_PICTURE_POINTS: Final = 600

Runs = Mapping[Any, Sequence[Run]]


def fig6(plan: Plan, watch: Watch) -> Section:
    """Total load against steps on the grid."""
    played = play_grid(plan, watch, "grid")
    best = optimal_steps("grid", 0)
    table = Table(
        ("grid", "steps to store all", "× DP", *(f"at {level:.0%}" for level in LEVELS[:-1])),
        [_row(policy, played[policy.label], best) for policy in PAPERS],
    )
    knees = {p.label: knee(played[p.label]) for p in (DISCRETE, GRADIENT)}
    verdict = f"{_nearness(played, best)} {knee_verdict(knees)}"
    return Section(
        title="Figure 6: total load against steps, grid",
        claim="“all the policies successfully exploit the available capacity in the system. The random policy "
        "eventually "
        "finished after ~120,000 time steps. […] The CRL-discrete policy is also near optimal […] The "
        "CRL-gradient policy "
        "is also near optimal until there is roughly 5% capacity left in the system, after which it performs "
        "similar to "
        "the random policy.” (§6.1)",
        verdict=verdict,
        table=table,
        notes=_grid_notes(played, knees),
        picture=draw_filling({0: played}),
        csv=filling_csv({0: played}),
        numbers={
            "optimal_steps": best,
            "steps": {label: steps_interval(runs) for label, runs in played.items()},
            "knee": knees,
        },
    )


def fig12(plan: Plan, watch: Watch) -> Section:
    """Total load against steps on random graphs."""
    keys = [(graph, policy) for graph in GRAPHS for policy in PAPERS]
    tasks = {
        (graph, policy.label): seeds_of(
            policy,
            plan.seed,
            plan.seeds,
            env={"topology": "random", "instance_seed": graph},
            every=_every(policy),
        )
        for graph, policy in keys
    }
    flat = play_table(tasks, watch, "fig12: random graphs")
    played = {g: {p.label: flat[g, p.label] for p in PAPERS} for g in GRAPHS}
    best = {g: optimal_steps("random", g) for g in GRAPHS}
    rows = []
    for policy in PAPERS:
        cells = [with_interval(steps_interval(played[g][policy.label]), 0) for g in GRAPHS]
        known = FILLING["random", policy.label]
        rows.append([policy.label, *cells, known.steps, known.paper])
    header = ("random graph", *(f"instance {g}" for g in GRAPHS), "prototypes", "paper")
    knees = {
        p.label: knee([r for g in GRAPHS for r in played[g][p.label]]) for p in (DISCRETE, GRADIENT)
    }
    ratios = [np.mean([run.length for run in played[g][DISCRETE.label]]) / best[g] for g in GRAPHS]
    verdict = (
        f"CRL-discrete takes {min(ratios):.2f}–{max(ratios):.2f} × DP's steps over {len(GRAPHS)} graphs. "
        f"{knee_verdict(knees)}"
    )
    return Section(
        title="Figure 12: total load against steps, random graphs",
        claim="“the CRL-Discrete policy is very effective at exploiting all available load in the system, while the "
        "CRL-Gradient policy again becomes a roughly random policy for the last ~5% spare capacity […] The "
        "Random Policy "
        "[…] terminated at time step ~150,000.” The DP policy “does not finish, due to the presence of cycles”. "
        "(§6.2)",
        verdict=verdict,
        table=Table(header, rows),
        notes="DP here keeps a set of visited agents, so it finishes on any graph. The paper draws one graph; "
        "how long the "
        "random policy takes depends on which. Temperature .85.\n\n" + knee_table(knees).markdown(),
        picture=draw_filling(played),
        csv=filling_csv(played),
        numbers={
            "optimal_steps": best,
            "steps": {
                f"{g}/{label}": steps_interval(runs)
                for g, by in played.items()
                for label, runs in by.items()
            },
            "knee": knees,
        },
    )


def play_grid(plan: Plan, watch: Watch, what: str) -> dict[str, list[Run]]:
    """The paper's policies on the grid."""
    tasks = {p.label: seeds_of(p, plan.seed, plan.seeds, every=_every(p)) for p in PAPERS}
    return play_table(tasks, watch, what)


def optimal_steps(topology: str, graph: int) -> int:
    """Fewest steps that store all loads."""
    env = crl_envs.make(ENV_ID, topology=topology, instance_seed=graph)
    steps: int = env.unwrapped.optimal_steps()
    return steps


def steps_interval(runs: Sequence[Run]) -> Interval:
    """Mean steps until all loads are stored."""
    return t_interval(np.array([run.length for run in runs], np.float64))


def knee(runs: Sequence[Run]) -> dict[str, Interval]:
    """Steps that it takes to get from one share of the capacity to the next."""
    found = {}
    for low, high in pairwise(KNEE_FROM):
        spans = [
            run.when(high * run.capacity.sum()) - run.when(low * run.capacity.sum()) for run in runs
        ]
        found[f"{low:.0%}–{high:.0%}"] = t_interval(np.array(spans))
    return found


def sharpness(spans: Mapping[str, Interval]) -> float:
    """How many times as many steps a load takes after 95 % as before."""
    before, after = (
        span.value / (high - low)
        for span, (low, high) in zip(spans.values(), pairwise(KNEE_FROM), strict=True)
    )
    return after / before


def knee_verdict(knees: Mapping[str, Mapping[str, Interval]]) -> str:
    """Whether each model slows down after 95 %, by steps a load."""
    said = []
    for label, spans in knees.items():
        factor = sharpness(spans)
        word = "slows down sharply" if factor >= SLOW else "doesn't slow down sharply"
        said.append(f"{label} {word} at 95 % full: × {factor:.1f} steps a load")
    return "; ".join(said) + "."


def knee_table(knees: Mapping[str, Mapping[str, Interval]]) -> Table:
    """Spans with intervals, beside the prototypes'."""
    spans = list(next(iter(knees.values())))
    rows = []
    for label, found in knees.items():
        known = KNEE.get(label, ("–", "–"))
        cells = [f"{with_interval(found[s], 0)} ({k})" for s, k in zip(spans, known, strict=True)]
        rows.append([label, *cells])
    return Table(("steps it takes (prototypes, grid)", *spans), rows)


def _nearness(played: Runs, best: int) -> str:
    said = []
    for policy in (DISCRETE, GRADIENT):
        ratio = float(np.mean([run.length for run in played[policy.label]])) / best
        word = "near-optimal" if ratio <= NEAR else "not near-optimal"
        said.append(f"{policy.label} {ratio:.2f} × DP's {best:,} steps ({word})")
    full = all(run.finished for runs in played.values() for run in runs)
    everything = "all policies store all loads" if full else "not every run stored all loads"
    return f"{', '.join(said)}; {everything}."


def _row(policy: Policy, runs: Sequence[Run], best: int) -> list[str]:
    steps = steps_interval(runs)
    levels = [
        np.mean([run.when(level * run.capacity.sum()) for run in runs]) for level in LEVELS[:-1]
    ]
    return [
        policy.label,
        with_interval(steps, 0),
        number(steps.value / best, 2),
        *(number(float(level), 0) for level in levels),
    ]


def _grid_notes(played: Runs, knees: Mapping[str, Mapping[str, Interval]]) -> str:
    rows = []
    for policy in PAPERS:
        known = FILLING["grid", policy.label]
        cells = (with_interval(steps_interval(played[policy.label]), 0), known.steps, known.paper)
        rows.append([policy.label, *cells])
    table = Table(("grid", "steps here", "prototypes", "paper"), rows)
    return (
        f"{table.markdown()}\n\n{knee_table(knees).markdown()}\n\n"
        "Intervals: Student's t over seeds, 95 %. The paper prints curves; its numbers are the words quoted. A "
        "load's "
        "spare capacity is counted after the store: that makes the gradient model slow down (see the ablations)."
    )


def _every(policy: Policy) -> int:
    return 250 if policy is RANDOM else 10


def styles() -> dict[str, dict[str, Any]]:
    """Colours and dashes of the paper's policies."""
    from crl_envs.bench.plotting import BLUE, GREEN, GREY, VERMILLION

    colors = (GREY, GREEN, BLUE, VERMILLION)
    dashes: tuple[Any, ...] = ("-.", ":", "-", (0, (6, 1.2)))
    return {
        p.label: {"color": c, "linestyle": d}
        for p, c, d in zip(PAPERS, colors, dashes, strict=True)
    }


def draw_filling(played: Mapping[int, Runs]) -> bytes:
    """Left: the CRL policies' time scale; right: all, logarithmic. Means over seeds; shades: from least to most."""
    from crl_envs.bench.plotting import as_png, new_figure

    looks = styles()
    figure, (left, right) = new_figure(2)
    longest = max(run.length for by in played.values() for runs in by.values() for run in runs)
    slow = max(run.length for by in played.values() for run in by[GRADIENT.label])
    grids = (
        np.linspace(0, 1.25 * slow, _PICTURE_POINTS),
        np.geomspace(10, 1.1 * longest, _PICTURE_POINTS),
    )
    for k, by in enumerate(played.values()):
        for label, runs in by.items():
            for panel, grid in zip((left, right), grids, strict=True):
                every = curves(runs, grid, lambda run: run.stored)
                panel.fill_between(
                    grid, every.min(0), every.max(0), color=looks[label]["color"], alpha=0.15, lw=0
                )
                name = label if k == 0 else None
                panel.plot(grid, every.mean(axis=0), label=name, **looks[label])
    total = int(next(iter(next(iter(played.values())).values()))[0].capacity.sum())
    for panel in (left, right):
        panel.axhline(total, color="black", linewidth=0.6)
        panel.set(xlabel="steps", ylim=(0, 1.04 * total))
    left.set(ylabel="loads stored", xlim=(0, grids[0][-1]), title="first steps")
    right.set(xscale="log", xlim=(10, grids[1][-1]), title="all steps, logarithmic")
    left.legend(loc="lower right")
    return as_png(figure)


def filling_csv(played: Mapping[int, Runs]) -> str:
    """Every run's samples, thinned to at most 500."""
    rows = []
    for graph, by in played.items():
        for label, runs in by.items():
            for k, run in enumerate(runs):
                stored = run.stored
                step = max(len(stored) // 500, 1)
                keep = [*range(0, len(stored) - 1, step), len(stored) - 1]
                rows += [(graph, label, k, run.steps[m], stored[m]) for m in keep]
    return csv_text(("graph", "policy", "run", "step", "stored"), rows)
