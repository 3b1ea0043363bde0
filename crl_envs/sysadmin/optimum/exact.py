"""The exact optimum of a small binary world: value iteration over joint states."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.topology import sorted_edges
from crl_envs.factored import joint_states
from crl_envs.sysadmin.problem import SysadminProblem

LARGEST_EXACT_RING: Final = 14
LARGEST_EXACT_GRAPH: Final = 9

_SECONDS = 5e-8  # for each joint state, joint action and step, on one core of 2024
_AT_A_TIME = 16  # joint states, of which each takes 2^n numbers


def joint_bits(n: int) -> NDArray[np.uint8]:
    """Return the machines' bits of every joint state, ``uint8[2^n, n]``; bit i of a state is machine i's."""
    return np.ascontiguousarray(joint_states(n, 2).T)


def largest_exact(problem: SysadminProblem) -> int:
    """Return the largest n for `exact_value` on this kind of graph: 14 if rotating it changes nothing, else 9."""
    return LARGEST_EXACT_RING if _rotation_symmetric(problem) else LARGEST_EXACT_GRAPH


def exact_value(problem: SysadminProblem) -> float:
    """Return the best expected episode return over policies that see all machines, mean over machines.

    Finite-horizon value iteration over the 2^n joint states; one tensor contraction a state gives the value of all 2^n
    joint actions. Where rotating the graph changes nothing, joint states that are rotations of each other share their
    value (about 20 s of CPU at n = 14, 1 s at n = 12).

    Raises:
        ValueError: More than 14 machines on such a graph, or more than 9 on another.
    """
    rotating = _rotation_symmetric(problem)
    largest = LARGEST_EXACT_RING if rotating else LARGEST_EXACT_GRAPH
    if problem.n > largest:
        raise ValueError(_too_large(problem.n, problem.horizon, largest, rotating))
    n, horizon = problem.n, problem.horizon
    model = replace(problem, relabel=False).factored_model()
    states, class_of = _rotation_classes(n) if rotating else (np.arange(2**n), np.arange(2**n))
    bits = joint_bits(n)
    now = bits[states].T
    stay = model.transition[model.scopes.entries(now), 0, 1].T
    gain = model.reward[np.arange(n), now.T]  # [class, machine, reboot]

    value = np.zeros(len(states))
    chunk = max(_AT_A_TIME, 2**16 // 2**n)
    for _ in range(horizon):
        joint = value[class_of].reshape((2,) * n)  # axis k is machine n − 1 − k
        better = np.empty_like(value)
        for low in range(0, len(states), chunk):
            part = slice(low, low + chunk)
            better[part] = _best_action_value(joint, stay[part], gain[part])
        value = better
    start = np.prod(model.start[np.arange(n), bits], axis=1)
    return float(start @ value[class_of]) / n


def _best_action_value(
    joint: NDArray[np.float64], stay: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the maximum over joint actions of reward + E[value next], for each of c states.

    Args:
        joint: Next value by joint next state, ``(2,)·n``, last axis machine 0.
        stay: ``float64[c, n]``: P(up next) without a reboot.
        gain: ``float64[c, n, 2]``: a machine's reward by its reboot.
    """
    c, n = stay.shape
    # The states last, so that NumPy's inner loops are long for every machine.
    q = np.repeat(joint.reshape(-1, 1), c, axis=1)
    gains = np.zeros((1, c))
    for i in range(n):  # replace machine i's next state (its bit) by its action
        bit = q.reshape(-1, 2, 2**i, c)
        rise = bit[:, 1] - bit[:, 0]
        rise *= stay[:, i]
        bit[:, 0] += rise
        gains = np.concatenate([gains + gain[:, i, 0], gains + gain[:, i, 1]])
    q += gains
    return np.asarray(q.max(axis=0))


def _too_large(n: int, horizon: int, largest: int, rotating: bool) -> str:
    log_states = n - (math.log2(n) if rotating else 0.0)
    seconds = math.log2(_SECONDS * horizon) + log_states + n
    numbers = n + math.log2(2 * _AT_A_TIME + 3 * n)
    return (
        f"exact value iteration needs n_agents ≤ {largest} on {'a ring' if rotating else 'this graph'}, got {n}: "
        f"it would take about {_power(numbers + 3)} bytes and {_power(seconds)} seconds; "
        "optimum() gives an upper bound and a lower one"
    )


def _power(log2: float) -> str:
    """Write 2^log2 in two figures, however large."""
    exponent, rest = divmod(log2 * math.log10(2), 1)
    return f"{10**rest:.1f}e{exponent:.0f}"


def _rotation_symmetric(problem: SysadminProblem) -> bool:
    shifted = (problem.edges + 1) % problem.n
    return np.array_equal(sorted_edges(shifted[:, 0], shifted[:, 1]), problem.edges)


@lru_cache(maxsize=4)
def _rotation_classes(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one joint state of each rotation class, and the class of every joint state."""
    states = np.arange(2**n)
    smallest = states.copy()
    rotated = states
    for _ in range(n - 1):
        rotated = (rotated >> 1) | ((rotated & 1) << (n - 1))
        smallest = np.minimum(smallest, rotated)
    representatives, class_of = np.unique(smallest, return_inverse=True)
    return representatives, class_of
