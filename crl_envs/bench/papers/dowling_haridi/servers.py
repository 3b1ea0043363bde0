"""Figures 7 to 10 and 13: how long each policy takes to find and fill the two servers, and one that is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    GRADIENT,
    GRADIENTS,
    NEXT,
    RANDOM,
    READINGS,
    Policy,
    Run,
    Runs,
    runs_of,
)
from crl_envs.bench.score.statistics import FloatArray, Interval, positive_interval
from crl_envs.bench.text import Table, number, with_interval

SERVERS: Final = (47, 48)
FIGURE_OF: Final = {"fig7": RANDOM, "fig8": DISCRETE, "fig9": GRADIENT, "fig10": DP}
MARKS: Final = (0.01, 0.5, 1.0)  # shares of a server's capacity
VALUES: Final = "values"  # key of the runs whose advertised values are sampled
ON_GRAPH: Final = "values, random graph 0"
_VALUE_EVERY: Final = 100
_MIN_Q: Final = -200.0
_BINS: Final = np.linspace(0, 100, 41)  # % of all capacity that is spare
NEARLY_FULL: Final = 0.98  # share of the capacity in use at which agents with room are looked at


def server_runs(name: str, extent: Extent) -> Cases:
    """Declare one policy's runs; for the gradient model also those whose advertised values are sampled."""
    policy = FIGURE_OF[name]
    found = {policy.label: policy.runs(extent, every=100 if policy is RANDOM else 10)}
    if policy is not GRADIENT:
        return found
    few = min(extent.seeds, 5)
    on_graph = {"topology": "random", "instance_seed": 0}
    return {
        **{p.label: p.runs(extent, every=10) for p in GRADIENTS},
        **{
            (VALUES, p.label): p.runs(extent, few, every=_VALUE_EVERY, values=True)
            for p in (*GRADIENTS, DISCRETE)
        },
        **{
            (ON_GRAPH, p.label): p.runs(extent, few, env=on_graph, every=_VALUE_EVERY, values=True)
            for p in GRADIENTS
        },
    }


def fill_servers(name: str, extent: Extent, found: Recordings) -> Section:
    """Show the load at the two servers against steps, for one policy."""
    policy, played = FIGURE_OF[name], runs_of(found)
    runs = played[policy.label]
    shown = GRADIENTS if policy is GRADIENT else (policy,)
    every = {p.label: {s: server_marks(played[p.label], s) for s in SERVERS} for p in shown}
    marks = every[policy.label]
    rows = [
        [
            f"{'' if label == policy.label else f'{label}, '}server at {server}",
            *(with_interval(mark, 0) for mark in found),
        ]
        for label, by_server in every.items()
        for server, found in by_server.items()
    ]
    header = (f"{policy.label}: steps until", "first loads", "half full", "full")
    extra: dict[str, Any] = {}
    notes = (
        "The captions of the paper's Figures 7–10 are not in its stored text; here 7 is the random policy, 8 "
        "CRL-discrete, 9 CRL-gradient (as its text says) and 10 DP. First loads: 1 % of the capacity. Lines: means "
        "over runs; shades: from least to most."
    )
    verdict = " ".join(server_verdict(p, played[p.label], every[p.label]) for p in shown)
    values = None
    if policy is GRADIENT:
        values = {p.label: np.stack(_binned(played[VALUES, p.label])) for p in READINGS}
        gaps = {p.label: value_gap(values[p.label]) for p in GRADIENTS}
        floors = {
            (where, p.label): at_the_floor(played[where, p.label])
            for where in (VALUES, ON_GRAPH)
            for p in GRADIENTS
        }
        verdict += " " + " ".join(gap_verdict(label, gap) for label, gap in gaps.items())
        verdict += " " + floor_verdict(floors)
        extra["advertised"] = gaps
        extra["at_min_q"] = {"/".join(key): share for key, share in floors.items()}
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
        picture=draw_servers({p.label: played[p.label] for p in shown}, values),
        csv=servers_csv(runs),
        numbers={"steps": {s: list(found) for s, found in marks.items()}, **extra},
    )


