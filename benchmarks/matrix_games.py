"""Which learners end in the best joint action of the climbing and penalty games, and how that falls on rings.

    python -m benchmarks.matrix_games

Claus & Boutilier 1998; Kapetanakis & Kudenko 2002. Each run is a column of one vector env; a run counts if the actions
that it likes best after 1,000 moves are the best joint action. On rings agents get half of what their two games pay.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

import crl_envs
from agents import FMQ, HystereticQ, JointActionLearner, LenientQ
from crl_envs.wrappers import GlobalReward

LEARNERS: Final[Mapping[str, Any]] = {
    "independent": lambda env, seed: HystereticQ(env, decrease_rate=0.1, seed=seed),
    "joint-action": lambda env, seed: JointActionLearner(env, seed=seed),
    "hysteretic": lambda env, seed: HystereticQ(env, seed=seed),
    "lenient": lambda env, seed: LenientQ(env, seed=seed),
    "FMQ": lambda env, seed: FMQ(env, seed=seed),
}
GAMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "climbing": {"payoffs": "climbing"},
    "stochastic climbing": {"payoffs": "stochastic-climbing"},
    "penalty, k = −100": {"payoffs": "penalty"},
}
RINGS: Final = (3, 5, 10, 30)
MOVES: Final = 1000


def shares(name: str, n: int, runs: int, game: Mapping[str, Any]) -> tuple[float, float]:
    """Return the share of runs that end in a best joint action, and the mean payoff over the best."""
    make = crl_envs.make_vec("crl/coordination_game-v0", runs, n_agents=n, **game)
    # Both players of the one game get what it pays.
    env = GlobalReward(make, reduce="sum") if n == 2 else make
    learner = LEARNERS[name](env, 0).learn(total_episodes=MOVES)
    actions = learner.act(np.zeros((runs, n), np.int64), deterministic=True)
    first, second = make.world.problem.pairs.T
    paid = make.world.problem.means[0][actions[:, first], actions[:, second]]
    best = paid.mean(axis=1) == paid.max(initial=make.world.problem.means.max())
    return float(best.mean()), float(paid.mean() / make.world.problem.means.max())


def wilson(share: float, runs: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    z = 1.959964
    middle = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z * np.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / (1 + z * z / runs)
    return f"{share:.3f} [{max(middle - half, 0):.3f}, {min(middle + half, 1):.3f}]"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    print("| n = 2, share of runs in the best joint action |", " | ".join(GAMES), "|")
    print("| :-- |", " --: |" * len(GAMES))
    for name in LEARNERS:
        found = (wilson(shares(name, 2, runs, game)[0], runs) for game in GAMES.values())
        print(f"| {name} |", " | ".join(found), "|", flush=True)
    print("\n| climbing on a ring, payoff over the best; runs in the best joint action |", end="")
    print("".join(f" n = {n} |" for n in RINGS))
    print("| :-- |", " --: |" * len(RINGS))
    for name in LEARNERS:
        if name != "joint-action":
            found = (shares(name, n, max(runs // n, 10), GAMES["climbing"]) for n in RINGS)
            cells = (f"{paid:.2f}; {best:.2f}" for best, paid in found)
            print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
