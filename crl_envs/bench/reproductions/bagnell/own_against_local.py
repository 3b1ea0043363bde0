"""Where an agent's own reward isn't enough: REINFORCE on own, local and global rewards, variants of SYSADMIN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.intervals import FloatArray, Interval, moving_mean, t_interval
from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.fig3_findings import ENV_ID, LEARNER, WINDOW
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval
from crl_envs.core import Optimum

CREDITS: Final = ("own", "local", "global")
ITERATIONS: Final = 2000
LAST: Final = 300  # iterations at the end that the final reward is the mean over
_HORIZON: Final = 20


class Setting(NamedTuple):
    """A variant of the problem."""

    dynamics: str
    observe: str
    n: int

    def __str__(self) -> str:
        seen = "own state" if self.observe == "own" else "neighbours seen"
        return f"{self.dynamics}, {seen}, n = {self.n}"


SETTINGS: Final = (
    Setting("ring-bidirectional", "neighborhood", 10),
    Setting("ring-bidirectional", "neighborhood", 50),
    Setting("ring-bidirectional", "own", 10),
    Setting("ring", "own", 10),
    Setting("ring", "own", 50),
    Setting("ring", "neighborhood", 10),
    Setting("ippc2011", "neighborhood", 10),
)


@dataclass(frozen=True)
class Learnt:
    """What one credit gave in one setting.

    Attributes:
        curves: ``float64[runs, iterations]``: reward a step, mean over agents.
        reboots: P(reboot) of the final policies, mean over agents and runs, by (own state, neighbours that are up);
            empty where neighbours aren't seen.
    """

    curves: FloatArray
    reboots: Mapping[tuple[int, int], float]

    @property
    def final(self) -> FloatArray:
        """``float64[runs]``: reward a step over the last iterations."""
        return np.asarray(self.curves[:, -LAST:].mean(axis=1))


Found = Mapping[tuple[Setting, str], Learnt]


def own_against_local(
    plan: Plan,
    watch: Watch,
    settings: Sequence[Setting] = SETTINGS,
    iterations: int = ITERATIONS,
) -> Section:
    """REINFORCE on own, local and global rewards, on the variant where they differ and on others."""
    found = {
        (setting, credit): learn(setting, credit, iterations, plan, watch)
        for setting in settings
        for credit in CREDITS
    }
    optima = {
        setting: crl_envs.make_vec(ENV_ID, num_envs=1, **arguments(setting)).optimum()
        for setting in settings
    }
    gaps = {setting: gap(found, setting) for setting in settings}
    return Section(
        title="Own against local rewards: where neighbours matter",
        claim="Learning from local rewards “is not guaranteed to converge to the globally optimal (cooperative) "
        "solution”. (§5) Where does an agent's own reward fail, and its neighbourhood's?",
        verdict=verdict(gaps, optima, found),
        table=table(found, optima, gaps),
        notes=notes(found, plan, iterations),
        picture=draw(found, optima),
        csv=csv_text(
            ("dynamics", "observe", "n", "credit", "run", "iteration", "reward_per_step"),
            [
                (*setting, credit, run, k, float(curve[k]))
                for (setting, credit), x in found.items()
                for run, curve in enumerate(moving_mean(x.curves, WINDOW))
                for k in range(0, iterations, WINDOW)
            ],
        ),
        numbers={
            str(setting): {
                **{credit: t_interval(found[setting, credit].final) for credit in CREDITS},
                "local_minus_own": gaps[setting],
                "optimum": optima[setting].value / _HORIZON,
                "kind": optima[setting].kind,
                "best_known": optima[setting].lower / _HORIZON,
            }
            for setting in settings
        },
    )


def arguments(setting: Setting) -> dict[str, Any]:
    """Of the environment."""
    return {
        "n_agents": setting.n,
        "dynamics": setting.dynamics,
        "observe": setting.observe,
        "horizon": _HORIZON,
    }


def learn(setting: Setting, credit: str, iterations: int, plan: Plan, watch: Watch) -> Learnt:
    """All runs of one credit, as columns of one vector env."""
    vec = crl_envs.make_vec(ENV_ID, num_envs=plan.seeds, **arguments(setting))
    made = find_learner(LEARNER)(vec, seed=plan.seed, credit=credit)
    what = f"{setting}, {credit}"
    watch(what, 0, iterations)
    made.learn(
        total_episodes=iterations,
        callback=lambda learning: watch(what, learning.episodes, iterations),
    )
    returns = np.array([episode["global_return"] for episode in made.history], np.float64)
    reboots = reboots_by_state(made.probabilities()) if setting.observe == "neighborhood" else {}
    return Learnt(np.ascontiguousarray(returns.T) / _HORIZON, reboots)


def reboots_by_state(probabilities: FloatArray) -> dict[tuple[int, int], float]:
    """P(reboot) by (own state, neighbours that are up), from ``float64[n, 8, 2, runs]``.

    Rows are what a machine on a ring sees: its own state and those of its two neighbours, as bits from the highest.
    """
    chance = probabilities[:, :, 1].mean(axis=(0, 2))
    rows = np.arange(8)
    up = (rows >> 1 & 1) + (rows & 1)
    return {
        (own, others): float(chance[(rows >> 2 == own) & (up == others)].mean())
        for own in (0, 1)
        for others in (0, 1, 2)
    }


def gap(found: Found, setting: Setting) -> Interval:
    """Final reward a step on local minus on own rewards, run by run: both have the same seeds."""
    return t_interval(found[setting, "local"].final - found[setting, "own"].final)


def verdict(
    gaps: Mapping[Setting, Interval], optima: Mapping[Setting, Optimum], found: Found
) -> str:
    """Where the own reward falls behind."""
    said = [
        f"{setting}: {with_interval(x)} a step lower, at {number(found[setting, 'own'].final.mean())} "
        f"of at most {number(optima[setting].value / _HORIZON)}"
        for setting, x in gaps.items()
        if x.low > 0
    ]
    if not said:
        return "Own rewards end no lower than local ones in any of the variants."
    better = [f"{setting} ({number(-x.value)})" for setting, x in gaps.items() if x.high < 0]
    more = f" They end higher in {'; '.join(better)}." if better else ""
    return f"Own rewards end lower than local ones in {'; '.join(said)}.{more}"


def table(
    found: Found, optima: Mapping[Setting, Optimum], gaps: Mapping[Setting, Interval]
) -> Table:
    """Final reward a step, and the optimum."""
    rows = []
    for setting, optimum in optima.items():
        cells = [with_interval(t_interval(found[setting, credit].final)) for credit in CREDITS]
        best = number(optimum.value / _HORIZON, 4)
        if optimum.kind != "exact":
            best = f"{number(optimum.lower / _HORIZON, 4)} … {best}"
        rows.append([str(setting), *cells, with_interval(gaps[setting]), best])
    header = (*(f"{credit} reward" for credit in CREDITS), "local − own", "optimum")
    return Table(("final reward a step", *header), rows)


def notes(found: Found, plan: Plan, iterations: int) -> str:
    """How it was measured, and what the policies do."""
    first = next((setting for setting, _ in found if setting.observe == "neighborhood"), None)
    text = (
        f"{plan.seeds} runs of {iterations:,} iterations each, learning rate 3 as in Figure 3; mean over the last "
        f"{LAST}, 95 % intervals (Student's t; of the difference run by run). The optimum is over policies that see "
        f"every machine; two numbers are the best known policy and an upper bound. The learners' policies "
        f"are still random at times, which costs them a little."
    )
    if first is None:
        return text
    states = [(own, up) for own in (1, 0) for up in (0, 1, 2)]
    rows = [
        [credit, *(number(found[first, credit].reboots[state], 2) for state in states)]
        for credit in CREDITS
    ]
    words = (f"{'up' if own else 'down'}, neighbours up: {up}" for own, up in states)
    header = (f"P(reboot), {first}", *words)
    return (
        f"{text}\n\nWhat differs is the reboot of a machine that is up beside one that is down. It costs the machine "
        f"this step's reward and makes sure that it stays up. The neighbours profit, who fail less often beside "
        f"it, and own rewards don't show that.\n\n"
        f"{Table(header, rows).markdown()}"
    )


def draw(found: Found, optima: Mapping[Setting, Optimum]) -> bytes:
    """Learning curves in up to three settings."""
    from crl_envs.bench.plotting import BLUE, SKY, VERMILLION, as_png, band, new_figure

    styles: dict[str, dict[str, Any]] = {
        "own": {"color": SKY, "linestyle": "-."},
        "local": {"color": BLUE, "linestyle": "-"},
        "global": {"color": VERMILLION, "linestyle": (0, (6, 1.2))},
    }
    shown = drawn(tuple(optima))
    figure, panels = new_figure(len(shown))
    for panel, setting in zip(panels, shown, strict=True):
        for credit, style in styles.items():
            curves = moving_mean(found[setting, credit].curves, WINDOW)
            at = np.arange(1, curves.shape[1] + 1, dtype=np.float64)
            band(panel, curves, at, label=f"{credit} reward", **style)
        optimum = optima[setting]
        exact = optimum.kind == "exact"
        best = (optimum.value if exact else optimum.lower) / _HORIZON
        panel.axhline(best, color="black", linestyle=":", label="optimum, or best known policy")
        panel.set(title=str(setting).replace(", ", "\n", 1), xlabel="iterations", xscale="log")
        panel.set_xlim(WINDOW, curves.shape[1])
    panels[0].set_ylabel("reward a step, mean over agents")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.set_size_inches(4.0 * len(shown), 4.2)
    return as_png(figure)


def drawn(settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """Both sizes of the first variant, and the default."""
    default = [x for x in settings[2:] if (x.dynamics, x.observe) == ("ring", "own")]
    return (*settings[:2], *default[:1])
