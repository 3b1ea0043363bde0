"""What is written about Figure 3: picture, curves, tables, summary and report."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from crl_envs.bench.intervals import (
    FloatArray,
)
from crl_envs.bench.reproductions.fig3_findings import (
    CREDITS,
    PERCENT,
    SHARE,
    SIZES,
    WINDOW,
    Configuration,
    Findings,
)
from crl_envs.bench.tables import Table, number, plain, with_interval


def verdict(findings: Findings) -> str:
    """Whether the paper's claim shows in these runs."""
    parts = []
    for n in SIZES:
        fast = findings.iterations_to[Configuration(n, "local")]
        slow = findings.iterations_to[Configuration(n, "global")]
        clear = fast.high < slow.low
        parts.append(
            f"n={n}: local {number(fast.value, 0)}, global {number(slow.value, 0)} iterations to "
            f"{PERCENT} of the gain ({'local is faster' if clear else 'no clear difference'})"
        )
    few, many = SIZES
    growth = [
        findings.iterations_to[Configuration(many, credit)].value
        / max(findings.iterations_to[Configuration(few, credit)].value, 1.0)
        for credit in CREDITS
    ]
    factors = [f"{credit} × {number(by, 1)}" for credit, by in zip(CREDITS, growth, strict=True)]
    return "; ".join([*parts, f"from n={few} to {many}: {', '.join(factors)}"])


def main_table(findings: Findings) -> Table:
    """Reward a step at some iterations and the iterations to the level, by configuration."""
    iterations = [point.iteration for point in next(iter(findings.points.values()))]
    header = ["reward a step at iteration", *map(str, iterations), f"iterations to {PERCENT}"]
    rows = [
        [
            f"{which.credit}, n={which.n_agents}",
            *(with_interval(point.reward) for point in points),
            with_interval(findings.iterations_to[which], 0),
        ]
        for which, points in findings.points.items()
    ]
    return Table(header, rows)


def short_table(findings: Findings) -> Table:
    """The values of `main_table` without the intervals of the rewards."""
    whole = main_table(findings)
    rows = [
        [
            f"{which.credit}, n={which.n_agents}",
            *(number(point.reward.value) for point in points),
            with_interval(findings.iterations_to[which], 0),
        ]
        for which, points in findings.points.items()
    ]
    return Table(whole.header, rows)


def curves_as_csv(curves: dict[Configuration, FloatArray], seed: int) -> str:
    """The curves in long form: one line an iteration of a run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("n", "credit", "seed", "iteration", "reward_per_step"))
    for (n, credit), curve in curves.items():
        for b, run_of_seed in enumerate(curve.tolist()):
            writer.writerows(
                (n, credit, seed + b, k, f"{reward:.6f}") for k, reward in enumerate(run_of_seed)
            )
    return text.getvalue()


def summarise(findings: Findings, facts: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for ``summary.json``."""
    curves = []
    for which, points in findings.points.items():
        curves.append(
            {
                "n_agents": which.n_agents,
                "credit": which.credit,
                "points": [
                    {
                        "iteration": point.iteration,
                        "averaged_over": [point.first, point.last],
                        "reward_per_step": point.reward,
                        "prototype": point.prototype,
                        "prototype_inside": point.agrees,
                    }
                    for point in points
                ],
                "iterations_to_level": findings.iterations_to[which],
            }
        )
    sizes = [
        {
            "n_agents": n,
            "random": marks.random,
            "best_known_policy": marks.known,
            "optimum": {"value": marks.best, "kind": marks.kind, "method": marks.method},
            "level": marks.level,
            "ratio_global_to_local": findings.ratio[n],
        }
        for n, marks in findings.landmarks.items()
    ]
    whole: dict[str, Any] = plain(
        {
            "name": "fig3",
            "paper": "Bagnell & Ng 2005, Figure 3",
            **facts,
            "confidence": 0.95,
            "window": WINDOW,
            "share_of_gain": SHARE,
            "curves": curves,
            "sizes": sizes,
            "verdict": verdict(findings),
            "seconds": findings.seconds,
        }
    )
    return whole


