"""Explicit tables of a small binary world."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.factored import joint_states
from crl_envs.sysadmin.dynamics import STATUS_LOAD
from crl_envs.sysadmin.problem import SysadminProblem

LARGEST_MODEL: Final = 5


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


def transition_model(problem: SysadminProblem) -> TransitionModel:
    """Return all probabilities and rewards of a binary problem of at most five machines.

    Raises:
        ValueError: More than five machines, the tables grow as 8^n; or ``dynamics="status-load"``.
    """
    n = problem.n
    if problem.dynamics == STATUS_LOAD:
        raise ValueError("transition_model() needs binary dynamics, got dynamics='status-load'")
    if n > LARGEST_MODEL:
        raise ValueError(
            f"transition_model() needs n_agents ≤ {LARGEST_MODEL} (8^n table entries), got {n}, "
            f"which would take 8^{n + 1} bytes and about {n}·8^{n - 9} s; factored_model() holds the same for any n"
        )
    model = problem.factored_model()
    bits = joint_states(n, 2)  # [machine, joint state or action]
    tables = model.transition[model.scopes.entries(bits)]  # [machine, s, own action, own s']
    initial, probability = np.ones(2**n), np.ones((2**n, 2**n, 2**n))
    for start, table, bit in zip(model.start, tables, bits, strict=True):
        initial *= start[bit]
        probability *= table[:, bit][:, :, bit]
    reward = [gain[bit][:, bit] for gain, bit in zip(model.reward, bits, strict=True)]
    return TransitionModel(initial, probability, np.stack(reward, axis=-1))
