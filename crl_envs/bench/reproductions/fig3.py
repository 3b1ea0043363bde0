"""Figure 3 of Bagnell & Ng (2005): REINFORCE on SYSADMIN with local and with global rewards, 10 and 20 agents.

The paper (§5): "We note that the local algorithm learns much more quickly than using the global reward. […] The
local algorithm continued to require essentially the same number of examples for all sizes used". Here: n machines on
a ring, `iterations` updates of one episode each, all seeds of a configuration as columns of one vector env. An
iteration's score is the reward a step that the policy earned in its episode, mean over agents; iteration k was
played after k updates.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.files import writable_folder, write_atomically
from crl_envs.bench.intervals import (
    FloatArray,
    Interval,
    bootstrap_interval,
    last_up_crossing,
    moving_mean,
    t_interval,
)
from crl_envs.bench.learners import LearnerClass, find_learner
from crl_envs.bench.provenance import versions
from crl_envs.bench.report import Table, number, plain, with_interval
from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.core import WorldVectorEnv
from crl_envs.core.arguments import check_int, check_seed
from crl_envs.core.backend import resolve_backend

ENV_ID: Final = "crl/sysadmin-v0"
LEARNER: Final = "reinforce"
SIZES: Final = (10, 20)
CREDITS: Final = ("local", "global")
ITERATIONS: Final = 500

POINTS: Final = (0, 50, 100, 200, 500)  # iterations in the table
WINDOW: Final = 10  # iterations on each side that a point of the table averages over
SHARE: Final = 0.8  # of the gain, for the number of iterations to it
PERCENT: Final = f"{100 * SHARE:.0f} %"
RANDOM_EPISODES: Final = 10_000

# Reward a step at POINTS, from two independent implementations that preceded this package.
PROTOTYPES: Final[Mapping[tuple[int, str], tuple[float, ...]]] = {
    (10, "local"): (0.437, 0.809, 0.862, 0.879, 0.886),
    (10, "global"): (0.437, 0.646, 0.750, 0.835, 0.874),
    (20, "local"): (0.438, 0.813, 0.863, 0.879, 0.885),
    (20, "global"): (0.438, 0.585, 0.673, 0.768, 0.847),
}


class Configuration(NamedTuple):
    """One curve of the figure."""

    n_agents: int
    credit: str

    def __str__(self) -> str:
        return f"n={self.n_agents} {self.credit}"


@dataclass(frozen=True)
class Landmarks:
    """Rewards a step between which the curves lie, for one number of agents.

    Attributes:
        random: Of uniformly random actions, simulated.
        known: Of the best known policy.
        best: The optimum, or an upper bound of it.
        kind: ``"exact"`` when `best` is the optimum itself, else ``"bound"`` or ``"estimate"``.
        method: How `best` and `known` were found.
    """

    random: float
    known: float
    best: float
    kind: str
    method: str

    @property
    def level(self) -> float:
        """The reward a step at `SHARE` of the gain from random to the best known policy."""
        return self.random + SHARE * (self.known - self.random)


@dataclass(frozen=True)
class Point:
    """One number of the table: the mean over seeds of each seed's mean over a few iterations."""

    iteration: int
    first: int
    last: int
    reward: Interval
    prototype: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether the prototypes' value is inside the interval; None without one."""
        return None if self.prototype is None else self.prototype in self.reward


class Findings(NamedTuple):
    """All that is measured."""

    curves: dict[Configuration, FloatArray]  # float64[seeds, iterations + 1]
    landmarks: dict[int, Landmarks]
    points: dict[Configuration, list[Point]]
    iterations_to: dict[Configuration, Interval]
    ratio: dict[int, Interval]  # global to local
    seconds: dict[str, float]


def run(options: Options, watch: Watch) -> Outcome:
    """Learn all curves and write ``fig3.png``, ``fig3.csv``, ``summary.json`` and ``report.md``.

    Raises:
        ValueError: Options out of range, an unwritable folder, or no learner ``reinforce``.
    """
    seeds = check_int("seeds", options.seeds, low=2)
    seed = check_seed("seed", options.seed, high=2**64 - seeds)
    asked = ITERATIONS if options.iterations is None else options.iterations
    iterations = check_int("iterations", asked, low=1)
    learner = find_learner(LEARNER)
    out = writable_folder(options.out)

    start = time.perf_counter()
    curves, seconds = {}, {}
    for configuration in configurations():
        begin = time.perf_counter()
        curves[configuration] = learn(learner, configuration, iterations, seeds, seed, watch)
        seconds[str(configuration)] = round(time.perf_counter() - begin, 2)
    landmarks = {n: find_landmarks(n) for n in SIZES}
    findings = measure(curves, landmarks, seconds)

    write_atomically(out / "fig3.csv", curves_as_csv(curves, seed))
    write_atomically(out / "fig3.png", draw(findings))
    seconds["all"] = round(time.perf_counter() - start, 2)
    command = [
        *("crl-envs", "reproduce", "fig3", "--seeds", str(seeds), "--iterations", str(iterations)),
        *("--seed", str(seed), "--out", options.out.as_posix()),
    ]
    facts = {
        "command": shlex.join(command),
        "seeds": seeds,
        "seed": seed,
        "iterations": iterations,
        "backend": resolve_backend("auto"),
        "versions": versions("matplotlib", "scipy"),
    }
    summary = json.dumps(summarise(findings, facts), indent=2, allow_nan=False)
    write_atomically(out / "summary.json", summary + "\n")
    report = out / "report.md"
    write_atomically(report, write_report(findings, facts))
    return Outcome(report, short_table(findings), verdict(findings))


