"""Exact values of small factored MDPs: the best joint policy, and the utility of a given one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about
from crl_envs.factored.model import FactoredMDP
from crl_envs.factored.policies import JointPolicy

_LARGEST_GROUP: Final = (
    100  # joint states of the agents that one matrix product replaces by their actions
)
_NUMBERS_AT_ONCE: Final = 2**17
_MOST_BYTES: Final = 2 * 10**9
_MOST_PRODUCTS: Final = 2 * 10**12
_PRODUCTS_PER_SECOND: Final = 4e9  # measured on one core of 2024


@dataclass(frozen=True, eq=False)
class JointTablePolicy:
    """A policy that looks up the joint state and the step.

    Attributes:
        n_states: |S|.
        actions: ``uint8[T, |S|^n, n]``, by step and by joint state, numbered as in `joint_states`.
    """

    n_states: int
    actions: NDArray[np.uint8]

    def act(self, states: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
        """Return actions ``uint8[n, B]`` in joint states ``uint8[n, B]`` at step 0 … T − 1."""
        place = self.n_states ** np.arange(len(states))
        return np.asarray(self.actions[step, place @ states.astype(np.int64)].T)


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of a factored MDP.

    Attributes:
        value: The utility of the best joint policy: the expectation of the mean reward's sum over the horizon.
        policy: A policy that reaches it.
        values: ``float64[T + 1, |S|^n]``, what is still to come from each joint state at each step; 0 at step T.
    """

    value: float
    policy: JointTablePolicy
    values: NDArray[np.float64]


def joint_states(n: int, s: int) -> NDArray[np.uint8]:
    """``uint8[n, s^n]``: the states of n agents in joint state Σ_i s^i s_i, the first agent's changing fastest."""
    return (np.arange(s**n) // s ** np.arange(n)[:, None] % s).astype(np.uint8)


def value_iteration(model: FactoredMDP) -> Solution:
    """Return the best joint policy by backward induction over all |S|^n joint states.

    Agents see everything and may act differently at every step, so the value bounds that of every other policy class.
    All |A|^n joint actions of a joint state are compared. As the agents' next states are independent given their
    actions, the values of all next states become those of all joint actions when one group of agents after the other
    has its digit replaced: matrix products in place of |S|^n × |A|^n sums.

    Raises:
        ValueError: More joint states and actions than fit in 2 GB or in about ten minutes.
    """
    n, s, a, horizon = model.n_agents, model.n_states, model.n_actions, model.horizon
    _refuse_large(
        "value_iteration",
        model,
        s**n * (8 * (horizon + 1) + n * horizon),
        horizon * s**n * _products(n, s, a),
        "coordinate_ascent for a good policy, approximate_linear_program for an upper bound",
    )
    states = joint_states(n, s)
    values = np.zeros((horizon + 1, s**n))
    best = np.zeros((horizon, s**n), np.int64)
    agent = np.arange(n)
    for step in reversed(range(horizon)):
        for part in _chunks(model, a):
            now = states[:, part]
            tables = model.transition[model.scopes.entries(now)]
            worth = _expectations(values[step + 1], tables)
            worth += _sums(model.reward[agent[:, None], now] / n)
            best[step, part] = worth.argmax(axis=1)
            values[step, part] = worth.max(axis=1)
    actions = best[..., None] // a**agent % a
    return Solution(
        float(_start(model) @ values[0]), JointTablePolicy(s, actions.astype(np.uint8)), values
    )


def evaluate(model: FactoredMDP, policy: JointPolicy) -> float:
    """Return the exact utility of a policy: the expectation of the mean reward's sum over the horizon.

    Raises:
        ValueError: More joint states than fit in 2 GB or in about ten minutes.
    """
    n, s, horizon = model.n_agents, model.n_states, model.horizon
    _refuse_large(
        "evaluate",
        model,
        s**n * (16 + 2 * n),
        horizon * s**n * _products(n, s, 1),
        "simulate for an estimate with a standard error",
    )
    states = joint_states(n, s)
    value = np.zeros(s**n)
    agent = np.arange(n)[:, None]
    for step in reversed(range(horizon)):
        actions = policy.act(states, step)
        following, value = value, model.reward[agent, states, actions].mean(axis=0)
        for part in _chunks(model, 1):
            tables = model.transition[model.scopes.entries(states[:, part]), actions[:, part]]
            value[part] += _expectations(following, tables[:, :, None])[:, 0]
    return float(_start(model) @ value)


def _expectations(
    following: NDArray[np.float64], tables: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return E[following(s')] for each of c joint states and each joint action.

    Args:
        following: ``float64[S^n]``, by joint next state.
        tables: ``float64[n, c, A, S]``, P(s_i' | joint state, a_i).

    Returns:
        ``float64[c, A^n]``, joint actions numbered as joint states are.
    """
    n, c, _, s = tables.shape
    expected = following[None, :]
    for group in _groups(n, s):
        product = tables[group[0]]
        for i in group[1:]:
            product = product[:, None, :, None, :] * tables[i][:, :, None, :, None]
            product = product.reshape(c, -1, s * product.shape[-1])
        # The group is the fastest digit; its actions become the slowest, and the next group the fastest.
        rest = expected.reshape(len(expected), -1, product.shape[2])
        expected = (product @ rest.transpose(0, 2, 1)).reshape(c, -1)
    return expected


def _sums(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Σ_i gains_i of each joint action: ``float64[n, c, A]`` to ``float64[c, A^n]``."""
    total: NDArray[np.float64] = gains[0]
    for gain in gains[1:]:
        total = (gain[:, :, None] + total[:, None, :]).reshape(len(total), -1)
    return total


def _groups(n: int, s: int) -> list[range]:
    """Return the agents in consecutive groups of nearly equal size, with few joint states each."""
    largest = max(1, int(math.log(_LARGEST_GROUP, s))) if s > 1 else n
    bounds = np.linspace(0, n, math.ceil(n / largest) + 1).round().astype(int).tolist()
    return [range(low, high) for low, high in pairwise(bounds)]


def _products(n: int, s: int, a: int) -> int:
    """Return the multiplications that `_expectations` takes for one joint state."""
    total, done = 0, 0
    for group in _groups(n, s):
        done += len(group)
        total += a**done * s ** (n - done + len(group))
    return total


def _chunks(model: FactoredMDP, a: int) -> list[slice]:
    """Return the joint states in parts whose arrays stay in the cache."""
    n, s = model.n_agents, model.n_states
    size = max(1, _NUMBERS_AT_ONCE // max(s, a) ** n)
    return [slice(low, low + size) for low in range(0, s**n, size)]


def _start(model: FactoredMDP) -> NDArray[np.float64]:
    """Return ``float64[S^n]``: the first joint state's probabilities."""
    chance = np.ones(1)
    for agent in model.start:
        chance = (agent[:, None] * chance).ravel()
    return chance


def _refuse_large(what: str, model: FactoredMDP, memory: int, products: int, instead: str) -> None:
    if memory > _MOST_BYTES or products > _MOST_PRODUCTS:
        n, s, a = model.n_agents, model.n_states, model.n_actions
        seconds = products // int(_PRODUCTS_PER_SECOND)
        raise ValueError(
            f"model is too large for {what}: {n} agents with {s} states and {a} actions need about "
            f"{about(memory)} bytes of memory and {about(seconds)} s; use {instead}"
        )
