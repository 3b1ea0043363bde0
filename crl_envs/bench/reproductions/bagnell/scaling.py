"""Samples to a level against the number of agents, with fitted exponents: the bandit and SYSADMIN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crl_envs.bench.exponents import Exponent, fit_exponent, slope
from crl_envs.bench.intervals import Interval, bootstrap_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.bagnell.figure_2 import LEVEL
from crl_envs.bench.reproductions.bagnell.scaling_curves import (
    ALL_RIGHT,
    CURVES,
    GRADIENT_RATE,
    HORIZON,
    LEAST_SHARE,
    MOST_AGENT_STEPS,
    MOST_TRIALS,
    SIZES,
    Curve,
    Told,
)
from crl_envs.bench.reproductions.bagnell.trials import ENV_ID as BANDIT
from crl_envs.bench.reproductions.fig3_findings import ENV_ID as SYSADMIN
from crl_envs.bench.reproductions.fig3_findings import PERCENT
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, number, with_interval
from crl_envs.bounds import local_trials, local_trials_to, trials_lower_bound

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


def scaling(
    plan: Plan, watch: Watch, curves: Sequence[Curve] = CURVES, sizes: Sequence[int] = SIZES
) -> Section:
    """Trials to a level against the number of agents, for local and for global learners."""
    from crl_envs.bench.reproductions.bagnell.scaling_picture import draw

    found = [measure(curve, sizes, plan, watch) for curve in curves]
    return Section(
        title="Scaling: trials to a level against the number of agents",
        claim="From the global reward, learning takes a number of trials “that scales roughly linearly in the number "
        "of agents”; from local rewards one “that scales as O(log n)”. (Abstract)",
        verdict=verdict(found),
        table=table(found, sizes),
        notes=notes(plan),
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


def measure(curve: Curve, sizes: Sequence[int], plan: Plan, watch: Watch) -> Measured:
    """Run a curve at all sizes that its budgets allow, and fit the slopes."""
    points, samples, statistics = {}, [], []
    for n in sizes:
        trials = curve.budget(n)
        if trials == 0:
            continue
        what = f"{PROBLEMS[curve.env_id]}, {curve.label}, n = {n:,}"
        runs = curve.runs(plan.seeds, n)
        series = curve.play(curve, n, trials, runs, plan.seed, watching(watch, what, trials))
        points[n] = Point(bootstrap_interval(series.time, series.values), trials, runs)
        samples.append(series.values)
        statistics.append(series.time)
    return Measured(curve, points, fit_exponent(list(points), samples, statistics))


def watching(watch: Watch, what: str, total: int) -> Told:
    """A function that is told how many trials are done."""
    watch(what, 0, total)
    return lambda done: watch(what, done, total)


def verdict(found: Sequence[Measured]) -> str:
    """The exponents, problem by problem."""
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
    """m* at every size, and the slopes."""
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
    """m*, or what is known of it."""
    if point is None:
        return "not run"
    if point.censored:
        return f"> {point.budget:,}"
    value = point.needed.value
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def notes(plan: Plan) -> str:
    """How it was measured."""
    seeds = plan.seeds
    return f"""\
- Bandit (rewards .8 and .2): trials to P ≥ {LEVEL}; of the greedy read-out, for the gradient of the policy that
  it executes. SYSADMIN (ring, T = {HORIZON[SYSADMIN]}): iterations to {PERCENT} of the gain, as in Figure 3. Both at
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
