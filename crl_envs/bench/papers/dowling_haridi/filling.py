"""Figures 6, 11 and 12: total load against steps, how the last loads slow down, and how evenly the load lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    GRADIENT,
    GRADIENTS,
    GRAPHS,
    NEXT,
    PAPERS,
    RANDOM,
    READINGS,
    Policy,
    Run,
    Runs,
    curves,
    fewest_steps,
    mean_steps,
    runs_of,
)
from crl_envs.bench.score.statistics import FloatArray, Interval, positive_interval, t_interval
from crl_envs.bench.text import Table, number, with_interval

LEVELS: Final = (0.5, 0.9, 0.95, 0.98, 1.0)
NEAR: Final = 1.5  # × DP's steps: what "near-optimal" is taken to mean here
KNEE_FROM: Final = (0.90, 0.95, 0.98)
PACES: Final = ((0.5, 0.9), (0.9, 0.92), (0.92, 0.95), (0.95, 0.98), (0.98, 1.0), (0.95, 1.0))
POLICIES: Final = (*PAPERS, NEXT)
LENGTH: Final = 120_000  # steps of the paper's random policy, over which loads are compared
EARLY: Final = 8000  # a step at which the paper's other policies have stored nearly everything
SLOW: Final = 2.0  # × as many steps for a load after 95 % as before: what "slows down sharply" is taken to mean
_PICTURE_POINTS: Final = 600
SHARES: Final = (0.25, 0.5, 0.75, 0.9)  # of the capacity in use, at which loads are compared
_GRID: Final = np.linspace(0, 1, 201)
IN_WORDS: Final = {
    ("grid", RANDOM.label): "~120,000",
    ("grid", DP.label): "near optimal",
    ("grid", DISCRETE.label): "near optimal",
    **{("grid", p.label): "near optimal until ~5 % spare" for p in GRADIENTS},
    ("random", RANDOM.label): "~150,000",
    ("random", DP.label): "does not finish",
    ("random", DISCRETE.label): "very effective",
    **{("random", p.label): "random for the last ~5 %" for p in GRADIENTS},
}
"""What the paper says of the steps, by topology and policy."""


def on_grid(extent: Extent) -> Cases:
    """Declare the paper's policies on the grid."""
    return {p.label: p.runs(extent, every=_every(p)) for p in POLICIES}


def total_load(extent: Extent, found: Recordings) -> Section:
    """Show the total load against steps on the grid."""
    played = runs_of(found)
    best = fewest_steps(topology="grid", instance_seed=0)
    table = Table(
        ("grid", "steps to store all", "× DP", *(f"at {level:.0%}" for level in LEVELS[:-1])),
        [_row(policy, played[policy.label], best) for policy in POLICIES],
    )
    knees = {p.label: knee(played[p.label]) for p in READINGS}
    paces = {p.label: pace(played[p.label]) for p in POLICIES}
    verdict = f"{_nearness(played, best)} {knee_verdict(knees)} {pace_verdict(paces)}"
    return Section(
        title="Figure 6: total load against steps, grid",
        claim="“all the policies successfully exploit the available capacity in the system. The random policy "
        "eventually finished after ~120,000 time steps. […] The CRL-discrete policy is also near optimal […] The "
        "CRL-gradient policy is also near optimal until there is roughly 5% capacity left in the system, after which "
        "it performs similar to the random policy.” (§6.1)",
        verdict=verdict,
        table=table,
        notes=_grid_notes(played, knees, paces),
        picture=draw_filling({0: played}),
        csv=filling_csv({0: played}),
        numbers={
            "optimal_steps": best,
            "steps": {label: mean_steps(runs) for label, runs in played.items()},
            "knee": knees,
            "pace": paces,
        },
    )


def on_graphs(extent: Extent) -> Cases:
    """Declare the paper's policies on random graphs."""
    return {
        (graph, policy.label): policy.runs(
            extent, env={"topology": "random", "instance_seed": graph}, every=_every(policy)
        )
        for graph in GRAPHS
        for policy in POLICIES
    }


