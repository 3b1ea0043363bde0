"""Ray Tune over RLlib's PPO: a grid of learning rates, ``python examples/rllib_tune.py``.

Needs ``pip install 'crl-envs[rllib]'``, in an environment of its own: RLlib pins Gymnasium.
"""

import tempfile
import time

import ray
from ray import tune
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

import crl_envs
from crl_envs.adapters.rllib import SHARED_POLICY, register

N_AGENTS, ROLLOUT, ROLLOUTS = 5, 250, 12
RANDOM = 8.76  # per agent, of agents that act at random
RETURN = "env_runners/episode_return_mean"  # the sum over agents

began = time.perf_counter()
ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
register("sysadmin", "crl/sysadmin-v0", n_agents=N_AGENTS)
config = (
    PPOConfig()
    .environment("sysadmin", disable_env_checking=True)
    .env_runners(num_env_runners=0)  # in the trial's process
    .multi_agent(**SHARED_POLICY)
    .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64]))
    .training(
        lr=tune.grid_search([1e-4, 3e-3]),
        gamma=0.9,
        train_batch_size_per_learner=ROLLOUT,  # environment steps
        minibatch_size=ROLLOUT,  # agents' steps
        num_epochs=8,
        use_kl_loss=False,
        vf_clip_param=float("inf"),  # the default leaves the critic without a gradient
    )
    .debugging(seed=0, log_level="ERROR")
)
with tempfile.TemporaryDirectory() as folder:
    results = tune.Tuner(
        "PPO",
        param_space=config,
        tune_config=tune.TuneConfig(metric=RETURN, mode="max"),
        run_config=tune.RunConfig(
            storage_path=folder, stop={"training_iteration": ROLLOUTS}, verbose=0
        ),
    ).fit()
for result in results:
    print(
        f"lr {result.config['lr']}: {result.metrics['env_runners']['episode_return_mean'] / N_AGENTS:.2f}"
    )
reached = results.get_best_result().metrics["env_runners"]["episode_return_mean"] / N_AGENTS
optimum = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS).optimum().value
seconds = time.perf_counter() - began
print(f"return {reached:.2f} of at most {optimum:.2f} (random {RANDOM}) after {seconds:.0f} s")
assert reached > 16, "it hasn't learnt"
