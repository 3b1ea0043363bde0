"""The optimum of binary SYSADMIN: exact for small n, an upper bound and a simulated policy beyond."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import sorted_edges
from crl_envs.sysadmin.dynamics import REBOOT_COST, up_probability

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld

LARGEST_EXACT_RING: Final = 14
LARGEST_EXACT_GRAPH: Final = 9
LARGEST_MODEL: Final = 5

_SIMULATED_AGENT_STEPS = 2_000_000


class TransitionModel(NamedTuple):
    """Explicit tables of a small world; bit i of a joint state or action is machine i's.

    Attributes:
        initial: ``float64[2^n]``: P(s).
        probability: ``float64[2^n, 2^n, 2^n]``: P(s' | s, a), indexed [s, a, s'].
        reward: ``float64[2^n, 2^n, n]``: local rewards, indexed [s, a, i].
    """

    initial: NDArray[np.float64]
    probability: NDArray[np.float64]
    reward: NDArray[np.float64]


def find_optimum(world: SysadminWorld) -> Optimum:
    """The best expected episode return over policies that see all machines, mean over machines.

    Exact by value iteration over the 2^n joint states for n ≤ 9 on any graph and n ≤ 14 on rings, where states that are
    rotations of each other share their value (about 20 s of CPU at n = 14, 1 s at n = 12).

    Beyond, an upper bound: every machine chooses, at every step, the states of its parents that suit it best, so that
    its return is that of a two-state problem of its own (which dominates by induction over the steps). `lower` is then
    the simulated return of the better of two policies, "reboot when down" and never rebooting.
    """
    n = world.n_agents
    rotating = _rotation_symmetric(world)
    if n <= (LARGEST_EXACT_RING if rotating else LARGEST_EXACT_GRAPH):
        value = _exact(world, rotating)
        return Optimum(value, "exact", "value iteration over joint states", value)
    return Optimum(
        _relaxed(world),
        "bound",
        "upper: each machine chooses its parents' states; lower: simulated reboot-when-down",
        _simulated(world),
    )


def transition_model(world: SysadminWorld) -> TransitionModel:
    """All probabilities and rewards of a world of at most five machines.

    Raises:
        ValueError: More than five machines; the tables grow as 8^n.
    """
    n = world.n_agents
    if n > LARGEST_MODEL:
        raise ValueError(
            f"transition_model() needs n_agents ≤ {LARGEST_MODEL} (8^n table entries), got {n}"
        )
    bits = _joint_bits(n)
    start = np.prod(np.where(bits, world.start_up, 1 - world.start_up), axis=1)
    stay = _up_given_state(world, bits)
    executed = world.executed(bits.T).T
    up = np.where(executed[None, :, :], 1.0, stay[:, None, :])
    probability = np.ones((2**n, 2**n, 2**n))
    for i in range(n):
        becomes = up[:, :, i, None]
        probability *= np.where(bits[:, i], becomes, 1 - becomes)
    reward = world.reward(
        np.repeat(bits, 2**n, axis=0).T, np.tile(bits, (2**n, 1)).T, bits.T, Stream(1)
    )
    return TransitionModel(start, probability, reward.T.reshape(2**n, 2**n, n).astype(np.float64))


def _exact(world: SysadminWorld, rotating: bool) -> float:
    """Finite-horizon value iteration; one tensor contraction a state gives the value of all 2^n joint actions."""
    n, horizon = world.n_agents, world.horizon
    bits = _joint_bits(n)
    states, class_of = _rotation_classes(n) if rotating else (np.arange(2**n), np.arange(2**n))
    stay = _up_given_state(world, bits[states])
    reboot_pay = -REBOOT_COST[world.dynamics]
    gain = bits[states][:, :, None] * np.array([1.0, 0.0 if reboot_pay == 0 else 1.0])
    gain = gain + np.array([0.0, reboot_pay])  # [class, machine, reboot]

    value = np.zeros(len(states))
    chunk = max(16, 2**16 // 2**n)
    for _ in range(horizon):
        joint = value[class_of].reshape((2,) * n)  # axis k is machine n − 1 − k
        better = np.empty_like(value)
        for low in range(0, len(states), chunk):
            part = slice(low, low + chunk)
            better[part] = _best_action_value(joint, stay[part], gain[part])
        value = better
    start = np.prod(np.where(bits, world.start_up, 1 - world.start_up), axis=1)
    return float(start @ value[class_of]) / n


def _best_action_value(
    joint: NDArray[np.float64], stay: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """max over joint actions of reward + E[value next], for each of c states.

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


def _relaxed(world: SysadminWorld) -> float:
    """Mean over machines of the best return when each may choose its parents' states."""
    degrees, counts = np.unique(world.parents.degree, return_counts=True)
    total = 0.0
    for degree, count in zip(degrees, counts, strict=True):
        table = up_probability(world.dynamics, int(degree))
        stay = table.max(axis=1)
        cost = REBOOT_COST[world.dynamics]
        value = np.zeros(2)
        for _ in range(world.horizon):
            leave = np.array([0.0, 1.0]) + stay * value[1] + (1 - stay) * value[0]
            reboot = (np.array([0.0, 1.0]) - cost if cost else np.zeros(2)) + value[1]
            value = np.maximum(leave, reboot)
        start = world.start_up * value[1] + (1 - world.start_up) * value[0]
        total += count * start
    return float(total / world.n_agents)


def _simulated(world: SysadminWorld) -> float:
    stream_columns = max(1, _SIMULATED_AGENT_STEPS // (world.n_agents * world.horizon))
    returns = []
    for reboot_when_down in (True, False):
        stream = Stream(stream_columns)
        stream.seed(0)
        state = world.initial(stream)
        stream.advance()
        total = 0.0
        for _ in range(world.horizon):
            wanted = (1 - state) if reboot_when_down else np.zeros_like(state)
            state, reward = world.step(state, world.executed(wanted), stream)
            stream.advance()
            total += float(reward.mean(dtype=np.float64))
        returns.append(total)
    return max(returns)


def _joint_bits(n: int) -> NDArray[np.uint8]:
    """``uint8[2^n, n]``: the machines' bits of every joint state."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.uint8)


def _up_given_state(world: SysadminWorld, bits: NDArray[np.uint8]) -> NDArray[np.float64]:
    """P(up next | joint state) of machines that aren't rebooted, ``float64[·, n]``."""
    table, offsets = world.up_probabilities
    indptr, indices = world.parents
    stay = np.empty(bits.shape)
    for i in range(world.n_agents):
        parents = indices[indptr[i] : indptr[i + 1]]
        ups = bits[:, parents].sum(axis=1, dtype=np.int64)
        stay[:, i] = table[offsets[i] + bits[:, i].astype(np.int64) * (parents.size + 1) + ups]
    return stay


def _rotation_symmetric(world: SysadminWorld) -> bool:
    shifted = (world.edges + 1) % world.n_agents
    return np.array_equal(sorted_edges(shifted[:, 0], shifted[:, 1]), world.edges)


@lru_cache(maxsize=4)
def _rotation_classes(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One joint state of each rotation class, and the class of every joint state."""
    states = np.arange(2**n)
    smallest = states.copy()
    rotated = states
    for _ in range(n - 1):
        rotated = (rotated >> 1) | ((rotated & 1) << (n - 1))
        smallest = np.minimum(smallest, rotated)
    representatives, class_of = np.unique(smallest, return_inverse=True)
    return representatives, class_of