def total_load_on_graphs(extent: Extent, found: Recordings) -> Section:
    """Show the total load against steps on random graphs."""
    flat = runs_of(found)
    played = {g: {p.label: flat[g, p.label] for p in POLICIES} for g in GRAPHS}
    best = {g: fewest_steps(topology="random", instance_seed=g) for g in GRAPHS}
    rows = []
    for policy in POLICIES:
        cells = [with_interval(mean_steps(played[g][policy.label]), 0) for g in GRAPHS]
        rows.append([policy.label, *cells, IN_WORDS["random", policy.label]])
    header = ("random graph", *(f"instance {g}" for g in GRAPHS), "paper")
    every = {p.label: [r for g in GRAPHS for r in played[g][p.label]] for p in POLICIES}
    knees = {p.label: knee(every[p.label]) for p in READINGS}
    paces = {label: pace(runs) for label, runs in every.items()}
    ratios = [np.mean([run.length for run in played[g][DISCRETE.label]]) / best[g] for g in GRAPHS]
    verdict = (
        f"CRL-discrete takes {min(ratios):.2f}–{max(ratios):.2f} × DP's steps over {len(GRAPHS)} graphs. "
        f"{knee_verdict(knees)} {pace_verdict(paces)}"
    )
    return Section(
        title="Figure 12: total load against steps, random graphs",
        claim="“the CRL-Discrete policy is very effective at exploiting all available load in the system, while the "
        "CRL-Gradient policy again becomes a roughly random policy for the last ~5% spare capacity […] The Random "
        "Policy […] terminated at time step ~150,000.” The DP policy “does not finish, due to the presence of "
        "cycles”. (§6.2)",
        verdict=verdict,
        table=Table(header, rows),
        notes="DP here keeps a set of visited agents, so it finishes on any graph. The paper draws one graph; "
        "how long the "
        "random policy takes depends on which. Temperature .85.\n\n"
        f"{knee_table(knees).markdown()}\n\n{pace_table(paces).markdown()}\n\n{_readings()}",
        picture=draw_filling(played),
        csv=filling_csv(played),
        numbers={
            "optimal_steps": best,
            "steps": {
                f"{g}/{label}": mean_steps(runs)
                for g, by in played.items()
                for label, runs in by.items()
            },
            "knee": knees,
            "pace": paces,
        },
    )


def knee(runs: Sequence[Run]) -> dict[str, Interval]:
    """Return the steps that it takes to get from one share of the capacity to the next."""
    return {between(*ends): positive_interval(_spans(runs, *ends)) for ends in pairwise(KNEE_FROM)}


def pace(runs: Sequence[Run]) -> dict[str, Interval]:
    """Return the steps that a load takes between two shares of the capacity."""
    loads = float(runs[0].capacity.sum())
    return {
        between(low, high): positive_interval(_spans(runs, low, high) / ((high - low) * loads))
        for low, high in PACES
    }


def between(low: float, high: float) -> str:
    """Return two shares as words."""
    return f"{low:.0%}–{high:.0%}"


def _spans(runs: Sequence[Run], low: float, high: float) -> FloatArray:
    """Return the steps from one share of the capacity to another, ``float64[runs]``."""
    loads = [run.capacity.sum() for run in runs]
    return np.array(
        [r.when(high * c) - r.when(low * c) for r, c in zip(runs, loads, strict=True)], np.float64
    )


def pace_verdict(paces: Mapping[str, Mapping[str, Interval]]) -> str:
    """Say how many steps a load takes in the last 5 %: CRL's, under both readings, and the random policy's."""
    last = {label: found[between(*PACES[-1])].value for label, found in paces.items()}
    said = ", ".join(f"{p.label} {number(last[p.label], 0)}" for p in (*READINGS, RANDOM))
    return f"Steps a load in the last 5 %: {said}."


