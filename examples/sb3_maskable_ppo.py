"""MaskablePPO of sb3-contrib on load balancing, where most actions are illegal most of the time.

    python examples/sb3_maskable_ppo.py

Needs ``pip install 'crl-envs[sb3]'``. Forty loads enter at an agent with room for twenty; what storing and handing on
costs is measured before and after learning, beside the least that it can cost.
"""

import numpy as np
import torch
from sb3_contrib import MaskablePPO

import crl_envs
from crl_envs.adapters.sb3 import make_vec_env

WORLD = {"n_agents": 10, "n_loads": 40}

torch.set_num_threads(1)
env = make_vec_env("crl/load_balancing-v0", 4, agent_ids=True, **WORLD)
model = MaskablePPO("MlpPolicy", env, n_steps=256, batch_size=2560, learning_rate=1e-3, seed=1)


def mean_return():
    """Of the next eight episodes or more."""
    done = len(env.tally.episodes)
    observations = env.reset()
    while len(env.tally.episodes) < done + 8:
        actions, _ = model.predict(observations, action_masks=env.action_masks())
        observations, *_ = env.step(actions)
    return np.mean([episode.global_return for episode in env.tally.episodes[done:]])


before = mean_return()
model.learn(100_000)
after = mean_return()
optimum = crl_envs.make("crl/load_balancing-v0", **WORLD).optimum().value
print(f"return per agent: {before:.1f} before, {after:.1f} after, {optimum:.1f} is the optimum")
