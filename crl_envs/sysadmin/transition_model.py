"""Explicit tables of a small binary world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Stream
from crl_envs.sysadmin.joint_states import joint_bits, start_distribution, up_given_state

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld

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


def transition_model(world: SysadminWorld) -> TransitionModel:
    """All probabilities and rewards of a world of at most five machines.

    Raises:
        ValueError: More than five machines; the tables grow as 8^n.
    """
    n = world.n_agents
    if n > LARGEST_MODEL:
        raise ValueError(
            f"transition_model() needs n_agents ≤ {LARGEST_MODEL} (8^n table entries), got {n}, "
            f"which would take 8^{n + 1} bytes and about {n}·8^{n - 9} s; factored_model() holds the same for any n"
        )
    bits = joint_bits(n)
    stay = up_given_state(world, bits)
    executed = world.executed(bits.T).T
    up = np.where(executed[None, :, :], 1.0, stay[:, None, :])
    probability = np.ones((2**n, 2**n, 2**n))
    for i in range(n):
        becomes = up[:, :, i, None]
        probability *= np.where(bits[:, i], becomes, 1 - becomes)
    reward = world.reward(
        np.repeat(bits, 2**n, axis=0).T, np.tile(bits, (2**n, 1)).T, bits.T, Stream(1)
    )
    return TransitionModel(
        start_distribution(world), probability, reward.T.reshape(2**n, 2**n, n).astype(np.float64)
    )
