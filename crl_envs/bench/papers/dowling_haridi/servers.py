"""Figures 7 to 10 and 13: how long each policy takes to find and fill the two servers, and one that is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    GRADIENT,
    MODELS,
    RANDOM,
    Policy,
    Run,
    Runs,
    runs_of,
)
from crl_envs.bench.score.statistics import FloatArray, Interval, t_interval
from crl_envs.bench.text import Table, number, with_interval

SERVERS: Final = (47, 48)
FIGURE_OF: Final = {"fig7": RANDOM, "fig8": DISCRETE, "fig9": GRADIENT, "fig10": DP}
MARKS: Final = (0.01, 0.5, 1.0)  # shares of a server's capacity
VALUES: Final = "values"  # key of the runs whose advertised values are sampled
_VALUE_EVERY: Final = 100
_BINS: Final = np.linspace(0, 100, 41)  # % of all capacity that is spare


def server_runs(name: str, extent: Extent) -> Cases:
    """Declare one policy's runs; for the gradient model also those whose advertised values are sampled."""
    policy = FIGURE_OF[name]
    found = {policy.label: policy.runs(extent, every=100 if policy is RANDOM else 10)}
    if policy is not GRADIENT:
        return found
    few = min(extent.seeds, 5)
    return found | {
        (VALUES, p.label): p.runs(extent, few, every=_VALUE_EVERY, values=True)
        for p in (GRADIENT, DISCRETE)
    }


def fill_servers(name: str, extent: Extent, found: Recordings) -> Section:
    """Show the load at the two servers against steps, for one policy."""
    policy, played = FIGURE_OF[name], runs_of(found)
    runs = played[policy.label]
    marks = {server: server_marks(runs, server) for server in SERVERS}
    rows = [
        [f"server at {server}", *(with_interval(mark, 0) for mark in found)]
        for server, found in marks.items()
    ]
    header = (f"{policy.label}: steps until", "first loads", "half full", "full")
    extra: dict[str, Any] = {}
    notes = (
        "The captions of the paper's Figures 7–10 are not in its stored text; here 7 is the random policy, 8 "
        "CRL-discrete, 9 CRL-gradient (as its text says) and 10 DP. First loads: 1 % of the capacity. Lines: means "
        "over runs; shades: from least to most."
    )
    verdict = server_verdict(policy, runs, marks)
    values = None
    if policy is GRADIENT:
        values = {p.label: np.stack(_binned(played[VALUES, p.label])) for p in (GRADIENT, DISCRETE)}
        gap = value_gap(values[GRADIENT.label])
        verdict += " " + gap_verdict(gap)
        extra["advertised"] = gap
        notes += (
            " Right: the mean value that agents with spare capacity advertise, and those without, against the spare "
            f"capacity of all, sampled every {_VALUE_EVERY} steps; MinQ is −200."
        )
    return Section(
        title=f"Figure {name.removeprefix('fig')}: load at the two servers, {policy.label}",
        claim="“we can see how long the different policies take to discover and exploit the servers”"
        + (
            "; “at 5% spare capacity, the advertised V-Values from neighbors with a spare capacity reach the "
            "MinQValue, and DOPs effectively have to do a random walk to find the agents with spare capacity. This "
            "effect can be seen in Fig. 9.”"
            if policy is GRADIENT
            else ""
        )
        + " (§6.1)",
        verdict=verdict,
        table=Table(header, rows),
        notes=notes,
        picture=draw_servers(policy, runs, values),
        csv=servers_csv(runs),
        numbers={"steps": {s: list(found) for s, found in marks.items()}, **extra},
    )


def server_marks(runs: Sequence[Run], server: int) -> list[Interval]:
    """Return the steps until a server holds each share of its capacity."""
    return [
        t_interval(np.array([_when(run, server, share) for run in runs], np.float64))
        for share in MARKS
    ]


def _when(run: Run, server: int, share: float) -> float:
    reached = run.load[:, server] >= share * run.capacity[server]
    return float(run.steps[int(reached.argmax())]) if reached.any() else float("inf")


def server_verdict(policy: Policy, runs: Sequence[Run], marks: dict[int, list[Interval]]) -> str:
    """Say when the servers are found and full, in parts of the run."""
    length = float(np.mean([run.length for run in runs]))
    first, _, last = (np.mean([found[k].value for found in marks.values()]) for k in range(3))
    return (
        f"{policy.label} finds the servers after {first / length:.0%} of the run ({first:,.0f} steps) and has filled "
        f"them after {last / length:.0%} ({last:,.0f} of {length:,.0f} steps)."
    )


def _binned(runs: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
    """Return mean advertised values in bins of spare capacity, of agents with and without room; NaN for none."""
    spare = np.concatenate([100 - 100 * run.stored[1:] / run.capacity.sum() for run in runs])
    room = np.concatenate([run.load[1:] < run.capacity for run in runs])
    values = np.concatenate([run.values for run in runs])
    place = np.clip(np.digitize(spare, _BINS) - 1, 0, _BINS.size - 2)
    means = []
    for members in (room, ~room):
        sums = np.bincount(place, np.where(members, values, 0.0).sum(axis=1), _BINS.size - 1)
        counts = np.bincount(place, members.sum(axis=1), _BINS.size - 1)
        means.append(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))
    return means[0], means[1]


