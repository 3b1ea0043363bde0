"""Figures 7 to 10: how long each policy takes to find and fill the two servers; Figure 9's advertised values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval, t_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, DP, GRADIENT, RANDOM, Policy
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval

SERVERS: Final = (47, 48)
FIGURE_OF: Final = {"fig7": RANDOM, "fig8": DISCRETE, "fig9": GRADIENT, "fig10": DP}
MARKS: Final = (0.01, 0.5, 1.0)  # shares of a server's capacity
_VALUE_EVERY: Final = 100
_BINS: Final = np.linspace(0, 100, 41)  # % of all capacity that is spare


def fill_servers(name: str, plan: Plan, watch: Watch) -> Section:
    """Load at the two servers against steps, for one policy."""
    policy = FIGURE_OF[name]
    every = 100 if policy is RANDOM else 10
    runs = play_table(
        {policy.label: seeds_of(policy, plan.seed, plan.seeds, every=every)}, watch, name
    )[policy.label]
    marks = {server: server_marks(runs, server) for server in SERVERS}
    rows = [
        [f"server at {server}", *(with_interval(mark, 0) for mark in found)]
        for server, found in marks.items()
    ]
    header = (f"{policy.label}: steps until", "first loads", "half full", "full")
    extra: dict[str, Any] = {}
    notes = (
        "The captions of the paper's Figures 7–10 are not in its stored text; here 7 is the random policy, 8 "
        "CRL-discrete, 9 CRL-gradient (as its text says) and 10 DP. First loads: 1 % of the capacity. Lines: "
        "means over "
        "runs; shades: from least to most."
    )
    verdict = server_verdict(policy, runs, marks)
    values = None
    if policy is GRADIENT:
        values = advertised(plan, watch)
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
            "MinQValue, "
            "and DOPs effectively have to do a random walk to find the agents with spare capacity. This effect "
            "can be seen "
            "in Fig. 9.”"
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


MAKERS: Final = {name: partial(fill_servers, name) for name in FIGURE_OF}


def server_marks(runs: Sequence[Run], server: int) -> list[Interval]:
    """Steps until a server holds each share of its capacity."""
    return [
        t_interval(np.array([_when(run, server, share) for run in runs], np.float64))
        for share in MARKS
    ]


def _when(run: Run, server: int, share: float) -> float:
    reached = run.load[:, server] >= share * run.capacity[server]
    return float(run.steps[int(reached.argmax())]) if reached.any() else float("inf")


def server_verdict(policy: Policy, runs: Sequence[Run], marks: dict[int, list[Interval]]) -> str:
    """When the servers are found and full, in parts of the run."""
    length = float(np.mean([run.length for run in runs]))
    first, _, last = (np.mean([found[k].value for found in marks.values()]) for k in range(3))
    return (
        f"{policy.label} finds the servers after {first / length:.0%} of the run ({first:,.0f} steps) and has "
        f"filled them "
        f"after {last / length:.0%} ({last:,.0f} of {length:,.0f} steps)."
    )


def advertised(plan: Plan, watch: Watch) -> dict[str, FloatArray]:
    """Mean advertised values by spare capacity: ``float64[2, bins]``, of agents with and without spare capacity."""
    tasks = {
        policy.label: seeds_of(
            policy, plan.seed, min(plan.seeds, 5), every=_VALUE_EVERY, values=True
        )
        for policy in (GRADIENT, DISCRETE)
    }
    played = play_table(tasks, watch, "fig9: advertised values")
    return {label: np.stack(_binned(runs)) for label, runs in played.items()}


def _binned(runs: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
    """Means in bins of spare capacity over samples and agents, of those with and without room; NaN for none."""
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
    """What agents with room advertise with more than half of the capacity spare, and in the last 5 %."""
    centers = (_BINS[:-1] + _BINS[1:]) / 2
    return {
        "early": float(np.nanmean(means[0, centers > 50])),
        "last 5 %": float(np.nanmean(means[0, centers < 5])),
    }


def gap_verdict(gap: dict[str, float]) -> str:
    """Whether the advertised values of agents with room reach MinQ in the end."""
    late = gap["last 5 %"]
    word = "reach MinQ" if late < -190 else "come near MinQ" if late < -100 else "don't reach MinQ"
    return (
        f"The advertised values of agents with spare capacity {word} in the last 5 %: {number(late, 0)} on "
        f"average, after "
        f"{number(gap['early'], 0)} while more than half was spare."
    )


def draw_servers(
    policy: Policy, runs: Sequence[Run], values: dict[str, FloatArray] | None
) -> bytes:
    """Load at each server; for the gradient model, advertised values beside it."""
    from crl_envs.bench.plotting import BLUE, GREY, VERMILLION, as_png, new_figure

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
    """Samples of both servers, at most 500 a run."""
    rows = []
    for k, run in enumerate(runs):
        step = max(len(run.steps) // 500, 1)
        for m in range(0, len(run.steps), step):
            rows.append((k, run.steps[m], *(run.load[m, s] for s in SERVERS)))
    return csv_text(("run", "step", *(f"load_{s}" for s in SERVERS)), rows)
