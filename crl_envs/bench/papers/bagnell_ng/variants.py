"""Beyond the paper: local rewards estimated from the global one, and where an agent's own reward isn't enough.

SYSADMIN as in Figure 3 (T = 20), REINFORCE with α = 3 and the running baseline for all. Iterations to 80 % of the gain
are those of Figure 3: where the mean over runs, averaged over ten iterations on each side, reaches the level for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

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
from crl_envs.bench.papers.bagnell_ng.learning import (
    HORIZON,
    PERCENT,
    SYSADMIN,
    WINDOW,
    curves_case,
    gain_level,
    iterations_to,
)
from crl_envs.bench.score.statistics import (
    FloatArray,
    Interval,
    bootstrap_interval,
    moving_mean,
    t_interval,
)
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.core import Optimum

SIZES: Final = (10, 20, 50, 100, 200)
NOISE_SIZE: Final = 20
SCALES: Final = (0.0, 0.01, 0.03, 0.1, 0.3)  # of the noise on the team's reward of a step


@dataclass(frozen=True)
class Method:
    """A learner of SYSADMIN.

    Attributes:
        label: What pictures and tables call it.
        spec: The learner.
        base: Iterations that are played for each size: so many,
        each: and so many for each agent.
        longest: Iterations that are played under the most noise, with `NOISE_SIZE` agents.
    """

    label: str
    spec: LearnerSpec
    base: int
    each: float
    longest: int = 0

    def iterations(self, n: int, scale: float) -> int:
        """Return how long a run is; between no noise and the most it grows with the scale."""
        without = round(self.base + self.each * n)
        return without + round(max(self.longest - without, 0) * scale / SCALES[-1])


LOCAL: Final = Method("local", learner("reinforce", credit="local"), 150, 0)
DECOMPOSED: Final = Method("decomposed", learner("decomposed-reinforce"), 120, 0.2, 600)
GLOBAL: Final = Method("global", learner("reinforce", credit="global"), 150, 16, 3000)
METHODS: Final = (LOCAL, DECOMPOSED, GLOBAL)
NOISY_METHODS: Final = (DECOMPOSED, GLOBAL)


class Condition(NamedTuple):
    """What is learnt where."""

    label: str
    n_agents: int
    scale: float


def decomposed_cases(extent: Extent) -> Cases:
    """Declare runs of each size without noise, and of one size under noise."""
    without = [(method, n, 0.0) for method in METHODS for n in SIZES]
    noisy = [(method, NOISE_SIZE, scale) for method in NOISY_METHODS for scale in SCALES]
    return {
        Condition(method.label, n, scale): [
            curves_case(
                method.spec,
                {"n_agents": n},
                method.iterations(n, scale) + 1,
                extent.seed,
                extent.seeds,
                **({} if method is LOCAL else {"team": True}),
                **({"noise": scale} if scale else {}),
            )
        ]
        for method, n, scale in (*without, *noisy)
    }


def decomposed(extent: Extent, found: Recordings) -> Section:
    """Show the iterations to the level for each size without noise, and for one size under noise."""
    levels = {n: gain_level(n) for n in {*SIZES, NOISE_SIZE}}
    reached = {
        key: bootstrap_interval(
            partial(iterations_to, levels[key.n_agents]), runs[0].arrays["curves"]
        )
        for key, runs in found.items()
    }
    rows = []
    for n, scale in (*((n, 0.0) for n in SIZES), *((NOISE_SIZE, s) for s in SCALES[1:])):
        there = (reached.get(Condition(method.label, n, scale)) for method in METHODS)
        cells = ["" if interval is None else with_interval(interval, 0) for interval in there]
        rows.append([f"n = {n}, noise {scale:g}" if scale else f"n = {n}", *cells])
    return Section(
        title="Beyond the paper: decompose the global reward, then learn locally",
        claim="How much of what local rewards are worth can be had from the global one, by a regression that "
        "estimates them? How far does that go under noise?",
        verdict=decomposed_verdict(reached),
        table=Table((f"iterations to {PERCENT}", *(method.label for method in METHODS)), rows),
        notes=f"{extent.seeds} runs each; 95 % intervals bootstrapped over runs; –: not reached in the iterations "
        "that were played. Local: REINFORCE with the rewards of the machine and its neighbours. Global: with the "
        "team's. Decomposed: from the team's reward only, ridge regression on the indicators of (agent, "
        "observation, action), then the local update on what it estimates. Noise is Gaussian, on the team's reward of "
        "every step, and given as its standard deviation; the gain is measured without it. A machine's share of the "
        f"mean is 1/n: with n = {NOISE_SIZE}, noise of 0.1 is as if {NOISE_SIZE / 10:.0f} machines were up or down. "
        "The regression sees no more than the global learner does. It knows one thing more: that the team's reward "
        "is a sum of what each agent sees and does.",
        picture=draw_decomposed(reached),
        csv=csv_text(
            ("learner", "n", "noise", "iterations", "low", "high"),
            [(*condition, *map(float, x)) for condition, x in reached.items()],
        ),
        numbers={f"{label}/{n}/{scale:g}": x for (label, n, scale), x in reached.items()},
    )


def decomposed_verdict(reached: Mapping[Condition, Interval]) -> str:
    """Say how the iterations grow from the fewest agents to the most, and from no noise to the most."""
    said = []
    for method in METHODS:
        ends = (reached[Condition(method.label, n, 0.0)].value for n in (SIZES[0], SIZES[-1]))
        said.append(f"{method.label} {' → '.join(number(x, 0) for x in ends)}")
    noisy = []
    for method in NOISY_METHODS:
        found = (reached[Condition(method.label, NOISE_SIZE, s)].value for s in SCALES)
        noisy.append(f"{method.label} {' → '.join(number(x, 0) for x in found)}")
    scales = ", ".join(f"{s:g}" for s in SCALES)
    return (
        f"Iterations to {PERCENT} of the gain from n = {SIZES[0]} to {SIZES[-1]}: {', '.join(said)}; "
        f"with n = {NOISE_SIZE} and noise {scales}: {', '.join(noisy)}."
    )


def draw_decomposed(reached: Mapping[Condition, Interval]) -> bytes:
    """Draw the iterations against agents and against noise; both axes logarithmic."""
    from crl_envs.bench.report.pictures import (
        BLUE,
        GREEN,
        VERMILLION,
        as_png,
        intervals,
        new_figure,
    )

    looks: dict[str, dict[str, Any]] = {
        LOCAL.label: {"color": BLUE, "linestyle": "-", "marker": "o"},
        DECOMPOSED.label: {"color": GREEN, "linestyle": "--", "marker": "s"},
        GLOBAL.label: {"color": VERMILLION, "linestyle": (0, (6, 1.2)), "marker": "^"},
    }
    figure, (left, right) = new_figure(2)
    for method in METHODS:
        found = [reached[Condition(method.label, n, 0.0)] for n in SIZES]
        intervals(left, SIZES, found, ms=4, label=method.label, **looks[method.label])
    left.set(xscale="log", yscale="log", xlabel="agents", title="without noise")
    left.set_ylabel(f"iterations to {PERCENT} of the gain")
    for method in NOISY_METHODS:
        found = [reached[Condition(method.label, NOISE_SIZE, s)] for s in SCALES]
        intervals(right, SCALES, found, ms=4, **looks[method.label])
    right.set_xscale("symlog", linthresh=SCALES[1])
    right.set_xticks(SCALES, [f"{s:g}" for s in SCALES])
    right.set(xlabel="noise on the team's reward of a step", title=f"{NOISE_SIZE} agents")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


CREDITS: Final = ("own", "local", "global")
ITERATIONS: Final = 2000
LAST: Final = 300  # iterations at the end that the final reward is the mean over


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


def credit_cases(settings: Sequence[Setting], iterations: int, extent: Extent) -> Cases:
    """Declare runs on own, local and global rewards, on the variant where they differ and on others."""
    return {
        (setting, credit): [credit_case(setting, credit, iterations, extent)]
        for setting in settings
        for credit in CREDITS
    }


def credit_case(setting: Setting, credit: str, iterations: int, extent: Extent) -> Case:
    """Declare the run of one credit in one setting; policies are kept where neighbours are seen."""
    policies = {"policies": True} if setting.observe == "neighborhood" else {}
    return curves_case(
        learner("reinforce", credit=credit),
        arguments(setting),
        iterations,
        extent.seed,
        extent.seeds,
        **policies,
    )


def rewards_compared(
    settings: Sequence[Setting], iterations: int, extent: Extent, recordings: Recordings
) -> Section:
    """Show the reward that each credit ends at, and what its policies do."""
    found = {key: learnt(runs[0]) for key, runs in recordings.items()}
    optima = {
        setting: crl_envs.make_vec(SYSADMIN, num_envs=1, **arguments(setting)).optimum()
        for setting in settings
    }
    gaps = {setting: gap(found, setting) for setting in settings}
    return Section(
        title="Own against local rewards: where neighbours matter",
        claim="Learning from local rewards “is not guaranteed to converge to the globally optimal (cooperative) "
        "solution”. (§5) Where does an agent's own reward fail, and its neighbourhood's?",
        verdict=credits_verdict(gaps, optima, found),
        table=credits_table(found, optima, gaps),
        notes=credits_notes(found, extent, iterations),
        picture=draw_credits(found, optima),
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
                "optimum": optima[setting].value / HORIZON,
                "kind": optima[setting].kind,
                "best_known": optima[setting].lower / HORIZON,
            }
            for setting in settings
        },
    )


def arguments(setting: Setting) -> dict[str, Any]:
    """Return the environment's arguments."""
    return {
        "n_agents": setting.n,
        "dynamics": setting.dynamics,
        "observe": setting.observe,
        "horizon": HORIZON,
    }


