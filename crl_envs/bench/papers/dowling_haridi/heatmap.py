"""Beyond the paper: which agents fill up when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import crl_envs
from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    ENV_ID,
    GRADIENT,
    PAPERS,
    RANDOM,
    TWO_CHOICES,
    Run,
    runs_of,
)
from crl_envs.bench.score.statistics import FloatArray
from crl_envs.bench.text import Table, number

POLICIES: Final = (*PAPERS, TWO_CHOICES)
COLUMNS: Final = 400  # of a panel
MOST_STEPS: Final = 300_000
HALF: Final = 0.5
_EVERY: Final = {RANDOM.label: 250}
_CSV_COLUMNS: Final = 60


def heatmap_runs(extent: Extent) -> Cases:
    """Declare one run of each policy on the grid."""
    env = {"max_steps": MOST_STEPS}
    return {p.label: [p.run(extent.seed, env, _EVERY.get(p.label, 10))] for p in POLICIES}


def heatmap(extent: Extent, recordings: Recordings) -> Section:
    """Show the load over agents and time."""
    world = crl_envs.make(ENV_ID).unwrapped.world
    rows_of = agent_order(world.hops)
    runs = {label: played[0] for label, played in runs_of(recordings).items()}
    found = {
        label: {
            "steps": float(run.length) if run.finished else float("inf"),
            "agents_in_use": agents_in_use(run, HALF),
            "full": full_agents(run, HALF),
            "servers": first_on(run, world.servers),
        }
        for label, run in runs.items()
    }
    header = (
        "one run",
        "steps to store all",
        "agents in use when half is stored",
        "agents full by then",
        "first load on a server: % of all stored",
    )
    rows = [
        [
            p.label,
            number(found[p.label]["steps"], 0) if runs[p.label].finished else f"≥ {MOST_STEPS}",
            number(found[p.label]["agents_in_use"], 0),
            number(found[p.label]["full"], 0),
            number(100 * found[p.label]["servers"], 1),
        ]
        for p in POLICIES
    ]
    return Section(
        title="Load over agents and time, grid",
        claim="In which order do agents fill up, and when are the two servers found, which are among the farthest "
        "agents from the entry?",
        verdict=verdict(found, len(rows_of)),
        table=Table(header, rows),
        notes="One run of each policy: a picture, not a measurement. Each panel has its own time, from the first load "
        "to the last. Agents are ordered by hops from the entry (lines: one hop more), then by index; triangles mark "
        "the servers, whose 100 % are ten times as many loads.",
        picture=draw(runs, rows_of, world.hops, world.servers),
        csv=_csv(runs),
        numbers={"runs": found},
    )


def agent_order(hops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return agents by hops from the entry, then by index."""
    return np.argsort(hops, kind="stable")


def at_share(run: Run, share: float) -> int:
    """Return the first sample in which that share of all capacity is stored; the last one if that never is."""
    reached = run.stored >= share * run.capacity.sum()
    return int(np.argmax(reached)) if reached.any() else len(run.steps) - 1


def agents_in_use(run: Run, share: float) -> float:
    """Return how many agents have any load by then."""
    return float(np.count_nonzero(run.load[at_share(run, share)]))


def full_agents(run: Run, share: float) -> float:
    """Return how many agents are full by then."""
    return float(np.count_nonzero(run.load[at_share(run, share)] >= run.capacity))


def first_on(run: Run, servers: tuple[int, ...]) -> float:
    """Return the share of all capacity that is stored when a server first has a load; infinite if none ever has."""
    used = run.load[:, list(servers)].any(axis=1)
    if not used.any():
        return float("inf")
    return float(run.stored[np.argmax(used)] / run.capacity.sum())


def verdict(found: Mapping[str, Mapping[str, float]], n: int) -> str:
    """Say how sequentially each policy fills the agents."""
    used = {label: values["agents_in_use"] for label, values in found.items()}
    counts = ", ".join(f"{label} {number(count, 0)}" for label, count in used.items())
    narrow = " and ".join(label for label in used if used[label] == min(used.values()))
    late = {label: values["servers"] for label, values in found.items()}
    seen = ", ".join(f"{label} {_seen(late[label])}" for label in (DISCRETE.label, GRADIENT.label))
    return (
        f"When half of all is stored, of {n} agents so many hold a load: {counts}; the fewest: {narrow}. "
        f"A server gets its first load when so much is stored: {seen}, "
        f"{DP.label} {_seen(late[DP.label])}, {RANDOM.label} {_seen(late[RANDOM.label])}."
    )


def _seen(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "never"


def percent_over_time(run: Run, columns: int) -> FloatArray:
    """Return ``float64[n, columns]``: load in % of capacity at equal distances in time, by the latest sample."""
    when = np.linspace(0, run.steps[-1], columns)
    sample = np.searchsorted(run.steps, when, side="right") - 1
    return np.asarray(100.0 * run.load[sample].T / run.capacity[:, None])


def draw(
    runs: Mapping[str, Run],
    order: NDArray[np.int64],
    hops: NDArray[np.int64],
    servers: tuple[int, ...],
) -> bytes:
    """Draw a panel for each policy."""
    from crl_envs.bench.report.pictures import VERMILLION, as_png, new_figure

    figure, panels = new_figure(len(runs))
    figure.set_size_inches(2.6 * len(runs) + 1.2, 4.6)
    rings = np.flatnonzero(np.diff(hops[order])) + 0.5
    marks = [int(np.flatnonzero(order == server)[0]) for server in servers]
    for panel, (label, run) in zip(panels, runs.items(), strict=True):
        end = run.steps[-1] / 1000
        image = panel.imshow(
            percent_over_time(run, COLUMNS)[order],
            aspect="auto",
            cmap="viridis",
            vmin=0,
            vmax=100,
            extent=(0, end, len(order) - 0.5, -0.5),
            interpolation="nearest",
        )
        panel.grid(False)
        panel.hlines(rings, 0, end, color="white", linewidth=0.5, alpha=0.6)
        beside: Any = {"transform": panel.get_yaxis_transform(), "clip_on": False}
        panel.plot([1.03] * len(marks), marks, "<", color=VERMILLION, ms=5, **beside)
        panel.set(title=label, xlim=(0, end), xlabel="steps / 1,000")
        panel.locator_params(axis="x", nbins=4)
    panels[0].set_ylabel("agents, by hops from the entry")
    distances = np.unique(hops).tolist()
    middles = [float(np.flatnonzero(hops[order] == h).mean()) for h in distances]
    panels[0].set_yticks(middles, ["1 hop" if h == 1 else f"{h} hops" for h in distances])
    figure.colorbar(image, ax=panels, label="load, % of capacity", pad=0.02)
    return as_png(figure)


def _csv(runs: Mapping[str, Run]) -> str:
    rows = []
    for label, run in runs.items():
        shares = percent_over_time(run, _CSV_COLUMNS)
        when = np.linspace(0, run.steps[-1], _CSV_COLUMNS)
        for agent, line in enumerate(shares.tolist()):
            rows += [(label, agent, float(t), x) for t, x in zip(when, line, strict=True)]
    return csv_text(("policy", "agent", "step", "percent"), rows)


HEATMAP: Final = Figure(heatmap_runs, heatmap)
