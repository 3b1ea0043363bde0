"""Joint policies of a Dec-POMDP, what they are worth, and the steps that planners share."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about, check_int
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.reader import MOST_ENTRIES, Table

Rules = NDArray[np.int64]
JointPolicy = tuple[tuple[Rules, ...], ...]

LONGEST: Final = 50  # steps of a plan
_MOST_POLICIES: Final = 1_000_000
_MOST_RULES: Final = 2**21  # numbers in the one-hot table of an agent's rules


class Plan(NamedTuple):
    """A joint policy and its value.

    A policy has for each agent and step t ``int64[O^t]``: the action by the agent's observations so far, read as a
    number whose last digit is the last observation.
    """

    value: float  # expected sum of team rewards, discounted as the model says
    policy: JointPolicy


def check_horizon(horizon: Any) -> int:
    """Return a planner's horizon, 1 to 50."""
    return check_int("horizon", horizon, low=1, high=LONGEST)


def grid(model: DecPOMDP, rules: Any) -> Rules:
    """Return joint actions ``int64[m_1, …, m_n]`` of agents who each follow a rule ``int64[m_i]``."""
    places: Any = np.ix_(*rules)
    return np.asarray(np.ravel_multi_index(places, model.n_actions), np.int64)


def ahead(model: DecPOMDP, occupancy: Table, joint: Rules) -> Table:
    """Return who knows what after a step.

    Args:
        model: The problem.
        occupancy: ``float64[S, m_1, …, m_n]``: probabilities of the state and of what each agent knows.
        joint: ``int64[m_1, …, m_n]``, the joint actions taken.

    Returns:
        ``float64[S, m_1 · O_1, …, m_n · O_n]``: an agent knows what it knew, and its observation.
    """
    flat, chosen, n = occupancy.reshape(model.n_states, -1), joint.ravel(), model.n_agents
    moved = np.empty_like(flat)
    for action in np.unique(chosen):
        at = chosen == action
        moved[:, at] = model.transition[action].T @ flat[:, at]
    seen = moved[:, :, None] * model.observation[chosen].transpose(1, 0, 2)
    seen = seen.reshape(model.n_states, *joint.shape, *model.n_observations)
    order = [0, *(axis for i in range(n) for axis in (1 + i, 1 + n + i))]
    sizes = [m * o for m, o in zip(joint.shape, model.n_observations, strict=True)]
    return seen.transpose(order).reshape(model.n_states, *sizes)


def paid(model: DecPOMDP, occupancy: Table, joint: Rules) -> float:
    """Return the expected team reward of a step."""
    rewards = model.expected_reward[joint.ravel()]
    return float((occupancy.reshape(model.n_states, -1) * rewards.T).sum())


def value_of(model: DecPOMDP, policy: JointPolicy) -> float:
    """Return the expected sum of team rewards, discounted, of a joint policy over the steps that it has.

    Args:
        model: The problem.
        policy: As in a `Plan`.

    Raises:
        ValueError: There are too many joint histories.
    """
    horizon, total = len(policy[0]), 0.0
    check_histories(model, horizon)
    known = model.start.reshape(-1, *(1,) * model.n_agents)
    for t in range(horizon):
        joint = grid(model, [rules[t] for rules in policy])
        total += model.discount**t * paid(model, known, joint)
        if t < horizon - 1:
            known = ahead(model, known, joint)
    return total


def check_histories(model: DecPOMDP, horizon: int) -> None:
    """Refuse horizons with more joint histories than fit into memory.

    Raises:
        ValueError: There are too many.
    """
    histories = model.n_states * len(model.joint_observations) ** (horizon - 1)
    if histories > MOST_ENTRIES:
        raise ValueError(
            f"horizon must be less than {horizon} for this model: it has {about(histories)} joint histories, and "
            f"{MOST_ENTRIES} are allowed"
        )


def all_rules(types: int, actions: int) -> Rules:
    """Return ``int64[A^m, m]``, all rules of an agent that may know m things.

    Raises:
        ValueError: There are too many.
    """
    if actions**types * types * actions > _MOST_RULES:
        raise ValueError(
            f"model must be smaller for an exact plan: in one step an agent has {about(actions**types)} rules of "
            f"{actions} actions by {types} different things that it may know"
        )
    return _all_rules(types, actions)


@lru_cache(maxsize=64)
def _all_rules(types: int, actions: int) -> Rules:
    return np.arange(actions**types)[:, None] // actions ** np.arange(types)[::-1] % actions


@lru_cache(maxsize=64)
def one_hot(types: int, actions: int) -> Table:
    """Return ``float64[A^m, m · A]``: the same as ones and zeros."""
    chosen = all_rules(types, actions)
    return np.eye(actions)[chosen].reshape(len(chosen), types * actions)


def rules_values(weights: Table) -> Table:
    """Return what joint rules of all agents but the last are worth, which answers each at its best.

    Args:
        weights: ``float64[m_1, A_1, …, m_n, A_n]``: what a joint action is worth by what agents know, times the
            probability of that.

    Returns:
        ``float64[R_1, …, R_(n−1)]``.
    """
    value, n = weights, weights.ndim // 2
    for _ in range(n - 1):
        # The first two axes are the next agent's; its rules become the last one.
        m, a = value.shape[:2]
        value = np.tensordot(value.reshape(m * a, *value.shape[2:]), one_hot(m, a), (0, 1))
    best: Table = value.max(axis=1).sum(axis=0)
    return best


def exhaustive(model: DecPOMDP, horizon: int) -> Plan:
    """Return the best of all deterministic joint policies, one after the other: what other planners are tested with.

    Args:
        model: The problem.
        horizon: Steps.

    Raises:
        ValueError: There are more than a million.
    """
    check_horizon(horizon)
    counts = [
        a ** sum(o**t for t in range(horizon))
        for a, o in zip(model.n_actions, model.n_observations, strict=True)
    ]
    number = np.prod([float(count) for count in counts])
    if number > _MOST_POLICIES:
        raise ValueError(
            f"horizon must be less than {horizon} for this model: there are {number:.2g} joint policies, and "
            f"{_MOST_POLICIES} are allowed"
        )
    every = []
    for a, o in zip(model.n_actions, model.n_observations, strict=True):
        steps = [list(_all_rules(o**t, a)) for t in range(horizon)]
        every.append(list(product(*steps)))
    return max((Plan(value_of(model, p), p) for p in product(*every)), key=lambda plan: plan.value)
