"""What each advertisement strategy costs in messages, and what it gains in steps (§5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from crl_envs.bench.intervals import Interval, t_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.play import Run, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, GRADIENT
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval

MODELS: Final = (DISCRETE, GRADIENT)
RETURN: Final = "return value"
STRATEGIES: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "nothing": [],
    RETURN: [{"name": "return"}],
    "return value, after acting": [{"name": "return", "when": "after"}],
    "notification over 20": [{"name": "notification", "threshold": 20.0}],
    "return and notification over 20": [
        {"name": "return"},
        {"name": "notification", "threshold": 20.0},
    ],
    "return and notification over 2": [
        {"name": "return"},
        {"name": "notification", "threshold": 2.0},
    ],
    "return and gossip every 50": [{"name": "return"}, {"name": "gossip", "period": 50}],
    "return and gossip every 5": [{"name": "return"}, {"name": "gossip", "period": 5}],
    "broadcast": [{"name": "broadcast"}],
}
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "grid": {},
    "20 in flight": {"max_in_flight": 20},
}
_MOST_STEPS: Final = 150_000


def advertising(plan: Plan, watch: Watch) -> Section:
    """Messages against steps, by strategy, model and setting."""
    keys = [(s, m, name) for s in SETTINGS for m in MODELS for name in STRATEGIES]
    tasks = {
        (s, m.label, name): seeds_of(
            m.having(advertise=tuple(STRATEGIES[name])),
            plan.seed,
            plan.seeds,
            env={**SETTINGS[s], "max_steps": _MOST_STEPS},
            every=0,
        )
        for s, m, name in keys
    }
    played = play_table(tasks, watch, "advertising")
    steps = {key: steps_of(runs) for key, runs in played.items()}
    sent = {key: t_interval(_column(runs, "advertisements_sent")) for key, runs in played.items()}
    rows = []
    for setting in SETTINGS:
        for model in MODELS:
            for name in STRATEGIES:
                key = (setting, model.label, name)
                rows.append(
                    [
                        f"{setting}, {model.label}: {name}",
                        steps_cell(played[key], steps[key]),
                        with_interval(sent[key], 0),
                        number(sent[key].value / 1360, 1),
                    ]
                )
    return Section(
        title="Advertisement strategies: messages and what they gain",
        claim="“Implementation strategies for advertisement of V-values include broadcasting […], gossiping values "
        "periodically, conditional notification, and return values from delegation actions.” (§5.2) What does "
        "each gain, for "
        "how many messages?",
        verdict=verdict(steps, sent),
        table=Table(("strategy", "steps to store all", "messages", "messages a load"), rows),
        notes="Messages are advertisements between agents; delegations aren't counted. A broadcast counts once "
        "for each agent "
        "that listens. ≥: not all runs stored everything within "
        f"{_MOST_STEPS:,} steps.",
        picture=draw(steps, sent),
        csv=csv_text(
            ("setting", "policy", "strategy", "run", "steps", "messages"),
            [
                (*key, k, run.length, run.last["advertisements_sent"])
                for key, runs in played.items()
                for k, run in enumerate(runs)
            ],
        ),
        numbers={
            "steps": {"/".join(key): x for key, x in steps.items()},
            "messages": {"/".join(key): x for key, x in sent.items()},
        },
    )


def steps_of(runs: Sequence[Run]) -> Interval:
    """Mean length of the runs, cut off ones with the length they had."""
    return t_interval(np.array([run.length for run in runs], np.float64))


def steps_cell(runs: Sequence[Run], steps: Interval) -> str:
    """The mean with its interval; only a lower bound where a run was cut off."""
    if all(run.finished for run in runs):
        return with_interval(steps, 0)
    return f"≥ {number(steps.value, 0)}"


def verdict(steps: Mapping[Any, Interval], sent: Mapping[Any, Interval]) -> str:
    """The fastest strategy of each model and setting, against the paper's."""
    said = []
    for setting in SETTINGS:
        for model in MODELS:
            keys = [(setting, model.label, name) for name in STRATEGIES]
            best = min(keys, key=lambda key: steps[key].value)
            base = (setting, model.label, RETURN)
            gain = 1 - steps[best].value / steps[base].value
            if best == base or steps[best].high >= steps[base].low:
                said.append(
                    f"{setting}, {model.label}: nothing is clearly faster than the return value"
                )
                continue
            cost = sent[best].value / max(sent[base].value, 1)
            said.append(
                f"{setting}, {model.label}: {best[2]} saves {gain:.0%} of the steps for × {cost:.1f} messages"
            )
    return "; ".join(said) + "."


def draw(steps: Mapping[Any, Interval], sent: Mapping[Any, Interval]) -> bytes:
    """Steps against messages, a panel for each setting; strategies by marker, models by colour."""
    from crl_envs.bench.plotting import BLUE, VERMILLION, as_png, new_figure

    figure, panels = new_figure(len(SETTINGS), sharey=False)
    markers = dict(zip(STRATEGIES, "xosDv^<>P", strict=True))
    for panel, setting in zip(panels, SETTINGS, strict=True):
        for model, color in zip(MODELS, (BLUE, VERMILLION), strict=True):
            for name, marker in markers.items():
                key = (setting, model.label, name)
                label = name if model is DISCRETE and panel is panels[0] else None
                panel.plot(
                    max(sent[key].value, 1),
                    steps[key].value,
                    marker,
                    color=color,
                    ms=6,
                    label=label,
                )
        panel.set(
            xscale="symlog", yscale="log", title=setting, xlabel="messages", xlim=(-0.5, None)
        )
    panels[0].set_ylabel("steps to store all")
    figure.legend(loc="outside right center", title=f"blue {DISCRETE.label}\nred {GRADIENT.label}")
    return as_png(figure)


def _column(runs: Sequence[Run], name: str) -> Any:
    return np.array([run.last[name] for run in runs], np.float64)
