"""JESP: joint equilibrium by search for policies, for horizons beyond exact plans."""

from __future__ import annotations

import numpy as np

from crl_envs.core.arguments import about, check_int, check_seed
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.policy import JointPolicy, Plan, ahead, check_horizon, grid
from crl_envs.decpomdp.reader import MOST_ENTRIES
from crl_envs.decpomdp.search import TooLarge

_EPSILON = 1e-9


def jesp(model: DecPOMDP, horizon: int, restarts: int = 30, seed: int = 0) -> Plan:
    """Return a joint policy from which no agent alone gains by leaving (Nair et al. 2003, DP-JESP).

    One agent after the other plans its best answer to the policies of the others, until none is better. The best of
    some starts from random policies is returned. Nothing says how near it is to the optimum.

    Args:
        model: The problem.
        horizon: Steps.
        restarts: Number of starts.
        seed: Of the random policies.

    Raises:
        ValueError: An argument out of its range, or too many histories for memory.
    """
    check_horizon(horizon)
    check_int("restarts", restarts, low=1)
    rng = np.random.default_rng(check_seed("seed", seed))
    histories = len(model.joint_observations) * max(model.n_actions)
    if model.n_states * histories ** (horizon - 1) > MOST_ENTRIES:
        raise TooLarge(
            f"horizon must be less than {horizon} for this model: an agent's best answer goes through "
            f"{about(model.n_states * histories ** (horizon - 1))} histories, and {MOST_ENTRIES} are allowed"
        )
    found = []
    for _ in range(restarts):
        policy: JointPolicy = tuple(
            tuple(rng.integers(0, a, o**t) for t in range(horizon))
            for a, o in zip(model.n_actions, model.n_observations, strict=True)
        )
        value, same, i = -np.inf, 0, 0
        while same < model.n_agents:
            answer = best_answer(model, policy, i)
            better = answer.value > value + _EPSILON
            same = 1 if better else same + 1
            if better:
                value, policy = answer
            i = (i + 1) % model.n_agents
        found.append(Plan(value, policy))
    return max(found, key=lambda plan: plan.value)


def best_answer(model: DecPOMDP, policy: JointPolicy, agent: int) -> Plan:
    """Return the joint policy in which an agent does its best while the others stay with theirs.

    Args:
        model: The problem.
        policy: As in a `Plan`.
        agent: Its number.
    """
    horizon, a = len(policy[0]), model.n_actions[agent]
    o = model.n_observations[agent]
    known = model.start.reshape(-1, *(1,) * model.n_agents)
    paid = []  # float64[A, K] a step: by action and the agent's history of actions and observations
    for t in range(horizon):
        count = known.shape[1 + agent]
        after, gains = [], []
        for action in range(a):
            rules = [rules[t] for rules in policy]
            rules[agent] = np.full(count, action)
            joint = grid(model, rules)
            rewards = model.expected_reward[joint].transpose(-1, *range(model.n_agents))
            others = tuple(k for k in range(known.ndim) if k != 1 + agent)
            gains.append((known * rewards).sum(axis=others))
            if t < horizon - 1:
                after.append(ahead(model, known, joint))
        paid.append(np.array(gains))
        if after:
            known = np.concatenate(after, axis=1 + agent)
    later = np.zeros(a * paid[-1].shape[1] * o)
    chosen = []
    for now in reversed(paid):
        values = now + model.discount * later.reshape(*now.shape, o).sum(axis=2)
        chosen.append(values.argmax(axis=0))
        later = values.max(axis=0)
    rules, at = [], np.zeros(1, np.int64)
    for now, choice in zip(paid, reversed(chosen), strict=True):
        rules.append(choice[at])
        at = ((choice[at] * now.shape[1] + at)[:, None] * o + np.arange(o)).ravel()
    return Plan(float(later.sum()), (*policy[:agent], tuple(rules), *policy[agent + 1 :]))
