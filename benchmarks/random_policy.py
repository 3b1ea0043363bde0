"""Steps of a uniformly random policy until all loads are stored, through the dict API (Dowling & Haridi 2008, Fig. 6).

python benchmarks/random_policy.py --seeds 20
python benchmarks/random_policy.py --seeds 5 --topology random --graphs 4
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

import crl_envs


def steps_to_store_all(seed: int, topology: str, graph: int) -> int:
    """Play one episode; uniform over store and delegations for whoever holds the load."""
    env = crl_envs.make("crl/load_balancing-v0", topology=topology, instance_seed=graph)
    rng = np.random.default_rng([seed, 1])
    _, infos = env.reset(seed=seed)
    idle = dict.fromkeys(env.agents, 0)
    steps = 0
    while env.agents:
        actions = idle.copy()
        for agent, info in infos.items():
            if not info["action_mask"][0]:
                legal = info["action_mask"].nonzero()[0]
                actions[agent] = int(legal[rng.integers(legal.size)])
        _, _, _, truncations, infos = env.step(actions)
        steps += 1
    assert not any(truncations.values()), "the horizon cut the run short"
    assert env.unwrapped.metrics()["stored"] == env.unwrapped.world.capacity.sum()
    return steps


def main() -> None:
    """Print the mean, its standard error and the spread for each graph."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--topology", choices=["grid", "random"], default="grid")
    parser.add_argument("--graphs", type=int, default=1, help="random graphs to try")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for graph in range(arguments.graphs):
            play = partial(steps_to_store_all, topology=arguments.topology, graph=graph)
            steps = np.array(list(pool.map(play, range(arguments.seeds))))
            error = steps.std(ddof=1) / len(steps) ** 0.5
            print(
                f"{arguments.topology} {graph}: {steps.mean():,.0f} ± {error:,.0f} steps "
                f"(mean ± standard error, {len(steps)} seeds; sd {steps.std(ddof=1):,.0f})"
            )


if __name__ == "__main__":
    main()
