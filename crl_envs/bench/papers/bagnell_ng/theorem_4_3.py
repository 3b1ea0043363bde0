"""Theorem 4.3: a model learnt from local rewards is good enough after O(log n) trials, whatever n is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
from crl_envs.bench.papers.bagnell_ng.learning import HORIZON, PAPER, SYSADMIN
from crl_envs.bench.score.statistics import (
    Exponent,
    FloatArray,
    Interval,
    bootstrap_interval,
    fit_exponent,
    reach,
    t_interval,
)
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.bounds import exploration_trials, model_trials, uniform_exploration
from crl_envs.factored import OWN_STATE, FactoredMDP, TablePolicy, coordinate_ascent, simulate
from crl_envs.wrappers import GlobalReward

PLANNING_EPISODES: Final = 50

LOCAL_SIZES: Final = (10, 30, 100, 300, 1000)
LOCAL_TRIALS: Final = (1, 2, 3, 5)
GLOBAL_SIZES: Final = (40, 80, 160, 320)
GLOBAL_SHARES: Final = (0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3)  # of n
LEVEL: Final = 0.02  # reward a step that is missing to the best policy of the class
ERROR_TRIALS: Final = (5, 10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1200)
ERROR_LEVEL: Final = 0.1
EVALUATED: Final = 200_000  # agents × episodes in which a policy is compared with the best
MOST_EPISODES: Final = 4000


@dataclass(frozen=True)
class Sizes:
    """What is run; tests run less.

    Attributes:
        local: Agents, learning from local rewards.
        trials: After which these plan.
        global_: Agents, learning from the global reward.
        shares: Trials after which these plan, in shares of n.
        errors: Trials after which the model is compared with the truth.
    """

    local: Sequence[int] = LOCAL_SIZES
    trials: Sequence[int] = LOCAL_TRIALS
    global_: Sequence[int] = GLOBAL_SIZES
    shares: Sequence[float] = GLOBAL_SHARES
    errors: Sequence[int] = ERROR_TRIALS


@dataclass(frozen=True)
class Found:
    """What was measured at one number of agents.

    Attributes:
        trials: ``int64[trials]``, ascending.
        gap: ``float64[seeds, trials]``: reward a step that the planned policy misses.
        wrong: ``float64[seeds, trials]``: share of agents that don't do what the best policy does.
    """

    trials: NDArray[np.int64]
    gap: FloatArray
    wrong: FloatArray


def cases(sizes: Sizes, extent: Extent) -> Cases:
    """Declare learning a model, and planning in it after some trials, from local and from global rewards."""
    planner = {
        rewards: learner("model-based", rewards=rewards, planning_episodes=PLANNING_EPISODES)
        for rewards in ("local", "global")
    }

    def case(kind: str, spec: LearnerSpec, record: Any, n: int, trials: Sequence[int]) -> Case:
        return Case(
            PAPER,
            f"{kind}_n-{n}_read-{len(trials)}-times-to-{trials[-1]}",
            spec,
            record,
            {"n": n, "trials": list(trials)},
            extent.seed,
            extent.seeds,
            rehearsal={"n": 4, "trials": [1]},
        )

    found = {}
    for n in sizes.local:
        found["local", n] = [case("plan", planner["local"], plan_after, n, sizes.trials)]
    for n in sizes.global_:
        trials = sorted({math.ceil(x * n) for x in sizes.shares})
        found["global", n] = [case("plan", planner["global"], plan_after, n, trials)]
    for n in sizes.local:
        found["error", n] = [case("model", learner("model-based"), model_errors, n, sizes.errors)]
    return found


def view(sizes: Sizes, extent: Extent, recordings: Recordings) -> Section:
    """Show the loss of utility and the model's error after m trials, and the global counterpart."""
    local, teams = (
        {n: Found(**runs[0].arrays) for (which, n), runs in recordings.items() if which == kind}
        for kind in ("local", "global")
    )
    errors = {n: recordings["error", n][0].arrays["errors"] for n in sizes.local}
    growth = fit_exponent(
        list(teams),
        [found.gap for found in teams.values()],
        [partial(reach_down, at=found.trials, level=LEVEL) for found in teams.values()],
    )
    slope = fit_exponent(
        list(errors),
        list(errors.values()),
        [partial(reach_down, at=sizes.errors, level=ERROR_LEVEL)] * len(errors),
    )
    needed = {
        "local": {n: trials_to(found) for n, found in local.items()},
        "global": {n: trials_to(found) for n, found in teams.items()},
        "error": {
            n: bootstrap_interval(partial(reach_down, at=sizes.errors, level=ERROR_LEVEL), e)
            for n, e in errors.items()
        },
    }
    rows = [
        [f"local, n = {n}: gap", *(with_interval(t_interval(g), 4) for g in found.gap.T)]
        for n, found in local.items()
    ]
    for n, found in local.items():
        shares = [with_interval(t_interval(100 * w), 2) for w in found.wrong.T]
        rows.append([f"local, n = {n}: agents that plan wrongly, %", *shares])
    return Section(
        title="Theorem 4.3: trials of model-based learning against agents",
        claim="The best policy of the class in the model learnt from m trials is near-optimal within the class, and "
        "“it suffices that the number of trials be m = O((log n) · poly(1/ε, 1/δ, |S|, |A|, 1/(νρ^B), B, T, r(T)))”. "
        "(Theorem 4.3)",
        verdict=verdict(local, needed, slope, growth),
        table=Table(("after trials", *map(str, sizes.trials)), rows),
        notes=notes(extent, needed["error"]),
        picture=draw(local, errors, needed, sizes),
        csv=csv_text(
            ("rewards", "n", "run", "trials", "gap", "wrong"),
            [
                (kind, n, k, m, float(found.gap[k, j]), float(found.wrong[k, j]))
                for kind, by_size in (("local", local), ("global", teams))
                for n, found in by_size.items()
                for k in range(extent.seeds)
                for j, m in enumerate(found.trials.tolist())
            ],
        ),
        numbers={
            "gap": {
                n: {m: t_interval(g) for m, g in zip(sizes.trials, f.gap.T, strict=True)}
                for n, f in local.items()
            },
            "largest error": {
                n: {m: t_interval(e) for m, e in zip(sizes.errors, found.T, strict=True)}
                for n, found in errors.items()
            },
            "trials": needed,
            "error, trials per ln n": slope.per_log,
            "global, exponent": growth.power,
            "bounds": {n: bounds_at(n) for n in sizes.local},
        },
    )


