"""Graphs of agents as edge arrays: named families, and networkx graphs.

Every builder returns ``int64[E, 2]`` pairs (source, target), sorted, without self-loops or repeats. Undirected
families have each edge in both directions. Random families use the counter-based stream, so they don't change
with the version of NumPy or networkx.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about, check_choice, check_size, shown
from crl_envs.core.stream import Purpose, fixed_words

if TYPE_CHECKING:
    import networkx as nx


BYTES_PER_SLOT: Final = 160
_MOST_DRAWN: Final = 10_000_000  # successors
_MOST_GROWN: Final = 200_000  # agents whose edges are drawn one by one in Python
_DRAWN_PER_SECOND: Final = 1_000_000  # on one core of 2024


def directed_ring(n: int) -> Edges:
    """Return the edges i → i + 1 (mod n)."""
    i = np.arange(n if n > 1 else 0)
    return np.stack([i, np.roll(i, -1)], axis=1)


def ring(n: int) -> Edges:
    """Return the edges i ↔ i + 1 (mod n)."""
    i = np.arange(n)
    return _both_ways(i, (i + 1) % n)


def torus(n: int) -> Edges:
    """Return a lattice of the most nearly square sides whose product is n, closed in both directions."""
    height = torus_height(n)
    width = n // height
    row, column = np.divmod(np.arange(n), width)
    right = row * width + (column + 1) % width
    below = (row + 1) % height * width + column
    return _both_ways(np.tile(np.arange(n), 2), np.concatenate([right, below]))


def torus_height(n: int) -> int:
    """Return the rows of a torus of n agents: the largest divisor that isn't above √n."""
    return next(h for h in range(math.isqrt(n), 0, -1) if n % h == 0)


