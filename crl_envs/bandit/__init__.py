"""The single-state binary-reward bandit of Bagnell & Ng 2005 (Theorem 3.1, Figure 2)."""

from crl_envs.bandit.env import BanditEnv, BanditModel
from crl_envs.bandit.problem import BanditProblem
from crl_envs.bandit.world import BanditWorld

parallel_env = BanditEnv

__all__ = ["BanditEnv", "BanditModel", "BanditProblem", "BanditWorld", "parallel_env"]
