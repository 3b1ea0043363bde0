"""IPPO of AgileRL, one policy for all agents, on local rewards or on the team's.

    python examples/agilerl_ippo.py
    python examples/agilerl_ippo.py global

Needs ``pip install agilerl peft crl-envs``.
"""

import random
import sys

import numpy as np
import torch
from agilerl.algorithms import IPPO
from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy

import crl_envs
from crl_envs.adapters.agilerl import make_vec_env

N_AGENTS, COPIES = 5, 8
RANDOM = 8.76  # per agent, of agents that act at random
rewards = sys.argv[1] if len(sys.argv) > 1 else "local"

torch.set_num_threads(1)
random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002  (what AgileRL draws from)
env = make_vec_env("crl/sysadmin-v0", COPIES, rewards=rewards, n_agents=N_AGENTS, seed=0)
ippo = IPPO(
    [env.single_observation_space(agent) for agent in env.agents],
    [env.single_action_space(agent) for agent in env.agents],
    agent_ids=env.agents,
    learn_step=2000,  # agents' steps: 50 of each of the copies
    batch_size=250,
    lr=2e-3,
    gamma=0.9,
)
train_multi_agent_on_policy(
    env, "sysadmin", "IPPO", [ippo], max_steps=50_000, evo_steps=50_000, verbose=False
)
returns = [episode.local_return for episode in env.tally.episodes]
before, after = np.mean(returns[:40]), np.mean(returns[-40:])
optimum = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS).optimum().value
print(f"\nreturn per agent: {before:.2f} at first, {after:.2f} in the end")
print(f"random agents have {RANDOM}, {optimum:.2f} is the optimum")