def learnt(run: Recording) -> Learnt:
    """Return what one credit gave."""
    policies = run.arrays.get("probabilities")
    return Learnt(run.arrays["curves"], {} if policies is None else reboots_by_state(policies))


def reboots_by_state(probabilities: FloatArray) -> dict[tuple[int, int], float]:
    """Return P(reboot) by (own state, neighbours that are up), from ``float64[n, 8, 2, runs]``.

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
    """Return the final reward a step on local minus on own rewards, run by run: both have the same seeds."""
    return t_interval(found[setting, "local"].final - found[setting, "own"].final)


def credits_verdict(
    gaps: Mapping[Setting, Interval], optima: Mapping[Setting, Optimum], found: Found
) -> str:
    """Say where the own reward falls behind."""
    said = [
        f"{setting}: {with_interval(x)} a step lower, at {number(found[setting, 'own'].final.mean())} "
        f"of at most {number(optima[setting].value / HORIZON)}"
        for setting, x in gaps.items()
        if x.low > 0
    ]
    if not said:
        return "Own rewards end no lower than local ones in any of the variants."
    better = [f"{setting} ({number(-x.value)})" for setting, x in gaps.items() if x.high < 0]
    more = f" They end higher in {'; '.join(better)}." if better else ""
    return f"Own rewards end lower than local ones in {'; '.join(said)}.{more}"


def credits_table(
    found: Found, optima: Mapping[Setting, Optimum], gaps: Mapping[Setting, Interval]
) -> Table:
    """Return the final reward a step, and the optimum."""
    rows = []
    for setting, optimum in optima.items():
        cells = [with_interval(t_interval(found[setting, credit].final)) for credit in CREDITS]
        best = number(optimum.value / HORIZON, 4)
        if optimum.kind != "exact":
            best = f"{number(optimum.lower / HORIZON, 4)} … {best}"
        rows.append([str(setting), *cells, with_interval(gaps[setting]), best])
    header = (*(f"{credit} reward" for credit in CREDITS), "local − own", "optimum")
    return Table(("final reward a step", *header), rows)


def credits_notes(found: Found, extent: Extent, iterations: int) -> str:
    """Say how it was measured, and what the policies do."""
    first = next((setting for setting, _ in found if setting.observe == "neighborhood"), None)
    text = (
        f"{extent.seeds} runs of {iterations:,} iterations each, learning rate 3 as in Figure 3; mean over the last "
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


def draw_credits(found: Found, optima: Mapping[Setting, Optimum]) -> bytes:
    """Draw learning curves in up to three settings."""
    from crl_envs.bench.report.pictures import BLUE, SKY, VERMILLION, as_png, band, new_figure

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
        best = (optimum.value if exact else optimum.lower) / HORIZON
        panel.axhline(best, color="black", linestyle=":", label="optimum, or best known policy")
        panel.set(title=str(setting).replace(", ", "\n", 1), xlabel="iterations", xscale="log")
        panel.set_xlim(WINDOW, curves.shape[1])
    panels[0].set_ylabel("reward a step, mean over agents")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.set_size_inches(4.0 * len(shown), 4.2)
    return as_png(figure)


def drawn(settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """Return both sizes of the first variant, and the default."""
    default = [x for x in settings[2:] if (x.dynamics, x.observe) == ("ring", "own")]
    return (*settings[:2], *default[:1])


DECOMPOSED_REWARDS: Final = Figure(decomposed_cases, decomposed)


def own_against_local(
    settings: Sequence[Setting] = SETTINGS, iterations: int = ITERATIONS
) -> Figure:
    """Return the section for these variants of SYSADMIN and runs of that length."""
    return Figure(
        partial(credit_cases, settings, iterations), partial(rewards_compared, settings, iterations)
    )
