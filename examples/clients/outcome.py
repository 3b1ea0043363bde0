"""What the examples of this folder share: the world, and what a policy earns in it."""

import time

import numpy as np

import crl_envs

WORLD = {"n_agents": 5, "horizon": 20}
RANDOM = 8.76  # per agent, of agents that act at random
ENOUGH = 16  # what each example must reach


def mean_return(act, episodes=300):
    """Return per agent, the mean over episodes, of ``act(float32[n, d]) -> int[n]``."""
    env = crl_envs.make("crl/sysadmin-v0", encode="onehot", **WORLD)
    total = 0.0
    for k in range(episodes):
        observations, _ = env.reset(seed=1000 + k)
        while env.agents:
            actions = act(np.stack(list(observations.values())))
            observations, rewards, *_ = env.step(
                dict(zip(env.agents, map(int, actions), strict=True))
            )
            total += sum(rewards.values())
    return total / episodes / WORLD["n_agents"]


def report(reached, what=""):
    """Print what was reached, and fail where that is too little."""
    best = crl_envs.make("crl/sysadmin-v0", **WORLD).optimum().value
    seconds = time.process_time()  # of CPU, imports and all
    print(
        f"{what}return {reached:.2f} of at most {best:.2f} (random {RANDOM}) after {seconds:.0f} s"
    )
    assert reached > ENOUGH, "it hasn't learnt"
