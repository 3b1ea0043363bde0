"""Worlds as arrays, and the three views made from them."""

from crl_envs.core.agent_vector import AgentVectorEnv
from crl_envs.core.optimum import Optimum
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.returns import fold_sum, team_reward
from crl_envs.core.stream import Purpose, Stream
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.core.world import World

__all__ = [
    "AgentVectorEnv",
    "Optimum",
    "Purpose",
    "Stream",
    "World",
    "WorldEnv",
    "WorldVectorEnv",
    "fold_sum",
    "team_reward",
]
