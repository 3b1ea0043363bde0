"""Samples to a level against the number of agents, with fitted exponents: the bandit and SYSADMIN."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

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
from crl_envs.bench.papers.bagnell_ng.figure_2 import LEVEL
from crl_envs.bench.papers.bagnell_ng.learning import (
    BANDIT,
    HORIZON,
    PERCENT,
    SYSADMIN,
    WINDOW,
    curves_case,
    gain_level,
    read_out_case,
)
from crl_envs.bench.score.statistics import (
    Exponent,
    FloatArray,
    Interval,
    bootstrap_interval,
    fit_exponent,
    moving_mean,
    reach,
    slope,
)
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.bounds import local_trials, local_trials_to, trials_lower_bound

SIZES: Final = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
EPISODE: Final = {BANDIT: 1, SYSADMIN: HORIZON}  # steps
MOST_TRIALS: Final = 25_000  # of a run
MOST_AGENT_STEPS: Final = 300_000_000  # of a run
LEAST_SHARE: Final = 0.25  # of its limit that the two must leave a size for it to be run at all
GRADIENT_RATE: Final = 4.0  # of 1, 2, 3, 4, 6 and 8 the best for n = 30 and 300 together
_STEP: Final = 1.08  # from one read-out of the bandit to the next


class Series(NamedTuple):
    """What the runs of a curve gave at one size.

    Attributes:
        trials: ``float64[m]``, ascending.
        values: ``float64[runs, m]``: P, reward a step, or whether all are right.
        level: What the mean over runs is to reach.
    """

    trials: FloatArray
    values: FloatArray
    level: float

    def time(self, rows: FloatArray) -> float:
        """Return the trials at which the mean over rows reaches the level for good; infinite if it ends below."""
        return reach(rows, self.trials, self.level)


@dataclass(frozen=True)
class Runs:
    """How many runs: as many as asked for with `few` agents, more with fewer and fewer with more.

    Attributes:
        few: Agents with which there are just as many as asked for.
        least: The fewest, times as many as asked for; never under two.
        most: The most, times as many as asked for.
    """

    few: int
    least: float
    most: float

    def __call__(self, seeds: int, n: int) -> int:
        """Number of runs with n agents when `seeds` are asked for."""
        times = min(max(self.few / n, self.least), self.most)
        return max(2, round(seeds * times))


@dataclass(frozen=True)
class Curve:
    """A learner on a problem.

    Attributes:
        label: What pictures and tables call it.
        env_id: The problem.
        spec: The learner.
        limit: Trials within which n agents should arrive, with room.
        largest: Most agents that it is run with.
        runs: How many.
        first: On the bandit, where it is read out first: after that many times n trials, or after one.
        score: There, what is read out; see `crl_envs.bench.papers.bagnell_ng.learning.read_out`.
        level: There, what the mean over runs is to reach.
    """

    label: str
    env_id: str
    spec: LearnerSpec
    limit: Callable[[int], int]
    largest: int = SIZES[-1]
    runs: Runs = Runs(300, 0, 10)
    first: int = 0
    score: str = "share"
    level: float = LEVEL

    def budget(self, n: int) -> int:
        """Return the trials that a run gets: `limit`, cut down to the two budgets; 0 where it isn't run.

        It depends on n alone, not on how fast the machine is.
        """
        limit = self.limit(n)
        given = min(limit, MOST_TRIALS, MOST_AGENT_STEPS // (EPISODE[self.env_id] * n))
        return given if n <= self.largest and given >= LEAST_SHARE * limit else 0

    def case(self, n: int, trials: int, runs: int, seed: int) -> Case:
        """Declare so many runs of n agents, as columns of one vector env."""
        if self.env_id == SYSADMIN:
            return curves_case(self.spec, {"n_agents": n}, trials + 1, seed, runs)
        return read_out_case(
            self.spec, n, spaced(self.first * n or 1, trials), seed, runs, score=self.score
        )

    def series(self, n: int, trials: int, run: Recording) -> Series:
        """Return what such a run gave; on SYSADMIN averaged over Figure 3's window."""
        if self.env_id == SYSADMIN:
            values = moving_mean(run.arrays["curves"], WINDOW)
            # A step pays the same on any larger ring: T = 20 steps don't go round it.
            return Series(np.arange(trials + 1, dtype=np.float64), values, gain_level(min(n, 100)))
        shares = run.arrays["values"]
        read = np.array(spaced(self.first * n or 1, trials), np.float64)
        return Series(read, shares if self.score == "all" else 2 * shares - 1, self.level)


