"""The systems that the paper's §4 compares with, on its own problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.intervals import Interval, t_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.filling import steps_interval
from crl_envs.bench.reproductions.dowling.play import Run, curves, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, ENV_ID, RANDOM, Policy
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval

MOST_RUNS: Final = 5  # of a learner that only runs through the API
TOPOLOGIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "grid": {},
    "random graph 0": {"topology": "random"},
}
ALONE: Final = Policy("independent Q-learning", "independent-q")
VALUES: Final = Policy("distributed value functions", "dvf")
ANTS: Final = Policy("ant colony", "ant-colony")
POLICIES: Final = (DISCRETE, VALUES, ANTS, ALONE, RANDOM)
_COUNTED: Final = ("advertisements_sent", "backward_ant_messages")


def related(plan: Plan, watch: Watch) -> Section:
    """Steps and messages of each system on both topologies."""
    runs = min(plan.seeds, MOST_RUNS)
    tasks = {
        (where, policy.label): seeds_of(policy, plan.seed, runs, env=env, every=100)
        for where, env in TOPOLOGIES.items()
        for policy in POLICIES
    }
    played = play_table(tasks, watch, "the systems of §4")
    best = {
        where: crl_envs.make(ENV_ID, **env).unwrapped.optimal_steps()
        for where, env in TOPOLOGIES.items()
    }
    steps = {key: steps_interval(some) for key, some in played.items()}
    sent = {key: t_interval(_messages(some)) for key, some in played.items()}
    rows = []
    for policy in POLICIES:
        cells: list[str] = []
        for where in TOPOLOGIES:
            key = (where, policy.label)
            cells += [
                with_interval(steps[key], 0),
                number(steps[key].value / best[where], 2),
                number(sent[key].value / played[key][0].capacity.sum(), 1),
            ]
        rows.append([policy.label, *cells])
    header = [
        f"{where}: {what}"
        for where in TOPOLOGIES
        for what in ("steps to store all", "× fewest", "messages a load")
    ]
    return Section(
        title="The systems of §4",
        claim="§4 describes independent learners, distributed value functions and ant colonies beside CRL, without a "
        "measurement. How do they do on the paper's problem?",
        verdict=verdict(steps),
        table=Table(("", *header), rows),
        notes=f"{runs} runs each, discrete cost model. Messages: values told to others and steps of backward ants; "
        "delegations aren't counted. Each learner has the defaults that its page gives; a few settings of each were "
        "tried with some of the same seeds.",
        picture=draw(played),
        csv=csv_text(
            ("topology", "policy", "run", "steps", "finished", "messages"),
            [
                (*key, k, run.length, int(run.finished), int(_messages([run])[0]))
                for key, some in played.items()
                for k, run in enumerate(some)
            ],
        ),
        numbers={
            "steps": {"/".join(key): x for key, x in steps.items()},
            "messages": {"/".join(key): x for key, x in sent.items()},
        },
    )


def verdict(steps: Mapping[tuple[str, str], Interval]) -> str:
    """The order of the systems by steps, on each topology."""
    said = []
    for where in TOPOLOGIES:
        ranked = sorted(POLICIES, key=lambda p: steps[where, p.label].value)
        named = (f"{p.label} {number(steps[where, p.label].value, 0)}" for p in ranked)
        said.append(f"{where}: {', '.join(named)} steps")
    return f"{'; '.join(said)}."


def draw(played: Mapping[tuple[str, str], Sequence[Run]]) -> bytes:
    """Total load against steps, means over runs."""
    from crl_envs.bench.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, as_png, new_figure

    figure, panels = new_figure(len(TOPOLOGIES))
    dashes: tuple[Any, ...] = ("-", (0, (6, 1.2)), "--", ":", "-.")
    colors = (BLUE, GREEN, ORANGE, PURPLE, GREY)
    for panel, where in zip(panels, TOPOLOGIES, strict=True):
        longest = max(run.length for p in POLICIES for run in played[where, p.label])
        grid = np.geomspace(100, longest, 400)
        for policy, color, dash in zip(POLICIES, colors, dashes, strict=True):
            every = curves(played[where, policy.label], grid, lambda run: run.stored)
            panel.fill_between(grid, every.min(0), every.max(0), color=color, alpha=0.15, lw=0)
            panel.plot(grid, every.mean(0), color=color, linestyle=dash, label=policy.label)
        panel.set(title=where, xscale="log", xlabel="steps", xlim=(100, longest))
    panels[0].set_ylabel("loads stored")
    panels[0].legend(loc="upper left", bbox_to_anchor=(0.0, 0.95))
    return as_png(figure)


def _messages(runs: Sequence[Run]) -> Any:
    return np.array([sum(run.last.get(name, 0) for name in _COUNTED) for run in runs], np.float64)
