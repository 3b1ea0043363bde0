"""Figure 3 of Bagnell & Ng (2005): REINFORCE on SYSADMIN with local and with global rewards, 10 and 20 agents.

The paper (§5): "We note that the local algorithm learns much more quickly than using the global reward. […] The
local algorithm continued to require essentially the same number of examples for all sizes used". Here: n machines on
a ring, `iterations` updates of one episode each, all seeds of a configuration as columns of one vector env. An
iteration's score is the reward a step that the policy earned in its episode, mean over agents; iteration k was
played after k updates.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import crl_envs
from crl_envs.bench.files import writable_folder, write_atomically
from crl_envs.bench.intervals import (
    FloatArray,
    bootstrap_interval,
    last_up_crossing,
    moving_mean,
    t_interval,
)
from crl_envs.bench.learners import LearnerClass, find_learner
from crl_envs.bench.provenance import versions
from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.bench.reproductions.fig3_findings import (
    CREDITS,
    ENV_ID,
    ITERATIONS,
    LEARNER,
    POINTS,
    PROTOTYPES,
    RANDOM_EPISODES,
    SIZES,
    WINDOW,
    Configuration,
    Findings,
    Landmarks,
    Point,
)
from crl_envs.bench.reproductions.fig3_report import (
    curves_as_csv,
    draw,
    short_table,
    summarise,
    verdict,
    write_report,
)
from crl_envs.core import WorldVectorEnv
from crl_envs.core.arguments import check_int, check_seed
from crl_envs.core.backend import resolve_backend


def run(name: str, options: Options, watch: Watch) -> Outcome:
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
        *("crl-envs", "reproduce", name, "--seeds", str(seeds), "--iterations", str(iterations)),
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


def _vec(n: int, columns: int) -> WorldVectorEnv:
    return crl_envs.make_vec(ENV_ID, num_envs=columns, n_agents=n)


def _horizon(vec: WorldVectorEnv) -> int:
    horizon: int | None = vec.world.horizon
    assert horizon is not None
    return horizon
