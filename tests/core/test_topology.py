"""Graphs of agents against networkx's own constructions and against graph theory."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import crl_envs
from crl_envs import bounds
from crl_envs.core.topology import (
    UNDIRECTED,
    directed_ring,
    graph_edges,
    grid,
    legs,
    named_edges,
    neighbors_of,
    node_numbers,
    random_graph,
    random_regular,
    random_successors,
    ring,
    ring_of_rings,
    scale_free,
    small_world,
    sorted_edges,
    sources_of,
    star,
    torus,
    torus_height,
    tree,
)

SIZES = [1, 2, 3, 4, 5, 7, 9, 10, 12, 16, 17, 30, 64]


def digraph(edges: Any, n: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(edges.tolist())
    return graph


def arcs(graph: nx.Graph) -> list[list[int]]:
    """Edges of a networkx graph on 0 … n − 1, both ways where undirected, sorted, without loops."""
    pairs = {(a, b) for a, b in graph.edges if a != b}
    if not graph.is_directed():
        pairs |= {(b, a) for a, b in pairs}
    return sorted(map(list, pairs))


def assert_normal(edges: Any, n: int) -> None:
    """What every builder promises: int64[E, 2], in range, sorted, no loops, no repeats."""
    assert edges.dtype == np.int64
    assert edges.shape == (len(edges), 2)
    listed = list(map(tuple, edges.tolist()))
    assert listed == sorted(set(listed))
    assert all(0 <= a < n and 0 <= b < n and a != b for a, b in listed)


class TestFamilies:
    @pytest.mark.parametrize("n", SIZES)
    @pytest.mark.parametrize("name", UNDIRECTED)
    def test_undirected_normal_and_connected(self, name: str, n: int) -> None:
        edges = named_edges(name, n, seed=4)
        assert_normal(edges, n)
        graph = digraph(edges, n)
        assert all(graph.has_edge(b, a) for a, b in graph.edges)
        if name != "random":
            assert nx.is_strongly_connected(graph)

    @pytest.mark.parametrize("n", SIZES)
    def test_lattices_without_borders_and_trees(self, n: int) -> None:
        rows = torus_height(n)
        closed = nx.grid_2d_graph(rows, n // rows, periodic=True)
        numbered = nx.relabel_nodes(closed, {(i, j): i * (n // rows) + j for i, j in closed})
        assert torus(n).tolist() == arcs(numbered)
        heap = nx.Graph([(i, (i - 1) // 2) for i in range(1, n)])
        assert tree(n).tolist() == arcs(heap)

    @given(st.integers(1, 60), st.integers(0, 99))
    def test_grown_graphs_have_the_edges_of_their_kind(self, n: int, seed: int) -> None:
        degree = np.bincount(random_regular(n, seed)[:, 0], minlength=n)
        assert set(degree.tolist()) == {min(4, n - 1)}
        assert len(small_world(n, seed)) == len(small_world(n, seed + 1)) == n * min(4, n - 1)
        edges = scale_free(n, seed)
        assert len(edges) == 2 * max(2 * (n - 2) + 1, n - 1)
        early = edges[edges[:, 1] < edges[:, 0]]
        assert np.bincount(early[:, 0], minlength=n)[2:].tolist() == [2] * (n - 2)

    def test_grown_graphs_are_of_their_kind(self) -> None:
        """Fixed seeds: shortcuts that shorten, hubs that grow, and no triangles left over from the ring."""
        n, paths = 1000, nx.average_shortest_path_length
        bent = nx.Graph(map(tuple, small_world(n, 3).tolist()))
        assert nx.average_clustering(bent) > 0.3
        assert paths(bent) < 12  # n / 8 on the ring that it was
        assert np.bincount(scale_free(n, 3)[:, 0]).max() > 40
        regular = nx.Graph(map(tuple, random_regular(n, 3).tolist()))
        assert nx.average_clustering(regular) < 0.02

    @pytest.mark.parametrize("name", ["small_world", "scale_free", "random_regular"])
    def test_too_many_to_grow_are_refused_at_once(self, name: str) -> None:
        with pytest.raises(ValueError, match="n_agents must be at most 200000"):
            named_edges(name, 200_001, 0)

    @pytest.mark.parametrize("n", SIZES)
    def test_rings(self, n: int) -> None:
        assert directed_ring(n).tolist() == arcs(nx.cycle_graph(n, create_using=nx.DiGraph))
        assert ring(n).tolist() == arcs(nx.cycle_graph(n))

    @pytest.mark.parametrize("n", SIZES)
    def test_star(self, n: int) -> None:
        assert star(n).tolist() == arcs(nx.star_graph(n - 1))

    @pytest.mark.parametrize("n", SIZES)
    @pytest.mark.parametrize("count", [1, 3, 4])
    def test_legs(self, n: int, count: int) -> None:
        """A spider: a tree whose only branching is at agent 0; legs of nearly equal length."""
        graph = digraph(legs(n, count), n).to_undirected()
        assert nx.is_tree(graph)
        degrees = dict(graph.degree)
        assert degrees[0] == min(count, n - 1)
        assert all(degrees[i] <= 2 for i in range(1, n))
        graph.remove_node(0)
        lengths = sorted(map(len, nx.connected_components(graph)))
        assert sum(lengths) == n - 1
        assert not lengths or lengths[-1] - lengths[0] <= 1

    @pytest.mark.parametrize("n", SIZES)
    def test_grid(self, n: int) -> None:
        """The first n cells of networkx's lattice, row by row."""
        width = math.ceil(math.sqrt(n))
        lattice = nx.grid_2d_graph(width, width)
        cells = {(row, column): row * width + column for row, column in lattice}
        whole = nx.relabel_nodes(lattice, cells)
        assert grid(n).tolist() == arcs(whole.subgraph(range(n)))

    @pytest.mark.parametrize("k", [3, 4, 7])
    def test_ring_of_rings_of_a_square(self, k: int) -> None:
        """k rings of k: cutting the ring of the first agents leaves k cycles."""
        graph = digraph(ring_of_rings(k * k), k * k).to_undirected()
        assert sorted(d for _, d in graph.degree) == [2] * (k * k - k) + [4] * k
        hubs = [i for i, d in graph.degree if d == 4]
        assert nx.is_isomorphic(graph.subgraph(hubs), nx.cycle_graph(k))
        graph.remove_edges_from(list(graph.subgraph(hubs).edges))
        parts = list(nx.connected_components(graph))
        assert len(parts) == k
        for part in parts:
            assert len(set(hubs) & part) == 1
            assert nx.is_isomorphic(graph.subgraph(part), nx.cycle_graph(k))

    def test_unknown_name(self) -> None:
        with pytest.raises(
            ValueError, match=r"topology must be one of .*'ring_of_rings'.*did you mean"
        ):
            named_edges("ring_of_ring", 5, 0)


