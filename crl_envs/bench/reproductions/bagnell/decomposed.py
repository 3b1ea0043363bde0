"""Beyond the paper: local rewards estimated from the global one, against agents and against noise.

SYSADMIN as in Figure 3 (the ring, T = 20, own state observed), REINFORCE with α = 3 and the running baseline for all.
Iterations to 80 % of the gain are those of Figure 3: where the mean over runs, averaged over ten iterations on each
side, reaches the level for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.intervals import (
    FloatArray,
    Interval,
    bootstrap_interval,
    last_up_crossing,
    moving_mean,
)
from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.fig3 import find_landmarks
from crl_envs.bench.reproductions.fig3_findings import ENV_ID, PERCENT, WINDOW
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval
from crl_envs.wrappers import GlobalReward, NoisyReward

SIZES: Final = (10, 20, 50, 100, 200)
NOISE_SIZE: Final = 20
SCALES: Final = (0.0, 0.01, 0.03, 0.1, 0.3)  # of the noise on the team's reward of a step


@dataclass(frozen=True)
class Method:
    """A learner of SYSADMIN.

    Attributes:
        label: What pictures and tables call it.
        learner: Its name in the entry-point group.
        config: Its arguments.
        base: Iterations that are played for each size: so many,
        each: and so many for each agent.
        longest: Iterations that are played under the most noise, with `NOISE_SIZE` agents.
    """

    label: str
    learner: str
    config: Mapping[str, Any]
    base: int
    each: float
    longest: int = 0

    def iterations(self, n: int, scale: float) -> int:
        """How long a run is; between no noise and the most it grows with the scale."""
        without = round(self.base + self.each * n)
        return without + round(max(self.longest - without, 0) * scale / SCALES[-1])


LOCAL: Final = Method("local", "reinforce", {"credit": "local"}, 150, 0)
DECOMPOSED: Final = Method("decomposed", "decomposed-reinforce", {}, 120, 0.2, 600)
GLOBAL: Final = Method("global", "reinforce", {"credit": "global"}, 150, 16, 3000)
METHODS: Final = (LOCAL, DECOMPOSED, GLOBAL)
NOISY_METHODS: Final = (DECOMPOSED, GLOBAL)


class Setting(NamedTuple):
    """What is learnt where."""

    label: str
    n_agents: int
    scale: float


def decomposed(plan: Plan, watch: Watch) -> Section:
    """Iterations to the level for each size without noise, and for one size under noise."""
    reached: dict[Setting, Interval] = {}

    def measure(method: Method, n: int, scale: float) -> None:
        setting = Setting(method.label, n, scale)
        if setting not in reached:
            curves = learn(method, n, scale, plan, watch)
            reached[setting] = bootstrap_interval(partial(iterations_to, levels[n]), curves)

    levels = {n: find_landmarks(n).level for n in {*SIZES, NOISE_SIZE}}
    for method in METHODS:
        for n in SIZES:
            measure(method, n, 0.0)
    for method in NOISY_METHODS:
        for scale in SCALES:
            measure(method, NOISE_SIZE, scale)
    rows = []
    for n, scale in (*((n, 0.0) for n in SIZES), *((NOISE_SIZE, s) for s in SCALES[1:])):
        found = (reached.get(Setting(method.label, n, scale)) for method in METHODS)
        cells = ["" if interval is None else with_interval(interval, 0) for interval in found]
        rows.append([f"n = {n}, noise {scale:g}" if scale else f"n = {n}", *cells])
    return Section(
        title="Beyond the paper: decompose the global reward, then learn locally",
        claim="How much of what local rewards are worth can be had from the global one, by a regression that "
        "estimates them? How far does that go under noise?",
        verdict=verdict(reached),
        table=Table((f"iterations to {PERCENT}", *(method.label for method in METHODS)), rows),
        notes=f"{plan.seeds} runs each; 95 % intervals bootstrapped over runs; –: not reached in the iterations "
        "that were played. Local: REINFORCE with the rewards of the machine and its neighbours. Global: with the "
        "team's. Decomposed: from the team's reward only, ridge regression on the indicators of (agent, "
        "observation, action), then the local update on what it estimates. Noise is Gaussian, on the team's reward of "
        "every step, and given as its standard deviation; the gain is measured without it. A machine's share of the "
        f"mean is 1/n: with n = {NOISE_SIZE}, noise of 0.1 is as if {NOISE_SIZE / 10:.0f} machines were up or down. "
        "The regression sees no more than the global learner does. It knows one thing more: that the team's reward "
        "is a sum of what each agent sees and does.",
        picture=draw(reached),
        csv=csv_text(
            ("learner", "n", "noise", "iterations", "low", "high"),
            [(*setting, *map(float, found)) for setting, found in reached.items()],
        ),
        numbers={f"{label}/{n}/{scale:g}": found for (label, n, scale), found in reached.items()},
    )


def learn(method: Method, n: int, scale: float, plan: Plan, watch: Watch) -> FloatArray:
    """Learning curves ``float64[seeds, iterations + 1]``: true reward a step after 0, 1, … updates."""
    vec: Any = crl_envs.make_vec(ENV_ID, num_envs=plan.seeds, n_agents=n)
    horizon = vec.world.horizon
    if method is not LOCAL:
        vec = GlobalReward(vec)
    if scale:
        vec = NoisyReward(vec, scale=scale)
    episodes = method.iterations(n, scale) + 1
    learner = find_learner(method.learner)(vec, seed=plan.seed, **method.config)
    what = f"{method.label}, n = {n}, noise {scale:g}"
    watch(what, 0, episodes)

    def report(learning: Any) -> None:
        watch(what, len(learning.history), episodes)

    learner.learn(total_episodes=episodes, callback=report)
    returns = np.array([episode["global_return"] for episode in learner.history], np.float64)
    return np.asarray(np.ascontiguousarray(returns.T) / horizon)


def iterations_to(level: float, curves: FloatArray) -> float:
    """Iterations until the mean curve of some runs, averaged over the window, stays at the level."""
    return last_up_crossing(moving_mean(curves.mean(axis=0), WINDOW), level)


def verdict(reached: Mapping[Setting, Interval]) -> str:
    """From the fewest agents to the most, and from no noise to the most."""
    said = []
    for method in METHODS:
        ends = (reached[Setting(method.label, n, 0.0)].value for n in (SIZES[0], SIZES[-1]))
        said.append(f"{method.label} {' → '.join(number(x, 0) for x in ends)}")
    noisy = []
    for method in NOISY_METHODS:
        found = (reached[Setting(method.label, NOISE_SIZE, s)].value for s in SCALES)
        noisy.append(f"{method.label} {' → '.join(number(x, 0) for x in found)}")
    scales = ", ".join(f"{s:g}" for s in SCALES)
    return (
        f"Iterations to {PERCENT} of the gain from n = {SIZES[0]} to {SIZES[-1]}: {', '.join(said)}; "
        f"with n = {NOISE_SIZE} and noise {scales}: {', '.join(noisy)}."
    )


def draw(reached: Mapping[Setting, Interval]) -> bytes:
    """Against agents, and against noise; both axes logarithmic."""
    from crl_envs.bench.plotting import BLUE, GREEN, VERMILLION, as_png, new_figure

    looks: dict[str, dict[str, Any]] = {
        LOCAL.label: {"color": BLUE, "linestyle": "-", "marker": "o"},
        DECOMPOSED.label: {"color": GREEN, "linestyle": "--", "marker": "s"},
        GLOBAL.label: {"color": VERMILLION, "linestyle": (0, (6, 1.2)), "marker": "^"},
    }
    figure, (left, right) = new_figure(2)
    for method in METHODS:
        found = [reached[Setting(method.label, n, 0.0)] for n in SIZES]
        _line(left, SIZES, found, label=method.label, **looks[method.label])
    left.set(xscale="log", yscale="log", xlabel="agents", title="without noise")
    left.set_ylabel(f"iterations to {PERCENT} of the gain")
    for method in NOISY_METHODS:
        found = [reached[Setting(method.label, NOISE_SIZE, s)] for s in SCALES]
        _line(right, SCALES, found, **looks[method.label])
    right.set_xscale("symlog", linthresh=SCALES[1])
    right.set_xticks(SCALES, [f"{s:g}" for s in SCALES])
    right.set(xlabel="noise on the team's reward of a step", title=f"{NOISE_SIZE} agents")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


def _line(panel: Any, positions: Any, found: list[Interval], **style: Any) -> None:
    """Values with their intervals; what wasn't reached is left out."""
    ends = np.array([(x.low, x.value, x.high) for x in found])
    low, middle, high = np.where(np.isfinite(ends), ends, np.nan).T
    panel.errorbar(positions, middle, [middle - low, high - middle], ms=4, **style)