def tree(n: int) -> Edges:
    """Return the binary tree whose node i ≥ 1 hangs on node ⌊(i − 1) / 2⌋."""
    i = np.arange(1, n)
    return _both_ways((i - 1) // 2, i)


def star(n: int) -> Edges:
    """Return edges between agent 0 and every other one, both ways."""
    i = np.arange(1, n)
    return _both_ways(np.zeros_like(i), i)


def legs(n: int, count: int = 3) -> Edges:
    """Return `count` chains of (nearly) equal length that start at agent 0 (Guestrin, Koller & Parr 2002)."""
    i = np.arange(1, n)
    return _both_ways(np.maximum(i - count, 0), i)


def ring_of_rings(n: int) -> Edges:
    """Return about √n rings of about √n agents, whose first agents form a ring."""
    size = max(1, round(n**0.5))
    i = np.arange(n)
    first = i // size * size
    last = np.minimum(first + size, n) - 1
    firsts = np.arange(0, n, size)
    return _both_ways(
        np.concatenate([i, firsts]),
        np.concatenate([np.where(i == last, first, i + 1), np.roll(firsts, -1)]),
    )


def grid(n: int) -> Edges:
    """Return a square lattice with ⌈√n⌉ columns, its last row perhaps shorter; four neighbours at most."""
    width = int(np.ceil(np.sqrt(n)))
    i = np.arange(n)
    left = i[:-1][(i[:-1] + 1) % width != 0]
    above = i[: max(n - width, 0)]
    return _both_ways(np.concatenate([left, above]), np.concatenate([left + 1, above + width]))


def random_successors(n: int, degree: int, seed: int) -> Edges:
    """Return edges from each agent to `degree` other agents (at most n − 1), distinct and uniform.

    Raises:
        ValueError: More than 10 million edges.
    """
    degree = min(degree, n - 1)
    if n * degree > _MOST_DRAWN:
        raise ValueError(
            f"n_agents × out_degree must be at most {_MOST_DRAWN} on a random topology, got {n} × {degree}: "
            f"to draw them would take about {about(n * degree // _DRAWN_PER_SECOND)} s"
        )
    draws = fixed_words(seed, Purpose.TOPOLOGY, n * degree).reshape(n, degree).tolist()
    targets = []
    for i, row in enumerate(draws):
        moved: dict[
            int, int
        ] = {}  # a Fisher–Yates shuffle of the n − 1 others, cut off after `degree`
        for k, word in enumerate(row):
            j = k + (word * (n - 1 - k) >> 32)
            other = moved.get(j, j)
            moved[j] = moved.get(k, k)
            targets.append(other + (other >= i))
    return sorted_edges(np.repeat(np.arange(n), degree), np.array(targets, np.int64))


def random_graph(n: int, seed: int, degree: int = 2) -> Edges:
    """Return edges between each agent and `degree` uniform others, with replacement (mean degree below 2·`degree`)."""
    if n == 1:
        return np.empty((0, 2), np.int64)
    draws = fixed_words(seed, Purpose.TOPOLOGY, n * degree).astype(np.uint64)
    others = ((draws * np.uint64(n - 1)) >> np.uint64(32)).astype(np.int64)
    sources = np.repeat(np.arange(n), degree)
    others += others >= sources
    return _both_ways(sources, others)


def small_world(n: int, seed: int) -> Edges:
    """Return a ring with edges to the two next on either side, each bent elsewhere with .1 (Watts & Strogatz 1998).

    Raises:
        ValueError: More than 200,000 agents.
    """
    _check_drawn("small_world", n)
    near = [set[int]() for _ in range(n)]
    ends = [(i, (i + d) % n) for d in (1, 2) for i in range(n) if (i + d) % n != i]
    for i, j in ends:
        near[i].add(j)
        near[j].add(i)
    words = fixed_words(seed, Purpose.TOPOLOGY, 2 * len(ends)).tolist()
    for (i, j), bends, where in zip(ends, words[::2], words[1::2], strict=True):
        other = where * n >> 32
        if bends < 2**32 // 10 and j in near[i] and other != i and other not in near[i]:
            near[i].remove(j)
            near[j].remove(i)
            near[i].add(other)
            near[other].add(i)
    return _edges_of(near)


def scale_free(n: int, seed: int) -> Edges:
    """Return a graph grown agent by agent, each joined to two by their degrees (Barabási & Albert 1999).

    Raises:
        ValueError: More than 200,000 agents.
    """
    _check_drawn("scale_free", n)
    near = [set[int]() for _ in range(n)]
    ends: list[int] = []  # each agent as often as it has edges
    words = fixed_words(seed, Purpose.TOPOLOGY, 2 * n).tolist()
    for i in range(1, n):
        chosen: set[int] = set()
        for word in words[2 * i - 2 : 2 * i]:
            place = word * max(len(ends), 1) >> 32
            while ends and ends[place] in chosen and len(chosen) < i:
                place = (place + 1) % len(ends)
            chosen.add(ends[place] if ends else 0)
        for j in chosen:
            near[i].add(j)
            near[j].add(i)
            ends += [i, j]
    return _edges_of(near)


def random_regular(n: int, seed: int) -> Edges:
    """Return a random graph in which all have four neighbours: a ring whose edges have swapped ends many times.

    Raises:
        ValueError: More than 200,000 agents.
    """
    _check_drawn("random_regular", n)
    lattice = {(i, (i + d) % n) for d in (1, 2) for i in range(n)}
    ends = sorted({(min(e), max(e)) for e in lattice if e[0] != e[1]})
    known = set(ends)
    words = fixed_words(seed, Purpose.TOPOLOGY, 8 * len(ends)).astype(np.int64).tolist()
    for one, two in zip(words[::2], words[1::2], strict=True):
        p, q = one * len(ends) >> 32, two * len(ends) >> 32
        (a, b), (c, d) = ends[p], ends[q]
        if one & 1:
            c, d = d, c
        new = (min(a, d), max(a, d)), (min(c, b), max(c, b))
        if len({a, b, c, d}) == 4 and not known & set(new):
            known -= {ends[p], ends[q]}
            known |= set(new)
            ends[p], ends[q] = new
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    return _both_ways(*pairs.T)


def _check_drawn(topology: str, n: int) -> None:
    if n > _MOST_GROWN:
        raise ValueError(
            f"n_agents must be at most {_MOST_GROWN} with topology={topology!r}, which is drawn edge by edge, got {n}"
        )


def _edges_of(near: list[set[int]]) -> Edges:
    pairs = [(i, j) for i, others in enumerate(near) for j in others]
    return sorted_edges(*np.array(pairs, np.int64).reshape(-1, 2).T)


Edges = NDArray[np.int64]  # int64[E, 2], (source, target) agent indices

UNDIRECTED: Final[dict[str, Callable[[int, int], Edges]]] = {
    "ring": lambda n, _: ring(n),
    "star": lambda n, _: star(n),
    "legs": lambda n, _: legs(n),
    "ring_of_rings": lambda n, _: ring_of_rings(n),
    "grid": lambda n, _: grid(n),
    "torus": lambda n, _: torus(n),
    "tree": lambda n, _: tree(n),
    "random": random_graph,
    "random_regular": random_regular,
    "scale_free": scale_free,
    "small_world": small_world,
}


NAMED: Final[dict[str, Callable[[int, int], Edges]]] = {
    **UNDIRECTED,
    "directed_ring": lambda n, _: directed_ring(n),
}


def named_edges(topology: str, n: int, seed: int) -> Edges:
    """Return the edges of a family by name.

    Raises:
        ValueError: Unknown name; near matches are suggested.
    """
    return NAMED[check_choice("topology", topology, NAMED)](n, seed)


def is_graph(topology: object) -> TypeGuard[nx.Graph]:
    """Return whether a topology argument is a networkx graph."""
    if isinstance(topology, str):
        return False
    import networkx as nx

    return isinstance(topology, nx.Graph)


def opened_topology(name: str, topology: Any) -> Any:
    """Return what an argument says: the graph in a GraphML file where it is the path of one, else the same."""
    if isinstance(topology, str) and topology.endswith(".graphml"):
        return read_graphml(topology, name)
    return topology


def read_graphml(path: str, name: str = "path") -> nx.Graph:
    """Return the graph in a GraphML file, its nodes named by their ``label`` where these are all there and distinct.

    That is how the Internet Topology Zoo has its networks. Links that are there more than once count once, and links
    of a node with itself are left out.

    Args:
        path: Of a file. ``"archipelago.graphml"``, where there is no such file, is a network of 18 nodes that comes
            with the package; it was generated, names included, and stands for no real one.
        name: Of the argument, for messages.

    Raises:
        ValueError: There is no such file, or no graph in it.
    """
    import networkx as nx

    file = Path(path)
    if not file.is_file() and file.name == path:
        file = Path(__file__).with_name(path)
    try:
        read = nx.read_graphml(file)
    except Exception as error:
        raise ValueError(f"{name} must be a GraphML file, got {shown(path)}: {error}") from error
    graph = nx.DiGraph(read) if read.is_directed() else nx.Graph(read)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    labels = nx.get_node_attributes(graph, "label")
    if len(set(labels.values())) == len(graph):
        graph = nx.relabel_nodes(graph, labels)
    return graph


def node_numbers(graph: nx.Graph) -> dict[Any, int]:
    """Return the agent of each node of a networkx graph.

    Where the nodes are the integers 0 … n − 1, each keeps its number, in whatever order they were added. Other nodes
    are names, numbered in the order of ``graph.nodes``.
    """
    nodes = list(graph.nodes)
    own = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in nodes)
    if own and set(nodes) == set(range(len(nodes))):
        nodes = list(range(len(nodes)))
    return {node: i for i, node in enumerate(nodes)}


