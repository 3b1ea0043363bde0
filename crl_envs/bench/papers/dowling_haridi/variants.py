"""Variants: the systems of §4, the strategies of advertising (§5.2), and every point that the paper leaves open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from crl_envs.bench.figure import Cases, Extent, Figure, Recordings, Section, csv_text
from crl_envs.bench.papers.dowling_haridi.filling import (
    KNEE_FROM,
    PACES,
    between,
    knee,
    pace,
    sharpness,
)
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    GRADIENT,
    MODELS,
    RANDOM,
    Policy,
    Run,
    Runs,
    curves,
    fewest_steps,
    mean_steps,
    numbered,
    runs_of,
)
from crl_envs.bench.score.statistics import Interval, positive_interval
from crl_envs.bench.text import Table, number, with_interval

MOST_RUNS: Final = 5  # of a learner that only runs through the API
TOPOLOGIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "grid": {},
    "random graph 0": {"topology": "random"},
}
ALONE: Final = Policy("independent Q-learning", "independent-q")
VALUES: Final = Policy("distributed value functions", "dvf")
ANTS: Final = Policy("ant colony", "ant-colony")
SYSTEMS: Final = (DISCRETE, VALUES, ANTS, ALONE, RANDOM)
_COUNTED: Final = ("advertisements_sent", "backward_ant_messages")


def system_runs(extent: Extent) -> Cases:
    """Declare runs of each system on both topologies."""
    return {
        (where, policy.label): policy.runs(extent, min(extent.seeds, MOST_RUNS), env=env, every=100)
        for where, env in TOPOLOGIES.items()
        for policy in SYSTEMS
    }


def systems(extent: Extent, found: Recordings) -> Section:
    """Show steps and messages of each system on both topologies."""
    played, runs = runs_of(found), min(extent.seeds, MOST_RUNS)
    best = {where: fewest_steps(**env) for where, env in TOPOLOGIES.items()}
    steps = {key: mean_steps(some) for key, some in played.items()}
    sent = {key: positive_interval(_messages(some)) for key, some in played.items()}
    rows = []
    for policy in SYSTEMS:
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
        verdict=systems_verdict(steps),
        table=Table(("", *header), rows),
        notes=f"{runs} runs each, discrete cost model. Messages: values sent to others and steps of backward ants; "
        "delegations aren't counted. Each learner has the defaults that its page gives; a few settings of each were "
        "tried with some of the same seeds.",
        picture=draw_systems(played),
        csv=csv_text(
            ("topology", "policy", "run", "steps", "finished", "messages"),
            [
                (*at, run.length, int(run.finished), int(_messages([run])[0]))
                for at, run in numbered(played)
            ],
        ),
        numbers={
            "steps": {"/".join(key): x for key, x in steps.items()},
            "messages": {"/".join(key): x for key, x in sent.items()},
        },
    )


def systems_verdict(steps: Mapping[tuple[str, str], Interval]) -> str:
    """Say in which order the systems come by steps, on each topology."""
    said = []
    for where in TOPOLOGIES:
        ranked = sorted(SYSTEMS, key=lambda p: steps[where, p.label].value)
        named = (f"{p.label} {number(steps[where, p.label].value, 0)}" for p in ranked)
        said.append(f"{where}: {', '.join(named)} steps")
    return f"{'; '.join(said)}."


def draw_systems(played: Runs) -> bytes:
    """Draw total load against steps, means over runs."""
    from crl_envs.bench.report.pictures import BLUE, GREEN, GREY, ORANGE, PURPLE, as_png, new_figure

    figure, panels = new_figure(len(TOPOLOGIES))
    dashes: tuple[Any, ...] = ("-", (0, (6, 1.2)), "--", ":", "-.")
    colors = (BLUE, GREEN, ORANGE, PURPLE, GREY)
    for panel, where in zip(panels, TOPOLOGIES, strict=True):
        longest = max(run.length for p in SYSTEMS for run in played[where, p.label])
        grid = np.geomspace(100, longest, 400)
        for policy, color, dash in zip(SYSTEMS, colors, dashes, strict=True):
            every = curves(played[where, policy.label], grid, lambda run: run.stored)
            panel.fill_between(grid, every.min(0), every.max(0), color=color, alpha=0.15, lw=0)
            panel.plot(grid, every.mean(0), color=color, linestyle=dash, label=policy.label)
        panel.set(title=where, xscale="log", xlabel="steps", xlim=(100, longest))
    panels[0].set_ylabel("loads stored")
    panels[0].legend(loc="upper left", bbox_to_anchor=(0.0, 0.95))
    return as_png(figure)


def _messages(runs: Sequence[Run]) -> Any:
    return np.array([sum(run.last.get(name, 0) for name in _COUNTED) for run in runs], np.float64)


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
MOST_STEPS: Final = 150_000


def advertising_runs(extent: Extent) -> Cases:
    """Declare runs of each strategy, model and setting."""
    return {
        (s, m.label, name): m.having(advertise=tuple(strategy)).runs(
            extent, env={**setting, "max_steps": MOST_STEPS}, every=0
        )
        for s, setting in SETTINGS.items()
        for m in MODELS
        for name, strategy in STRATEGIES.items()
    }


def advertising(extent: Extent, found: Recordings) -> Section:
    """Show messages against steps, by strategy, model and setting."""
    played = runs_of(found)
    steps = {key: mean_steps(runs) for key, runs in played.items()}
    sent = {
        key: positive_interval(_column(runs, "advertisements_sent")) for key, runs in played.items()
    }
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
        "periodically, conditional notification, and return values from delegation actions.” (§5.2) What does each "
        "gain, for how many messages?",
        verdict=advertising_verdict(steps, sent),
        table=Table(("strategy", "steps to store all", "messages", "messages a load"), rows),
        notes="Messages are advertisements between agents; delegations aren't counted. A broadcast counts once for "
        f"each agent that listens. ≥: not all runs stored everything within {MOST_STEPS:,} steps.",
        picture=draw_advertising(steps, sent),
        csv=csv_text(
            ("setting", "policy", "strategy", "run", "steps", "messages"),
            [(*at, run.length, run.last["advertisements_sent"]) for at, run in numbered(played)],
        ),
        numbers={
            "steps": {"/".join(key): x for key, x in steps.items()},
            "messages": {"/".join(key): x for key, x in sent.items()},
        },
    )


def steps_cell(runs: Sequence[Run], steps: Interval) -> str:
    """Return the mean with its interval; only a lower bound where a run was cut off."""
    if all(run.finished for run in runs):
        return with_interval(steps, 0)
    return f"≥ {number(steps.value, 0)}"


def advertising_verdict(steps: Mapping[Any, Interval], sent: Mapping[Any, Interval]) -> str:
    """Say which is the fastest strategy of each model and setting, against the paper's."""
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


