"""Beyond the paper: several loads in flight, lost messages, agents that fail, and 50 to 5,000 agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.levels import (
    CLEAR_NOTE,
    HEURISTICS_NOTE,
    MOST_STEPS,
    POLICIES,
    RIVALS,
    Curve,
    Curves,
    by_policy,
    cell,
    delegations,
    draw_curves,
    messages_of,
    others,
    percent,
    plain_curves,
    slowdown_of_kind,
    slowdowns,
    standings,
    steps_of,
    steps_of_kind,
)
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    FAST_FORGETTING,
    GRADIENT,
    MODELS,
    RANDOM,
    Policy,
    Run,
    fewest_steps,
    numbered,
    runs_of,
)
from crl_envs.bench.text import Table, number

IN_FLIGHT: Final = (1, 5, 20, 50)


def in_flight_runs(extent: Extent) -> Cases:
    """Declare runs with several loads in flight on the grid."""
    return {
        (p.label, most): p.runs(
            extent, env={"max_in_flight": most, "max_steps": MOST_STEPS}, every=0
        )
        for p in POLICIES
        for most in IN_FLIGHT
    }


def in_flight(extent: Extent, found: Recordings) -> Section:
    """Show steps and messages with several loads in flight."""
    played = runs_of(found)
    steps = by_policy({key: steps_of(runs) for key, runs in played.items()})
    messages = by_policy({key: messages_of(runs) for key, runs in played.items()})
    loads = int(next(iter(played.values()))[0].capacity.sum())
    last = IN_FLIGHT[-1]
    rows = [
        [
            p.label,
            *(cell(steps[p.label][most]) for most in IN_FLIGHT),
            *(_per_load(played[p.label, last], count) for count in (delegations, others)),
            cell(messages[p.label][last], 1),
        ]
        for p in POLICIES
    ]
    header = (
        "steps to store all",
        *(f"{most} in flight" for most in IN_FLIGHT),
        *(f"{name} a load at {last}" for name in ("delegations", "other messages", "all messages")),
    )
    return Section(
        title="Several loads in flight, grid",
        claim="The paper has one load in flight. What if several agents act at once, on values that others are "
        "just changing?",
        verdict=in_flight_verdict(steps, messages),
        table=Table(header, rows),
        notes=f"All loads enter at agent 0, which acts on one load a step: no policy can take fewer than {loads:,} "
        "steps (dotted), and with more in flight loads only queue at the entry. Other messages: CRL's "
        "advertisements, one for each delegation that arrives; the heuristics' questions and answers, "
        f"both count. {HEURISTICS_NOTE} The gradient model differs in its cost model too: it pays for filling an "
        f"agent up. {CLEAR_NOTE}",
        picture=draw_in_flight(steps, messages, loads),
        csv=csv_text(
            ("policy", "in_flight", "run", "steps", "finished", "delegations", "other_messages"),
            [
                (*at, r.length, int(r.finished), r.last["messages_sent"], others(r))
                for at, r in numbered(played)
            ],
        ),
        numbers={"steps": plain_curves(steps), "messages_per_load": plain_curves(messages)},
    )


def _per_load(runs: Sequence[Run], count: Callable[[Run], int]) -> str:
    return number(float(np.mean([count(run) / max(run.last["loads_in"], 1) for run in runs])), 1)


def in_flight_verdict(steps: Curves, messages: Curves) -> str:
    """Say where CRL takes fewer steps, and who sends the fewest messages at the last level."""
    said = standings(steps, DISCRETE, RIVALS, ("fewer steps", "more steps"), lambda m: f"{m}")
    ends = {label: list(curve.values())[-1] for label, curve in messages.items()}
    least = min(ends, key=lambda label: (ends[label].cut, ends[label].mean.value))
    counts = ", ".join(f"{label} {number(m.mean.value, 1)}" for label, m in ends.items())
    level = list(messages[least])[-1]
    return f"{said} Messages a load with {level} in flight: {counts}; the fewest: {least}."


def draw_in_flight(steps: Curves, messages: Curves, loads: int) -> bytes:
    """Draw steps and messages against loads in flight."""
    from crl_envs.bench.report.pictures import as_png, new_figure

    figure, (left, right) = new_figure(2, sharey=False)
    for panel, found in ((left, steps), (right, messages)):
        draw_curves(panel, found)
        panel.set(xscale="log", yscale="log", xlabel="most loads in flight")
        panel.set_xticks(IN_FLIGHT, [str(most) for most in IN_FLIGHT])
        panel.minorticks_off()
    left.axhline(loads, color="black", linestyle=":", linewidth=1)
    left.set(ylabel="steps to store all loads", title="steps")
    right.set(ylabel="messages a load", title="delegations, advertisements, questions")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


LOSSES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def loss_runs(extent: Extent) -> Cases:
    """Declare runs with delegations lost on their links, and with advertisements lost on the learners' bus."""
    links = {
        ("links", p.label, rate): p.runs(
            extent, env={"message_loss": rate, "max_steps": MOST_STEPS}, every=0
        )
        for p in POLICIES
        for rate in LOSSES
    }
    bus = {
        ("bus", p.label, rate): p.having(bus={"loss": rate}).runs(
            extent, env={"max_steps": MOST_STEPS}, every=0
        )
        for p in MODELS
        for rate in LOSSES
    }
    return links | bus


