"""Wrappers: any ParallelEnv in, a ParallelEnv (or a single-agent Gymnasium env) with another view of it out."""

from crl_envs.wrappers.aristocrat_reward import AristocratReward, VectorAristocratReward
from crl_envs.wrappers.client_views import MaskInObservation, NumericInfos
from crl_envs.wrappers.difference_reward import DifferenceReward, VectorDifferenceReward
from crl_envs.wrappers.global_reward import GlobalReward, VectorGlobalReward
from crl_envs.wrappers.joint_action import JointAction
from crl_envs.wrappers.neighborhood_reward import NeighborhoodReward, VectorNeighborhoodReward
from crl_envs.wrappers.noisy_observation import NoisyObservation, VectorNoisyObservation
from crl_envs.wrappers.noisy_reward import NoisyReward, VectorNoisyReward

__all__ = [
    "AristocratReward",
    "DifferenceReward",
    "GlobalReward",
    "JointAction",
    "MaskInObservation",
    "NeighborhoodReward",
    "NoisyObservation",
    "NoisyReward",
    "NumericInfos",
    "VectorAristocratReward",
    "VectorDifferenceReward",
    "VectorGlobalReward",
    "VectorNeighborhoodReward",
    "VectorNoisyObservation",
    "VectorNoisyReward",
]
