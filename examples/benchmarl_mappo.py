"""MAPPO with BenchMARL on a ring of five machines: ``python examples/benchmarl_mappo.py``.

All agents share one policy, which knows the agent's number; the critic sees the state of the whole ring.
"""

import tempfile

import torch
from benchmarl.algorithms import MappoConfig
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig

from crl_envs import make
from crl_envs.adapters.benchmarl import make_task
from crl_envs.adapters.torchrl import make_env

WORLD = {"n_agents": 5, "horizon": 50}


def mean_return(policy=None, episodes=100):
    """Mean over agents and episodes; of random actions without a policy."""
    env = make_env("crl/sysadmin-v0", episodes, agent_ids=True, seed=1000, **WORLD)
    with torch.no_grad():
        env.rollout(WORLD["horizon"], policy)
    return sum(e.local_return for e in env.tally.episodes) / episodes


def main(max_n_frames=16_000):
    """Learn, and return what the policy earns before and after."""
    config = ExperimentConfig.get_from_yaml()
    config.max_n_frames = max_n_frames
    config.lr = 1e-3
    config.on_policy_n_envs_per_worker = 8
    config.on_policy_collected_frames_per_batch = 800  # environment steps
    config.on_policy_minibatch_size = 200
    config.on_policy_n_minibatch_iters = 10
    config.evaluation = False  # otherwise evaluation_interval must be a multiple of 800
    config.loggers = []
    config.create_json = False
    algorithm = MappoConfig.get_from_yaml()
    algorithm.entropy_coef = 0.01
    network = MlpConfig(
        num_cells=[64, 64], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh
    )
    with tempfile.TemporaryDirectory() as config.save_folder:
        task = make_task("crl/sysadmin-v0", **WORLD)
        experiment = Experiment(task, algorithm, network, seed=0, config=config)
        before = mean_return(experiment.policy)
        experiment.run()
    return before, mean_return(experiment.policy)


if __name__ == "__main__":
    best = make("crl/sysadmin-v0", **WORLD).unwrapped.optimum().value
    print(f"random {mean_return():.1f}, best {best:.1f}")
    print("before {:.1f}, after {:.1f}".format(*main()))
