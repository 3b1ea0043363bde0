"""Wireless access: users who send to the access points between them (Qu, Wierman & Li 2020)."""

from crl_envs.access.env import AccessEnv
from crl_envs.access.problem import AccessProblem
from crl_envs.access.world import AccessWorld

parallel_env = AccessEnv

__all__ = ["AccessEnv", "AccessProblem", "AccessWorld", "parallel_env"]
