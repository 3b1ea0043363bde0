"""What agents see of each other's states and of their own rewards, counted, and the model that is most likely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays
from crl_envs.core.topology import sources_of
from crl_envs.core.world import Edges
from crl_envs.factored import FactoredMDP, Scopes


class TransitionCounts(OwnsArrays):
    """Counts in B columns, each a set of episodes of its own.

    The estimates are the paper's (Bagnell & Ng 2005, §4): frequencies for P(s_i' | s_i, s_parents(i), a_i), uniform
    where the configuration and action were never seen; mean own rewards for R_i(s_i, a_i), 0 where never seen. First
    states are frequencies too, uniform before the first episode.

    Args:
        edges: ``int64[E, 2]``, sorted (source, target): which states each agent's next one may depend on.
        n_agents: n.
        n_states: |S|.
        n_actions: |A|.
        num_envs: B.

    Attributes:
        transitions: ``int64[C, A, S, B]``: next states by configuration (as in `Scopes`) and own action.
        rewards: ``float64[n, S, A, B]``: sums of own rewards by own state and action.
        visits: ``int64[n, S, A, B]``: how many.
        starts: ``int64[n, S, B]``: first states.

    Raises:
        ValueError: An agent depends on so many others that the table would be too large.
    """

    def __init__(
        self, edges: Edges, n_agents: int, n_states: int, n_actions: int, num_envs: int
    ) -> None:
        self.edges = edges
        width = n_actions * n_states * num_envs
        self.scopes = Scopes(n_states, sources_of(edges, n_agents), width, "transition counts")
        entries = self.scopes.n_entries
        self.transitions = np.zeros((entries, n_actions, n_states, num_envs), np.int64)
        self.rewards = np.zeros((n_agents, n_states, n_actions, num_envs))
        self.visits = np.zeros(self.rewards.shape, np.int64)
        self.starts = np.zeros((n_agents, n_states, num_envs), np.int64)
        self._agent = np.arange(n_agents)[:, None]
        self._column = np.arange(num_envs)

    def start(self, states: NDArray[np.integer]) -> None:
        """Count first states ``[n, B]``."""
        self.starts[self._agent, states, self._column] += 1

    def add(
        self,
        states: NDArray[np.integer],
        actions: NDArray[np.integer],
        rewards: NDArray[np.floating],
        next_states: NDArray[np.integer],
    ) -> None:
        """Count a step, all arrays ``[n, B]``."""
        # No two agents or columns share an entry, so that a plain += counts all of them.
        entries = self.scopes.entries(states)
        self.transitions[entries, actions, next_states, self._column] += 1
        self.visits[self._agent, states, actions, self._column] += 1
        self.rewards[self._agent, states, actions, self._column] += rewards

    def model(self, column: int, horizon: int) -> FactoredMDP:
        """Return one column's estimate."""
        visits = self.visits[..., column]
        return FactoredMDP(
            edges=self.edges,
            transition=_frequencies(self.transitions[..., column]),
            reward=self.rewards[..., column] / np.maximum(visits, 1),
            start=_frequencies(self.starts[..., column]),
            horizon=horizon,
        )


def _frequencies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return shares along the last axis, uniform where nothing was counted."""
    totals = counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.where(totals > 0, counts / np.maximum(totals, 1), 1 / counts.shape[-1]))