def plan_after(
    spec: LearnerSpec, seed: int, columns: int, *, n: int, trials: Sequence[int]
) -> Recording:
    """Explore, plan in the learnt model, and compare with the best policy of the class in the true one.

    Returns:
        The arrays of `Found`, a row for each column of one vector env.
    """
    vec, truth = world(n, columns)
    best = coordinate_ascent(truth, OWN_STATE, episodes=PLANNING_EPISODES).policy
    env = GlobalReward(vec) if spec.config["rewards"] == "global" else vec
    made: Any = spec.load()(env, seed=seed, **spec.config)
    gap, wrong = np.zeros((2, columns, len(trials)))
    for j, m in enumerate(trials):
        made.learn(total_episodes=m - made.episodes)
        for k in range(columns):
            policy = made.plan(k)
            differs = (policy.table != best.table).reshape(n, -1).any(axis=1)
            wrong[k, j] = differs.mean()
            gap[k, j] = missed(truth, best, policy, seed + 1000 * k)
    return Recording({}, {"trials": np.array(trials, np.int64), "gap": gap, "wrong": wrong})


def world(n: int, columns: int) -> tuple[Any, FactoredMDP]:
    """Return the environment in so many columns, and its model."""
    vec = crl_envs.make_vec(SYSADMIN, num_envs=columns, n_agents=n, horizon=HORIZON)
    env: Any = crl_envs.make(SYSADMIN, n_agents=n, horizon=HORIZON)
    return vec, env.unwrapped.factored_model()