def node_names(topology: object) -> tuple[Any, ...] | None:
    """Return the node that each agent is, where a topology argument is a graph with nodes of its own names."""
    if not is_graph(topology):
        return None
    names = tuple(node_numbers(topology))
    return None if set(names) == set(range(len(names))) else names


def graph_edges(graph: nx.Graph) -> Edges:
    """Return the edges of a networkx graph as numbers of agents; an undirected edge counts both ways.

    Agent i is node i where the nodes are the integers 0 … n − 1, whatever their order in the graph. Nodes with other
    names are numbered in their order (``graph.nodes``).

    Raises:
        ValueError: The graph is empty or has a self-loop.
    """
    if graph.number_of_nodes() == 0:
        raise ValueError("topology must have at least one node, got an empty graph")
    index = node_numbers(graph)
    loops = [a for a, b in graph.edges() if a == b]
    if loops:
        raise ValueError(f"topology must have no self-loops, got one at node {shown(loops[0])}")
    pairs = np.array([(index[a], index[b]) for a, b in graph.edges()], np.int64).reshape(-1, 2)
    return sorted_edges(*pairs.T) if graph.is_directed() else _both_ways(*pairs.T)


def sorted_edges(source: NDArray[np.int64], target: NDArray[np.int64]) -> Edges:
    """Return the edges from ``source[k]`` to ``target[k]``, ``int64[E, 2]``: sorted, without self-loops and repeats."""
    proper = source != target
    base = np.int64(1 + max(source.max(initial=0), target.max(initial=0)))
    code = np.sort(
        source[proper] * base + target[proper]
    )  # np.unique is slower, along an axis much
    code = code[np.diff(code, prepend=-1) > 0]
    return np.stack([code // base, code % base], axis=1)


class Adjacency(NamedTuple):
    """Lists of neighbours in compressed rows: those of i are ``indices[indptr[i] : indptr[i + 1]]``."""

    indptr: NDArray[np.int64]  # int64[n + 1]
    indices: NDArray[np.int64]  # int64[E], ascending in each row

    @property
    def degree(self) -> NDArray[np.int64]:
        """``int64[n]``: neighbours of each agent."""
        return np.diff(self.indptr)


def slot_table(edges: Edges, n: int) -> NDArray[np.int32]:
    """``int32[n, K]``: each agent's successors in the order of `edges`, padded with −1 to the largest out-degree.

    Raises:
        ValueError: The table would be too large.
    """
    degree = np.bincount(edges[:, 0], minlength=n)
    width = int(degree.max(initial=0))
    check_size("n_agents × (largest out-degree)", n * width, BYTES_PER_SLOT)
    if np.array_equal(edges[:, 0], np.repeat(np.arange(n), width)):
        return edges[:, 1].reshape(n, width).astype(np.int32)
    order = np.argsort(edges[:, 0], kind="stable")
    source, target = edges[order].T
    table = np.full((n, width), -1, np.int32)
    first = np.concatenate([[0], np.cumsum(degree)[:-1]])
    table[source, np.arange(source.size) - first[source]] = target
    return table


def row_sums(
    indptr: NDArray[np.int64], degree: NDArray[np.int64], values: NDArray[Any]
) -> NDArray[np.int64]:
    """Return the sum of the values of each row's entries.

    Args:
        indptr: ``int64[n + 1]``, where the compressed rows begin.
        degree: ``int64[n]``, entries of each.
        values: ``[E, B]``.

    Returns:
        ``int64[n, B]``.
    """
    if degree.all():
        return np.add.reduceat(values, indptr[:-1], axis=0, dtype=np.int64)
    sums = np.zeros((degree.size, values.shape[1]), np.int64)
    filled = np.flatnonzero(degree)
    if filled.size:
        sums[filled] = np.add.reduceat(values, indptr[filled], axis=0, dtype=np.int64)
    return sums


def sources_of(edges: Edges, n: int) -> Adjacency:
    """Return for each agent those with an edge to it."""
    return _rows(edges[:, 1], edges[:, 0], n)


def neighbors_of(edges: Edges, n: int) -> Adjacency:
    """Return for each agent those that share an edge with it in either direction."""
    both = _both_ways(edges[:, 0], edges[:, 1])
    return _rows(both[:, 0], both[:, 1], n)


def _rows(row: NDArray[np.int64], column: NDArray[np.int64], n: int) -> Adjacency:
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))])
    return Adjacency(indptr.astype(np.int64), np.ascontiguousarray(column[order], np.int64))


def _both_ways(source: NDArray[np.int64], target: NDArray[np.int64]) -> Edges:
    return sorted_edges(np.concatenate([source, target]), np.concatenate([target, source]))
