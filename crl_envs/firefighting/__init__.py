"""Firefighting: agents between houses that burn (Oliehoek et al. 2008)."""

from crl_envs.firefighting.env import FirefightingEnv
from crl_envs.firefighting.problem import FirefightingProblem
from crl_envs.firefighting.world import FirefightingWorld

parallel_env = FirefightingEnv

__all__ = ["FirefightingEnv", "FirefightingProblem", "FirefightingWorld", "parallel_env"]
