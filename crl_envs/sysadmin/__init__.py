"""SYSADMIN: machines that fail and agents that reboot them (Bagnell & Ng 2005, §5; Guestrin et al. 2003)."""

from crl_envs.sysadmin.env import SysadminEnv
from crl_envs.sysadmin.problem import SysadminProblem
from crl_envs.sysadmin.transition_model import TransitionModel
from crl_envs.sysadmin.world import StatusLoadWorld, SysadminWorld

parallel_env = SysadminEnv

__all__ = [
    "StatusLoadWorld",
    "SysadminEnv",
    "SysadminProblem",
    "SysadminWorld",
    "TransitionModel",
    "parallel_env",
]
