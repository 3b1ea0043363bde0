"""Packets that agents forward over a graph to their destinations (Boyan & Littman 1994)."""

from crl_envs.routing.env import RoutingEnv
from crl_envs.routing.problem import RoutingProblem
from crl_envs.routing.rules import Outcome
from crl_envs.routing.world import RoutingWorld

parallel_env = RoutingEnv

__all__ = ["Outcome", "RoutingEnv", "RoutingProblem", "RoutingWorld", "parallel_env"]
