"""Climbing on every edge of a ring: trials until each learner knows the best joint action, against n.

    python -m benchmarks.climbing_ring [own] [noisy] [team] [joint] [speed]

Actions are in hidden orders, and agents get half of what their two games pay (*own*), the same with noise of standard
deviation 5 on every edge (*noisy*), or with that noise the sum of all rewards (*team*). What counts is what the joint
action that a learner likes best pays an agent without noise, of 11, looked at after 4, 6, 8, 11, … trials, with lines
between. A level counts from where the mean over runs reaches it for good; intervals are bootstraps over runs. *joint*:
learners of joint actions, who need A^n numbers, on rings of 3 and 4. *speed*: CPU seconds of 1,000 trials.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import crl_envs
from agents import (
    FMQ,
    BoltzmannAverages,
    DecomposedReinforce,
    HystereticQ,
    JointActionLearner,
    KalmanReinforce,
    LenientQ,
    Reinforce,
    ScalableActorCritic,
    SparseCooperativeQ,
)
from benchmarks.credit import end, head, row
from crl_envs.bench.score.statistics import FloatArray, bootstrap_interval
from crl_envs.bench.text import with_interval
from crl_envs.core.backend import HEAD_START
from crl_envs.factored import CoordinationGraph
from crl_envs.wrappers import GlobalReward

GAME: Final = "crl/coordination_game-v0"
SIZES: Final = (10, 30, 100, 300)
BEST: Final = 11.0
LEVELS: Final = (9.9, 4.5)  # 90 % of the best, and of what is safe
RANGE: Final = 30.0  # of rewards; policy gradients' rates are made for rewards in [0, 1]
GAMES: Final = 20  # of an episode, for learners that need several

Make = Callable[[Any, int], Any]  # of the env and n


def plain(kind: Any, **config: Any) -> Make:
    """Return a maker of learners as they are."""
    return lambda env, n: kind(env, **config)


def slowly(kind: Any, **config: Any) -> Make:
    """Return a maker of learners whose rate, and whose cooling, are those of 10 agents over n / 10."""
    return lambda env, n: kind(
        env,
        rate=0.1 * 10 / n,
        cooling=0.994 ** (10 / n),
        **{name: value * 10 / n for name, value in config.items()},
    )


def gradient(kind: Any, **config: Any) -> Make:
    """Return a maker of policy gradients, their default rate over the range of rewards."""
    rate = kind.config_class().learning_rate / RANGE
    return lambda env, n: kind(env, learning_rate=rate, **config)


INDEPENDENT: Final[Mapping[str, Make]] = {
    "independent Q": plain(HystereticQ, decrease_rate=0.1),
    "hysteretic": plain(HystereticQ),
    "lenient": plain(LenientQ),
    "FMQ": plain(FMQ),
    "averages": plain(BoltzmannAverages),
}
SPARSE: Final[Mapping[str, Make]] = {
    "sparse, edge update": plain(SparseCooperativeQ, discount=0.0),
    "sparse, agent update": plain(SparseCooperativeQ, discount=0.0, update="agent"),
    "sparse, agents": plain(SparseCooperativeQ, discount=0.0, decomposition="agents"),
}
OWN: Final[Mapping[str, Make]] = {
    **INDEPENDENT,
    "REINFORCE, own": gradient(Reinforce, credit="own"),
    "REINFORCE, local": gradient(Reinforce, credit="local"),
    **{
        f"actor-critic, κ = {k}": gradient(ScalableActorCritic, hops=k, critic="table")
        for k in (0, 1, 2)
    },
    **SPARSE,
}
TEAM: Final[Mapping[str, Make]] = {
    "independent Q, slowly": slowly(HystereticQ, decrease_rate=0.1),
    "hysteretic, slowly": slowly(HystereticQ, decrease_rate=0.01),
    "REINFORCE, global": lambda env, n: Reinforce(env, credit="own", learning_rate=3 / RANGE / n),
    "actor-critic, κ = 1": gradient(ScalableActorCritic, hops=1, critic="table"),
}
REWARDS: Final = {"reduce": "sum", "reward_scale": 10.0}
SEVERAL: Final[Mapping[str, Make]] = {
    "Kalman": gradient(KalmanReinforce, **REWARDS),
    "decomposed": gradient(DecomposedReinforce, **REWARDS),
}


def moments(most: int, least: int = 4) -> list[int]:
    """Return how many trials there are when it is looked at: each √2 as many as before, about."""
    steps = int(np.ceil(2 * np.log2(most / least)))
    return [*(round(least * 2 ** (k / 2)) for k in range(steps)), most]


def ring(n: int, columns: int, noise: float, horizon: int = 1, instance: int = 0) -> Any:
    """Return a batch of one ring."""
    return crl_envs.make_vec(
        GAME,
        columns,
        n_agents=n,
        relabel=True,
        noise=noise,
        horizon=horizon,
        instance_seed=instance,
    )


def paid(actions: NDArray[np.int64], instance: int = 0) -> FloatArray:
    """Return what joint actions ``[B, n]`` pay an agent without noise: ``float64[B]``."""
    quiet = ring(actions.shape[1], len(actions), 0.0, instance=instance)
    quiet.reset(seed=0)
    return np.asarray(quiet.step(actions)[1].mean(axis=1, dtype=np.float64))


def learnt(
    make: Make, n: int, runs: int, most: int, noise: float, team: bool, horizon: int = 1
) -> tuple[list[int], FloatArray]:
    """Return when a learner was looked at, and what its best joint actions pay: ``float64[runs, m]``."""
    env = ring(n, runs, noise, horizon)
    learner = make(GlobalReward(env, reduce="sum") if team else env, n)
    seen, found = np.zeros((runs, n), np.int64), []
    at = sorted({-(-trials // horizon) for trials in moments(most)})
    for episodes in at:
        learner.learn(total_episodes=episodes - learner.episodes)
        found.append(paid(learner.act(seen, deterministic=True)))
    return [horizon * episodes for episodes in at], np.stack(found, axis=1)


def regressed(
    on: str, n: int, runs: int, most: int, noise: float, team: bool
) -> tuple[list[int], FloatArray]:
    """Return the same of least squares after uniform actions, on pairs of actions (``"edges"``) or on actions."""
    at, found = moments(most), []
    for seed in range(runs):
        env = ring(n, most, noise, instance=seed)
        env.reset(seed=1000 * seed)
        tried = np.random.default_rng(seed).integers(0, 3, (most, n))
        given = env.step(tried)[1].astype(np.float64)
        pairs = env.world.problem.pairs
        cells = tried + 3 * np.arange(n)
        if on == "edges":
            cells = 3 * tried[:, pairs[:, 0]] + tried[:, pairs[:, 1]] + 9 * np.arange(len(pairs))
        fits = (by_team if team else by_own)(cells, given, pairs, at)
        best = [best_of(weights, pairs, n) for weights in fits]
        found.append(paid(np.array(best), instance=seed))
    return at, np.array(found)


def by_team(
    cells: NDArray[np.int64], given: FloatArray, pairs: NDArray[np.int64], at: list[int]
) -> Iterator[FloatArray]:
    """Yield weights ``float64[F]`` of the sum of all rewards after so many trials, with a little ridge.

    The columns of each agent or edge add up to 1; the ridge chooses among the weights that this leaves.
    """
    size = int(cells.max()) + 1
    total = given.sum(axis=1)
    gram, count, worth = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    before = 0
    for trials in at:
        new = cells[before:trials]
        seen = np.zeros((len(new), size), np.float32)  # whole numbers below 2²⁴
        seen[np.arange(len(new))[:, None], new] = 1.0
        gram += seen.T @ seen
        count += np.bincount(new.ravel(), minlength=size)
        worth += np.bincount(
            new.ravel(), np.repeat(total[before:trials], new.shape[1]), minlength=size
        )
        before = trials
        right = worth - count * total[:trials].mean()
        yield np.asarray(np.linalg.solve(gram + 1e-3 * np.eye(size), right))


def by_own(
    cells: NDArray[np.int64], given: FloatArray, pairs: NDArray[np.int64], at: list[int]
) -> Iterator[FloatArray]:
    """Yield weights of the own rewards: of each agent by what it is in, added up over agents."""
    n, features = given.shape[1], cells.shape[1]
    width = (int(cells.max()) + 1) // features
    # [n, K]: the edges of an agent, or the agent.
    members = np.arange(n)[:, None]
    if width == 9:
        members = np.array([np.flatnonzero((pairs == i).any(axis=1)) for i in range(n)])
    for trials in at:
        local = cells[:trials] % width
        seen = np.eye(width)[local[:, members]].reshape(trials, n, -1).transpose(1, 0, 2)
        gram = seen.transpose(0, 2, 1) @ seen + 1e-3 * np.eye(seen.shape[2])
        reward = given[:trials] - given[:trials].mean(axis=0)
        right = (seen * reward.T[:, :, None]).sum(axis=1)
        weights = np.linalg.solve(gram, right[:, :, None]).reshape(n, -1, width)
        total = np.zeros((features, width))
        np.add.at(total, members, weights)
        yield total.ravel()


def best_of(weights: FloatArray, pairs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the joint action ``int64[n]`` of which such weights say that it is best."""
    if len(weights) == 3 * n:
        return np.asarray(weights.reshape(n, 3).argmax(axis=1))
    game = CoordinationGraph(pairs, weights.reshape(-1, 3, 3), np.zeros((n, 3)))
    return game.eliminate().actions[:, 0]


