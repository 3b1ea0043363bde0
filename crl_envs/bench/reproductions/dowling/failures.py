"""Beyond the paper: agents that fail and return under load."""

from __future__ import annotations

from typing import Any, Final

from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import (
    DISCRETE,
    FAST_FORGETTING,
    GRADIENT,
)
from crl_envs.bench.reproductions.dowling.sweep import (
    CLEAR_NOTE,
    HEURISTICS_NOTE,
    MOST_STEPS,
    RIVALS,
    Curves,
    by_policy,
    cell,
    draw_curves,
    percent,
    plain_curves,
    slowdown_of_kind,
    slowdowns,
    standings,
    steps_of_kind,
)
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table

DOWN: Final = (0.0, 0.05, 0.1, 0.2, 0.3)
RETURN_RATE: Final = 0.05
FAILING_IN_FLIGHT: Final = 20


def failures(plan: Plan, watch: Watch) -> Section:
    """Agents that fail and return, with several loads in flight, on the grid."""
    policies = (DISCRETE, GRADIENT, FAST_FORGETTING, *RIVALS)
    tasks = {
        ("grid", p.label, share): seeds_of(p, plan.seed, plan.seeds, env=failing(share), every=0)
        for p in policies
        for share in DOWN
    }
    played = play_table(tasks, watch, "failures")
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
        for p in policies
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
            [
                (*key[1:], k, r.length, int(r.finished), *_traffic(r))
                for key, runs in played.items()
                for k, r in enumerate(runs)
            ],
        ),
        numbers={"steps": plain_curves(steps), "slower": plain_curves(slower)},
    )


def failing(share: float) -> dict[str, Any]:
    """The environment's arguments for a share of agents that are down on average."""
    return {
        "max_in_flight": FAILING_IN_FLIGHT,
        "fail_rate": RETURN_RATE * share / (1 - share),
        "return_rate": RETURN_RATE,
        "max_steps": MOST_STEPS,
    }


def _traffic(run: Run) -> tuple[int, int]:
    return int(run.last["messages_sent"]), int(run.last["messages_lost"])


def failures_verdict(steps: Curves, slower: Curves) -> str:
    """Where CRL takes fewer steps, and whom failures slow most."""
    words = ("fewer steps", "more steps")
    said = " ".join(
        standings(steps, mine, RIVALS, words, percent) for mine in (DISCRETE, FAST_FORGETTING)
    )
    last = percent(list(next(iter(steps.values())))[-1])
    return f"{said} {slowdowns(slower, f'Having {last} of the agents down')}"


def draw_failures(steps: Curves, slower: Curves) -> bytes:
    """Steps, and steps relative to those without failures."""
    from crl_envs.bench.plotting import as_png, new_figure

    figure, (left, right) = new_figure(2, sharey=False)
    for panel, found in ((left, steps), (right, slower)):
        draw_curves(panel, found)
        panel.set_xlabel("% of the agents down on average")
        panel.set_xticks(DOWN, [f"{100 * share:g}" for share in DOWN])
    left.set(yscale="log", ylabel="steps to store all loads", title="steps")
    right.set(ylabel="steps, × without failures", title="relative to no failures")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)
