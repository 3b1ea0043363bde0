"""Figure 3 of Bagnell & Ng (2005): REINFORCE on SYSADMIN with local and with global rewards, 10 and 20 agents.

The paper (§5): "We note that the local algorithm learns much more quickly than using the global reward. […] The
local algorithm continued to require essentially the same number of examples for all sizes used". Here: n machines on
a ring, updates of one episode each, all seeds of a configuration as columns of one vector env. An iteration's score is
the reward a step that the policy earned in its episode, mean over agents; iteration k was played after k updates.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.bench.figure import Case, Extent, Figure, Recordings, Section, learner
from crl_envs.bench.papers.bagnell_ng.learning import (
    PERCENT,
    SHARE,
    SYSADMIN,
    WINDOW,
    curves_case,
    iterations_to,
)
from crl_envs.bench.score.measures import Landmarks, step_landmarks
from crl_envs.bench.score.statistics import FloatArray, Interval, bootstrap_interval, t_interval
from crl_envs.bench.text import Table, number, plain, with_interval

SIZES: Final = (10, 20)
CREDITS: Final = ("local", "global")
ITERATIONS: Final = 500
POINTS: Final = (0, 50, 100, 200, 500)  # iterations in the table


class Configuration(NamedTuple):
    """One curve of the figure."""

    n_agents: int
    credit: str

    def __str__(self) -> str:
        return f"n={self.n_agents} {self.credit}"


class Point(NamedTuple):
    """One number of the table: the mean over seeds of each seed's mean over a few iterations."""

    iteration: int
    first: int
    last: int
    reward: Interval


class Findings(NamedTuple):
    """All that is measured."""

    curves: dict[Configuration, FloatArray]  # float64[seeds, iterations + 1]
    landmarks: dict[int, Landmarks]  # in rewards a step
    optima: dict[int, Mapping[str, str]]  # kind and method of the upper ends
    points: dict[Configuration, list[Point]]
    iterations_to: dict[Configuration, Interval]
    ratio: dict[int, Interval]  # global to local


def cases(extent: Extent) -> dict[Configuration, list[Case]]:
    """Return a run for each curve, in the order of the figure."""
    iterations = ITERATIONS if extent.iterations is None else extent.iterations
    return {
        Configuration(n, credit): [
            curves_case(
                learner("reinforce", credit=credit, learning_rate=3.0),
                {"n_agents": n},
                iterations + 1,
                extent.seed,
                extent.seeds,
            )
        ]
        for n in SIZES
        for credit in CREDITS
    }


def view(extent: Extent, found: Recordings) -> Section:
    """Draw the curves, and say how many iterations each takes to the level."""
    curves = {which: runs[0].arrays["curves"] for which, runs in found.items()}
    known = {n: step_landmarks(SYSADMIN, n) for n in SIZES}
    findings = measure(
        curves,
        {n: marks for n, (marks, _) in known.items()},
        {n: how for n, (_, how) in known.items()},
    )
    return Section(
        title="Figure 3: SYSADMIN on local and on global rewards",
        claim="“We note that the local algorithm learns much more quickly than using the global reward.” (§5)",
        verdict=f"{verdict(findings)}.",
        table=main_table(findings),
        notes=f"{extent.seeds} runs each; 95 % intervals (Student's t; bootstrap for iterations). Iterations to "
        f"{PERCENT} of the gain from random actions to the best known policy, at the last crossing of the mean "
        "curve. `crl-envs reproduce fig3` writes a longer report.",
        picture=draw(findings),
        csv=curves_as_csv(curves, extent.seed),
        numbers={
            "iterations": {str(which): found for which, found in findings.iterations_to.items()},
            "ratio": findings.ratio,
        },
        alone=partial(alone, findings),
    )


def alone(findings: Findings, facts: Mapping[str, Any]) -> tuple[dict[str, Any], str, Table]:
    """Return the summary, the report and the short table of the figure by itself."""
    return summarise(findings, facts), write_report(findings, facts), short_table(findings)


FIGURE_3: Final = Figure(cases, view)


def measure(
    curves: dict[Configuration, FloatArray],
    landmarks: dict[int, Landmarks],
    optima: dict[int, Mapping[str, str]],
) -> Findings:
    """Return the table's numbers from the curves."""
    needed, ratio = {}, {}
    for n, marks in landmarks.items():
        slow, fast = curves[Configuration(n, "global")], curves[Configuration(n, "local")]
        ratio[n] = bootstrap_interval(partial(_ratio, marks.level(SHARE)), slow, fast)
    for configuration, curve in curves.items():
        reach = partial(iterations_to, landmarks[configuration.n_agents].level(SHARE))
        needed[configuration] = bootstrap_interval(reach, curve)
    points = {which: list(_points(curve)) for which, curve in curves.items()}
    return Findings(curves, landmarks, optima, points, needed, ratio)