class TestRandomSuccessors:
    @given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**64 - 1))
    def test_distinct_and_determined_by_the_seed(self, n: int, degree: int, seed: int) -> None:
        edges = random_successors(n, degree, seed)
        assert_normal(edges, n)
        assert np.bincount(edges[:, 0], minlength=n).tolist() == [min(degree, n - 1)] * n
        np.testing.assert_array_equal(random_successors(n, degree, seed), edges)

    def test_seeds_differ(self) -> None:
        """50 agents with 10 of 49 others: two independent graphs are equal with p < 1e-400."""
        assert not np.array_equal(random_successors(50, 10, 1), random_successors(50, 10, 2))

    def test_all_others_when_they_are_few(self) -> None:
        assert random_successors(4, 9, 0).tolist() == arcs(nx.complete_graph(4))

    def test_uniform_over_sets(self) -> None:
        """Agent 0's 2 of 4 others: all 6 sets alike. 2400 fixed seeds; false alarm 1e-6."""
        sets = list(itertools.combinations(range(1, 5), 2))
        counts = dict.fromkeys(sets, 0)
        for seed in range(2400):
            edges = random_successors(5, 2, seed)
            counts[tuple(edges[edges[:, 0] == 0, 1].tolist())] += 1
        assert stats.chisquare(list(counts.values())).pvalue > 1e-6

    def test_uniform_over_pairs(self) -> None:
        """Over a big graph each (source, target) has the same chance. In-degrees; false alarm 1e-6.

        The in-degree is a sum of n − 1 indicators of probability d/(n − 1), independent over sources, with variance
        d (1 − d/(n − 1)); the indicators of one source sum to d, which takes one degree of freedom.
        """
        n, degree = 2000, 10
        incoming = np.bincount(random_successors(n, degree, 5)[:, 1], minlength=n)
        variance = degree * (1 - degree / (n - 1))
        statistic = ((incoming - degree) ** 2).sum() / variance
        assert 5e-7 < stats.chi2.sf(statistic, n - 1) < 1 - 5e-7


