"""Who gets the credit: filtered rewards, critics of κ hops, and least squares on a coordination graph, against n.

    python -m benchmarks.credit [kalman] [hops | epidemic | access | traffic] [lspi]

Runs are the columns of one vector env. Levels are reached where the mean over runs reaches them for good; intervals are
bootstraps over runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

import crl_envs
from agents import (
    CoordinatedLSPI,
    DecomposedReinforce,
    KalmanReinforce,
    RandomPolicy,
    Reinforce,
    ScalableActorCritic,
)
from crl_envs.bench.papers.bagnell_ng.learning import WINDOW, gain_level
from crl_envs.bench.score.statistics import (
    FloatArray,
    bootstrap_interval,
    fit_exponent,
    moving_mean,
    reach,
)
from crl_envs.bench.text import number, with_interval
from crl_envs.wrappers import GlobalReward

SYSADMIN: Final = "crl/sysadmin-v0"
HORIZON: Final = 20


def curve(learner: Any, episodes: int) -> FloatArray:
    """Return the global return of each run and episode: ``float64[runs, episodes]``."""
    history = learner.learn(total_episodes=episodes).history
    return np.stack([entry["global_return"] for entry in history], axis=1)


def row(
    label: str, at: Mapping[int, Any], curves: Mapping[int, Any], levels: Mapping[int, float]
) -> None:
    """Print when a learner reaches the level of each size, "–" for one that wasn't tried, and the exponent."""
    found = {n: partial(reach, at=at[n], level=levels[n]) for n in curves}
    cells = [
        with_interval(bootstrap_interval(found[n], curves[n]), 0) if n in curves else "–"
        for n in levels
    ]
    fit = fit_exponent(list(curves), list(curves.values()), list(found.values()))
    power = with_interval(fit.power, 2) if len(fit.used) > 1 else "–"
    print(f"| {label} |", " | ".join([*cells, power]), "|", flush=True)


def head(what: str, columns: list[str]) -> None:
    print(f"\n| {what} |", " | ".join(columns), "|")
    print("| :-- |", " --: |" * len(columns), flush=True)


def kalman(runs: int) -> None:
    """SYSADMIN as in Figure 3: iterations to 80 % of the gain, and what is reached in the end."""
    sizes = (8, 16, 32, 64)
    learners: Mapping[str, tuple[Any, Any]] = {
        "global": (lambda env: Reinforce(env, credit="global"), lambda n: 150 + 16 * n),
        "decomposed": (DecomposedReinforce, lambda n: 150),
        "decomposed, own": (lambda env: DecomposedReinforce(env, credit="own"), lambda n: 150),
        "Kalman": (KalmanReinforce, lambda n: 300),
        "Kalman, neighbours'": (lambda env: KalmanReinforce(env, credit="local"), lambda n: 300),
        "own": (lambda env: Reinforce(env, credit="own"), lambda n: 150),
    }
    ends: dict[str, list[str]] = {}
    head("iterations to 80 % of the gain", [*(f"n = {n}" for n in sizes), "exponent"])
    for label, (make, length) in learners.items():
        curves = {}
        for n in sizes:
            bare = crl_envs.make_vec(SYSADMIN, runs, n_agents=n)
            learner = make(bare if label == "own" else GlobalReward(bare))
            curves[n] = moving_mean(curve(learner, length(n)) / HORIZON, WINDOW)
        levels = {n: gain_level(n) for n in sizes}
        row(label, {n: np.arange(c.shape[1]) for n, c in curves.items()}, curves, levels)
        ends[label] = [with_interval(bootstrap_interval(end, c), 3) for c in curves.values()]
    head("reward a step in the end", [f"n = {n}" for n in sizes])
    for label, cells in ends.items():
        print(f"| {label} |", " | ".join(cells), "|", flush=True)


def end(curves: FloatArray) -> float:
    """Return the mean over runs of the last point."""
    return float(curves[:, -1].mean())


# Sizes, arguments, episodes and levels.
WORLDS: Final[Mapping[str, tuple[str, tuple[int, ...], dict[str, Any], int, tuple[float, ...]]]] = {
    "epidemic": ("crl/epidemic-v0", (9, 36, 100), {"horizon": 50}, 200, (0.8,)),
    "access": ("crl/access-v0", (9, 36, 100), {"horizon": 20}, 250, (0.2, 0.3)),
    "traffic": ("crl/traffic-v0", (16, 36, 100), {"horizon": 100}, 600, (0.2, 0.4)),
}


def hops(runs: int, worlds: Iterable[str] = WORLDS) -> None:
    """Worlds on a graph: what κ buys."""
    for world in worlds:
        id, sizes, arguments, episodes, levels = WORLDS[world]
        scale = {}
        for n in sizes:
            low, high, most = landmarks(id, n, arguments)
            scale[n] = low, high
            bound = (most - low) / (high - low)
            print(f"{world}, n = {n}: 0 is {low:.2f}, 1 is {high:.2f}, at most {bound:.2f}")
        seen: dict[str, dict[int, FloatArray]] = {}
        for label in HOPS:
            seen[label] = {}
            for n, (low, high) in scale.items():
                found = returns(world, n, label, runs)
                seen[label][n] = moving_mean((found - low) / (high - low), 10)
        at = dict.fromkeys(sizes, np.arange(episodes))
        for level in levels:
            head(f"{world}: episodes to {level:g}", [*(f"n = {n}" for n in sizes), "exponent"])
            for label, curves in seen.items():
                row(label, at, curves, dict.fromkeys(sizes, level))
        head(f"{world}: score in the end", [f"n = {n}" for n in sizes])
        for label, curves in seen.items():
            cells = [with_interval(bootstrap_interval(end, c), 2) for c in curves.values()]
            print(f"| {label} |", " | ".join(cells), "|", flush=True)


