"""Figure 13: a server is added when all capacity is used; the entry's neighbours can discover it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from crl_envs.bench.intervals import FloatArray
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, GRADIENT
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number

MODELS: Final = (DISCRETE, GRADIENT)
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


def fig13(plan: Plan, watch: Watch) -> Section:
    """Load at the added server after it has joined."""
    count = max(plan.seeds, LEAST_RUNS)
    tasks = {
        (way, model.label): seeds_of(
            model,
            plan.seed,
            count,
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
    played = play_table(tasks, watch, "fig13: added server")
    waits = {key: waits_until(runs, CAPACITY / 2) for key, runs in played.items()}
    first = {key: waits_until(runs, 1) for key, runs in played.items()}
    rows = [
        [f"{model}, {way}", *_cells(first[way, model])[:2], *_cells(waits[way, model])]
        for way, model in played
    ]
    halfway = ("half full: median", "quartiles", "not by the end")
    header = ("steps after joining", "first load: median", "quartiles", *halfway)
    return Section(
        title="Figure 13: a server added at full capacity, random graph",
        claim="“the CRL-discrete policy quickly discovers and exploits the new server, while the CRL-gradient "
        "policy takes "
        "a longer time to do so. There was also quite high variation in how long the CRL-gradient policy took” "
        "(§6.2)",
        verdict=verdict(waits),
        table=Table(header, rows),
        notes=f"{count} runs each on random graph 0. The server (capacity {CAPACITY}) joins when all 1,360 "
        f"loads are stored; "
        "nobody's delegations lead to it, and the entry's neighbours get a discovery action in that step. The "
        "paper doesn't "
        "say how often a discovery succeeds: always, in the first rows. Without it the server can't be found: "
        "that is what "
        f"the last rows show. Runs end after {MOST_STEPS:,} steps. Sampled every 10 steps.",
        picture=draw(played),
        csv=_csv(played),
        numbers={
            "half_full": {f"{w}/{m}": sorted(x.tolist()) for (w, m), x in waits.items()},
            "first": {f"{w}/{m}": sorted(x.tolist()) for (w, m), x in first.items()},
        },
    )


def waits_until(runs: Sequence[Run], loads: float) -> Waits:
    """Steps from joining until the added server holds that many loads; one a run."""
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
    """Lower quartile, median and upper quartile, as order statistics: infinite waits stay infinite."""
    low, middle, high = np.quantile(waits, [0.25, 0.5, 0.75], method="inverted_cdf")
    return float(low), float(middle), float(high)


def _cells(waits: Waits) -> list[str]:
    low, middle, high = quartiles(waits)
    never = int(np.isinf(waits).sum())
    between = (
        "–"
        if np.isinf(low)
        else f"{number(low, 0)}–{'never' if np.isinf(high) else number(high, 0)}"
    )
    return [number(middle, 0), between, f"{never} of {waits.size}"]


def verdict(waits: Mapping[tuple[str, str], Waits]) -> str:
    """Which model is faster, and which varies more, with discovery that always succeeds."""
    way = next(iter(WAYS))
    discrete, gradient = (waits[way, model.label] for model in MODELS)
    (dl, dm, dh), (gl, gm, gh) = quartiles(discrete), quartiles(gradient)
    slower = gm > dm
    wider = gh - gl > dh - dl
    reproduced = "reproduced" if slower and wider else "did not reproduce"
    return (
        f"Half full after {number(dm, 0)} steps (quartiles {number(dl, 0)}–{number(dh, 0)}) with CRL-discrete and "
        f"{number(gm, 0)} ({number(gl, 0)}–{number(gh, 0)}) with CRL-gradient: that gradient is slower and "
        f"varies more "
        f"{reproduced}."
    )


def draw(played: Mapping[tuple[str, str], Sequence[Run]]) -> bytes:
    """Every run's load at the server, by the ways that can find it."""
    from crl_envs.bench.plotting import BLUE, VERMILLION, as_png, new_figure

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


def _csv(played: Mapping[tuple[str, str], Sequence[Run]]) -> str:
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
