"""SYSADMIN's rules as tables, from which the simulator, the planners and the explicit models are made.

Each machine has a state s and an action a (1 reboots) of its own. In the binary dynamics it is one rule on a graph: a
machine feels m, the sum of its parents' signals, and

    P(s' | s, a, m) = transition[s, a, m, s']        R(s, a) = reward[s, a]        P(first s) = start[s]

where a machine that is up signals 1 (`SIGNAL`), so that m is the number of parents up. In ``status-load`` what a
machine feels depends on its own status, too: the number of parents in a worse one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice
from crl_envs.factored.window_program import RingRule

GOOD, FAULTY, DEAD = 0, 1, 2
IDLE, LOADED, SUCCESS = 0, 1, 2

P_FAULTY: Final = 0.4
P_FAULTY_BONUS: Final = 0.2
P_DEAD: Final = 0.1
P_DEAD_BONUS: Final = 0.5
P_LOAD: Final = 0.6
P_DONE_GOOD: Final = 0.9
P_DONE_FAULTY: Final = 0.6


class Binary(NamedTuple):
    """One of the dynamics in which a machine is up or down, and up for sure after a reboot.

    Attributes:
        up: From the number of parents to P(up next | own state, parents up) of a machine that is left alone.
        reward: By own state (0 down, 1 up) and action.
        one_way: Whether on ``topology="ring"`` the only parent of a machine is the one before it, or both neighbours.
    """

    up: Callable[[int], NDArray[np.float64]]
    reward: tuple[tuple[float, float], tuple[float, float]]
    one_way: bool


def _halving(degree: int) -> NDArray[np.float64]:
    up = np.asarray(0.95 * 0.5 ** (degree - np.arange(degree + 1)), np.float64)
    return np.stack([0.05 * up, up])


def _guestrin(degree: int) -> NDArray[np.float64]:
    table = _halving(degree)
    table[0, degree - 1 : degree] = 0.0238  # one parent down; published in four digits
    return table


def _ippc(degree: int) -> NDArray[np.float64]:
    up = 0.45 + 0.5 * (1 + np.arange(degree + 1)) / (1 + degree)
    return np.stack([np.full(degree + 1, 0.1), up])


def _lock(degree: int) -> NDArray[np.float64]:
    up = np.where(np.arange(degree + 1) > 0, 1 - 2.0**-32, 0.0)  # what a 32-bit draw has next to 1
    return np.stack([up, up])


SIGNAL: Final = np.array([[0, 0], [1, 1]], np.uint8)
"""``signal[s, a]`` of a binary machine: 1 when it is up, whatever it does."""

UP_AND_LEFT_ALONE: Final = ((0.0, 0.0), (1.0, 0.0))

BINARY: Final = {
    "ring": Binary(_guestrin, UP_AND_LEFT_ALONE, one_way=True),
    "ring-bidirectional": Binary(_halving, UP_AND_LEFT_ALONE, one_way=False),
    "ippc2011": Binary(_ippc, ((0.0, -0.75), (1.0, 0.25)), one_way=False),
    "lock": Binary(_lock, ((1.0, 1.0), (0.0, 0.0)), one_way=True),
}
BINARY_DYNAMICS: Final = tuple(BINARY)
LOCK: Final = "lock"
RING_DYNAMICS: Final = tuple(name for name in BINARY if name != LOCK)  # with certificates on rings
STATUS_LOAD: Final = "status-load"
DYNAMICS: Final = (*BINARY_DYNAMICS, STATUS_LOAD)


def ring_rule(dynamics: str | Binary, both_ways: bool) -> RingRule:
    """Return binary dynamics as the rule of a ring, on which both neighbours or the one before are parents.

    Raises:
        ValueError: Dynamics that aren't binary.
    """
    if not isinstance(dynamics, Binary):
        check_choice("dynamics", dynamics, BINARY_DYNAMICS)
    up = transition(dynamics, 1 + both_ways)[..., 1]
    paid = np.broadcast_to(reward(dynamics)[:, :, None], up.shape)
    return RingRule(up, paid, SIGNAL, both_ways)


def n_states(dynamics: str) -> int:
    """Return how many states a machine has."""
    return 9 if dynamics == STATUS_LOAD else 2


def rule(dynamics: str | Binary) -> Binary:
    """Return the binary dynamics of that name, or those given themselves, as learnt ones are."""
    return dynamics if isinstance(dynamics, Binary) else BINARY[dynamics]


def up_probability(dynamics: str | Binary, degree: int) -> NDArray[np.float64]:
    """Return P(up next | own state, parents up) of a machine that isn't rebooted; see the table of `SysadminEnv`.

    Args:
        dynamics: One of `BINARY_DYNAMICS`, or the rule itself.
        degree: Number of parents.

    Returns:
        ``float64[2, degree + 1]``, indexed by own state (0 down, 1 up) and the number of parents that are up.
    """
    return rule(dynamics).up(degree)


def transition(dynamics: str | Binary, degree: int) -> NDArray[np.float64]:
    """Return P(s' | s, a, m) of a binary machine with so many parents: ``float64[2, 2, degree + 1, 2]``."""
    table = np.empty((2, 2, degree + 1, 2))
    table[:, 0, :, 1] = up_probability(dynamics, degree)
    table[:, 1, :, 1] = 1.0
    table[..., 0] = 1.0 - table[..., 1]
    return table


def reward(dynamics: str | Binary) -> NDArray[np.float64]:
    """Return what a machine earns, by its state and its action: ``float64[S, 2]``."""
    if dynamics == STATUS_LOAD:
        paid = np.arange(9) % 3 == SUCCESS
        return np.stack([paid, paid], axis=1).astype(np.float64)
    return np.array(rule(dynamics).reward)


def start(dynamics: str, start_up: float) -> NDArray[np.float64]:
    """Return the probabilities of a machine's first state, ``float64[S]``: up or down, good or faulty."""
    table = np.zeros(n_states(dynamics))
    up, down = (3 * GOOD + IDLE, 3 * FAULTY + IDLE) if dynamics == STATUS_LOAD else (1, 0)
    table[up], table[down] = start_up, 1 - start_up
    return table


def local_transition(dynamics: str, degree: int) -> NDArray[np.float64]:
    """Return P(s' | configuration, a) of a machine with so many parents: ``float64[S^(1 + degree), 2, S]``.

    A configuration is the number s + S · s_j + S² · s_k + … of the own state and the parents'.
    """
    s = n_states(dynamics)
    digits = np.arange(s ** (1 + degree))[:, None] // s ** np.arange(1 + degree) % s
    own, parents = digits[:, 0], digits[:, 1:]
    if dynamics == STATUS_LOAD:
        return _status_load(own, parents)
    return transition(dynamics, degree)[own, :, SIGNAL[parents, 0].sum(axis=1)]


def risk(degree: int) -> NDArray[np.float64]:
    """Return P(the status gets one worse) of a machine that isn't rebooted.

    Returns:
        ``float64[3, degree + 1]``, by its status and the number of parents in a worse status.
    """
    share = np.arange(degree + 1) / max(degree, 1)
    good, faulty = P_FAULTY + P_FAULTY_BONUS * share, P_DEAD + P_DEAD_BONUS * share
    return np.stack([good, faulty, np.zeros(degree + 1)])


PROGRESS: Final = np.array([P_LOAD, P_DONE_GOOD, 0.0, P_LOAD, P_DONE_FAULTY, 0.0, 0.0, 0.0, 0.0])
"""By state: the probability that an idle machine gets a load and a loaded one completes it."""


def _status_load(own: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.float64]:
    table = np.zeros((len(own), 2, 9))
    row, degree = np.arange(len(own)), parents.shape[1]
    status, load = np.divmod(own, 3)
    worse = (parents // 3 > status[:, None]).sum(axis=1)
    fails = risk(degree)[status, worse]
    onward = PROGRESS[own]
    lost = (status == DEAD) | (load == SUCCESS)
    for falls in (0, 1):
        for advances in (0, 1):
            chance = (fails if falls else 1 - fails) * (onward if advances else 1 - onward)
            possible = chance > 0
            next_load = np.where(lost, IDLE, load + advances)
            following = 3 * (status + falls) + next_load
            table[row[possible], 0, following[possible]] += chance[possible]
    table[:, 1, 3 * GOOD + IDLE] = 1.0
    return table
