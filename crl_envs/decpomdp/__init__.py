"""Dec-POMDPs: finite teams who see different things, as values, environments and plans."""

from crl_envs.decpomdp.approximate import best_answer, jesp
from crl_envs.decpomdp.broadcast_env import BroadcastEnv
from crl_envs.decpomdp.communication import with_messages
from crl_envs.decpomdp.env import DecPOMDPEnv
from crl_envs.decpomdp.known import broadcast_channel, tiger
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.policy import Plan, exhaustive, value_of
from crl_envs.decpomdp.problem import BroadcastProblem, DecPOMDPProblem, TigerProblem
from crl_envs.decpomdp.search import ExactPlan, exact, seconds, shared_value
from crl_envs.decpomdp.tiger_env import TigerEnv
from crl_envs.decpomdp.world import DecPOMDPWorld

parallel_env = DecPOMDPEnv

__all__ = [
    "BroadcastEnv",
    "BroadcastProblem",
    "DecPOMDP",
    "DecPOMDPEnv",
    "DecPOMDPProblem",
    "DecPOMDPWorld",
    "ExactPlan",
    "Plan",
    "TigerEnv",
    "TigerProblem",
    "best_answer",
    "broadcast_channel",
    "exact",
    "exhaustive",
    "jesp",
    "seconds",
    "shared_value",
    "tiger",
    "value_of",
    "with_messages",
]
