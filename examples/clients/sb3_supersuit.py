"""PPO of Stable-Baselines3 through SuperSuit: ``python examples/clients/sb3_supersuit.py``.

The way of PettingZoo's tutorials on Stable-Baselines3. SuperSuit makes each agent of each copy one environment of a
vector. So one policy learns for all.
"""

import supersuit
import torch
from outcome import WORLD, mean_return, report
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

import crl_envs

set_random_seed(1)  # PPO(seed=1) fails: SuperSuit's vector has no seed()
torch.set_num_threads(1)
env = crl_envs.make("crl/sysadmin-v0", encode="onehot", **WORLD)
env = supersuit.pettingzoo_env_to_vec_env_v1(env)
env = supersuit.concat_vec_envs_v1(env, 4, num_cpus=1, base_class="stable_baselines3")
env.venv.reset(
    seed=1
)  # copies of an environment that has been seeded would all have the same episodes
model = PPO("MlpPolicy", env, n_steps=50, batch_size=250, learning_rate=3e-3, gamma=0.9)
model.learn(40_000)  # agents' steps: 8,000 of the environment's
report(mean_return(lambda seen: model.predict(seen, deterministic=True)[0]))