def value_gap(means: FloatArray) -> dict[str, float]:
    """Return what agents with room advertise with more than half of the capacity spare, and in the last 5 %."""
    centers = (_BINS[:-1] + _BINS[1:]) / 2
    return {
        "early": float(np.nanmean(means[0, centers > 50])),
        "last 5 %": float(np.nanmean(means[0, centers < 5])),
    }


def gap_verdict(gap: dict[str, float]) -> str:
    """Say whether the advertised values of agents with room reach MinQ in the end."""
    late = gap["last 5 %"]
    word = "reach MinQ" if late < -190 else "come near MinQ" if late < -100 else "don't reach MinQ"
    return (
        f"The advertised values of agents with spare capacity {word} in the last 5 %: {number(late, 0)} on average, "
        f"after {number(gap['early'], 0)} while more than half was spare."
    )


def draw_servers(
    policy: Policy, runs: Sequence[Run], values: dict[str, FloatArray] | None
) -> bytes:
    """Load at each server; for the gradient model, advertised values beside it."""
    from crl_envs.bench.report.pictures import BLUE, GREY, VERMILLION, as_png, new_figure

    figure, panels = new_figure(1 if values is None else 2, sharey=False)
    grid = np.linspace(0, max(run.length for run in runs), 400)
    for server, color, dash in zip(SERVERS, (BLUE, VERMILLION), ("-", (0, (6, 1.2))), strict=True):
        every = np.stack([np.interp(grid, run.steps, run.load[:, server]) for run in runs])
        panels[0].fill_between(grid, every.min(0), every.max(0), color=color, alpha=0.15, lw=0)
        mean = every.mean(axis=0)
        panels[0].plot(grid, mean, color=color, linestyle=dash, label=f"server at {server}")
    panels[0].axhline(runs[0].capacity[SERVERS[0]], color="black", linewidth=0.6)
    panels[0].set(
        title=policy.label, xlabel="steps", ylabel="loads stored", xlim=(0, grid[-1]), ylim=(0, 210)
    )
    panels[0].legend(loc="lower right")
    if values is not None:
        centers = (_BINS[:-1] + _BINS[1:]) / 2
        panel = panels[1]
        for label, color in ((GRADIENT.label, VERMILLION), (DISCRETE.label, BLUE)):
            panel.plot(centers, values[label][0], color=color, label=f"{label}, with room")
            panel.plot(
                centers, values[label][1], color=color, linestyle=":", label=f"{label}, full"
            )
        panel.axhline(-200, color=GREY, linewidth=0.8)
        panel.set(
            title="advertised values",
            xlabel="spare capacity, % of all",
            ylabel="mean V",
            xlim=(100, 0),
        )
        panel.legend(loc="lower left", bbox_to_anchor=(0.0, 0.12))
    return as_png(figure)


def servers_csv(runs: Sequence[Run]) -> str:
    """Return the samples of both servers, at most 500 a run."""
    rows = []
    for k, run in enumerate(runs):
        step = max(len(run.steps) // 500, 1)
        for m in range(0, len(run.steps), step):
            rows.append((k, run.steps[m], *(run.load[m, s] for s in SERVERS)))
    return csv_text(("run", "step", *(f"load_{s}" for s in SERVERS)), rows)


LEAST_RUNS: Final = 20
MOST_STEPS: Final = 40_000  # of the whole run; what hasn't happened by then is censored
CAPACITY: Final = 200
WAYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "discovery": {"discovery": "entry_neighbors"},
    "discovery that succeeds 1 time in 20": {
        "discovery": "entry_neighbors",
        "discovery_rate": 0.05,
    },
    "no discovery": {},
}

Waits = FloatArray  # steps after joining, infinite when it didn't happen


def added_runs(extent: Extent) -> Cases:
    """Declare runs in which a server is added when all capacity is used."""
    return {
        (way, model.label): model.runs(
            extent,
            max(extent.seeds, LEAST_RUNS),
            env={
                "topology": "random",
                "join_capacity": CAPACITY,
                "max_steps": MOST_STEPS,
                **arguments,
            },
        )
        for way, arguments in WAYS.items()
        for model in MODELS
    }


