"""What is known about the best joint policy of a Dec-POMDP: exact for few steps."""

from __future__ import annotations

import numpy as np

from crl_envs.core.joint_value import joint_value
from crl_envs.core.optimum import Optimum
from crl_envs.decpomdp.approximate import jesp
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.policy import LONGEST
from crl_envs.decpomdp.problem import TeamProblem
from crl_envs.decpomdp.search import Bound, Search, TooLarge

_STEPS = 4_000  # of the exact search: some seconds
_BELIEFS = 5_000
_NUMBERS = 2_000_000  # joint actions × states² × joint observations, for beliefs
_ANSWERS = 2_000_000  # of an agent's histories times the others'
_MOST_HORIZON = 100_000


def find_optimum(problem: TeamProblem) -> Optimum:
    """Return the exact value for few steps; else what agents would earn who shared all that they see, and a policy's.

    The value is undiscounted, divided by the number of agents.
    """
    model, horizon, n = problem.process.undiscounted(), problem.horizon, problem.process.n_agents
    beliefs = (
        model.transition.size * len(model.joint_observations) <= _NUMBERS and horizon <= LONGEST
    )
    if beliefs:
        try:
            value = Search(model, horizon, None, _STEPS, _BELIEFS).solve() / n
            return Optimum(value, "exact", "search over joint policies", value)
        except ValueError:  # too large
            pass
    lower, how = _reached(model, horizon)
    upper, above = _seen(model, horizon), "agents who see the state"
    if beliefs:
        try:
            shared = Bound(model, horizon, shared=True, most=_BELIEFS).of(0, model.start).max()
            upper, above = float(shared), "agents who share what they see"
        except TooLarge:
            pass
    lower = min(lower, upper)  # but for the rounding of sums
    return Optimum(upper / n, "bound", f"{above}; lower: {how}", lower / n)


def _reached(model: DecPOMDP, horizon: int) -> tuple[float, str]:
    histories = len(model.joint_observations) * max(model.n_actions)
    if float(model.n_states) * float(histories) ** min(horizon - 1, 100) <= _ANSWERS:
        return jesp(model, horizon).value, "JESP"
    if horizon > _MOST_HORIZON:
        return float(horizon * model.expected_reward.min()), "the least reward in each step"
    best = -np.inf
    for transition, paid in zip(model.transition, model.expected_reward, strict=True):
        state, total = model.start, 0.0
        for t in range(horizon):
            gain = float(state @ paid)
            following = state @ transition
            total += gain
            if np.array_equal(following, state):
                total += (horizon - 1 - t) * gain
                break
            state = following
        best = max(best, total)
    return best, "the best joint action, repeated"


def _seen(model: DecPOMDP, horizon: int) -> float:
    if horizon > _MOST_HORIZON:
        return float(horizon * model.expected_reward.max())
    parts = ([transition.T] for transition in model.transition)
    return joint_value(model.expected_reward, parts, [model.start], horizon)