def pace_table(paces: Mapping[str, Mapping[str, Interval]]) -> Table:
    """Return the steps a load with intervals."""
    spans = [between(*ends) for ends in PACES]
    rows = [[label, *(with_interval(found[s], 1) for s in spans)] for label, found in paces.items()]
    return Table(("steps a load", *spans), rows)


def sharpness(spans: Mapping[str, Interval]) -> float:
    """Return how many times as many steps a load takes after 95 % as before."""
    before, after = (
        span.value / (high - low)
        for span, (low, high) in zip(spans.values(), pairwise(KNEE_FROM), strict=True)
    )
    return after / before


def knee_verdict(knees: Mapping[str, Mapping[str, Interval]]) -> str:
    """Say whether each model slows down after 95 %, by steps a load."""
    said = []
    for label, spans in knees.items():
        factor = sharpness(spans)
        word = "slows down sharply" if factor >= SLOW else "doesn't slow down sharply"
        said.append(f"{label} {word} at 95 % full: × {factor:.1f} steps a load")
    return "; ".join(said) + "."


def knee_table(knees: Mapping[str, Mapping[str, Interval]]) -> Table:
    """Return the spans with intervals."""
    spans = list(next(iter(knees.values())))
    rows = [[label, *(with_interval(found[s], 0) for s in spans)] for label, found in knees.items()]
    return Table(("steps it takes", *spans), rows)


def _nearness(played: Runs, best: int) -> str:
    said = []
    for policy in READINGS:
        ratio = float(np.mean([run.length for run in played[policy.label]])) / best
        word = "near-optimal" if ratio <= NEAR else "not near-optimal"
        said.append(f"{policy.label} {ratio:.2f} × DP's {best:,} steps ({word})")
    full = all(run.finished for runs in played.values() for run in runs)
    everything = "all policies store all loads" if full else "not every run stored all loads"
    return f"{', '.join(said)}; {everything}."


def _row(policy: Policy, runs: Sequence[Run], best: int) -> list[str]:
    steps = mean_steps(runs)
    levels = [
        np.mean([run.when(level * run.capacity.sum()) for run in runs]) for level in LEVELS[:-1]
    ]
    return [
        policy.label,
        with_interval(steps, 0),
        number(steps.value / best, 2),
        *(number(float(level), 0) for level in levels),
    ]


def _grid_notes(
    played: Runs,
    knees: Mapping[str, Mapping[str, Interval]],
    paces: Mapping[str, Mapping[str, Interval]],
) -> str:
    rows = []
    for policy in POLICIES:
        steps = with_interval(mean_steps(played[policy.label]), 0)
        rows.append([policy.label, steps, IN_WORDS["grid", policy.label]])
    table = Table(("grid", "steps here", "paper"), rows)
    return (
        f"{table.markdown()}\n\n{knee_table(knees).markdown()}\n\n{pace_table(paces).markdown()}\n\n"
        "Intervals: Student's t over seeds on a logarithmic scale, 95 %. The paper prints curves; its numbers are the "
        f"words quoted. {_readings()} The paper's grid is a circulant graph: agent i hands loads on to i + 1 … i + 9, "
        "modulo 50, a ring with chords rather than a lattice; pictures of this world draw it as a ring."
    )


def _readings() -> str:
    return (
        f"The two gradient models read Table 1's MinQ / (2 · (capacity − load)) differently: in {GRADIENT.label} a "
        "store costs by the room that it leaves, so an agent with one place left is worth −100; "
        f'in {NEXT.label}, `spare="next"`, by the room that the next one would leave, so it is worth MinQ: it looks '
        "full, and loads find it by chance. With 20 places one is the paper's 5 %. The price of that reading: loads "
        "slow down from 90 % on, before the paper's 95 %."
    )


def _every(policy: Policy) -> int:
    return 250 if policy is RANDOM else 10