def server_marks(runs: Sequence[Run], server: int) -> list[Interval]:
    """Return the steps until a server holds each share of its capacity."""
    return [
        positive_interval(np.array([_when(run, server, share) for run in runs], np.float64))
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


def at_the_floor(runs: Sequence[Run]) -> float:
    """Return the share at MinQ of the values of agents with room, when the system is nearly full; NaN for none."""
    at, of = 0, 0
    for run in runs:
        full = np.flatnonzero(run.stored[1:] >= NEARLY_FULL * run.capacity.sum())[:1]
        room = run.load[1:][full] < run.capacity
        at += int(np.count_nonzero(run.values[full][room] <= _MIN_Q))
        of += int(np.count_nonzero(room))
    return at / of if of else float("nan")


def floor_verdict(floors: Mapping[tuple[str, str], float]) -> str:
    """Say which share of the agents with room is worth MinQ when the system is nearly full."""
    said = [
        f"{floors[VALUES, p.label]:.0%} with {p.label} ({floors[ON_GRAPH, p.label]:.0%} on random graph 0)"
        for p in GRADIENTS
    ]
    return (
        f"Of the agents with room, in the first sample from {NEARLY_FULL:.0%} full on, worth MinQ are "
        f"{' and '.join(said)}."
    )


def gap_verdict(label: str, gap: dict[str, float]) -> str:
    """Say whether the advertised values of agents with room reach MinQ in the end."""
    late = gap["last 5 %"]
    word = "reach MinQ" if late < -190 else "come near MinQ" if late < -100 else "don't reach MinQ"
    return (
        f"{label}: the advertised values of agents with spare capacity {word} in the last 5 %, {number(late, 0)} on "
        f"average, after {number(gap['early'], 0)} while more than half was spare."
    )


def draw_servers(played: Runs, values: dict[str, FloatArray] | None) -> bytes:
    """Load at each server, a panel a policy; for the gradient models, advertised values beside it."""
    from crl_envs.bench.report.pictures import BLUE, GREY, PURPLE, VERMILLION, as_png, new_figure

    figure, panels = new_figure(len(played) + (values is not None), sharey=False)
    for panel, (label, runs) in zip(panels, played.items(), strict=False):
        grid = np.linspace(0, max(run.length for run in runs), 400)
        looks = zip(SERVERS, (BLUE, VERMILLION), ("-", (0, (6, 1.2))), strict=True)
        for server, color, dash in looks:
            every = np.stack([np.interp(grid, run.steps, run.load[:, server]) for run in runs])
            panel.fill_between(grid, every.min(0), every.max(0), color=color, alpha=0.15, lw=0)
            mean = every.mean(axis=0)
            panel.plot(grid, mean, color=color, linestyle=dash, label=f"server at {server}")
        panel.axhline(runs[0].capacity[SERVERS[0]], color="black", linewidth=0.6)
        panel.set(title=label, xlabel="steps", xlim=(0, grid[-1]), ylim=(0, 210))
    panels[0].set_ylabel("loads stored")
    panels[0].legend(loc="lower right")
    if values is not None:
        centers = (_BINS[:-1] + _BINS[1:]) / 2
        panel = panels[-1]
        for label, color in zip(values, (BLUE, VERMILLION, PURPLE), strict=True):
            panel.plot(centers, values[label][0], color=color, label=f"{label}, with room")
            panel.plot(
                centers, values[label][1], color=color, linestyle=":", label=f"{label}, full"
            )
        panel.axhline(_MIN_Q, color=GREY, linewidth=0.8)
        panel.set(
            title="advertised values",
            xlabel="spare capacity, % of all",
            ylabel="mean V",
            xlim=(100, 0),
        )
        panel.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08), fontsize=7)
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


class Way(NamedTuple):
    """How the added server can be found.

    Attributes:
        env: Arguments of the environment.
        config: Of the learner.
    """

    env: Mapping[str, Any]
    config: Mapping[str, Any]


_FREE: Final = {"discovery": "entry_neighbors", "discovery_cost": 0.0}
_AS_KEPT: Final = {"initial_q_discovery": "value"}
WAYS: Final[Mapping[str, Way]] = {
    "discovery": Way(_FREE, {}),
    "first Q = V": Way(_FREE, _AS_KEPT),
    "first Q = V, succeeds 1 time in 5": Way({**_FREE, "discovery_rate": 0.2}, _AS_KEPT),
    "succeeds 1 time in 20": Way({**_FREE, "discovery_rate": 0.05}, {}),
    "costs 10": Way({**_FREE, "discovery_cost": -10.0}, {}),
    "costs 10, succeeds 1 time in 20": Way(
        {**_FREE, "discovery_cost": -10.0, "discovery_rate": 0.05}, {}
    ),
    "no discovery": Way({}, {}),
}
DRAWN: Final = "first Q = V, succeeds 1 time in 5"
FOUND_BY: Final = (DISCRETE, NEXT)  # the readings under which the paper's sentences hold

