"""PPO of Ray RLlib (new API stack), one policy for all agents, on local rewards or on the team's.

    python examples/rllib_ppo.py
    python examples/rllib_ppo.py global

Needs ``pip install 'crl-envs[rllib]'``, in an environment of its own: RLlib pins Gymnasium.
"""

import sys

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

import crl_envs
from crl_envs.adapters.rllib import SHARED_POLICY, register

N_AGENTS, ROLLOUT, ROLLOUTS = 5, 250, 16
RANDOM = 8.76  # per agent, of agents that act at random
rewards = sys.argv[1] if len(sys.argv) > 1 else "local"

torch.set_num_threads(1)
ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
register("sysadmin", "crl/sysadmin-v0", rewards=rewards, n_agents=N_AGENTS)
config = (
    PPOConfig()
    .environment("sysadmin", disable_env_checking=True)
    .env_runners(num_env_runners=0)  # in this process
    .multi_agent(**SHARED_POLICY)
    .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64]))
    .training(
        lr=3e-3,
        gamma=0.9,
        train_batch_size_per_learner=ROLLOUT,  # environment steps
        minibatch_size=ROLLOUT,  # agents' steps
        num_epochs=8,
        use_kl_loss=False,
        vf_clip_param=float("inf"),  # the default leaves the critic without a gradient
    )
    .debugging(seed=0, log_level="ERROR")
)
algorithm = config.build_algo()
for k in range(ROLLOUTS):
    result = algorithm.train()["env_runners"]
    print(f"{(k + 1) * ROLLOUT:5d} steps: {result['episode_return_mean'] / N_AGENTS:5.2f}")
optimum = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS).optimum().value
print(f"return per agent; random agents have {RANDOM}, {optimum:.2f} is the optimum")