class TestRandomGraph:
    @given(st.integers(1, 40), st.integers(0, 2**64 - 1))
    def test_symmetric_and_determined_by_the_seed(self, n: int, seed: int) -> None:
        edges = random_graph(n, seed)
        assert_normal(edges, n)
        assert {*map(tuple, edges.tolist())} == {(b, a) for a, b in edges.tolist()}
        np.testing.assert_array_equal(random_graph(n, seed), edges)
        assert (np.bincount(edges[:, 0], minlength=n) >= min(1, n - 1)).all()

    def test_mean_degree(self) -> None:
        """Of the 2n draws about 3 repeat an edge, in Poisson numbers: 12 or more with probability 7e-5."""
        n = 3000
        edges = len(random_graph(n, 1)) / 2
        assert 2 * n - 12 < edges <= 2 * n

    def test_uniform_partner(self) -> None:
        """Three agents draw two partners each. Fixed seeds; false alarm 1e-6.

        The edge a–b is missing when a and b both drew c twice, with probability 1/16; no two edges are missing at once.
        """
        missing = sum(len(random_graph(3, seed)) < 6 for seed in range(1500))
        assert stats.binomtest(missing, 1500, 3 / 16).pvalue > 1e-6

    def test_seeds_differ(self) -> None:
        assert not np.array_equal(random_graph(50, 1), random_graph(50, 2))


class TestGraphEdges:
    @given(st.integers(1, 25), st.floats(0, 1), st.integers(0, 999), st.booleans())
    def test_networkx_graphs(self, n: int, p: float, seed: int, directed: bool) -> None:
        graph = nx.gnp_random_graph(n, p, seed=seed, directed=directed)
        assert graph_edges(graph).tolist() == arcs(graph)
        assert_normal(graph_edges(graph), n)

    def test_nodes_count_in_their_order(self) -> None:
        graph = nx.DiGraph([("b", "a"), ("a", "c")])  # b, a, c → 0, 1, 2
        assert graph_edges(graph).tolist() == [[0, 1], [1, 2]]

    def test_parallel_edges_count_once(self) -> None:
        graph = nx.MultiGraph([(0, 1), (0, 1), (1, 2)])
        assert graph_edges(graph).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]

    def test_empty_graph(self) -> None:
        with pytest.raises(ValueError, match="topology must have at least one node"):
            graph_edges(nx.Graph())

    def test_self_loop(self) -> None:
        with pytest.raises(
            ValueError, match="topology must have no self-loops, got one at node 'x'"
        ):
            graph_edges(nx.Graph([("w", "x"), ("x", "x")]))