def spaced(first: int, last: int) -> list[int]:
    """Return whole numbers from first to last, neighbours about 8 % apart or by one."""
    found = [first]
    while found[-1] < last:
        found.append(min(last, max(found[-1] + 1, round(found[-1] * _STEP))))
    return found


def _times(factor: float, more: int = 0) -> Callable[[int], int]:
    return lambda n: math.ceil(factor * n) + more


LOCAL_BANDIT: Final = "local"
ALL_RIGHT: Final = "local, all right with probability ½"
_SQUARES: Final = "global-least-squares"
_ON_SYSADMIN: Final = Runs(100, 0, 1)

CURVES: Final = (
    Curve(LOCAL_BANDIT, BANDIT, learner("local-means"), _times(0, 30), runs=Runs(1000, 0.5, 10)),
    Curve(
        ALL_RIGHT,
        BANDIT,
        learner("local-means"),
        lambda n: local_trials(n) + 20,
        runs=Runs(1000, 2, 30),
        score="all",
        level=0.5,
    ),
    Curve(
        "global, least squares", BANDIT, learner(_SQUARES), _times(7.5, 80), largest=3000, first=3
    ),
    Curve(
        "global, ridge",
        BANDIT,
        learner(_SQUARES, ridge="noise"),
        _times(7.5, 80),
        largest=1000,
        first=2,
    ),
    Curve("global, correlation", BANDIT, learner("correlation"), _times(10, 80), first=3),
    Curve(
        "global, gradient",
        BANDIT,
        learner("reinforce", credit="global", learning_rate=GRADIENT_RATE),
        _times(25, 200),
        first=3,
        score="policy",
    ),
    *(
        Curve(f"REINFORCE, {label}", SYSADMIN, spec, limit, largest, _ON_SYSADMIN)
        for label, spec, limit, largest in (
            ("local", learner("reinforce", credit="local"), _times(0, 100), 100_000),
            ("own", learner("reinforce", credit="own"), _times(0, 100), 10_000),
            ("global", learner("reinforce", credit="global"), _times(14, 200), 1000),
            (
                "decomposed",
                learner("decomposed-reinforce", credit="local"),
                _times(1, 150),
                300,
            ),
        )
    ),
)
"""Every learner that is drawn: one more is a line more."""

PROBLEMS: Final = {BANDIT: "bandit", SYSADMIN: "SYSADMIN"}


@dataclass(frozen=True)
class Point:
    """One size of a curve.

    Attributes:
        needed: m*; infinite when the mean over runs hasn't arrived within the budget.
        budget: Trials that each run had.
        runs: How many.
    """

    needed: Interval
    budget: int
    runs: int

    @property
    def censored(self) -> bool:
        """Whether m* is only known to be above the budget."""
        return not math.isfinite(self.needed.value)


@dataclass(frozen=True)
class Measured:
    """A curve with what was found.

    Attributes:
        curve: What was run.
        points: By number of agents.
        exponent: The fit.
    """

    curve: Curve
    points: Mapping[int, Point]
    exponent: Exponent


def cases(curves: Sequence[Curve], sizes: Sequence[int], extent: Extent) -> Cases:
    """Declare runs of every curve at all sizes that its budgets allow."""
    return {
        (curve.env_id, curve.label, n): [
            curve.case(n, trials, curve.runs(extent.seeds, n), extent.seed)
        ]
        for curve in curves
        for n in sizes
        if (trials := curve.budget(n))
    }


