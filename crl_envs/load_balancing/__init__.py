"""Load balancing over a graph of agents (Dowling & Haridi 2008, §6)."""

from crl_envs.load_balancing.env import LoadBalancingEnv
from crl_envs.load_balancing.problem import LoadBalancingProblem
from crl_envs.load_balancing.rules import Outcome
from crl_envs.load_balancing.world import LoadBalancingWorld

parallel_env = LoadBalancingEnv

__all__ = [
    "LoadBalancingEnv",
    "LoadBalancingProblem",
    "LoadBalancingWorld",
    "Outcome",
    "parallel_env",
]