def write_report(findings: Findings, facts: dict[str, Any]) -> str:
    """``report.md``."""
    count = sum(point.agrees is not None for points in findings.points.values() for point in points)
    inside = sum(bool(point.agrees) for points in findings.points.values() for point in points)
    listed = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return f"""# Figure 3: SYSADMIN on local and on global rewards

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5, compare REINFORCE on
neighbourhood (local) rewards with REINFORCE on the global one, on a ring of machines:

> We note that the local algorithm learns much more quickly than using the global reward. (Figure 3) […] The local
> algorithm continued to require essentially the same number of examples for all sizes used (up to over 100 agents)
> in our experiments.

![Learning curves for 10 and 20 agents](fig3.png)

Lines: mean over {facts["seeds"]} seeds at each iteration, not smoothed; shades: its 95 % interval (Student's t).

## Result

{main_table(findings).markdown()}

{verdict(findings)}.

- A point of the table is the mean over {WINDOW} iterations on each side (iteration 0: that one alone; the last: only
  those before it), then the mean over seeds with its 95 % interval (Student's t over seeds).
- Gain: from uniformly random actions to the best known policy. Iterations to {PERCENT} of it: where the mean curve
  over seeds, averaged over the same window, crosses that level for the last time; 95 % interval by bootstrap over
  seeds. "–": not reached.

{_landmark_table(findings).markdown()}

## Against the prototypes

Two independent implementations of the experiment preceded this package. Of {count} values, {inside} lie inside the
95 % interval measured here. The prototypes' own errors aren't known, and neighbouring values aren't independent.

{_prototype_table(findings).markdown()}

## What differs from the paper

- The paper prints curves and no numbers, so there is no table to compare with; its axes, 0 to 500 iterations and
  .4 to .9, are the figure's here (with room above for the bound).
- It doesn't give the step size, the baseline, the horizon, the start distribution or the probabilities of failure.
  Here: α = 3 for both learners, a running baseline of rate .1, T = 20, each machine up with probability ½, and the
  probabilities of Guestrin, Koller & Parr (2003). See `crl/sysadmin-v0` and the learner `reinforce`.
- It doesn't say how many runs it averages, and shows no intervals.
- "Local" is the mean reward of a machine and its two neighbours on the ring. The optimum and the random level are
  not in the paper's figure.

## How to run it again

    {facts["command"]}

Measured in {findings.seconds["all"]:.0f} s with {listed}; backend {facts["backend"]}.
All numbers are in `summary.json`, the curves in `fig3.csv`.
"""


def _landmark_table(findings: Findings) -> Table:
    rows = []
    for n, marks in findings.landmarks.items():
        optimum = f"{number(marks.best)} ({marks.kind})"
        ratio = with_interval(findings.ratio[n], 1)
        cells = (number(marks.random), number(marks.known), optimum, number(marks.level), ratio)
        rows.append([f"n={n}", *cells])
    header = ("reward a step", "random", "best known policy", "optimum", f"{PERCENT} of the gain")
    return Table([*header, "iterations, global / local"], rows)


def _prototype_table(findings: Findings) -> Table:
    rows = []
    for which, points in findings.points.items():
        for point in points:
            if point.prototype is not None:
                words = "inside" if point.agrees else "outside"
                cells = (number(point.prototype), with_interval(point.reward), words)
                rows.append([f"{which.credit}, n={which.n_agents}", str(point.iteration), *cells])
    return Table(("curve", "iteration", "prototypes", "here", ""), rows)


def draw(findings: Findings) -> bytes:
    """The figure as PNG."""
    from crl_envs.bench.plotting import BLUE, GREY, VERMILLION, as_png, band, new_figure

    styles: dict[str, dict[str, Any]] = {
        "local": {"color": BLUE, "linestyle": "-"},
        "global": {"color": VERMILLION, "linestyle": (0, (6, 1.2))},
    }
    figure, axes = new_figure(len(SIZES))
    for panel, n in zip(axes, SIZES, strict=True):
        for credit in CREDITS:
            curve = findings.curves[Configuration(n, credit)]
            band(panel, curve, label=f"{credit} reward", **styles[credit])
        end = curve.shape[1] - 1
        marks = findings.landmarks[n]
        if marks.kind == "exact":
            panel.axhline(marks.best, color="black", linestyle=":", label="optimum")
        else:
            panel.axhline(marks.best, color="black", linestyle=(0, (1, 3)), label="upper bound")
            panel.axhline(marks.known, color="black", linestyle=":", label="best known policy")
        panel.axhline(marks.random, color=GREY, linestyle="-.", label="uniformly random")
        panel.set(title=f"{n} agents", xlabel="iterations", xlim=(0, end), ylim=(0.4, 0.95))
        panel.set_yticks(np.arange(0.4, 0.91, 0.1))
        panel.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1))  # above the random level
    axes[0].set_ylabel("reward a step, mean over agents")
    return as_png(figure)