def view(
    curves: Sequence[Curve], sizes: Sequence[int], extent: Extent, recordings: Recordings
) -> Section:
    """Show trials to a level against the number of agents, for local and for global learners."""
    found = [measure(curve, sizes, extent, recordings) for curve in curves]
    return Section(
        title="Scaling: trials to a level against the number of agents",
        claim="From the global reward, learning takes a number of trials “that scales roughly linearly in the number "
        "of agents”; from local rewards one “that scales as O(log n)”. (Abstract)",
        verdict=verdict(found),
        table=table(found, sizes),
        notes=notes(extent),
        picture=draw(found),
        csv=csv_text(
            ("problem", "curve", "n", "runs", "budget", "trials", "low", "high", "censored"),
            [
                (
                    *(PROBLEMS[x.curve.env_id], x.curve.label, n, point.runs, point.budget),
                    *((f"> {point.budget}", "", "") if point.censored else point.needed),
                    int(point.censored),
                )
                for x in found
                for n, point in x.points.items()
            ],
        ),
        numbers={
            f"{PROBLEMS[x.curve.env_id]}/{x.curve.label}": {
                "exponent": x.exponent.power,
                "per_log_n": x.exponent.per_log,
                "fitted_to": x.exponent.used,
                "censored": x.exponent.censored,
                "trials": {
                    n: f"> {p.budget}" if p.censored else p.needed for n, p in x.points.items()
                },
            }
            for x in found
        },
    )


def measure(curve: Curve, sizes: Sequence[int], extent: Extent, recordings: Recordings) -> Measured:
    """Return when a curve's runs arrive at each size, with the fitted slopes."""
    points, samples, statistics = {}, [], []
    for n in sizes:
        trials = curve.budget(n)
        if trials == 0:
            continue
        runs = curve.runs(extent.seeds, n)
        series = curve.series(n, trials, recordings[curve.env_id, curve.label, n][0])
        points[n] = Point(bootstrap_interval(series.time, series.values), trials, runs)
        samples.append(series.values)
        statistics.append(series.time)
    return Measured(curve, points, fit_exponent(list(points), samples, statistics))


def verdict(found: Sequence[Measured]) -> str:
    """Say what the exponents are, problem by problem."""
    said = ["Exponents of n in the number of trials (0: the same for any n, 1: proportional to n)."]
    for env_id, problem in PROBLEMS.items():
        words = [
            f"{x.curve.label}: {with_interval(x.exponent.power, 2)}"
            for x in found
            if x.curve.env_id == env_id and x.curve.label != ALL_RIGHT
        ]
        if words:
            said.append(f"{problem[0].upper()}{problem[1:]}: {'; '.join(words)}.")
    said += [
        f"Trials until all local agents are right grow by {with_interval(x.exponent.per_log, 1)} for each unit of ln n."
        for x in found
        if x.curve.label == ALL_RIGHT
    ]
    return " ".join(said)


def table(found: Sequence[Measured], sizes: Sequence[int]) -> Table:
    """Return m* at every size, and the slopes."""
    rows = []
    for env_id, problem in PROBLEMS.items():
        for x in (x for x in found if x.curve.env_id == env_id):
            cells = [cell(x.points.get(n)) for n in sizes]
            per_log = x.exponent.per_log
            digits = 1 if abs(per_log.value) < 100 else 0
            slopes = (with_interval(x.exponent.power, 2), with_interval(per_log, digits))
            rows.append([f"{problem}, {x.curve.label}", *cells, *slopes])
    exact = [local_trials(n) for n in sizes]
    logs = np.log(np.array(sizes, np.float64))
    gain = slope(logs, np.array(exact, np.float64))
    rows += [
        ["local, exact, whole trials", *[str(local_trials_to(LEVEL))] * len(sizes), "0", "0"],
        [f"{ALL_RIGHT}, exact, whole trials", *map(str, exact), "", number(gain, 2)],
        [
            "lower bound, global reward (Theorem 3.1)",
            *(number(trials_lower_bound(n), 1) for n in sizes),
            *("", ""),
        ],
    ]
    columns = (f"n = {n:,}" for n in sizes)
    return Table(("trials", *columns, "exponent", "slope per ln n"), rows)


