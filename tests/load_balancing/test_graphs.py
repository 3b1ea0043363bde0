"""Topologies of §6.1 and §6.2, and hop counts."""

import networkx as nx
import numpy as np
import pytest

from crl_envs.load_balancing import LoadBalancingWorld


def test_the_papers_grid():
    world = LoadBalancingWorld()
    expected = {(i, (i + k) % 50) for i in range(50) for k in range(1, 10)}
    assert set(map(tuple, world.edges.tolist())) == expected
    assert world.rules.successors[45].tolist() == [46, 47, 48, 49, 0, 1, 2, 3, 4]
    assert np.flatnonzero(world.capacity == 200).tolist() == [47, 48]
    assert world.capacity.sum() == 1360
    assert world.single_action_space.n == 11


def test_a_capacity_from_numpy_is_a_number_and_a_list_has_no_servers():
    assert LoadBalancingWorld(capacity=np.int64(20)).capacity.sum() == 1360
    assert LoadBalancingWorld(capacity=[20] * 50).capacity.sum() == 1000


@pytest.mark.parametrize("seed", range(5))
def test_the_papers_random_graph(seed):
    world = LoadBalancingWorld(topology="random", instance_seed=seed)
    graph = world.topology
    assert [d for _, d in graph.out_degree()] == [10] * 50
    assert nx.number_of_selfloops(graph) == 0
    hops = nx.single_source_shortest_path_length(graph, 0)
    assert len(world.servers) == 2
    assert all(hops[server] > 1 for server in world.servers)
    assert world.capacity.sum() == 1360


def test_random_graphs_differ_by_instance_seed_only():
    a, b, c = (LoadBalancingWorld(topology="random", instance_seed=s).edges for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("entries", [(0,), (3, 40)])
def test_hops_against_networkx(entries):
    world = LoadBalancingWorld(topology="random", entries=entries)
    lengths = [nx.single_source_shortest_path_length(world.topology, e) for e in entries]
    expected = [min(length.get(i, 99) for length in lengths) for i in range(50)]
    assert world.hops.tolist() == expected


def test_unreachable_agents_have_no_hops():
    world = LoadBalancingWorld(topology=nx.DiGraph([(1, 0), (1, 2)]), entries=(2,))
    nodes = list(nx.DiGraph([(1, 0), (1, 2)]).nodes)
    assert nodes == [1, 0, 2]
    assert world.hops.tolist() == [-1, -1, 0]


@pytest.mark.parametrize("nodes", [[0.0, 1.0, 2.0], [False, True, 2]])
def test_nodes_that_equal_their_places_go_by_their_own_names(nodes):
    graph = nx.path_graph(nodes, create_using=nx.DiGraph)
    world = LoadBalancingWorld(topology=graph, entries=[nodes[1]], servers=[nodes[2]])
    assert (world.entries.tolist(), world.servers) == ([1], (2,))