def table(title: str, ways: Mapping[str, Any], sizes: tuple[int, ...] = SIZES) -> None:
    """Print when the levels are reached, what there is in the end, and in how many runs all edges are best."""
    seen = {}
    for label, way in ways.items():
        seen[label] = {n: way(n) for n in sizes}
    for level in LEVELS:
        head(f"{title}: trials to {level:g}", [*(f"n = {n}" for n in sizes), "exponent"])
        for label, found in seen.items():
            at = {n: times for n, (times, _) in found.items()}
            curves = {n: curves for n, (_, curves) in found.items()}
            row(label, at, curves, dict.fromkeys(sizes, level))
    head(f"{title}: paid in the end; runs in which all is best", [f"n = {n}" for n in sizes])
    for label, found in seen.items():
        cells = (
            f"{with_interval(bootstrap_interval(end, curves), 2)}; {(curves[:, -1] == BEST).mean():.1f}"
            for _, curves in found.values()
        )
        print(f"| {label} |", " | ".join(cells), "|", flush=True)


def ways(
    makers: Mapping[str, Make], runs: int, most: Callable[[int], int], noise: float, team: bool
) -> dict[str, Any]:
    """Return functions of n, one for each learner."""
    found: dict[str, Any] = {
        label: lambda n, make=make: learnt(make, n, runs, most(n), noise, team)
        for label, make in makers.items()
    }
    for on in ("edges", "agents"):
        found[f"least squares on {on}"] = partial(_regress, on, runs, most, noise, team)
    return found