class TestAdjacency:
    @given(st.integers(1, 25), st.floats(0, 1), st.integers(0, 999))
    def test_rows_are_networkx_neighbours(self, n: int, p: float, seed: int) -> None:
        graph = nx.gnp_random_graph(n, p, seed=seed, directed=True)
        edges = graph_edges(graph)
        sources, near = sources_of(edges, n), neighbors_of(edges, n)
        for i in range(n):
            row = sources.indices[sources.indptr[i] : sources.indptr[i + 1]].tolist()
            assert row == sorted(graph.predecessors(i))
            assert sources.degree[i] == graph.in_degree(i)
            row = near.indices[near.indptr[i] : near.indptr[i + 1]].tolist()
            assert row == sorted(set(nx.all_neighbors(graph, i)))
            assert near.degree[i] == len(row)

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
    def test_sorted_edges(self, pairs: list[tuple[int, int]]) -> None:
        array = np.array(pairs, np.int64).reshape(-1, 2)
        seen = sorted_edges(array[:, 0], array[:, 1])
        assert list(map(tuple, seen.tolist())) == sorted({(a, b) for a, b in pairs if a != b})


class TestNodesOfGraphs:
    """Numbers 0 … n − 1 stay what they are; other nodes are numbered in their order."""

    @staticmethod
    def path(nodes: list[Any], order: list[Any]) -> nx.DiGraph:
        graph = nx.DiGraph()
        graph.add_nodes_from(order)
        nx.add_path(graph, nodes)
        return graph

    @given(st.permutations(range(4)), st.sampled_from([int, np.int64, np.uint8]))
    def test_numbers_stay(self, order: list[int], kind: Any) -> None:
        edges = graph_edges(self.path([kind(i) for i in range(4)], [kind(i) for i in order]))
        assert edges.tolist() == [[0, 1], [1, 2], [2, 3]]

    @pytest.mark.parametrize(
        "names", [["d", "c", "b", "a"], [4, 3, 2, 1], [False, True, 2, 3], [0.5, 1, 2, 3]]
    )
    def test_names_are_numbered_in_their_order(self, names: list[Any]) -> None:
        assert graph_edges(self.path(names, names)).tolist() == [[0, 1], [1, 2], [2, 3]]
        assert node_numbers(self.path(names, names[::-1])) == {
            name: 3 - i for i, name in enumerate(names)
        }

    @pytest.mark.parametrize("order", [[3, 1, 0, 2], [0, 1, 2, 3]])
    def test_agents_of_worlds_are_the_nodes_of_their_numbers(self, order: list[int]) -> None:
        graph = self.path([0, 1, 2, 3], order)
        loads = crl_envs.make("crl/load_balancing-v0", topology=graph, servers=[3], entries=[1])
        assert loads.capacity.tolist() == [20, 20, 20, 200]
        assert loads.entries == (1,)
        assert loads.edges.tolist() == [[0, 1], [1, 2], [2, 3]]
        machines = crl_envs.make("crl/sysadmin-v0", topology=graph)
        assert machines.edges.tolist() == [[0, 1], [1, 2], [2, 3]]
        assert bounds.reach(graph, 4, 3, directed=True).tolist() == [4, 3, 2, 1]

    @pytest.mark.parametrize("names", [["a", "b", "c"], [30, 10, 20], [("x", 0), ("x", 1), "y"]])
    def test_arguments_name_agents_as_the_graph_does(self, names: list[Any]) -> None:
        graph = self.path(names, names)
        made = partial(crl_envs.make, "crl/load_balancing-v0", topology=graph)
        env = made(servers=names[2:], entries=names[:2])
        assert env.capacity.tolist() == [20, 20, 200]
        assert env.entries == (0, 1)
        assert made().entries == (0,)
        for stranger in (0, True, 99, "z", [1], np.zeros(2), 10**5000):
            for argument in ("servers", "entries"):
                with pytest.raises(
                    ValueError, match=f"{argument} must be nodes of topology, which"
                ):
                    made(**{argument: [stranger]})

    def test_an_array_with_a_zero_names_agents_too(self) -> None:
        env = crl_envs.make("crl/load_balancing-v0", n_agents=5, servers=np.array([0]))
        assert env.capacity.tolist() == [200, 20, 20, 20, 20]
        none = crl_envs.make("crl/load_balancing-v0", n_agents=5, servers=np.array([], int))
        assert none.capacity.tolist() == [20] * 5