def loss(extent: Extent, found: Recordings) -> Section:
    """Show how losses slow the policies down."""
    played = runs_of(found)
    steps = {kind: by_policy(steps_of_kind(played, kind)) for kind in ("links", "bus")}
    slower = {kind: by_policy(slowdown_of_kind(played, kind)) for kind in ("links", "bus")}
    names = {"links": "delegations", "bus": "advertisements"}
    rows = [
        [
            f"{names[kind]}, {label}",
            cell(curve[LOSSES[0]]),
            *(cell(slower[kind][label][rate], 2, "× ") for rate in LOSSES[1:]),
            cell(curve[LOSSES[-1]]),
        ]
        for kind in names
        for label, curve in steps[kind].items()
    ]
    header = (
        "what is lost",
        "steps without loss",
        *(f"{percent(rate)} lost" for rate in LOSSES[1:]),
        f"steps at {percent(LOSSES[-1])}",
    )
    return Section(
        title="Lost messages, grid",
        claim="What if delegations are lost on their links (the load stays with the sender, who pays for the link), or "
        "advertisements on the way?",
        verdict=loss_verdict(steps["links"], slower),
        table=Table(header, rows),
        notes="× is by how many times the steps without loss, run by run with the same seed. A lost delegation returns "
        "no value either. The random policy and CRL pay for a lost message with a step, and CRL with a worse opinion "
        f"of the neighbour. {HEURISTICS_NOTE} One load in flight. {CLEAR_NOTE}",
        picture=draw_loss(slower),
        csv=csv_text(
            ("lost", "policy", "rate", "run", "steps", "finished"),
            [(*at, r.length, int(r.finished)) for at, r in numbered(played)],
        ),
        numbers={
            "steps": {kind: plain_curves(found) for kind, found in steps.items()},
            "slower": {kind: plain_curves(found) for kind, found in slower.items()},
        },
    )


def loss_verdict(steps: Curves, slower: Mapping[str, Curves]) -> str:
    """Say where CRL takes fewer steps, and whom loss slows most."""
    last = percent(list(next(iter(steps.values())))[-1])
    said = standings(steps, DISCRETE, RIVALS, ("fewer steps", "more steps"), percent)
    hits = slowdowns(slower["links"], f"Losing {last} of the delegations")
    return f"{said} {hits} {slowdowns(slower['bus'], f'Losing {last} of the advertisements')}"


def draw_loss(slower: Mapping[str, Curves]) -> bytes:
    """Draw steps relative to those without loss, for both kinds of loss."""
    from crl_envs.bench.report.pictures import as_png, new_figure

    figure, panels = new_figure(2)
    titles = {"links": "delegations lost", "bus": "advertisements lost"}
    for panel, (kind, title) in zip(panels, titles.items(), strict=True):
        draw_curves(panel, slower[kind])
        panel.set(title=title, xlabel="% lost")
        panel.set_xticks(LOSSES, [f"{100 * rate:g}" for rate in LOSSES])
    panels[0].set_ylabel("steps, × without loss")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


DOWN: Final = (0.0, 0.05, 0.1, 0.2, 0.3)
RETURN_RATE: Final = 0.05
FAILING_IN_FLIGHT: Final = 20
FAILING: Final = (DISCRETE, GRADIENT, FAST_FORGETTING, *RIVALS)


def failure_runs(extent: Extent) -> Cases:
    """Declare runs with agents that fail and return, and several loads in flight, on the grid."""
    return {
        ("grid", p.label, share): p.runs(extent, env=failing(share), every=0)
        for p in FAILING
        for share in DOWN
    }