Waits = FloatArray  # steps, infinite when it didn't happen


def added_runs(extent: Extent) -> Cases:
    """Declare runs in which a server is added when all capacity is used."""
    return {
        (name, model.label): model.having(**way.config).runs(
            extent,
            max(extent.seeds, LEAST_RUNS),
            env={
                "topology": "random",
                "join_capacity": CAPACITY,
                "max_steps": MOST_STEPS,
                **way.env,
            },
        )
        for name, way in WAYS.items()
        for model in READINGS
    }


def added_server(extent: Extent, found: Recordings) -> Section:
    """Show the load at the added server on the run's clock and since it joined."""
    played, count = runs_of(found), max(extent.seeds, LEAST_RUNS)
    waits = {key: waits_until(runs, CAPACITY / 2) for key, runs in played.items()}
    first = {key: waits_until(runs, 1) for key, runs in played.items()}
    clock = {key: clock_until(runs, CAPACITY / 2) for key, runs in played.items()}
    spikes = {key: spike(runs) for key, runs in played.items()}
    rows = [
        [
            f"{model}, {way}",
            *_wait_cells(clock[way, model])[:2],
            *_wait_cells(first[way, model])[:2],
            *_wait_cells(waits[way, model]),
            *(number(pace, 1) for pace in spikes[way, model]),
        ]
        for way, model in played
    ]
    header = (
        "steps",
        "half full, on the run's clock: median",
        "quartiles",
        "first load after joining: median",
        "quartiles",
        "half full after joining: median",
        "quartiles",
        "not by the end",
        "steps a load: last 5 % before joining",
        "from the first load to half full",
    )
    return Section(
        title="Figure 13: a server added at full capacity, random graph",
        claim="“the CRL-discrete policy quickly discovers and exploits the new server, while the CRL-gradient policy "
        "takes a longer time to do so. There was also quite high variation in how long the CRL-gradient policy took "
        "[…]. The upward spike near the end of CRL-gradient policy was a point where collaborative feedback […] from "
        "the new server eventually influenced reached the origin agent 0.” (§6.2)",
        verdict=added_verdict(clock, first, waits, spikes),
        table=Table(header, rows),
        notes=f"{count} runs each on random graph 0. The server (capacity {CAPACITY}) joins when all 1,360 loads are "
        "stored; nobody's delegations lead to it, and the entry's neighbours get a discovery action in that step. "
        "A discovery costs nothing, as in the paper's equation (§5.4), but where it says 10, which was this package's "
        "reading before. With Table 1's first Q of −3 whoever gets the action takes it at once, as nothing else is "
        'above −200 then; with first Q = V (`initial_q_discovery="value"`) it is worth what the load is worth where '
        "it is, as that equation has it, and is one of several equal actions. "
        "The paper doesn't say how often a discovery succeeds: always, where nothing is said. Without it the server "
        f"can't be found: that is what the last rows show. Runs end after {MOST_STEPS:,} steps. Sampled every 10 "
        "steps.",
        picture=draw_added(played),
        csv=_added_csv(played),
        numbers={
            name: {f"{w}/{m}": sorted(x.tolist()) for (w, m), x in by.items()}
            for name, by in (("half_full", waits), ("first", first), ("half_full_clock", clock))
        }
        | {"steps_a_load": {f"{w}/{m}": list(paces) for (w, m), paces in spikes.items()}},
    )


def clock_until(runs: Sequence[Run], loads: float) -> Waits:
    """Return the step of each run at which the added server holds that many loads."""
    return np.array([_when(run, -1, loads / run.capacity[-1]) for run in runs])


