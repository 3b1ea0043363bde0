"""Beyond the paper: from 50 to 5,000 agents on random graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import crl_envs
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Task, play_table
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, ENV_ID, RANDOM, Policy
from crl_envs.bench.reproductions.dowling.sweep import (
    CLEAR_NOTE,
    HEURISTICS_NOTE,
    POLICIES,
    RIVALS,
    Curve,
    Curves,
    by_policy,
    cell,
    draw_curves,
    plain_curves,
    standings,
    steps_of,
)
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table

SIZES: Final = (50, 100, 200, 500, 1000, 2000, 5000)
MANY: Final = 1000  # from this size on
FEW_RUNS: Final = 3  # there are only so many runs
RANDOM_UP_TO: Final = 200
MOST: Final = 20  # × the fewest steps, then a run is cut off
MOST_OF_RANDOM: Final = 300
NOT_RUN: Final = "not run"


def scale(plan: Plan, watch: Watch) -> Section:
    """Steps by the number of agents, as multiples of the fewest possible."""
    fewest = {n: [fewest_steps(n, k) for k in range(runs_at(n, plan))] for n in SIZES}
    tasks = {
        (p.label, n): [task(p, n, k, plan.seed, fewest[n][k]) for k in range(runs_at(n, plan))]
        for p in POLICIES
        for n in SIZES
        if plays(p, n)
    }
    played = play_table(tasks, watch, "scale")
    ratios = by_policy({key: steps_of(runs, fewest[key[1]]) for key, runs in played.items()})
    rows = [[p.label, *(cell_at(ratios.get(p.label, {}), n) for n in SIZES)] for p in POLICIES]
    return Section(
        title="From 50 to 5,000 agents, random graphs",
        claim="Agents know their neighbours only. How far from the fewest possible steps do they stay when there are "
        "more of them, and the ways to spare capacity are longer?",
        verdict=verdict(ratios),
        table=Table(("steps to store all / fewest", *(f"n = {n:,}" for n in SIZES)), rows),
        notes=_notes(plan, fewest),
        picture=draw(ratios),
        csv=csv_text(
            ("policy", "n", "run", "steps", "fewest", "finished"),
            [
                (*key, k, run.length, fewest[key[1]][k], int(run.finished))
                for key, runs in played.items()
                for k, run in enumerate(runs)
            ],
        ),
        numbers={"ratio": plain_curves(ratios), "fewest_steps": fewest},
    )


def plays(policy: Policy, n: int) -> bool:
    """Whether a policy is played with so many agents."""
    return policy is not RANDOM or n <= RANDOM_UP_TO


def runs_at(n: int, plan: Plan) -> int:
    """Runs with so many agents."""
    return plan.seeds if n < MANY else min(FEW_RUNS, plan.seeds)


def fewest_steps(n: int, graph: int) -> int:
    """Fewest steps that store all loads on a random graph."""
    env = crl_envs.make(ENV_ID, n_agents=n, topology="random", instance_seed=graph)
    steps: int = env.unwrapped.optimal_steps()
    return steps


def task(policy: Policy, n: int, graph: int, seed: int, fewest: int) -> Task:
    """The run on one graph."""
    most = MOST_OF_RANDOM if policy is RANDOM else MOST
    env = {
        "n_agents": n,
        "topology": "random",
        "instance_seed": graph,
        "max_steps": most * fewest,
    }
    return Task(policy, seed + graph, env, every=0)


def cell_at(curve: Curve, n: int) -> str:
    """The ratio with so many agents, if it was measured."""
    return cell(curve[n], 2) if n in curve else NOT_RUN


def verdict(ratios: Curves) -> str:
    """How the ratios change from the fewest agents to the most, and where CRL takes fewer steps."""
    said = [f"{label} {_change(curve)}" for label, curve in ratios.items()]
    words = ("fewer steps", "more steps")
    sizes = standings(ratios, DISCRETE, RIVALS, words, lambda n: f"n = {n:,}")
    return f"Steps as multiples of the fewest: {'; '.join(said)}. {sizes}"


def _change(curve: Curve) -> str:
    every = list(curve.items())
    (low, first), (high, last) = every[0], every[-1]
    ends = [f"{'≥ ' * (m.cut > 0)}{m.mean.value:.2f}" for m in (first, last)]
    return f"{ends[0]} with {low:,} agents and {ends[1]} with {high:,}"


def _notes(plan: Plan, fewest: Mapping[int, Sequence[int]]) -> str:
    steps = ", ".join(f"{n:,}: {sum(some) / len(some):,.0f}" for n, some in fewest.items())
    few = [f"{n:,}" for n in SIZES if runs_at(n, plan) < plan.seeds]
    fewer = f"; only {FEW_RUNS} with n = {', '.join(few)}, so wide intervals there" if few else ""
    return (
        f"One load in flight, 10 successors each, two servers of 200 whatever n is. {plan.seeds} runs, each with "
        f"another graph{fewer}. Fewest possible: breadth-first filling, mean over the graphs ({steps}). A run is cut "
        f"off after {MOST} × the fewest steps (random: {MOST_OF_RANDOM} ×). Random isn't run beyond "
        f"{RANDOM_UP_TO:,} agents, only for the time it takes. {HEURISTICS_NOTE} {CLEAR_NOTE}"
    )


def draw(ratios: Curves) -> bytes:
    """Ratios against the number of agents."""
    from crl_envs.bench.plotting import as_png, single_figure

    figure, panel = single_figure(8.2, 4.0)
    draw_curves(panel, ratios)
    panel.set(
        xscale="log",
        yscale="log",
        ylim=(0.9, None),
        xlabel="agents",
        ylabel="steps, × fewest possible",
    )
    panel.set_xticks(SIZES, [f"{n:,}" for n in SIZES])
    ticks = [1, 1.5, 2, 3, 5, 10, 20, 50]
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.axhline(1, color="black", linestyle=":", linewidth=1)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)