def missed(truth: FactoredMDP, best: TablePolicy, policy: TablePolicy, seed: int) -> float:
    """Return the reward a step that a policy misses, on episodes with the same chance events."""
    if np.array_equal(best.table, policy.table):
        return 0.0
    episodes = min(MOST_EPISODES, max(20, EVALUATED // truth.n_agents))
    first, second = (simulate(truth, p, episodes, seed).value for p in (best, policy))
    return (first - second) / truth.horizon


def model_errors(
    spec: LearnerSpec, seed: int, columns: int, *, n: int, trials: Sequence[int]
) -> Recording:
    """Record ``errors`` ``float64[columns, trials]``: the largest error of any probability of any agent."""
    vec, truth = world(n, columns)
    made: Any = spec.load()(vec, seed=seed, **spec.config)
    found = np.zeros((columns, len(trials)))
    for j, m in enumerate(trials):
        made.learn(total_episodes=m - made.episodes)
        found[:, j] = [made.model(k).distance(truth).transition for k in range(columns)]
    return Recording({}, {"errors": found})


def trials_to(found: Found) -> Interval:
    """Return the trials after which the mean gap stays within the level, with an interval over runs."""
    return bootstrap_interval(partial(reach_down, at=found.trials, level=LEVEL), found.gap)


def reach_down(values: FloatArray, at: Sequence[int] | NDArray[np.int64], level: float) -> float:
    """Return where the mean over runs falls to the level for good; infinite if it ends above."""
    return reach(-values, at, -level)


def bounds_at(n: int) -> dict[str, int]:
    """Return Lemma 4.2's trials to the error level and Theorem 4.3's to the utility, each with probability ½."""
    exploration = uniform_exploration((0.5, 0.5), 2)
    world: dict[str, Any] = {
        "n_states": 2,
        "n_actions": 2,
        "neighborhood": 2,
        "horizon": HORIZON,
    }
    return {
        "lemma 4.2": exploration_trials(n, ERROR_LEVEL, 0.5, exploration=exploration, **world),
        "theorem 4.3": model_trials(
            n,
            LEVEL * HORIZON,
            0.5,
            exploration=exploration,
            radius=min(n, HORIZON + 1),
            **world,
        ),
    }


def verdict(
    local: Mapping[int, Found],
    needed: Mapping[str, Mapping[int, Interval]],
    slope: Exponent,
    growth: Exponent,
) -> str:
    """Say how little the gap depends on n, and how the trials grow."""
    small, large = min(local), max(local)
    trials = local[small].trials.tolist()
    gaps = []
    for m in (2, 5):
        if m in trials:
            means = (local[n].gap[:, trials.index(m)].mean() for n in (small, large))
            gaps.append(f"{' and '.join(number(float(x), 4) for x in means)} after {m} trials")
    ends = " and ".join(number(needed["error"][n].value, 0) for n in (small, large))
    sizes = list(needed["global"])
    teams = " → ".join(number(needed["global"][n].value, 1) for n in (sizes[0], sizes[-1]))
    return (
        f"From local rewards, the planned policy misses {', '.join(gaps)} of the reward a step at n = {small} and "
        f"{large}. For the largest error of any probability to fall to {ERROR_LEVEL} takes {ends} trials, "
        f"{with_interval(slope.per_log, 0)} more for every unit of ln n. From the global reward, a gap of {LEVEL} "
        f"takes {teams} trials from n = {sizes[0]} to {sizes[-1]}, exponent {with_interval(growth.power, 2)}."
    )


def notes(extent: Extent, errors: Mapping[int, Interval]) -> str:
    """Say how it was measured, and the bounds."""
    said = []
    for n, found in errors.items():
        bounds = bounds_at(n)
        said.append(
            f"n = {n}: {with_interval(found, 0)} (Lemma 4.2 {bounds['lemma 4.2']:,}; Theorem 4.3 for a gap of {LEVEL} "
            f"a step {bounds['theorem 4.3']:.2g})"
        )
    return (
        f"{extent.seeds} runs each, ring, T = {HORIZON}, uniformly random actions, m trials. The class is own-state: "
        f"an agent's action depends on its own state. The planner is coordinate ascent on {PLANNING_EPISODES} "
        "simulated episodes; the gap is to the best policy of the class that it finds in the true model, on the same "
        "simulated episodes for both. The best is to reboot when down. For the global reward, the rewards of (state, "
        "action) are estimated by least squares on the team's mean reward, the probabilities as before. Trials until "
        f"the largest error of any probability is ≤ {ERROR_LEVEL}, and what the bounds ask for, with probability ½: "
        f"{'; '.join(said)}. The bounds hold, and are far away: what they promise is that n enters by its logarithm."
    )


def draw(
    local: Mapping[int, Found],
    errors: Mapping[int, FloatArray],
    needed: Mapping[str, Mapping[int, Interval]],
    sizes: Sizes,
) -> bytes:
    """Draw the gap against trials, the largest error against n, and the trials against n."""
    from crl_envs.bench.report.pictures import BLUE, GREEN, VERMILLION, as_png, band, new_figure

    figure, panels = new_figure(3, sharey=False)
    shades = np.linspace(0.35, 1.0, len(local))
    trials = np.array(sizes.trials, np.float64)
    for shade, (n, found) in zip(shades, local.items(), strict=True):
        band(panels[0], found.gap, trials, color=BLUE, alpha=float(shade), label=f"n = {n}")
    panels[0].set(xlabel="trials", ylabel="reward a step missed", title="local rewards: gap")
    panels[0].set_xticks(trials)
    panels[0].legend()

    agents = np.array(sorted(errors), np.float64)
    count = len(sizes.errors)
    for j, style in zip(
        sorted({count // 4, count // 2, count - 1}), ("-", "--", ":"), strict=False
    ):
        m = sizes.errors[j]
        values = np.stack([errors[int(n)][:, j] for n in agents], axis=1)
        band(panels[1], values, agents, color=GREEN, linestyle=style, label=f"{m} trials")
    panels[1].set(
        xlabel="agents", ylabel="largest error of a probability", xscale="log", ylim=(0, None)
    )
    panels[1].set_title("local rewards: model")
    panels[1].legend()

    for key, color, marker in (
        ("local", BLUE, "o"),
        ("error", GREEN, "s"),
        ("global", VERMILLION, "^"),
    ):
        points = {n: x for n, x in needed[key].items() if math.isfinite(x.value)}
        if points:
            ends = np.array([tuple(x) for x in points.values()])
            high = np.where(np.isfinite(ends[:, 2]), ends[:, 2], ends[:, 0])
            spread = [ends[:, 0] - ends[:, 1], high - ends[:, 0]]
            label = {
                "local": f"local, gap ≤ {LEVEL}",
                "error": f"local, error ≤ {ERROR_LEVEL}",
                "global": f"global, gap ≤ {LEVEL}",
            }[key]
            panels[2].errorbar(
                list(points), ends[:, 0], spread, color=color, marker=marker, ms=4, label=label
            )
    panels[2].set(
        xlabel="agents", ylabel="trials", xscale="log", yscale="log", title="trials needed"
    )
    panels[2].legend()
    return as_png(figure)


def theorem_4_3(sizes: Sizes | None = None) -> Figure:
    """Return the section for so many agents and trials."""
    sizes = sizes or Sizes()
    return Figure(partial(cases, sizes), partial(view, sizes))