def cell(point: Point | None) -> str:
    """Return m*, or what is known of it."""
    if point is None:
        return "not run"
    if point.censored:
        return f"> {point.budget:,}"
    value = point.needed.value
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def notes(extent: Extent) -> str:
    """Say how it was measured."""
    seeds = extent.seeds
    return f"""\
- Bandit (rewards .8 and .2): trials to P ≥ {LEVEL}; of the greedy read-out, for the gradient of the policy that
  it executes. SYSADMIN (ring, T = {HORIZON}): iterations to {PERCENT} of the gain, as in Figure 3. Both at
  the last crossing of the mean over runs, by linear interpolation between read-outs. “{ALL_RIGHT}”: where the share
  of runs in which every agent is right passes ½.
- Runs: {seeds} with 300 agents on the bandit and with up to 100 on SYSADMIN, fewer in proportion with more agents
  (at least 2: a run with many agents is a mean over them), on the bandit up to {10 * seeds} with fewer. The local
  learner has more: {seeds // 2} at least, {2 * seeds} where all must be right. The csv has the number for each point.
- Budgets are set from n alone: a run ends after {MOST_TRIALS:,} trials or {MOST_AGENT_STEPS:,} agent steps, and at a
  limit by which the curve should have arrived. “> m”: the mean over runs hasn't reached the level within m trials
  (censored; hollow with an arrow in the picture). “not run”: the budget would be under {100 * LEAST_SHARE:.0f} % of
  the limit, or the curve ends there to save time.
- Exponent: least-squares slope of ln m* on ln n, and beside it of m* on ln n, over the sizes where m* is known.
  Censored sizes are left out, so that an exponent speaks for the sizes below them. 95 % intervals by bootstrap over
  runs; a size with two runs adds next to nothing to them, and they don't say whether a power is the right law.
- Gradient: REINFORCE on the global reward (the paper's footnote 5), learning rate {GRADIENT_RATE:g} for all n. One
  agent's signal falls as 1/n and the trials grow as n, so that a constant rate suits all; of 1, 2, 3, 4, 6 and 8 it
  was the best for n = 30 and n = 300 together.
- The paper has no such figure: it shows up to 400 agents (Figure 2) and says “up to over 100” (SYSADMIN)."""


def draw(found: Sequence[Measured]) -> bytes:
    """Draw a panel for each problem, both axes logarithmic, censored points hollow with an arrow."""
    from crl_envs.bench.report.pictures import (
        BLUE,
        GREEN,
        GREY,
        ORANGE,
        PURPLE,
        SKY,
        VERMILLION,
        as_png,
        new_figure,
    )

    colours = (BLUE, SKY, VERMILLION, ORANGE, GREEN, PURPLE, GREY)
    figure, panels = new_figure(2, sharey=False)
    figure.set_size_inches(10.4, 6.0)
    titles = {
        BANDIT: ("Bandit", "trials to P ≥ 0.9"),
        SYSADMIN: ("SYSADMIN (ring, T = 20)", f"iterations to {PERCENT} of the gain"),
    }
    for panel, (env_id, (title, what)) in zip(panels, titles.items(), strict=True):
        here = [x for x in found if x.curve.env_id == env_id]
        for k, x in enumerate(here):
            draw_curve(panel, x, color=colours[k % 7], marker="os^vDPX"[k % 7])
        if env_id == BANDIT and here:
            most = max(n for x in here for n in x.points)
            n = np.unique(np.geomspace(10, max(most, 11), 100).astype(int))
            bound = [trials_lower_bound(int(size)) for size in n]
            panel.plot(n, bound, color="black", label="lower bound, global reward (Theorem 3.1)")
        if any(point.censored for x in here for point in x.points.values()):
            explained = "hollow, with an arrow: not within the budget"
            panel.plot(
                *([], []), color=GREY, marker="o", mfc="white", linestyle="", label=explained
            )
        panel.set(title=title, xlabel="agents", ylabel=what, xscale="log", yscale="log")
        if here:
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return as_png(figure)


def draw_curve(panel: Any, x: Measured, **style: Any) -> None:
    """Draw one curve, with its exponent in the label."""
    from crl_envs.bench.report.pictures import intervals

    known = {n: p.needed for n, p in x.points.items() if not p.censored}
    label = f"{x.curve.label}: {growth(x)}"
    if known:
        intervals(panel, list(known), list(known.values()), ms=5, label=label, **style)
    for n, point in x.points.items():
        if point.censored:
            panel.errorbar(
                *([n], [point.budget], [point.budget]),
                lolims=True,
                markerfacecolor="white",
                linestyle="",
                label="" if known else label,
                **style,
            )


def growth(x: Measured) -> str:
    """Return the fitted law in short."""
    if x.curve.label == ALL_RIGHT:
        return f"+ {number(x.exponent.per_log.value, 1)} ln n"
    return f"exponent {number(x.exponent.power.value, 2)}"


def scaling(curves: Sequence[Curve] = CURVES, sizes: Sequence[int] = SIZES) -> Figure:
    """Return the figure of these curves and sizes."""
    return Figure(partial(cases, curves, sizes), partial(view, curves, sizes))
