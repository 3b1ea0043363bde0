"""Tables that depend on an agent's own state and on the states of some others."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.topology import Adjacency

MOST_ENTRIES: Final = 50_000_000


class Scopes:
    """For each agent, the agents on whose states its table depends: itself and `others`.

    A *configuration* of agent i is the number s_i + |S| s_j + |S|² s_k + …, with j < k < … its others; its table has
    one entry for each, and all agents' tables lie one behind the other.

    Args:
        n_states: |S|, states of one agent.
        others: For each agent, the others, ascending.
        width: Values for each configuration (|A| where a table has a value for each action).
        what: What the tables are, for the error.

    Attributes:
        n: Agents.
        sizes: ``int64[n]``, configurations of each agent, |S|^(1 + others).
        first: ``int64[n + 1]``, the entry of each agent's configuration 0, and the number of entries.

    Raises:
        ValueError: More than 50 million values: an agent has too many others.
    """

    def __init__(self, n_states: int, others: Adjacency, width: int, what: str) -> None:
        self.n_states, self.others = n_states, others
        self.n = len(others.indptr) - 1
        degree = others.degree
        needed = sum(
            int(count) * n_states ** (1 + int(d)) * width
            for d, count in zip(*np.unique(degree, return_counts=True), strict=True)
        )
        if needed > MOST_ENTRIES:
            i = int(degree.argmax())
            size = f"{needed:.3g}" if needed < 10**300 else "over 10^300"
            raise ValueError(
                f"{what} must have at most {MOST_ENTRIES} values, needs {size}: agent {i} depends on "
                f"{degree[i]} other agents with {n_states} states each; use a sparser topology"
            )
        self.sizes: NDArray[np.int64] = n_states ** (1 + degree)
        self.first: NDArray[np.int64] = np.concatenate([[0], np.cumsum(self.sizes)])

    @property
    def n_entries(self) -> int:
        """Configurations of all agents together."""
        return int(self.first[-1])

    def entries(self, states: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the entries that joint states ``[n, B]`` select: ``int64[n, B]``."""
        entry: NDArray[np.int64] = states + self.first[:-1, None]
        for agents, sources, weight in self._slots:
            entry[agents] += weight * states[sources].astype(np.int64)
        return entry

    def of(self, agent: int) -> NDArray[np.int64]:
        """The agents of one agent's scope: itself, then the others; digit k of a configuration is the k-th's state."""
        indptr, indices = self.others
        return np.concatenate([[agent], indices[indptr[agent] : indptr[agent + 1]]])

    @cached_property
    def _slots(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
        """For each digit after the first: the agents that have it, whose state it is, and its weight."""
        indptr, indices = self.others
        degree = self.others.degree
        slots = []
        for k in range(int(degree.max(initial=0))):
            agents = np.flatnonzero(degree > k)
            slots.append((agents, indices[indptr[agents] + k], self.n_states ** (k + 1)))
        return slots
