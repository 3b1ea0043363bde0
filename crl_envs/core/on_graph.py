"""Agents on a graph with one small state each: the part of a problem and of a world that all such have."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice, check_int, check_size, shown
from crl_envs.core.array_form import column
from crl_envs.core.stream import Purpose, fixed_words
from crl_envs.core.topology import (
    NAMED,
    Adjacency,
    Edges,
    graph_edges,
    is_graph,
    named_edges,
    neighbors_of,
    sources_of,
)

if TYPE_CHECKING:
    import networkx as nx

_BYTES_PER_EDGE: Final = 64
_SPARSE: Final = ("ring", "directed_ring", "ring_of_rings", "star", "legs", "tree")
_MOST_RELABELLED: Final = 6  # actions whose orders can be listed
_MOST_OBSERVED: Final = 50_000_000  # agents × (1 + neighbours) of a neighbourhood observation


class OnGraph:
    """The graph of a problem, for a frozen dataclass with the fields that are annotated here."""

    n_agents: int | None
    topology: str | nx.Graph
    observe: str
    instance_seed: int

    families: ClassVar[tuple[str, ...]] = tuple(NAMED)

    @cached_property
    def n(self) -> int:
        """Number of agents."""
        if is_graph(self.topology):
            size: int = self.topology.number_of_nodes()
            if self.n_agents is not None and check_int("n_agents", self.n_agents, low=1) != size:
                raise ValueError(
                    f"n_agents must be {size}, the number of nodes of topology, or left out; got {shown(self.n_agents)}"
                )
            return size
        check_choice("topology", self.topology, self.families)
        if self.n_agents is None:
            return self.default_n
        return check_int("n_agents", self.n_agents, low=1, high=100_000_000)

    @property
    def default_n(self) -> int:
        """Number of agents where neither `n_agents` nor a graph says it."""
        return 10

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the source influences the target."""
        if is_graph(self.topology):
            return graph_edges(self.topology)
        degree = 2 if self.topology in _SPARSE else 4
        check_size(
            "n_agents", self.n, degree * _BYTES_PER_EDGE, f" with topology={self.topology!r}"
        )
        return self.family_edges(self.topology)

    def family_edges(self, topology: str) -> Edges:
        """Return the edges of one of the `families`."""
        return named_edges(topology, self.n, self.instance_seed)

    @cached_property
    def parents(self) -> Adjacency:
        """For each agent, those that influence it."""
        return sources_of(self.edges, self.n)

    @cached_property
    def neighbors(self) -> Adjacency:
        """For each agent, those that share an edge with it, ascending."""
        return neighbors_of(self.edges, self.n)

    @cached_property
    def observed(self) -> NDArray[np.int64] | None:
        """``int64[n, 1 + k]``: the agents that each one sees, n standing for nobody; None: only itself."""
        if self.observe != "neighborhood":
            return None
        indptr, indices = self.neighbors
        degree, n = self.neighbors.degree, self.n
        most = int(degree.max(initial=0))
        if n * (1 + most) > _MOST_OBSERVED:
            raise ValueError(
                f"observe='neighborhood' needs n_agents × (1 + largest degree) ≤ {_MOST_OBSERVED}, "
                f"got {n} × {1 + most}; use observe='own'"
            )
        seen = np.full((n, 1 + most), n, np.int64)
        seen[:, 0] = np.arange(n)
        rows = np.repeat(np.arange(n), degree)
        seen[rows, 1 + np.arange(indices.size) - indptr[rows]] = indices
        return seen

    def observation_space(self, n_values: int) -> spaces.Space[Any]:
        """Return what one agent sees of agents with so many states."""
        observed = self.observed
        if observed is None:
            return spaces.Discrete(n_values)
        fewest = int(self.neighbors.degree.min())
        sizes = [n_values] * (1 + fewest) + [n_values + 1] * (observed.shape[1] - 1 - fewest)
        return spaces.MultiDiscrete(sizes, dtype=np.uint8)


def action_orders(n: int, n_actions: int, seed: int) -> NDArray[np.uint8]:
    """Return ``uint8[n, A]``: what is done where an agent chooses action a, in an order of its own for each agent.

    Raises:
        ValueError: More than six actions.
    """
    if n_actions > _MOST_RELABELLED:
        raise ValueError(
            f"relabel must be False for more than {_MOST_RELABELLED} actions, got {n_actions}"
        )
    every = np.array(list(permutations(range(n_actions))), np.uint8)
    words = fixed_words(seed, Purpose.INSTANCE, n)
    orders: NDArray[np.uint8] = every[words % np.uint32(len(every))]
    return orders


def executed(xp: Any, action: Any, orders: NDArray[np.uint8] | None) -> Any:
    """Return what is done where agents choose `action` ``[n, …]``, by `action_orders`."""
    if orders is None:
        return action
    n, a = orders.shape
    first = column(xp.asarray(a * np.arange(n, dtype=np.int32)), action)
    return xp.take(xp.asarray(orders.ravel()), first + action, axis=0)


def seen_states(xp: Any, state: Any, observed: NDArray[np.int64] | None, n_values: int) -> Any:
    """Return observations of states ``uint8[n, …]``: the same, or ``uint8[n, 1 + k, …]`` with `n_values` for nobody."""
    if observed is None:
        return state
    absent = xp.full((1, *state.shape[1:]), n_values, np.uint8)
    return xp.concatenate([state, absent])[observed]
