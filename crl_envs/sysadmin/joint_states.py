"""Joint states of a small binary world, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crl_envs.factored import joint_states

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld


def joint_bits(n: int) -> NDArray[np.uint8]:
    """``uint8[2^n, n]``: the machines' bits of every joint state; bit i of a state is machine i's."""
    return np.ascontiguousarray(joint_states(n, 2).T)


def start_distribution(world: SysadminWorld) -> NDArray[np.float64]:
    """``float64[2^n]``: the probability of starting in each joint state."""
    up = np.where(joint_bits(world.n_agents), world.start_up, 1 - world.start_up)
    return np.asarray(np.prod(up, axis=1))


def up_given_state(world: SysadminWorld, bits: NDArray[np.uint8]) -> NDArray[np.float64]:
    """P(up next | joint state) of machines that aren't rebooted, ``float64[·, n]``."""
    table, offsets = world.up_probabilities
    indptr, indices = world.parents
    stay = np.empty(bits.shape)
    for i in range(world.n_agents):
        parents = indices[indptr[i] : indptr[i + 1]]
        ups = bits[:, parents].sum(axis=1, dtype=np.int64)
        stay[:, i] = table[offsets[i] + bits[:, i].astype(np.int64) * (parents.size + 1) + ups]
    return stay
