"""A SYSADMIN world as a `FactoredMDP`: the truth that learnt models are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Stream
from crl_envs.core.topology import sources_of
from crl_envs.factored import FactoredMDP, Scopes
from crl_envs.sysadmin.dynamics import up_probability
from crl_envs.sysadmin.layout import SysadminLayout
from crl_envs.sysadmin.status_load import FAULTY, GOOD, IDLE, PROGRESS, StatusLoadWorld, risk


def factored_model(world: SysadminLayout) -> FactoredMDP:
    """The probabilities and rewards of all machines, with actions as the agents choose them (after `relabel`).

    Raises:
        ValueError: A machine has so many parents that its table would be too large.
    """
    n, s = world.n_agents, world.n_values
    scopes = Scopes(s, sources_of(world.edges, n), 2 * s, "transition")
    transition = np.empty((scopes.n_entries, 2, s))
    for degree in np.unique(world.parents.degree):
        of_degree = np.flatnonzero(world.parents.degree == degree)
        table = _table(world, int(degree))
        rows = scopes.first[of_degree][:, None] + np.arange(len(table))
        transition[rows] = table
    start = np.zeros((n, s))
    up, down = (3 * GOOD + IDLE, 3 * FAULTY + IDLE) if s == 9 else (1, 0)
    start[:, up], start[:, down] = world.start_up, 1 - world.start_up
    pairs = np.divmod(np.arange(2 * s), 2)  # all of one machine's states and actions
    states, done = (np.repeat(x[None].astype(np.uint8), n, axis=0) for x in pairs)
    reward = world.reward(states, done, states, Stream(2 * s))
    if world.swap is not None:
        swapped = np.repeat(world.swap[:, 0] == 1, scopes.sizes)
        transition[swapped] = transition[swapped][:, ::-1]
    return FactoredMDP(
        edges=world.edges,
        transition=transition,
        reward=reward.astype(np.float64).reshape(n, s, 2),
        start=start,
        horizon=world.horizon,
    )


def _table(world: SysadminLayout, degree: int) -> NDArray[np.float64]:
    """P(s' | configuration, reboot) of a machine with so many parents: ``float64[S^(1 + degree), 2, S]``."""
    s = world.n_values
    digits = np.arange(s ** (1 + degree))[:, None] // s ** np.arange(1 + degree) % s
    own, parents = digits[:, 0], digits[:, 1:]
    table = np.zeros((len(own), 2, s))
    if isinstance(world, StatusLoadWorld):
        _fill_status_load(table, own, parents)
    else:
        up = up_probability(world.dynamics, degree)[own, parents.sum(axis=1)]
        table[:, 0] = np.stack([1 - up, up], axis=1)
        table[:, 1, 1] = 1.0
    return table


def _fill_status_load(
    table: NDArray[np.float64], own: NDArray[np.int64], parents: NDArray[np.int64]
) -> None:
    row, degree = np.arange(len(own)), parents.shape[1]
    status, load = np.divmod(own, 3)
    worse = (parents // 3 > status[:, None]).sum(axis=1)
    fails = risk(degree)[status, worse]
    onward = PROGRESS[own]
    lost = (status == 2) | (load == 2)
    for falls in (0, 1):
        for advances in (0, 1):
            chance = (fails if falls else 1 - fails) * (onward if advances else 1 - onward)
            possible = chance > 0
            next_load = np.where(lost, 0, load + advances)
            following = 3 * (status + falls) + next_load
            table[row[possible], 0, following[possible]] += chance[possible]
    table[:, 1, 0] = 1.0