def _regress(
    on: str, runs: int, most: Callable[[int], int], noise: float, team: bool, n: int
) -> Any:
    return regressed(on, n, runs, min(most(n), 80 * n) if team else 200, noise, team)


def own(runs: int) -> None:
    """Print tables of own rewards without noise."""
    table("own rewards", ways(OWN, runs, lambda n: 3000, 0.0, team=False))


def noisy(runs: int) -> None:
    """Print tables of own rewards with noise."""
    table("own rewards, noise", ways(OWN, runs, lambda n: 3000, 5.0, team=False))


def team(runs: int) -> None:
    """Print tables of the sum of all rewards, with noise; up to 100 agents, since trials grow with n."""
    found = ways({**INDEPENDENT, **SPARSE}, runs, lambda n: max(1500, 40 * n), 5.0, team=True)
    found |= ways(TEAM, runs, lambda n: max(1500, 100 * n), 5.0, team=True)
    for label, make in SEVERAL.items():
        found[f"{label}, episodes of {GAMES}"] = lambda n, make=make, label=label: learnt(
            make, n, runs, max(1500, (100 if label == "Kalman" else 40) * n), 5.0, True, GAMES
        )
    table("sum of rewards", found, SIZES[:3])


def joint(runs: int) -> None:
    """Print tables of learners of joint actions."""
    for what, noise, team in (("own rewards", 0.0, False), ("sum of rewards", 5.0, True)):
        way = partial(
            learnt, plain(JointActionLearner), runs=runs, most=3000, noise=noise, team=team
        )
        table(what, {"joint-action": way}, sizes=(3, 4))


def speed(runs: int) -> None:
    """Print CPU seconds of 1,000 trials, of one run and of all in step, the world's part included."""
    os.environ[HEAD_START] = "0"
    head("n = 100, CPU seconds of 1,000 trials", ["1 run", f"{runs} runs in step"])
    for label, make in {**OWN, **SEVERAL}.items():
        cells = []
        for columns in (1, runs):
            learner = make(ring(100, columns, 5.0), 100).learn(total_episodes=10)  # compiles
            begun = process_time()
            learner.learn(total_episodes=200)
            cells.append(f"{5 * (process_time() - begun):.2f}")
        print(f"| {label} |", " | ".join(cells), "|", flush=True)


TABLES: Final = {made.__name__: made for made in (own, noisy, team, joint, speed)}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["own", "noisy", "team", "joint"])
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    for part in given.parts:
        TABLES[part](given.runs)


if __name__ == "__main__":
    main()
