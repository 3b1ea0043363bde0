"""Environments in which to measure how cooperative multi-agent learning scales with the number of agents."""

from crl_envs.core.optimum import Optimum
from crl_envs.registration import make, make_gym_vec, make_vec, register, registered_ids

__version__ = "0.1.0"

__all__ = [
    "Optimum",
    "__version__",
    "make",
    "make_gym_vec",
    "make_vec",
    "register",
    "registered_ids",
]

register("crl/access-v0", "crl_envs.access.env:AccessEnv")
register("crl/bandit-v0", "crl_envs.bandit.env:BanditEnv")
register("crl/consensus-v0", "crl_envs.local_rule.consensus:ConsensusEnv")
register("crl/coordination_game-v0", "crl_envs.coordination_game.env:CoordinationGameEnv")
register("crl/epidemic-v0", "crl_envs.local_rule.epidemic:EpidemicEnv")
register("crl/local_rule-v0", "crl_envs.local_rule.env:LocalRuleEnv")
register("crl/firefighting-v0", "crl_envs.firefighting.env:FirefightingEnv")
register("crl/bar-v0", "crl_envs.bar.env:BarEnv")
register("crl/load_balancing-v0", "crl_envs.load_balancing.env:LoadBalancingEnv")
register("crl/routing-v0", "crl_envs.routing.env:RoutingEnv")
register("crl/sysadmin-v0", "crl_envs.sysadmin.env:SysadminEnv")
register("crl/traffic-v0", "crl_envs.traffic.env:TrafficEnv")
register("crl/broadcast-v0", "crl_envs.decpomdp.broadcast_env:BroadcastEnv")
register("crl/dec_pomdp-v0", "crl_envs.decpomdp.env:DecPOMDPEnv")
register("crl/tiger-v0", "crl_envs.decpomdp.tiger_env:TigerEnv")