def styles() -> dict[str, dict[str, Any]]:
    """Return the colours and dashes of the paper's policies."""
    from crl_envs.bench.report.pictures import BLUE, GREEN, GREY, PURPLE, VERMILLION

    colors = (GREY, GREEN, BLUE, VERMILLION, PURPLE)
    dashes: tuple[Any, ...] = ("-.", ":", "-", (0, (6, 1.2)), (0, (3, 1, 1, 1)))
    return {
        p.label: {"color": c, "linestyle": d}
        for p, c, d in zip(POLICIES, colors, dashes, strict=True)
    }


def draw_filling(played: Mapping[int, Runs]) -> bytes:
    """Draw the stored loads, means and ranges over seeds. Left: the CRL policies' time scale; right: logarithmic."""
    from crl_envs.bench.report.pictures import as_png, new_figure

    looks = styles()
    figure, (left, right) = new_figure(2)
    longest = max(run.length for by in played.values() for runs in by.values() for run in runs)
    slow = max(run.length for by in played.values() for p in GRADIENTS for run in by[p.label])
    grids = (
        np.linspace(0, 1.1 * slow, _PICTURE_POINTS),
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
    """Return every run's samples, thinned to at most 500."""
    rows = []
    for graph, by in played.items():
        for label, runs in by.items():
            for k, run in enumerate(runs):
                stored = run.stored
                step = max(len(stored) // 500, 1)
                keep = [*range(0, len(stored) - 1, step), len(stored) - 1]
                rows += [(graph, label, k, run.steps[m], stored[m]) for m in keep]
    return csv_text(("graph", "policy", "run", "step", "stored"), rows)


def equalisation(extent: Extent, found: Recordings) -> Section:
    """Show the standard deviation of the percentage of capacity used over agents, against steps and at equal fill."""
    played = runs_of(found)
    at = {label: [spread_at(runs, share) for share in SHARES] for label, runs in played.items()}
    times = {label: equal_time(runs, played[RANDOM.label]) for label, runs in played.items()}
    rows = [
        [
            p.label,
            *(with_interval(x, 2) for x in times[p.label][:2]),
            "–" if p is RANDOM else f"{times[p.label].below:.0%}",
            *(with_interval(x, 1) for x in at[p.label]),
        ]
        for p in POLICIES
    ]
    header = (
        "points of % load",
        f"mean over {LENGTH:,} steps",
        f"at step {EARLY:,}",
        "below random, of the time",
        *(f"at {s:.0%} stored" for s in SHARES),
    )
    return Section(
        title="Figure 11: equalisation, grid",
        claim="“The CRL and DP policies are more exploitative and tend to fill agents capacities sequentially from "
        "agent 0, leading to suboptimal load equalization, but they still compare favorably with the Random policy. "
        "The measure […] is the standard deviation of agent loads from the mean agent load (in terms of percentage "
        "of capacity used)”. (§6.1)",
        verdict=equalisation_verdict(times, {label: found[1] for label, found in at.items()}),
        table=Table(header, rows),
        notes="Lower is more even. Over steps, the axis of Figures 6 to 10, a policy that has stored everything is "
        "even from then on, and the random policy only in the end; over the share stored, policies are compared at "
        "the same amount of load. In their first steps the exploitative policies are less even on both axes.",
        picture=draw_spread(played),
        csv=_spread_csv(played),
        numbers={
            "shares": SHARES,
            "spread": at,
            "over_time": {label: time._asdict() for label, time in times.items()},
        },
    )


class EqualTime(NamedTuple):
    """How even the loads are over time.

    Attributes:
        mean: Over `LENGTH` steps, in points; a run that has ended stays as it is.
        early: At step `EARLY`.
        below: Share of these steps in which the mean over runs is below the random policy's.
    """

    mean: Interval
    early: Interval
    below: float


def equal_time(runs: Sequence[Run], rivals: Sequence[Run]) -> EqualTime:
    """Return how even the loads are over time, beside the random policy's runs."""
    grid = np.arange(0.0, LENGTH + 1, 10)
    mine = curves(runs, grid, spread)
    below = mine.mean(axis=0) < curves(rivals, grid, spread).mean(axis=0)
    early = mine[:, int(np.searchsorted(grid, EARLY))]
    return EqualTime(_points(mine.mean(axis=1)), _points(early), float(below.mean()))


def _points(samples: FloatArray) -> Interval:
    """Return a mean of standard deviations with its interval, which ends at 0 at the least; many may be 0."""
    mean, low, high = t_interval(samples)
    return Interval(mean, max(low, 0.0), high)


def spread(run: Run) -> FloatArray:
    """Return ``float64[M]``: standard deviation over agents of the percentage of capacity used."""
    percent = 100 * run.load / run.capacity
    return np.asarray(percent.std(axis=1))


def _by_share(runs: Sequence[Run]) -> FloatArray:
    """``float64[runs, 201]``: the spread against the share of the capacity in use."""
    return np.stack(
        [np.interp(_GRID, run.stored / run.capacity.sum(), spread(run)) for run in runs]
    )


def spread_at(runs: Sequence[Run], share: float) -> Interval:
    """Return the spread when that share of the capacity is in use."""
    return _points(_by_share(runs)[:, round(share * (_GRID.size - 1))])


def equalisation_verdict(times: Mapping[str, EqualTime], half: Mapping[str, Interval]) -> str:
    """Say whether the exploitative policies compare favourably with the random one: over time, and at 50 % stored."""
    rivals = [p.label for p in POLICIES if p is not RANDOM and p.label in times]
    over_time = {label: times[label].mean for label in times}
    return f"Over {LENGTH:,} steps {_compared(over_time, rivals, 2)}. At 50 % stored {_compared(half, rivals, 0)}."


def _compared(found: Mapping[str, Interval], rivals: Sequence[str], digits: int) -> str:
    base, said = found[RANDOM.label], []
    for label in rivals:
        better, worse = found[label].high < base.low, found[label].low > base.high
        word = "more even than" if better else "less even than" if worse else "as even as"
        said.append(f"{label} ({number(found[label].value, digits)} points) {word} random")
    holds = all(found[label].low <= base.high for label in rivals)
    outcome = "the claim holds" if holds else "it doesn't hold"
    return f"(random: {number(base.value, digits)} points) {outcome}: {', '.join(said)}"


def draw_spread(played: Runs) -> bytes:
    """Draw the spread against steps, and against the share stored."""
    from crl_envs.bench.report.pictures import as_png, band, new_figure

    figure, (left, right) = new_figure(2)
    grid = np.linspace(0, LENGTH, 1201)
    for label, style in styles().items():
        band(left, curves(played[label], grid, spread), grid / 1000, label=label, **style)
        band(right, _by_share(played[label]), 100 * _GRID, **style)
    left.set(
        title="at equal time",
        xlabel="thousands of steps",
        ylabel="std. of % load over agents",
        xlim=(0, LENGTH / 1000),
    )
    right.set(title="at equal fill", xlabel="% of all capacity in use", xlim=(0, 100))
    left.set_ylim(bottom=0)
    left.legend(loc="upper right")
    return as_png(figure)


def _spread_csv(played: Runs) -> str:
    rows = []
    for label, runs in played.items():
        for k, curve in enumerate(_by_share(runs)):
            rows += [(label, k, float(x), float(y)) for x, y in zip(_GRID, curve, strict=True)]
    return csv_text(("policy", "run", "share_stored", "spread"), rows)


FIGURE_6: Final = Figure(on_grid, total_load)
FIGURE_11: Final = Figure(on_grid, equalisation)
FIGURE_12: Final = Figure(on_graphs, total_load_on_graphs)