def draw_advertising(steps: Mapping[Any, Interval], sent: Mapping[Any, Interval]) -> bytes:
    """Draw steps against messages, a panel for each setting; strategies by marker, models by colour."""
    from crl_envs.bench.report.pictures import BLUE, VERMILLION, as_png, new_figure

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


_AFTER: Final = ({"name": "return", "when": "after"},)


@dataclass(frozen=True)
class Change:
    """A departure from the defaults.

    Attributes:
        point: What the paper leaves open.
        config: Arguments of the learner.
        env: Arguments of the environment.
    """

    point: str
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The arguments that differ."""
        said = [f"{k}={_short(v)}" for k, v in {**self.config, **self.env}.items()]
        return ", ".join(said) or "defaults"


CHANGES: Final = (
    Change("the defaults"),
    Change("R(store) tracks", {"reward_rate": 0.0}),
    Change("R(store) tracks", {"reward_rate": 0.1}),
    Change("R(store) tracks", {"reward_rate": 0.0, "decay_rate": 0.01}),
    Change("P(s'; s, a) tracks", {"transition_rate": 1.0}),
    Change("a kept problem's cost", {"counts_kept": False}),
    Change("a kept problem's cost", {"counts_kept": False, "reward_rate": 0.0}),
    Change("a kept problem's cost", {"counts_kept": False, "reward_rate": 0.0, "decay_rate": 0.01}),
    Change("decay rate", {"decay_rate": 0.01}),
    Change("decay of first values", {"decay_rate": 0.01, "decays_unheard": False}),
    Change("value that j returns", {"advertise": _AFTER}),
    Change("temperature", {"temperature": 0.85}),
    Change("temperature", {"temperature": 0.1}),
    Change("temperature", {"temperature": 5.0}),
    Change("temperature", {"boltzmann": "multiply"}),
    Change("spare capacity", env={"spare": "before"}),
    Change("spare capacity", env={"spare": "next"}),
    Change("spare capacity", {"decay_rate": 0.01}, {"spare": "next"}),
    Change("neighbours on the grid", env={"out_degree": 10}),
    Change("loop avoidance", env={"memory": True}),
)


def ablation_runs(extent: Extent) -> Cases:
    """Declare runs of both models for every change."""
    return {
        (change.name, model.label): model.having(**change.config).runs(
            extent, env={**change.env, "max_steps": MOST_STEPS}, every=20
        )
        for change in CHANGES
        for model in MODELS
    }


def ablation(extent: Extent, found: Recordings) -> Section:
    """Show steps and knee of both models for every change."""
    played = runs_of(found)
    steps = {key: mean_steps(runs) for key, runs in played.items()}
    rows = []
    for change in CHANGES:
        cells = []
        for model in MODELS:
            runs = played[change.name, model.label]
            cells += [steps_cell(runs, steps[change.name, model.label]), sharpness_cell(runs)]
            cells.append(last_cell(runs))
        rows.append([f"{change.point}: `{change.name}`", *cells])
    header = (
        "changed (grid)",
        *(f"{m.label}{what}" for m in MODELS for what in (", steps", ", knee", ", last 5 %")),
    )
    return Section(
        title="Ablation: what the paper leaves open",
        claim="Table 1 and §5.4 leave points open that decide the outcome. Each is a named parameter; here each is "
        "changed by itself.",
        verdict=ablation_verdict(
            steps, {key for key, runs in played.items() if not all(run.finished for run in runs)}
        ),
        table=Table(header, rows),
        notes="Knee: steps a load from 95 to 98 % over steps a load from 90 to 95 %; last 5 %: steps a load. ≥: not "
        f"every run stored everything within {MOST_STEPS:,} steps, and cut-off runs count with that length. In the "
        "rows without `counts_kept` a failed store costs its reward and nothing for what follows.",
        picture=draw_ablation(steps),
        csv=csv_text(
            ("change", "policy", "run", "steps", "finished"),
            [(*at, run.length, int(run.finished)) for at, run in numbered(played)],
        ),
        numbers={"steps": {"/".join(key): x for key, x in steps.items()}},
    )


def sharpness_cell(runs: list[Run]) -> str:
    """Return how many times as many steps a load takes after 95 % as before."""
    if any(run.stored[-1] < KNEE_FROM[-1] * run.capacity.sum() for run in runs):
        return "–"
    return f"× {number(sharpness(knee(runs)), 1)}"


def last_cell(runs: list[Run]) -> str:
    """Return the steps a load in the last 5 %."""
    if not all(run.finished for run in runs):
        return "–"
    return number(pace(runs)[between(*PACES[-1])].value, 1)


def ablation_verdict(
    steps: Mapping[tuple[str, str], Interval], cut: Collection[tuple[str, str]] = ()
) -> str:
    """Say which changes matter: more than a tenth of the steps, and outside of both intervals.

    Args:
        steps: By change and policy.
        cut: Those with runs that were cut off.
    """
    said = []
    for model in MODELS:
        base = steps[CHANGES[0].name, model.label]
        moved = []
        for change in CHANGES[1:]:
            found = steps[change.name, model.label]
            apart = found.low > base.high or found.high < base.low
            if apart and abs(found.value / base.value - 1) > 0.1:
                least = "≥ " * ((change.name, model.label) in cut)
                moved.append((found.value / base.value, least, change.name))
        moved.sort(reverse=True)
        words = ", ".join(f"{name} ({least}× {ratio:.2f})" for ratio, least, name in moved)
        said.append(f"{model.label}: {words or 'nothing'}")
    return f"More than 10 % of the steps are changed by: {'; '.join(said)}."


def draw_ablation(steps: Mapping[tuple[str, str], Interval]) -> bytes:
    """Draw steps by change, both models, with intervals."""
    from crl_envs.bench.report.pictures import BLUE, VERMILLION, as_png, single_figure

    figure, panel = single_figure(8.0, 0.3 * len(CHANGES) + 1.2)
    for model, color, marker, shift in zip(
        MODELS, (BLUE, VERMILLION), "os", (-0.12, 0.12), strict=True
    ):
        for k, change in enumerate(CHANGES):
            found = steps[change.name, model.label]
            label = model.label if k == 0 else None
            panel.plot([max(found.low, 1), found.high], [k + shift] * 2, color=color, linewidth=1.5)
            panel.plot(found.value, k + shift, marker, color=color, ms=4, label=label)
    panel.set_yticks(range(len(CHANGES)), [change.name for change in CHANGES])
    panel.invert_yaxis()
    panel.set(xscale="log", xlabel="steps to store all (means, 95 % intervals)")
    panel.legend(loc="center right")
    return as_png(figure)


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join("-".join(map(str, one.values())) for one in value)
    return str(value)


SYSTEMS_OF_SECTION_4: Final = Figure(system_runs, systems)
ADVERTISING: Final = Figure(advertising_runs, advertising)
ABLATION: Final = Figure(ablation_runs, ablation)
