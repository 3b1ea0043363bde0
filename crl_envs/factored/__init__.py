"""Factored MDPs: many agents, each with a small table, as values that are learnt, saved, simulated and solved."""

from crl_envs.factored.ascent import Plan, coordinate_ascent
from crl_envs.factored.coordination_graph import Best, CoordinationGraph
from crl_envs.factored.exact import (
    JointTablePolicy,
    Solution,
    evaluate,
    joint_states,
    value_iteration,
)
from crl_envs.factored.linear_program import Bound, approximate_linear_program
from crl_envs.factored.model import Distance, FactoredMDP
from crl_envs.factored.policies import (
    NEIGHBORHOOD,
    OWN_STATE,
    PARENTS,
    POLICY_CLASSES,
    JointPolicy,
    PolicyClass,
    TablePolicy,
    find_policy_class,
)
from crl_envs.factored.scopes import Scopes
from crl_envs.factored.simulation import Returns, simulate

__all__ = [
    "NEIGHBORHOOD",
    "OWN_STATE",
    "PARENTS",
    "POLICY_CLASSES",
    "Best",
    "Bound",
    "CoordinationGraph",
    "Distance",
    "FactoredMDP",
    "JointPolicy",
    "JointTablePolicy",
    "Plan",
    "PolicyClass",
    "Returns",
    "Scopes",
    "Solution",
    "TablePolicy",
    "approximate_linear_program",
    "coordinate_ascent",
    "evaluate",
    "find_policy_class",
    "joint_states",
    "simulate",
    "value_iteration",
]