def spike(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the mean steps a load in the last 5 % before the server joins, and from its first load to half full.

    The upward spike of the total load is where the second is far less than the first; NaN where it isn't found.
    """
    before, after = [], []
    for run in runs:
        founders = run.capacity[:-1].sum()
        marks = [run.when(share * founders) for share in (0.95, 1.0)]
        found = [_when(run, -1, share) for share in (1 / run.capacity[-1], 0.5)]
        before.append(np.diff(marks)[0] / (0.05 * founders))
        if np.isfinite(found[1]):
            after.append(np.diff(found)[0] / (0.5 * run.capacity[-1] - 1))
    return float(np.mean(before)), float(np.mean(after)) if after else float("nan")


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


def added_verdict(
    clock: Mapping[tuple[str, str], Waits],
    first: Mapping[tuple[str, str], Waits],
    waits: Mapping[tuple[str, str], Waits],
    spikes: Mapping[tuple[str, str], tuple[float, float]],
) -> str:
    """Say under which clock and reading the gradient model is slower and varies more."""
    always = next(iter(WAYS))
    said = [
        f"On the run's clock half full after {_later(clock, always)}",
        f"From its joining half full after {_later(waits, always)}",
        f"From its joining, {DRAWN}: the first load after {_later(first, DRAWN)}; "
        f"half full after {_later(waits, DRAWN)}",
    ]
    before, after = spikes[DRAWN, NEXT.label]
    return (
        f"{'. '.join(said)}. The spike of {NEXT.label}: {number(before, 0)} steps a load before, {number(after, 1)} "
        "after the first load at the server."
    )


def _later(waits: Mapping[tuple[str, str], Waits], way: str) -> str:
    slow, fast = (quartiles(waits[way, p.label]) for p in reversed(FOUND_BY))
    said = [
        f"{number(middle, 0)} ({number(low, 0)}–{number(high, 0)}) with {p.label}"
        for p, (low, middle, high) in zip(FOUND_BY, (fast, slow), strict=True)
    ]
    holds = slow[1] > fast[1] and slow[2] - slow[0] > fast[2] - fast[0]
    return f"{' and '.join(said)}: slower and varying more {'holds' if holds else 'does not hold'}"


def draw_added(played: Runs) -> bytes:
    """Draw the total load against the run's clock, and the server's since it joined; every run of two models."""
    from crl_envs.bench.report.pictures import BLUE, PURPLE, as_png, new_figure

    always = next(iter(WAYS))
    figure, panels = new_figure(3, sharey=False)
    titles = ("all loads, from 95 % on", f"server, {always}", f"server, {DRAWN}")
    for model, color, dash in zip(FOUND_BY, (BLUE, PURPLE), ("-", "--"), strict=True):
        style: dict[str, Any] = {"color": color, "linestyle": dash, "lw": 0.7, "alpha": 0.6}
        for k, run in enumerate(played[DRAWN, model.label]):
            panels[0].plot(run.steps, run.stored, label=None if k else model.label, **style)
        for panel, way in zip(panels[1:], (always, DRAWN), strict=True):
            for run in played[way, model.label]:
                joined = _joined(run)
                since = run.steps[joined:] - run.steps[joined]
                panel.plot(since, run.load[joined:, -1], **style)
    for panel, title in zip(panels, titles, strict=True):
        panel.set(title=title, xlabel="steps since it joined")
    for panel in panels[1:]:
        panel.axhline(CAPACITY, color="black", linewidth=0.6)
        panel.set(xlim=(0, 2500), ylim=(0, 210), ylabel="loads at the added server")
    full = int(played[always, NEXT.label][0].capacity[:-1].sum())
    panels[0].axhline(full, color="black", linewidth=0.6)
    panels[0].set(xlabel="steps", ylabel="loads stored", ylim=(0.95 * full, full + 1.02 * CAPACITY))
    panels[0].set_xlim(left=3000)
    panels[0].legend(loc="lower right")
    return as_png(figure)


def _added_csv(played: Runs) -> str:
    rows = []
    for (way, model), runs in played.items():
        for k, run in enumerate(runs):
            joined = _joined(run)
            last = min(len(run.steps), joined + 500)
            rows += [
                (
                    *(way, model, k, run.steps[m], run.steps[m] - run.steps[joined]),
                    *(run.load[m, -1], run.stored[m]),
                )
                for m in range(joined, last, 2)
            ]
    header = ("way", "policy", "run", "step", "steps_since_joining", "load", "stored")
    return csv_text(header, rows)


FIGURES_7_TO_10: Final = {
    name: Figure(partial(server_runs, name), partial(fill_servers, name)) for name in FIGURE_OF
}
FIGURE_13: Final = Figure(added_runs, added_server)
