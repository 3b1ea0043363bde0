"""Where exploration fails: the assumption of Theorem 4.3, on combination locks of different lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import networkx as nx
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
from crl_envs.bench.papers.bagnell_ng.learning import HORIZON, PAPER, SYSADMIN
from crl_envs.bench.score.statistics import (
    Exponent,
    FloatArray,
    Interval,
    bootstrap_interval,
    fit_exponent,
    median_time,
)
from crl_envs.bench.text import Table, with_interval

LENGTHS: Final = (1, 2, 3, 4, 5, 6, 8)
AGENTS: Final = 120  # with all these lengths
SIZES: Final = (24, 96, 384)
LENGTH: Final = 4  # with all these sizes
LEARNERS: Final = {
    "uniform actions": learner("model-based", planning_episodes=20),
    "factored R-max": learner("factored-r-max", planning_episodes=20),
}
READ_OUTS: Final = sorted({round(2 ** (k / 4)) for k in range(4 * 14 + 1)})  # trials, to 16,384
_RIGHT: Final = 1e-6

Found = Mapping[tuple[str, int, int], FloatArray]


def cases(extent: Extent) -> Cases:
    """Declare runs, each with a combination of its own."""
    return {
        (label, n, length): [
            Case(
                PAPER,
                f"lock_n-{n}_length-{length}",
                spec,
                trials_until_right,
                {"n": n, "length": length, "trials": READ_OUTS},
                extent.seed + k,
                1,
                rehearsal={"n": 4, "length": 2, "trials": [1, 2]},
            )
            for k in range(extent.seeds)
        ]
        for label, spec in LEARNERS.items()
        for n, length in points()
    }


def points() -> list[tuple[int, int]]:
    """Return the numbers of agents and lengths of their chains."""
    return sorted({*((AGENTS, x) for x in LENGTHS), *((n, LENGTH) for n in SIZES)})


def trials_until_right(
    spec: LearnerSpec, seed: int, columns: int, *, n: int, length: int, trials: list[int]
) -> Recording:
    """Record ``trials`` ``float64[1]``: the first number of trials after which the plan opens every machine.

    The world is certain, so that one episode by the plan tells. Infinite where none of `trials` is enough.

    Args:
        spec: The learner.
        seed: Of the learner and of the combination.
        columns: 1.
        n: Machines, in n / length chains.
        length: Of a chain.
        trials: Ascending numbers of trials after which the plan is tried.
    """
    chains = nx.DiGraph()
    chains.add_nodes_from(range(n))
    chains.add_edges_from((i, i + 1) for i in range(n - 1) if (i + 1) % length)
    env: Any = crl_envs.make_vec(
        SYSADMIN,
        num_envs=columns,
        dynamics="lock",
        topology=chains,
        start_up=1.0,
        relabel=True,
        horizon=HORIZON,
        instance_seed=seed,
    )
    best = env.optimum().value
    made: Any = spec.load()(env, seed=seed, **spec.config)
    for m in trials:
        made.learn(total_episodes=m - made.episodes)
        states, total = env.reset(seed=seed)[0], 0.0
        for _ in range(HORIZON):
            states, rewards, *_ = env.step(made.act(states, deterministic=True))
            total += float(rewards.mean())
        if total >= best - _RIGHT * best:
            return Recording({}, {"trials": np.array([float(m)])})
    return Recording({}, {"trials": np.array([np.inf])})


def view(extent: Extent, recordings: Recordings) -> Section:
    """Show the trials against the length of the lock, and against the number of agents."""
    found = {
        key: np.concatenate([run.arrays["trials"] for run in runs])
        for key, runs in recordings.items()
    }
    needed = {key: bootstrap_interval(median_time, values) for key, values in found.items()}
    slopes = {label: slopes_of(found, label) for label in LEARNERS}
    rows = [
        [label, *(with_interval(needed[label, AGENTS, x], 0) for x in LENGTHS)]
        for label in LEARNERS
    ]
    table = Table((f"trials, n = {AGENTS}", *(f"L = {x}" for x in LENGTHS)), rows)
    sizes = Table(
        (f"trials, L = {LENGTH}", *(f"n = {n}" for n in SIZES), "for each unit of ln n"),
        [
            [
                label,
                *(with_interval(needed[label, n, LENGTH], 0) for n in SIZES),
                with_interval(slopes[label]["agents"].per_log, 1),
            ]
            for label in LEARNERS
        ],
    )
    uniform, optimistic = (slopes[label] for label in LEARNERS)
    return Section(
        title="Where exploration fails: a combination lock",
        claim="“In general, it is a fairly strong assumption to assume that we have an exploration policy.” (§4) "
        "Theorem 4.3 counts trials in 1/(ν ρ^B); Kearns & Koller (1999) [6] explore in polynomial time.",
        verdict="With uniformly random actions the trials grow as 4^L to the power of "
        f"{with_interval(uniform['visits'].power, 2)}, those of factored R-max as L to the power of "
        f"{with_interval(optimistic['length'].power, 2)}. For each unit of ln n, at L = {LENGTH}: "
        f"{with_interval(uniform['agents'].per_log, 1)} and {with_interval(optimistic['agents'].per_log, 1)} more.",
        table=table,
        notes=f"{sizes.markdown()}\n\n{extent.seeds} runs each, T = {HORIZON}, with combinations of their own; medians "
        "with intervals bootstrapped over runs. SYSADMIN's `lock`: chains of L machines, all locked at the start; a "
        "machine is open next when the one before it is open and it does the right one of two things. Counted until "
        "the plan opens every machine of all n / L chains and keeps it open (tried after 1, 2, 3 … trials, in steps of "
        "19 %). For that a machine must have been seen open beside an open one, doing the right thing: uniformly "
        "random actions do this at the last machine with probability 4^−L a step, which is ν ρ^B. The growth with L is "
        f"fitted from L = {LENGTHS[1]} on.",
        picture=draw(needed),
        csv=csv_text(
            ("exploration", "n", "length", "run", "trials"),
            [(*key, k, float(x)) for key, values in found.items() for k, x in enumerate(values)],
        ),
        numbers={f"{label}/n={n}/L={x}": found for (label, n, x), found in needed.items()}
        | {f"{label}/slopes": made for label, made in slopes.items()},
    )


def slopes_of(found: Found, label: str) -> dict[str, Exponent]:
    """Fit the trials of one learner to powers of L, of 4^L, and to ln n."""
    runs = [found[label, AGENTS, x] for x in LENGTHS[1:]]
    return {
        "length": fit_exponent(LENGTHS[1:], runs),
        "visits": fit_exponent([4**x for x in LENGTHS[1:]], runs),
        "agents": fit_exponent(SIZES, [found[label, n, LENGTH] for n in SIZES]),
    }


def draw(needed: Mapping[tuple[str, int, int], Interval]) -> bytes:
    """Draw trials against the length, and against the number of agents, logarithmic."""
    from crl_envs.bench.report.pictures import BLUE, VERMILLION, as_png, intervals, new_figure

    figure, panels = new_figure(2)
    for label, colour, marker in zip(LEARNERS, (VERMILLION, BLUE), "os", strict=True):
        style = {"marker": marker, "ms": 4, "color": colour, "label": label}
        intervals(panels[0], LENGTHS, [needed[label, AGENTS, x] for x in LENGTHS], **style)
        intervals(panels[1], SIZES, [needed[label, n, LENGTH] for n in SIZES], **style)
    panels[0].plot(LENGTHS, [4.0**x for x in LENGTHS], "k:", label="4^L")
    panels[0].set(xlabel="length of the lock L", yscale="log", title=f"{AGENTS} agents")
    panels[1].set(xlabel="agents", xscale="log", title=f"L = {LENGTH}")
    panels[1].set_xticks(SIZES, [str(n) for n in SIZES])
    panels[1].minorticks_off()
    panels[0].set_ylabel("trials until every machine opens")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


EXPLORATION: Final = Figure(cases, view)
