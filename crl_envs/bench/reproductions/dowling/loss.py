"""Beyond the paper: delegations and advertisements that are lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import (
    DISCRETE,
    GRADIENT,
)
from crl_envs.bench.reproductions.dowling.sweep import (
    CLEAR_NOTE,
    HEURISTICS_NOTE,
    MOST_STEPS,
    POLICIES,
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

LOSSES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def loss(plan: Plan, watch: Watch) -> Section:
    """Delegations lost on their links, and advertisements lost on the learners' bus."""
    learners = (DISCRETE, GRADIENT)
    links = {
        ("links", p.label, rate): seeds_of(
            p, plan.seed, plan.seeds, env={"message_loss": rate, "max_steps": MOST_STEPS}, every=0
        )
        for p in POLICIES
        for rate in LOSSES
    }
    bus = {
        ("bus", p.label, rate): seeds_of(
            p.having(bus={"loss": rate}),
            plan.seed,
            plan.seeds,
            env={"max_steps": MOST_STEPS},
            every=0,
        )
        for p in learners
        for rate in LOSSES
    }
    played = play_table({**links, **bus}, watch, "loss")
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
            [
                (*key, k, r.length, int(r.finished))
                for key, runs in played.items()
                for k, r in enumerate(runs)
            ],
        ),
        numbers={
            "steps": {kind: plain_curves(found) for kind, found in steps.items()},
            "slower": {kind: plain_curves(found) for kind, found in slower.items()},
        },
    )


def loss_verdict(steps: Curves, slower: Mapping[str, Curves]) -> str:
    """Where CRL takes fewer steps, and whom loss slows most."""
    last = percent(list(next(iter(steps.values())))[-1])
    said = standings(steps, DISCRETE, RIVALS, ("fewer steps", "more steps"), percent)
    hits = slowdowns(slower["links"], f"Losing {last} of the delegations")
    return f"{said} {hits} {slowdowns(slower['bus'], f'Losing {last} of the advertisements')}"


def draw_loss(slower: Mapping[str, Curves]) -> bytes:
    """Steps relative to those without loss, for both kinds of loss."""
    from crl_envs.bench.plotting import as_png, new_figure

    figure, panels = new_figure(2)
    titles = {"links": "delegations lost", "bus": "advertisements lost"}
    for panel, (kind, title) in zip(panels, titles.items(), strict=True):
        draw_curves(panel, slower[kind])
        panel.set(title=title, xlabel="% lost")
        panel.set_xticks(LOSSES, [f"{100 * rate:g}" for rate in LOSSES])
    panels[0].set_ylabel("steps, × without loss")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)
