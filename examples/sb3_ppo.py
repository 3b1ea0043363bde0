"""PPO of Stable-Baselines3, one policy for all agents, on local rewards or on the team's.

    python examples/sb3_ppo.py
    python examples/sb3_ppo.py global

Needs ``pip install 'crl-envs[sb3]'``.
"""

import sys

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import crl_envs
from crl_envs.adapters.sb3 import make_vec_env

N_AGENTS, COPIES, STEPS = 5, 4, 50
rewards = sys.argv[1] if len(sys.argv) > 1 else "local"

torch.set_num_threads(1)
env = make_vec_env("crl/sysadmin-v0", COPIES, rewards=rewards, n_agents=N_AGENTS)
model = PPO(
    "MlpPolicy",
    env,
    n_steps=STEPS,  # of each of the COPIES · N_AGENTS environments that SB3 sees
    batch_size=STEPS * COPIES * N_AGENTS // 4,
    learning_rate=3e-3,
    seed=1,
)


def mean_return():
    """Of the present policy, with its random actions."""
    returns, _ = evaluate_policy(model, env, n_eval_episodes=20 * N_AGENTS, deterministic=False)
    return np.mean(returns)


before = mean_return()
model.learn(60_000)  # agents' steps: 12,000 of the environment's
after = mean_return()
optimum = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS).optimum().value
print(f"return per agent: {before:.2f} before, {after:.2f} after, {optimum:.2f} is the optimum")
