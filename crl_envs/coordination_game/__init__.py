"""Coordination games: on each edge of a graph two agents are paid for how well their actions fit."""

from crl_envs.coordination_game.env import CoordinationGameEnv
from crl_envs.coordination_game.problem import CoordinationGameProblem
from crl_envs.coordination_game.world import CoordinationGameWorld

parallel_env = CoordinationGameEnv

__all__ = [
    "CoordinationGameEnv",
    "CoordinationGameProblem",
    "CoordinationGameWorld",
    "parallel_env",
]
