"""How many trials until agents on a ring of climbing games know the best joint action?

Each agent has three actions in a hidden order of its own, and on each edge the climbing game is played (Claus &
Boutilier 1998) with noise of standard deviation 5. All play uniformly random actions, and two ways to learn from the
same trials are compared:

- *edge rewards*: an agent explains its own reward, half of what its two games pay, as a table of its own and its left
  neighbour's action plus one of its own and its right neighbour's, by least squares. Added up over all agents that is
  a payoff for each edge, and variable elimination finds the joint action at which their sum is largest.
- *independent means*: each agent takes the action after which its mean own reward was largest.

    python examples/climbing_ring.py [--sizes 10 100 1000] [--seeds 20]

prints, for each number of trials, what the joint action pays on average, of 11, and in how many of the seeds it is a
best one.
"""

from __future__ import annotations

import argparse

import numpy as np

import crl_envs
from crl_envs.factored.elimination import Factor, elimination_order, maximise

ACTIONS = 3
TRIALS = (10, 20, 30, 50, 70, 100)


def make(n: int, columns: int, seed: int, noise: float):
    """Return a batch of one ring; `seed` is that of the hidden orders."""
    vec = crl_envs.make_vec(
        "crl/coordination_game-v0",
        columns,
        n_agents=n,
        relabel=True,
        noise=noise,
        instance_seed=seed,
    )
    vec.reset(seed=1000 * seed)  # column b is the environment of seed 1000 · seed + b
    return vec


def play(n: int, trials: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return actions and local rewards ``[trials, n]`` of random play."""
    action = np.random.default_rng(seed).integers(0, ACTIONS, (trials, n))
    return action, make(n, trials, seed, noise=5.0).step(action)[1].astype(float)


def edge_rewards(action: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Return the best joint action ``[n]`` of what is known of the edges."""
    n = action.shape[1]
    left = ACTIONS * np.roll(action, 1, axis=1) + action  # the game of agents i − 1 and i
    right = np.roll(left, -1, axis=1)  # of i and i + 1
    seen = np.concatenate([np.eye(9)[left], np.eye(9)[right]], axis=2)  # [trials, n, 18]
    found = np.stack(
        [np.linalg.lstsq(seen[:, i], reward[:, i], rcond=None)[0] for i in range(n)]
    ).reshape(n, 2, ACTIONS, ACTIONS)
    edges = found[:, 0] + np.roll(found[:, 1], 1, axis=0)  # [n, a of i − 1, a of i]
    factors = []
    for i, table in enumerate(edges):
        one, other = (i - 1) % n, i
        factors.append(
            Factor((one, other), table[None])
            if one < other
            else Factor((other, one), table.T[None])
        )
    order = elimination_order([f.scope for f in factors], [ACTIONS] * n, as_numbered=True)
    best = maximise(factors, order)[1]
    return np.array([best[i][0] for i in range(n)])


def independent_means(action: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Return for each agent ``[n]`` the action with the largest mean own reward."""
    means = []
    for a in range(ACTIONS):
        count = (action == a).sum(axis=0)
        total = (reward * (action == a)).sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), -np.inf))
    return np.argmax(means, axis=0)


def worth(seed: int, action: np.ndarray) -> float:
    """Return the mean payoff of an agent without noise."""
    return float(make(len(action), 1, seed, noise=0.0).step(action[None])[1].mean())


def main() -> None:
    """Print a table for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    print("way                  n     " + "".join(f"{trials:>14}" for trials in TRIALS))
    for n in given.sizes:
        found = {way: [] for way in (edge_rewards, independent_means)}
        for trials in TRIALS:
            worths = {way: [] for way in found}
            for seed in range(given.seeds):
                tried = play(n, trials, seed)
                for way in found:
                    worths[way].append(worth(seed, way(*tried)))
            for way, reached in worths.items():
                best = sum(value == 11 for value in reached)
                found[way].append(f"{np.mean(reached):.2f} ({best}/{given.seeds})")
        for way, cells in found.items():
            name = way.__name__.replace("_", " ")
            print(f"{name:<20} {n:<5} " + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