HOPS: Final[Mapping[str, Any]] = {
    **{f"κ = {k}": partial(ScalableActorCritic, hops=k) for k in (0, 1, 2)},
    "REINFORCE, own": partial(Reinforce, credit="own"),
    "REINFORCE, local": partial(Reinforce, credit="local"),
}


def returns(world: str, n: int, label: str, runs: int) -> FloatArray:
    """Return the return of each run and episode: ``float64[runs, episodes]``."""
    id, _, arguments, episodes, _ = WORLDS[world]
    return curve(HOPS[label](crl_envs.make_vec(id, runs, n_agents=n, **arguments)), episodes)


def landmarks(id: str, n: int, arguments: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return what random actions earn in an episode, the best known, and what nobody can earn more than."""
    vec = crl_envs.make_vec(id, 100, n_agents=n, **arguments)
    low = RandomPolicy(vec, seed=1).learn(total_episodes=2).history[-1]["global_return"]
    best = vec.optimum()
    known = best.value if best.lower is None else best.lower
    return float(low.mean()), float(known), float(best.value)


EPISODES: Final = (5, 10, 20, 40, 80, 160, 320, 640)
LEAST_SQUARES: Final[Mapping[str, dict[str, Any]]] = {
    "singles": {"basis": "singles"},
    "singles, cut": {"basis": "singles", "episode_end": "cut"},
    "pairs": {},
    "pairs, cut": {"episode_end": "cut"},
    "pairs, cut, γ = .9": {"episode_end": "cut", "discount": 0.9},
}
RING: Final[dict[str, Any]] = {"dynamics": "ring-bidirectional", "horizon": HORIZON}
MEASURED: Final = 4000  # agents' episodes by which a greedy policy is measured


def lspi(runs: int) -> None:
    """SYSADMIN's ring both ways: episodes of random actions until the greedy joint action has a score."""
    sizes = (4, 8, 16, 32)
    scale = {}
    for n in sizes:
        by_chance = partial(np.random.default_rng(0).integers, 0, 2)
        low = played(lambda rows, draw=by_chance: draw(rows.shape), n, 0)
        known = crl_envs.make_vec(SYSADMIN, 1, n_agents=n, **RING).optimum().lower
        scale[n] = low, float(known)
    print({n: (round(low, 2), round(high, 2)) for n, (low, high) in scale.items()})
    head("rebooted: score", [f"n = {n}" for n in sizes])
    for label, rule in RULES.items():
        found = [(played(rule, n, 0) - low) / (high - low) for n, (low, high) in scale.items()]
        print(f"| {label} |", " | ".join(number(x, 2) for x in found), "|", flush=True)
    scores: dict[str, dict[int, FloatArray]] = {}
    head("score after so many episodes", [str(e) for e in EPISODES])
    for basis in LEAST_SQUARES:
        scores[basis] = {}
        for n in sizes:
            low, high = scale[n]
            scores[basis][n] = (planned(basis, n, runs) - low) / (high - low)
            cells = [number(x, 2) for x in scores[basis][n].mean(axis=0)]
            print(f"| {basis}, n = {n} |", " | ".join(cells), "|", flush=True)
    head("episodes to a score", [*(f"n = {n}" for n in sizes), "exponent"])
    for level in (0.7, 0.8, 0.9):
        for basis, by_size in scores.items():
            at = dict.fromkeys(sizes, EPISODES)
            row(f"{basis}: {level:g}", at, by_size, dict.fromkeys(sizes, level))


def planned(basis: str, n: int, runs: int) -> FloatArray:
    """Return what greedy joint actions earn in other episodes: ``float64[runs, m]``."""
    vec = GlobalReward(crl_envs.make_vec(SYSADMIN, runs, n_agents=n, **RING))
    learner, found = CoordinatedLSPI(vec, **LEAST_SQUARES[basis]), np.empty((runs, len(EPISODES)))
    for k, episodes in enumerate(EPISODES):
        learner.learn(total_episodes=episodes - learner.episodes)
        for b in range(runs):
            policy = partial(learner.best, weights=learner.weights(b))
            found[b, k] = played(policy, n, 1000 * (1 + b))
    return found


def played(policy: Any, n: int, seed: int) -> float:
    """Return the mean return of a policy of rows ``[n, B]`` in SYSADMIN."""
    columns = MEASURED // n
    vec = crl_envs.make_vec(SYSADMIN, columns, n_agents=n, **RING)
    seen, _ = vec.reset(seed=seed)
    total = 0.0
    for _ in range(HORIZON):
        actions = policy(seen.reshape(columns, n).T.astype(np.int64))
        seen, rewards, *_ = vec.step(actions.T)
        total += float(rewards.mean(dtype=np.float64))
    return total


def beside(rows: Any) -> Any:
    """Return how many of both neighbours are up."""
    return np.roll(rows, 1, 0) + np.roll(rows, -1, 0)


RULES: Final[Mapping[str, Any]] = {
    "what is down": lambda rows: 1 - rows,
    "that, and what has both neighbours down": lambda rows: 1 - rows * (beside(rows) > 0),
    "all but what is up between two that are": lambda rows: 1 - rows * (beside(rows) == 2),
}


TABLES: Final[Mapping[str, Callable[[int], None]]] = {
    "kalman": kalman,
    "hops": hops,
    **{world: partial(hops, worlds=(world,)) for world in WORLDS},
    "lspi": lspi,
}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["kalman", "hops", "lspi"])
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    for part in given.parts:
        TABLES[part](given.runs)


if __name__ == "__main__":
    main()
