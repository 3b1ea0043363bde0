"""Who may delegate to whom, and where the large servers stand (Dowling & Haridi 2008, §6.1 and §6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice, check_int, check_size, shown
from crl_envs.core.stream import Purpose, fixed_words
from crl_envs.core.topology import (
    BYTES_PER_SLOT,
    Edges,
    graph_edges,
    is_graph,
    node_numbers,
    random_successors,
    sources_of,
)

if TYPE_CHECKING:
    import networkx as nx

_DEFAULT_AGENTS = 50
_DEFAULT_DEGREE = {"grid": 9, "random": 10}


def grid_successors(n: int, degree: int) -> Edges:
    """i → i + 1 … i + `degree` (mod n): the paper's "grid", a circulant graph and no lattice."""
    edges = np.empty((n, degree, 2), np.int64)
    edges[..., 0] = np.arange(n)[:, None]
    np.add(edges[..., 0], np.arange(1, degree + 1), out=edges[..., 1])
    edges[n - degree :, :, 1] %= n
    return edges.reshape(-1, 2)


def build_edges(
    topology: str | nx.Graph, n_agents: int | None, out_degree: int | None, seed: int
) -> tuple[int, Edges, dict[Any, int]]:
    """Return the number of agents, delegation edges ``int64[E, 2]`` in the order of the slots, and nodes' names.

    Raises:
        ValueError: Unknown topology, or sizes that don't fit it.
    """
    if is_graph(topology):
        n = topology.number_of_nodes()
        if n_agents is not None and check_int("n_agents", n_agents, low=1) != n:
            raise ValueError(
                f"n_agents must be {n}, the number of nodes of topology, or left out; got {shown(n_agents)}"
            )
        if out_degree is not None:
            raise ValueError(
                f"out_degree must be left out for a networkx topology, got {shown(out_degree)}"
            )
        numbers = node_numbers(topology)
        own = all(type(node) is int and node == i for node, i in numbers.items())  # 1.0 is a name
        return n, graph_edges(topology), {} if own else numbers
    check_choice("topology", topology, tuple(_DEFAULT_DEGREE))
    n = _DEFAULT_AGENTS if n_agents is None else check_int("n_agents", n_agents, low=1)
    if out_degree is None:
        degree = min(_DEFAULT_DEGREE[topology], max(n // 5, 1), n - 1)
    else:
        degree = check_int("out_degree", out_degree, low=0, high=n - 1)
    check_size("n_agents × out_degree", n * max(degree, 1), BYTES_PER_SLOT)
    if topology == "grid":
        return n, grid_successors(n, degree), {}
    return n, random_successors(n, degree, seed), {}


def hops_from(edges: Edges, n: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``int64[n]``: delegations from the nearest of `start` to each agent; −1 where there is no path."""
    indptr, indices = sources_of(edges[:, ::-1], n)
    hops = np.full(n, -1, np.int64)
    frontier = np.unique(start)
    distance = 0
    while frontier.size:
        hops[frontier] = distance
        distance += 1
        degree = indptr[frontier + 1] - indptr[frontier]
        begun = np.cumsum(degree) - degree
        reached = indices[np.arange(degree.sum()) + np.repeat(indptr[frontier] - begun, degree)]
        frontier = np.unique(reached[hops[reached] < 0])
    return hops


def grid_hops(n: int, degree: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `hops_from` of `grid_successors`: the way from the last of `start` before each, by `degree` at once."""
    agents = np.arange(n)
    last = np.full(n, start.max() - n)
    last[start] = start
    behind = agents - np.maximum.accumulate(last)
    return -(-behind // degree) if degree else np.where(behind == 0, 0, -1)


def default_servers(
    topology: str | nx.Graph, n: int, edges: Edges, entries: NDArray[np.int64], seed: int
) -> tuple[int, ...]:
    """Return the positions of the two servers: 47 and 48 of 50 on the grid, drawn beyond one hop on a random graph.

    None on a networkx graph and where fewer than four agents leave no room.

    Raises:
        ValueError: A random graph without two agents beyond one hop from the entries.
    """
    if is_graph(topology) or n < 4:
        return ()
    if topology == "grid":
        return (n - 3, n - 2)
    hops = hops_from(edges, n, entries)
    far = np.flatnonzero(hops > 1)
    if far.size < 2:
        raise ValueError(
            "servers must be given: the random topology has fewer than two agents that are more "
            f"than one hop from the entries {entries.tolist()}"
        )
    draws = fixed_words(seed, Purpose.INSTANCE, n)[far]
    return tuple(sorted(far[np.argsort(draws, kind="stable")[:2]].tolist()))