def failures(extent: Extent, found: Recordings) -> Section:
    """Show how failures slow the policies down."""
    played = runs_of(found)
    steps, slower = (
        by_policy(steps_of_kind(played, "grid")),
        by_policy(slowdown_of_kind(played, "grid")),
    )
    rows = [
        [
            p.label,
            *(cell(m) for m in steps[p.label].values()),
            cell(slower[p.label][DOWN[-1]], 2, "× "),
        ]
        for p in FAILING
    ]
    header = (
        "steps to store all",
        *(f"{percent(share)} down" for share in DOWN),
        f"× from {percent(DOWN[0])} to {percent(DOWN[-1])}",
    )
    return Section(
        title="Agents that fail and return, grid",
        claim="What if agents fail under load and return some time later, with their queues and what they have "
        "stored?",
        verdict=failures_verdict(steps, slower),
        table=Table(header, rows),
        notes=f"{FAILING_IN_FLIGHT} loads in flight. An agent that is down returns with probability "
        f"{RETURN_RATE:g} in "
        f"a step, after {1 / RETURN_RATE:.0f} steps on average, and fails as often as it takes for the given "
        f"share to "
        "be down on average. Messages to it are lost, its loads wait, and while the entry is down nothing comes in: "
        f"that slows every policy. {HEURISTICS_NOTE} So the heuristics never delegate to an agent that is down; "
        "CRL finds out by a lost message, and when it is back, by another try.\n\n"
        f"{FAST_FORGETTING.label} has `transition_rate=0.5`: P, the probability that a delegation gets through, "
        f"as an "
        "exponential mean over the last few tries instead of the frequency over all. It was **chosen after seeing**, "
        "out of a dozen configurations of CRL-discrete with three to six of the same seeds, in an informal "
        "search whose "
        "runs weren't kept. It isn't for nothing: where messages are lost at random and no neighbour is worse than "
        f"another, forgetting makes CRL chase noise, and it takes more steps. {CLEAR_NOTE}",
        picture=draw_failures(steps, slower),
        csv=csv_text(
            ("policy", "down", "run", "steps", "finished", "messages", "lost"),
            [(*at[1:], r.length, int(r.finished), *_traffic(r)) for at, r in numbered(played)],
        ),
        numbers={"steps": plain_curves(steps), "slower": plain_curves(slower)},
    )


def failing(share: float) -> dict[str, Any]:
    """Return the environment's arguments for a share of agents that are down on average."""
    return {
        "max_in_flight": FAILING_IN_FLIGHT,
        "fail_rate": RETURN_RATE * share / (1 - share),
        "return_rate": RETURN_RATE,
        "max_steps": MOST_STEPS,
    }


def _traffic(run: Run) -> tuple[int, int]:
    return int(run.last["messages_sent"]), int(run.last["messages_lost"])


def failures_verdict(steps: Curves, slower: Curves) -> str:
    """Say where CRL takes fewer steps, and whom failures slow most."""
    words = ("fewer steps", "more steps")
    said = " ".join(
        standings(steps, mine, RIVALS, words, percent) for mine in (DISCRETE, FAST_FORGETTING)
    )
    last = percent(list(next(iter(steps.values())))[-1])
    return f"{said} {slowdowns(slower, f'Having {last} of the agents down')}"


def draw_failures(steps: Curves, slower: Curves) -> bytes:
    """Draw steps, and steps relative to those without failures."""
    from crl_envs.bench.report.pictures import as_png, new_figure

    figure, (left, right) = new_figure(2, sharey=False)
    for panel, found in ((left, steps), (right, slower)):
        draw_curves(panel, found)
        panel.set_xlabel("% of the agents down on average")
        panel.set_xticks(DOWN, [f"{100 * share:g}" for share in DOWN])
    left.set(yscale="log", ylabel="steps to store all loads", title="steps")
    right.set(ylabel="steps, × without failures", title="relative to no failures")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


SIZES: Final = (50, 100, 200, 500, 1000, 2000, 5000)
MANY: Final = 1000  # from this size on
FEW_RUNS: Final = 3  # there are only so many runs
RANDOM_UP_TO: Final = 200
MOST: Final = 20  # × the fewest steps, then a run is cut off
MOST_OF_RANDOM: Final = 300
NOT_RUN: Final = "not run"


