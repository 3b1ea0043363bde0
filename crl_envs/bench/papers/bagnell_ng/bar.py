"""Beyond: whose reward agents learn from where the team's interest isn't theirs, COIN's bar problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.figure import (
    Case,
    Cases,
    Extent,
    Figure,
    Recording,
    Recordings,
    Section,
    csv_text,
    learner,
)
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.papers.bagnell_ng.learning import PAPER
from crl_envs.bench.score.statistics import FloatArray, t_interval
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.wrappers import DifferenceReward, GlobalReward

BAR: Final = "crl/bar-v0"
SIZES: Final = (168, 60)
WEEKS: Final = 3000
BLOCK: Final = 100  # weeks that are averaged
LEARNER: Final = learner("boltzmann-averages")
REWARDS: Final = {"wonderful life": "difference", "team": "team", "own": "own"}
SHOWN: Final = (100, 1000, 3000)


def cases(extent: Extent) -> Cases:
    """Declare runs of the same learner on three rewards."""
    return {
        (label, n): [
            Case(
                PAPER,
                f"bar_n-{n}_{kind}_weeks-{WEEKS}",
                LEARNER,
                weeks,
                {"n": n, "kind": kind, "episodes": WEEKS},
                extent.seed,
                extent.seeds,
                rehearsal={"n": 4, "episodes": BLOCK},
            )
        ]
        for n in SIZES
        for label, kind in REWARDS.items()
    }


def weeks(
    spec: LearnerSpec, seed: int, columns: int, *, n: int, kind: str, episodes: int
) -> Recording:
    """Record ``shares`` ``float64[columns, blocks]``: G over the optimum, mean over blocks of 100 weeks."""
    vec: Any = crl_envs.make_vec(BAR, num_envs=columns, n_agents=n)
    best = n * vec.optimum().value
    if kind == "team":
        vec = GlobalReward(vec, reduce="sum")
    elif kind == "difference":
        vec = DifferenceReward(vec, reduce="sum")
    made: Any = spec.load()(vec, seed=seed, **spec.config)
    made.learn(total_episodes=episodes)
    worth = np.array([episode["worth"] for episode in made.history]).T / best
    return Recording({}, {"shares": worth.reshape(columns, -1, BLOCK).mean(axis=2)})


def view(extent: Extent, recordings: Recordings) -> Section:
    """Show G against weeks for each reward."""
    found = {key: runs[0].arrays["shares"] for key, runs in recordings.items()}
    places = [week // BLOCK - 1 for week in SHOWN]
    rows = [
        [
            f"{label}, n = {n}",
            *(with_interval(t_interval(found[label, n][:, k]), 2) for k in places),
        ]
        for n in SIZES
        for label in REWARDS
    ]
    optima = {n: crl_envs.make_vec(BAR, num_envs=1, n_agents=n).optimum().value * n for n in SIZES}
    last = {
        n: ", ".join(
            f"{label} {with_interval(t_interval(found[label, n][:, -1]), 2)}" for label in REWARDS
        )
        for n in SIZES
    }
    return Section(
        title="COIN's bar problem: whose reward to learn from",
        claim="Wonderful life utilities are aligned with the team's and have little noise; the team's own reward has "
        "much, and selfish ones lead elsewhere (Wolpert & Tumer 2001; Dowling & Haridi 2008, §4.2).",
        verdict=f"Share of the optimum after {WEEKS:,} weeks, n = {SIZES[0]}: {last[SIZES[0]]}. n = {SIZES[1]}: "
        f"{last[SIZES[1]]}.",
        table=Table(("share of the optimum, week", *(f"{week:,}" for week in SHOWN)), rows),
        notes=f"{extent.seeds} runs each of agents with an aged average for each night and Boltzmann exploration, all "
        f"with the same settings; 7 nights, c = 6; means of the {BLOCK} weeks before. The optimum, by dynamic "
        "programming, is "
        + ", ".join(f"{number(x, 2)} at n = {n}" for n, x in optima.items())
        + ". With many more agents than the nights have room for the team must crowd most of them into one night, "
        "which is good for nobody who goes there; with few it is enough to spread.",
        picture=draw(found),
        csv=csv_text(
            ("reward", "n", "run", "week", "share"),
            [
                (*key, k, BLOCK * (j + 1), float(x))
                for key, shares in found.items()
                for k, run in enumerate(shares)
                for j, x in enumerate(run)
            ],
        ),
        numbers={f"{label}/{n}": t_interval(v[:, -1]) for (label, n), v in found.items()}
        | {f"optimum/{n}": x for n, x in optima.items()},
    )


def draw(found: Mapping[tuple[str, int], FloatArray]) -> bytes:
    """Draw a panel for each number of agents."""
    from crl_envs.bench.report.pictures import BLUE, SKY, VERMILLION, as_png, band, new_figure

    figure, panels = new_figure(len(SIZES))
    for panel, n in zip(panels, SIZES, strict=True):
        for label, colour in zip(REWARDS, (BLUE, VERMILLION, SKY), strict=True):
            at = BLOCK * np.arange(1.0, found[label, n].shape[1] + 1)
            band(panel, found[label, n], at, color=colour, label=f"{label} reward")
        panel.set(title=f"{n} agents", xlabel="weeks", ylim=(0, 1.02))
    panels[0].set_ylabel("G, share of the optimum")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


BAR_PROBLEM: Final = Figure(cases, view)