def _ratio(level: float, slow: FloatArray, fast: FloatArray) -> float:
    """How many times as many iterations `slow` needs; infinite when it doesn't arrive, nan when neither does."""
    return iterations_to(level, slow) / max(iterations_to(level, fast), 1.0)


def _points(curve: FloatArray) -> Iterator[Point]:
    end = curve.shape[1] - 1
    for k in sorted({*(k for k in POINTS if k <= end), end}):
        first, last = (max(k - WINDOW, 0), min(k + WINDOW, end)) if k else (0, 0)
        reward = t_interval(curve[:, first : last + 1].mean(axis=1))
        yield Point(k, first, last, reward)


def verdict(findings: Findings) -> str:
    """Say whether the paper's claim shows in these runs."""
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
    """Return the reward a step at some iterations and the iterations to the level, by configuration."""
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
    """Return the values of `main_table` without the intervals of the rewards."""
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
    """Return the curves in long form: one line an iteration of a run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("n", "credit", "seed", "iteration", "reward_per_step"))
    for (n, credit), curve in curves.items():
        for b, run_of_seed in enumerate(curve.tolist()):
            writer.writerows(
                (n, credit, seed + b, k, f"{reward:.6f}") for k, reward in enumerate(run_of_seed)
            )
    return text.getvalue()


def summarise(findings: Findings, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, for ``summary.json``."""
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
            "best_known_policy": marks.lower,
            "optimum": {"value": marks.upper, **findings.optima[n]},
            "level": marks.level(SHARE),
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
        }
    )
    return whole


def write_report(findings: Findings, facts: Mapping[str, Any]) -> str:
    """Return ``report.md``."""
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

## What differs from the paper

- The paper prints curves and no numbers, so there is no table to compare with; its axes, 0 to 500 iterations and
  .4 to .9, are the figure's here (with room above for the bound).
- It doesn't give the step size, the baseline, the horizon, the start distribution or the probabilities of failure.
  Here: α = 3 for both learners, a running baseline of rate .1, T = 20, each machine up with probability ½, and the
  probabilities of Guestrin, Koller, Parr & Venkataraman (2003). See `crl/sysadmin-v0` and the learner `reinforce`.
- It doesn't say how many runs it averages, and shows no intervals.
- "Local" is the mean reward of a machine and its two neighbours on the ring. The optimum and the random level are
  not in the paper's figure.

## How to run it again

    {facts["command"]}

Measured in {facts["seconds"]["all"]:.0f} s with {listed}; backend {facts["backend"]}.
All numbers are in `summary.json`, the curves in `fig3.csv`.
"""


def _landmark_table(findings: Findings) -> Table:
    rows = []
    for n, marks in findings.landmarks.items():
        optimum = f"{number(marks.upper)} ({findings.optima[n]['kind']})"
        ratio = with_interval(findings.ratio[n], 1)
        cells = (number(marks.random), number(marks.lower), optimum)
        rows.append([f"n={n}", *cells, number(marks.level(SHARE)), ratio])
    header = ("reward a step", "random", "best known policy", "optimum", f"{PERCENT} of the gain")
    return Table([*header, "iterations, global / local"], rows)


def draw(findings: Findings) -> bytes:
    """Draw the figure as PNG."""
    from crl_envs.bench.report.pictures import BLUE, GREY, VERMILLION, as_png, band, new_figure

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
        if findings.optima[n]["kind"] == "exact":
            panel.axhline(marks.upper, color="black", linestyle=":", label="optimum")
        else:
            panel.axhline(marks.upper, color="black", linestyle=(0, (1, 3)), label="upper bound")
            panel.axhline(marks.lower, color="black", linestyle=":", label="best known policy")
        panel.axhline(marks.random, color=GREY, linestyle="-.", label="uniformly random")
        panel.set(title=f"{n} agents", xlabel="iterations", xlim=(0, end), ylim=(0.4, 0.95))
        panel.set_yticks(np.arange(0.4, 0.91, 0.1))
        panel.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1))  # above the random level
    axes[0].set_ylabel("reward a step, mean over agents")
    return as_png(figure)
