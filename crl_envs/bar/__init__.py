"""The bar problem of Wolpert & Tumer (2001): where what is good for an agent isn't good for its team."""

from crl_envs.bar.env import BarEnv
from crl_envs.bar.problem import BarProblem
from crl_envs.bar.world import BarWorld

parallel_env = BarEnv

__all__ = ["BarEnv", "BarProblem", "BarWorld", "parallel_env"]
