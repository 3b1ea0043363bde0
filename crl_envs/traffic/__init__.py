"""Traffic lights: crossings on a lattice, of which each decides who has green."""

from crl_envs.traffic.env import TrafficEnv
from crl_envs.traffic.problem import TrafficProblem
from crl_envs.traffic.world import TrafficWorld

parallel_env = TrafficEnv

__all__ = ["TrafficEnv", "TrafficProblem", "TrafficWorld", "parallel_env"]
