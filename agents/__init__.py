"""Learners with the vocabulary of Stable-Baselines3: ``Reinforce(env).learn(total_episodes=500)``.

They see an environment through the PettingZoo API or through its array twin, the vector view, and nothing else.
"""

from agents.adaptive_halving import AdaptiveHalving, AdaptiveHalvingConfig
from agents.advertising import (
    Broadcast,
    ConditionalNotification,
    DelegationReturn,
    PeriodicGossip,
)
from agents.ant_colony import AntColony, AntColonyConfig
from agents.breadth_first import BreadthFirst, BreadthFirstConfig
from agents.bus import MessageBus
from agents.callbacks import CallbackList, CSVLogger, EveryEpisodes, TensorBoardLogger
from agents.correlation import Correlation, CorrelationConfig
from agents.crl import CRL, CRLConfig
from agents.decomposed_reinforce import DecomposedReinforce, DecomposedReinforceConfig
from agents.detecting import DetectingMatrix, DetectingMatrixConfig
from agents.distributed_value_functions import (
    DistributedValueFunctions,
    DistributedValueFunctionsConfig,
)
from agents.global_least_squares import GlobalLeastSquares, GlobalLeastSquaresConfig
from agents.independent_q import IndependentQ, IndependentQConfig
from agents.learner import Learner
from agents.local_means import LocalMeans, LocalMeansConfig
from agents.model_based import ModelBased, ModelBasedConfig
from agents.random_policy import RandomPolicy, RandomPolicyConfig
from agents.reinforce import Reinforce, ReinforceConfig
from agents.shortest_queue import ShortestQueue, ShortestQueueConfig

__all__ = [
    "CRL",
    "AdaptiveHalving",
    "AdaptiveHalvingConfig",
    "AntColony",
    "AntColonyConfig",
    "BreadthFirst",
    "BreadthFirstConfig",
    "Broadcast",
    "CRLConfig",
    "CSVLogger",
    "CallbackList",
    "ConditionalNotification",
    "Correlation",
    "CorrelationConfig",
    "DecomposedReinforce",
    "DecomposedReinforceConfig",
    "DelegationReturn",
    "DetectingMatrix",
    "DetectingMatrixConfig",
    "DistributedValueFunctions",
    "DistributedValueFunctionsConfig",
    "EveryEpisodes",
    "GlobalLeastSquares",
    "GlobalLeastSquaresConfig",
    "IndependentQ",
    "IndependentQConfig",
    "Learner",
    "LocalMeans",
    "LocalMeansConfig",
    "MessageBus",
    "ModelBased",
    "ModelBasedConfig",
    "PeriodicGossip",
    "RandomPolicy",
    "RandomPolicyConfig",
    "Reinforce",
    "ReinforceConfig",
    "ShortestQueue",
    "ShortestQueueConfig",
    "TensorBoardLogger",
]