def configurations() -> Iterator[Configuration]:
    """The curves, in the order of the figure."""
    return (Configuration(n, credit) for n in SIZES for credit in CREDITS)


def learn(
    learner: LearnerClass,
    configuration: Configuration,
    iterations: int,
    seeds: int,
    seed: int,
    watch: Watch,
) -> FloatArray:
    """Learning curves ``float64[seeds, iterations + 1]``: reward a step after 0, 1, … updates."""
    episodes = iterations + 1
    vec = _vec(configuration.n_agents, seeds)
    made = learner(vec, credit=configuration.credit, learning_rate=3.0, seed=seed)
    watch(str(configuration), 0, episodes)

    def report(learning: Any) -> None:
        watch(str(configuration), len(learning.history), episodes)

    made.learn(total_episodes=episodes, callback=report)
    returns = np.array([episode["global_return"] for episode in made.history], np.float64)
    return np.ascontiguousarray(returns.T) / _horizon(vec)


def find_landmarks(n: int) -> Landmarks:
    """What random actions earn, what the best known policy earns, and the optimum."""
    vec = _vec(n, RANDOM_EPISODES)
    vec.reset(seed=0)
    rng = np.random.default_rng(0)
    horizon = _horizon(vec)
    total = 0.0
    for _ in range(horizon):
        _, rewards, _, _, _ = vec.step(rng.integers(0, 2, (RANDOM_EPISODES, n), np.uint8))
        total += float(rewards.mean(dtype=np.float64))
    optimum = vec.optimum()
    return Landmarks(
        random=total / horizon,
        known=optimum.lower / horizon,
        best=optimum.value / horizon,
        kind=optimum.kind,
        method=optimum.method,
    )


def measure(
    curves: dict[Configuration, FloatArray],
    landmarks: dict[int, Landmarks],
    seconds: dict[str, float],
) -> Findings:
    """The table's numbers from the curves."""
    iterations_to, ratio = {}, {}
    for n, marks in landmarks.items():
        slow, fast = curves[Configuration(n, "global")], curves[Configuration(n, "local")]
        ratio[n] = bootstrap_interval(partial(_ratio, marks.level), slow, fast)
    for configuration, curve in curves.items():
        reach = partial(_iterations_to, landmarks[configuration.n_agents].level)
        iterations_to[configuration] = bootstrap_interval(reach, curve)
    points = {which: list(_points(which, curve)) for which, curve in curves.items()}
    return Findings(curves, landmarks, points, iterations_to, ratio, seconds)


def _iterations_to(level: float, curve: FloatArray) -> float:
    """Iterations until the mean curve of some seeds, averaged over the window, stays at the level."""
    return last_up_crossing(moving_mean(curve.mean(axis=0), WINDOW), level)


def _ratio(level: float, slow: FloatArray, fast: FloatArray) -> float:
    """How many times as many iterations `slow` needs; infinite when it doesn't arrive, nan when neither does."""
    return _iterations_to(level, slow) / max(_iterations_to(level, fast), 1.0)


def _points(configuration: Configuration, curve: FloatArray) -> Iterator[Point]:
    end = curve.shape[1] - 1
    known = dict(zip(POINTS, PROTOTYPES[configuration], strict=True))
    for k in sorted({*(k for k in POINTS if k <= end), end}):
        first, last = (max(k - WINDOW, 0), min(k + WINDOW, end)) if k else (0, 0)
        reward = t_interval(curve[:, first : last + 1].mean(axis=1))
        yield Point(k, first, last, reward, known.get(k))


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


def _vec(n: int, columns: int) -> WorldVectorEnv:
    return crl_envs.make_vec(ENV_ID, num_envs=columns, n_agents=n)


def _horizon(vec: WorldVectorEnv) -> int:
    horizon: int | None = vec.world.horizon
    assert horizon is not None
    return horizon
