"""Learners with the vocabulary of Stable-Baselines3: ``Reinforce(env).learn(total_episodes=500)``.

They see an environment through the PettingZoo API or through its array twin, the vector view, and nothing else.
"""

from agents.bandit.adaptive_halving import AdaptiveHalving, AdaptiveHalvingConfig
from agents.bandit.boltzmann_averages import BoltzmannAverages, BoltzmannAveragesConfig
from agents.bandit.correlation import Correlation, CorrelationConfig
from agents.bandit.detecting import DetectingMatrix, DetectingMatrixConfig
from agents.bandit.global_least_squares import GlobalLeastSquares, GlobalLeastSquaresConfig
from agents.bandit.local_means import LocalMeans, LocalMeansConfig
from agents.callbacks import CallbackList, CSVLogger, EveryEpisodes, TensorBoardLogger
from agents.coordination.coordinated_lspi import CoordinatedLSPI, CoordinatedLSPIConfig
from agents.coordination.fmq import FMQ, FMQConfig
from agents.coordination.hysteretic_q import (
    HystereticQ,
    HystereticQConfig,
    LenientQ,
    LenientQConfig,
)
from agents.coordination.joint_action_learner import JointActionLearner
from agents.coordination.sparse_cooperative_q import (
    SparseCooperativeQ,
    SparseCooperativeQConfig,
)
from agents.delegation.ant_colony import AntColony, AntColonyConfig
from agents.delegation.breadth_first import BreadthFirst, BreadthFirstConfig
from agents.delegation.bus import MessageBus
from agents.delegation.crl.advertising import (
    Broadcast,
    ConditionalNotification,
    DelegationReturn,
    PeriodicGossip,
)
from agents.delegation.crl.learner import CRL, CRLConfig
from agents.delegation.distributed_value_functions import (
    DistributedValueFunctions,
    DistributedValueFunctionsConfig,
)
from agents.delegation.independent_q import IndependentQ, IndependentQConfig
from agents.delegation.shortest_queue import ShortestQueue, ShortestQueueConfig
from agents.fixed_rule import FixedRule, FixedRuleConfig
from agents.learner import Learner
from agents.localized_aloha import LocalizedAloha, LocalizedAlohaConfig
from agents.random_policy import RandomPolicy, RandomPolicyConfig
from agents.routing.ant_net import AntNet, AntNetConfig
from agents.routing.backpressure import Backpressure, BackpressureConfig
from agents.routing.q_routing import QRouting, QRoutingConfig
from agents.routing.sample import Sample, SampleConfig
from agents.routing.shortest_path import ShortestPath, ShortestPathConfig
from agents.tabular.decomposed_reinforce import DecomposedReinforce, DecomposedReinforceConfig
from agents.tabular.factored_rmax import FactoredRMax, FactoredRMaxConfig
from agents.tabular.finite_state_controllers import (
    FiniteStateControllers,
    FiniteStateControllersConfig,
)
from agents.tabular.kalman_reward import (
    KalmanReinforce,
    KalmanReinforceConfig,
    KalmanReward,
)
from agents.tabular.model_based import ModelBased, ModelBasedConfig
from agents.tabular.reinforce import Reinforce, ReinforceConfig
from agents.tabular.scalable_actor_critic import (
    ScalableActorCritic,
    ScalableActorCriticConfig,
)
from agents.tabular.window_planner import WindowPlanner, WindowPlannerConfig
from agents.traffic_lights import TrafficLights, TrafficLightsConfig

__all__ = [
    "CRL",
    "FMQ",
    "AdaptiveHalving",
    "AdaptiveHalvingConfig",
    "AntColony",
    "AntColonyConfig",
    "AntNet",
    "AntNetConfig",
    "Backpressure",
    "BackpressureConfig",
    "BoltzmannAverages",
    "BoltzmannAveragesConfig",
    "BreadthFirst",
    "BreadthFirstConfig",
    "Broadcast",
    "CRLConfig",
    "CSVLogger",
    "CallbackList",
    "ConditionalNotification",
    "CoordinatedLSPI",
    "CoordinatedLSPIConfig",
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
    "FMQConfig",
    "FactoredRMax",
    "FactoredRMaxConfig",
    "FiniteStateControllers",
    "FiniteStateControllersConfig",
    "FixedRule",
    "FixedRuleConfig",
    "GlobalLeastSquares",
    "GlobalLeastSquaresConfig",
    "HystereticQ",
    "HystereticQConfig",
    "IndependentQ",
    "IndependentQConfig",
    "JointActionLearner",
    "KalmanReinforce",
    "KalmanReinforceConfig",
    "KalmanReward",
    "Learner",
    "LenientQ",
    "LenientQConfig",
    "LocalMeans",
    "LocalMeansConfig",
    "LocalizedAloha",
    "LocalizedAlohaConfig",
    "MessageBus",
    "ModelBased",
    "ModelBasedConfig",
    "PeriodicGossip",
    "QRouting",
    "QRoutingConfig",
    "RandomPolicy",
    "RandomPolicyConfig",
    "Reinforce",
    "ReinforceConfig",
    "Sample",
    "SampleConfig",
    "ScalableActorCritic",
    "ScalableActorCriticConfig",
    "ShortestPath",
    "ShortestPathConfig",
    "ShortestQueue",
    "ShortestQueueConfig",
    "SparseCooperativeQ",
    "SparseCooperativeQConfig",
    "TensorBoardLogger",
    "TrafficLights",
    "TrafficLightsConfig",
    "WindowPlanner",
    "WindowPlannerConfig",
]
