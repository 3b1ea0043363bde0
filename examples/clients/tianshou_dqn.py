"""DQN of Tianshou, agents acting one after the other: ``python examples/clients/tianshou_dqn.py``.

The reward of a round appears with the turn of its last agent. Returns over as many turns as there are agents reach
from a turn of each agent to its next one, with the one reward in between.
"""

import logging

import numpy as np
import pettingzoo
import torch
from outcome import WORLD, mean_return, report
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOffPolicyAlgorithm
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, PettingZooEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import crl_envs  # noqa: F401  registers the ids

N_AGENTS, COPIES, GAMMA = WORLD["n_agents"], 10, 0.9


def make():
    """Return one environment as Tianshou takes it."""
    return PettingZooEnv(
        pettingzoo.make("aec", "crl/sysadmin-v0", encode="onehot", masks="observation", **WORLD)
    )


def learner(env):
    """Return DQN for one agent."""
    seen, acts = env.observation_space["observation"], env.action_space
    policy = DiscreteQLearningPolicy(
        model=Net(state_shape=seen.shape, action_shape=acts.n, hidden_sizes=(32,)),
        action_space=acts,
        eps_training=0.2,
        eps_inference=0.2,  # Tianshou 2.0 never sets the agents' policies to training
    )
    return DQN(
        policy=policy,
        optim=AdamOptimizerFactory(lr=1e-2),
        n_step_return_horizon=N_AGENTS,
        gamma=GAMMA ** (1 / N_AGENTS),
        target_update_freq=50,
    )


logging.disable(logging.WARNING)  # about returns that are vectors
np.random.seed(1)  # noqa: NPY002  Tianshou explores with it
torch.manual_seed(1)
torch.set_num_threads(1)
env = make()
algorithm = MultiAgentOffPolicyAlgorithm(algorithms=[learner(env) for _ in env.agents], env=env)
copies = DummyVectorEnv([make] * COPIES)
copies.seed(1)
algorithm.run_training(
    OffPolicyTrainerParams(
        training_collector=Collector(
            algorithm, copies, VectorReplayBuffer(20_000, COPIES), exploration_noise=True
        ),
        max_epochs=1,
        epoch_num_steps=20_000,  # turns
        collection_step_num_env_steps=100,
        update_step_num_gradient_steps_per_sample=0.05,
        batch_size=250,
        verbose=False,
        show_progress=False,
    )
)


def act(observations):
    """Return the best action of each agent."""
    networks = [algorithm.get_algorithm(agent).policy.model for agent in env.agents]
    with torch.no_grad():
        return [
            int(q(row[None])[0].argmax()) for q, row in zip(networks, observations, strict=True)
        ]


report(mean_return(act))
