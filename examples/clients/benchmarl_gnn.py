"""IPPO and MAPPO of BenchMARL with graph networks: ``python examples/clients/benchmarl_gnn.py``.

Critics that are graph networks, or deep sets, read observations only; ``state=False`` gives them no state to refuse.
"""

import tempfile

import numpy as np
import torch
import torch_geometric
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models import GnnConfig, MlpConfig, SequenceModelConfig
from outcome import WORLD, report

from crl_envs.adapters.benchmarl import make_task
from crl_envs.adapters.torchrl import make_env

torch.set_num_threads(1)
config = ExperimentConfig.get_from_yaml()
config.max_n_frames = 12_000
config.lr = 3e-3
config.gamma = 0.9
config.on_policy_n_envs_per_worker = 8
config.on_policy_collected_frames_per_batch = 800  # environment steps
config.on_policy_minibatch_size = 200
config.on_policy_n_minibatch_iters = 10
config.evaluation = False
config.loggers = []
config.create_json = False
graph = GnnConfig(
    topology="full", self_loops=False, gnn_class=torch_geometric.nn.conv.GATv2Conv, gnn_kwargs={}
)
head = MlpConfig(num_cells=[32], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
network = SequenceModelConfig([graph, head], intermediate_sizes=[32])
for algorithm in (IppoConfig.get_from_yaml(), MappoConfig.get_from_yaml()):
    algorithm.entropy_coef = 0.01
    with tempfile.TemporaryDirectory() as config.save_folder:
        task = make_task("crl/sysadmin-v0", state=False, **WORLD)
        experiment = Experiment(
            task, algorithm, network, critic_model_config=network, seed=1, config=config
        )
        experiment.run()
    env = make_env("crl/sysadmin-v0", 300, agent_ids=True, seed=1000, **WORLD)
    with torch.no_grad():
        env.rollout(WORLD["horizon"], experiment.policy)
    name = type(algorithm).__name__.removesuffix("Config")
    report(np.mean([episode.local_return for episode in env.tally.episodes]), f"{name}: ")