def added_server(extent: Extent, found: Recordings) -> Section:
    """Show the load at the added server after it has joined; the entry's neighbours can discover it."""
    played, count = runs_of(found), max(extent.seeds, LEAST_RUNS)
    waits = {key: waits_until(runs, CAPACITY / 2) for key, runs in played.items()}
    first = {key: waits_until(runs, 1) for key, runs in played.items()}
    rows = [
        [f"{model}, {way}", *_wait_cells(first[way, model])[:2], *_wait_cells(waits[way, model])]
        for way, model in played
    ]
    halfway = ("half full: median", "quartiles", "not by the end")
    header = ("steps after joining", "first load: median", "quartiles", *halfway)
    return Section(
        title="Figure 13: a server added at full capacity, random graph",
        claim="“the CRL-discrete policy quickly discovers and exploits the new server, while the CRL-gradient policy "
        "takes a longer time to do so. There was also quite high variation in how long the CRL-gradient policy took” "
        "(§6.2)",
        verdict=added_verdict(waits),
        table=Table(header, rows),
        notes=f"{count} runs each on random graph 0. The server (capacity {CAPACITY}) joins when all 1,360 loads are "
        "stored; nobody's delegations lead to it, and the entry's neighbours get a discovery action in that step. "
        "The paper doesn't say how often a discovery succeeds: always, in the first rows. Without it the server "
        f"can't be found: that is what the last rows show. Runs end after {MOST_STEPS:,} steps. Sampled every 10 "
        "steps.",
        picture=draw_added(played),
        csv=_added_csv(played),
        numbers={
            "half_full": {f"{w}/{m}": sorted(x.tolist()) for (w, m), x in waits.items()},
            "first": {f"{w}/{m}": sorted(x.tolist()) for (w, m), x in first.items()},
        },
    )


def waits_until(runs: Sequence[Run], loads: float) -> Waits:
    """Return the steps from joining until the added server holds that many loads; one a run."""
    return np.array([_wait(run, loads) for run in runs])


def _wait(run: Run, loads: float) -> float:
    joined = _joined(run)
    reached = run.load[:, -1] >= loads
    if joined < 0 or not reached.any():
        return float("inf")
    return float(run.steps[int(reached.argmax())] - run.steps[joined])


def _joined(run: Run) -> int:
    """The first sample in which the founders are full; −1 for none."""
    full = run.load[:, :-1].sum(axis=1) >= run.capacity[:-1].sum()
    return int(full.argmax()) if full.any() else -1


def quartiles(waits: Waits) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile, as order statistics: infinite waits stay infinite."""
    low, middle, high = np.quantile(waits, [0.25, 0.5, 0.75], method="inverted_cdf")
    return float(low), float(middle), float(high)


def _wait_cells(waits: Waits) -> list[str]:
    low, middle, high = quartiles(waits)
    never = int(np.isinf(waits).sum())
    between = (
        "–"
        if np.isinf(low)
        else f"{number(low, 0)}–{'never' if np.isinf(high) else number(high, 0)}"
    )
    return [number(middle, 0), between, f"{never} of {waits.size}"]


def added_verdict(waits: Mapping[tuple[str, str], Waits]) -> str:
    """Say which model is faster, and which varies more, with discovery that always succeeds."""
    way = next(iter(WAYS))
    discrete, gradient = (waits[way, model.label] for model in MODELS)
    (dl, dm, dh), (gl, gm, gh) = quartiles(discrete), quartiles(gradient)
    slower = gm > dm
    wider = gh - gl > dh - dl
    reproduced = "reproduced" if slower and wider else "did not reproduce"
    return (
        f"Half full after {number(dm, 0)} steps (quartiles {number(dl, 0)}–{number(dh, 0)}) with CRL-discrete and "
        f"{number(gm, 0)} ({number(gl, 0)}–{number(gh, 0)}) with CRL-gradient: that gradient is slower and varies "
        f"more {reproduced}."
    )


def draw_added(played: Runs) -> bytes:
    """Draw every run's load at the server, by the ways that can find it."""
    from crl_envs.bench.report.pictures import BLUE, VERMILLION, as_png, new_figure

    ways = [way for way in WAYS if way != "no discovery"]
    figure, panels = new_figure(len(ways))
    for panel, way in zip(panels, ways, strict=True):
        longest = 0.0
        for model, color, dash in zip(MODELS, (BLUE, VERMILLION), ("-", "--"), strict=True):
            for k, run in enumerate(played[way, model.label]):
                joined = _joined(run)
                since = run.steps[joined:] - run.steps[joined]
                name = model.label if k == 0 else None
                panel.plot(
                    since,
                    run.load[joined:, -1],
                    color=color,
                    linestyle=dash,
                    lw=0.7,
                    alpha=0.6,
                    label=name,
                )
                longest = max(longest, float(since[-1]))
        panel.axhline(CAPACITY, color="black", linewidth=0.6)
        panel.set(title=way, xlabel="steps since it joined", xlim=(0, longest), ylim=(0, 210))
    panels[0].set_ylabel("loads at the added server")
    panels[0].legend(loc="lower right")
    return as_png(figure)


def _added_csv(played: Runs) -> str:
    rows = []
    for (way, model), runs in played.items():
        for k, run in enumerate(runs):
            joined = _joined(run)
            last = min(len(run.steps), joined + 500)
            rows += [
                (way, model, k, run.steps[m] - run.steps[joined], run.load[m, -1])
                for m in range(joined, last)
            ]
    return csv_text(("way", "policy", "run", "steps_since_joining", "load"), rows)


FIGURES_7_TO_10: Final = {
    name: Figure(partial(server_runs, name), partial(fill_servers, name)) for name in FIGURE_OF
}
FIGURE_13: Final = Figure(added_runs, added_server)