def scale_runs(extent: Extent) -> Cases:
    """Declare runs on a random graph each, cut off after so many times the fewest possible steps."""
    return {
        (p.label, n): [
            p.run(
                extent.seed + k,
                {
                    "n_agents": n,
                    "topology": "random",
                    "instance_seed": k,
                    "max_steps": (MOST_OF_RANDOM if p is RANDOM else MOST) * fewest_on(n, k),
                },
                every=0,
            )
            for k in range(runs_at(n, extent))
        ]
        for p in POLICIES
        for n in SIZES
        if plays(p, n)
    }


def scale(extent: Extent, found: Recordings) -> Section:
    """Show the steps by the number of agents, as multiples of the fewest possible."""
    played = runs_of(found)
    fewest = {n: [fewest_on(n, k) for k in range(runs_at(n, extent))] for n in SIZES}
    ratios = by_policy({key: steps_of(runs, fewest[key[1]]) for key, runs in played.items()})
    rows = [[p.label, *(cell_at(ratios.get(p.label, {}), n) for n in SIZES)] for p in POLICIES]
    return Section(
        title="From 50 to 5,000 agents, random graphs",
        claim="Agents know their neighbours only. How far from the fewest possible steps do they stay when there are "
        "more of them, and the ways to spare capacity are longer?",
        verdict=scale_verdict(ratios),
        table=Table(("steps to store all / fewest", *(f"n = {n:,}" for n in SIZES)), rows),
        notes=_scale_notes(extent, fewest),
        picture=draw_scale(ratios),
        csv=csv_text(
            ("policy", "n", "run", "steps", "fewest", "finished"),
            [
                (label, n, k, run.length, fewest[n][k], int(run.finished))
                for (label, n, k), run in numbered(played)
            ],
        ),
        numbers={"ratio": plain_curves(ratios), "fewest_steps": fewest},
    )


def plays(policy: Policy, n: int) -> bool:
    """Return whether a policy is played with so many agents."""
    return policy is not RANDOM or n <= RANDOM_UP_TO


def runs_at(n: int, extent: Extent) -> int:
    """Return the number of runs with so many agents."""
    return extent.seeds if n < MANY else min(FEW_RUNS, extent.seeds)


@cache
def fewest_on(n: int, graph: int) -> int:
    """Return the fewest steps that store all loads on a random graph."""
    return fewest_steps(n_agents=n, topology="random", instance_seed=graph)


def cell_at(curve: Curve, n: int) -> str:
    """Return the ratio with so many agents, if it was measured."""
    return cell(curve[n], 2) if n in curve else NOT_RUN


def scale_verdict(ratios: Curves) -> str:
    """Say how the ratios change from the fewest agents to the most, and where CRL takes fewer steps."""
    said = [f"{label} {_change(curve)}" for label, curve in ratios.items()]
    words = ("fewer steps", "more steps")
    sizes = standings(ratios, DISCRETE, RIVALS, words, lambda n: f"n = {n:,}")
    return f"Steps as multiples of the fewest: {'; '.join(said)}. {sizes}"


def _change(curve: Curve) -> str:
    every = list(curve.items())
    (low, first), (high, last) = every[0], every[-1]
    ends = [f"{'≥ ' * (m.cut > 0)}{m.mean.value:.2f}" for m in (first, last)]
    return f"{ends[0]} with {low:,} agents and {ends[1]} with {high:,}"


def _scale_notes(extent: Extent, fewest: Mapping[int, Sequence[int]]) -> str:
    steps = ", ".join(f"{n:,}: {sum(some) / len(some):,.0f}" for n, some in fewest.items())
    few = [f"{n:,}" for n in SIZES if runs_at(n, extent) < extent.seeds]
    fewer = f"; only {FEW_RUNS} with n = {', '.join(few)}, so wide intervals there" if few else ""
    return (
        f"One load in flight, 10 successors each, two servers of 200 whatever n is. {extent.seeds} runs, each with "
        f"another graph{fewer}. Fewest possible: breadth-first filling, mean over the graphs ({steps}). A run is cut "
        f"off after {MOST} × the fewest steps (random: {MOST_OF_RANDOM} ×). Random isn't run beyond "
        f"{RANDOM_UP_TO:,} agents, only for the time it takes. {HEURISTICS_NOTE} {CLEAR_NOTE}"
    )


def draw_scale(ratios: Curves) -> bytes:
    """Draw ratios against the number of agents."""
    from crl_envs.bench.report.pictures import as_png, single_figure

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


IN_FLIGHT_FIGURE: Final = Figure(in_flight_runs, in_flight)
LOSS: Final = Figure(loss_runs, loss)
FAILURES: Final = Figure(failure_runs, failures)
SCALE: Final = Figure(scale_runs, scale)
