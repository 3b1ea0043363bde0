"""One rule on a graph: worlds in which all agents follow the same few tables."""

from crl_envs.local_rule.consensus import ConsensusEnv, ConsensusProblem, ConsensusWorld
from crl_envs.local_rule.env import LocalRuleEnv
from crl_envs.local_rule.epidemic import EpidemicEnv, EpidemicProblem
from crl_envs.local_rule.problem import LocalRuleProblem
from crl_envs.local_rule.rule import LocalRule
from crl_envs.local_rule.world import LocalRuleWorld

parallel_env = LocalRuleEnv

__all__ = [
    "ConsensusEnv",
    "ConsensusProblem",
    "ConsensusWorld",
    "EpidemicEnv",
    "EpidemicProblem",
    "LocalRule",
    "LocalRuleEnv",
    "LocalRuleProblem",
    "LocalRuleWorld",
    "parallel_env",
]
