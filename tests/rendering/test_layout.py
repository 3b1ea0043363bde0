"""Where agents are drawn."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.core.topology import UNDIRECTED, directed_ring, graph_edges, named_edges
from crl_envs.load_balancing.graphs import grid_successors
from crl_envs.rendering.layout import ellipse, lattice, positions_of
from tests.rendering.playing import EVERYTHING, LOAD

SIZES = [1, 2, 3, 4, 5, 9, 10, 16, 37, 50, 99]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("topology", UNDIRECTED)
def test_everybody_has_a_place(topology: str, n: int) -> None:
    """In the unit square, nobody on top of somebody else, and always the same."""
    edges = named_edges(topology, n, 0)
    places = positions_of(edges, n)
    assert places.shape == (n, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    np.testing.assert_array_equal(places, positions_of(edges, n))
    apart = np.hypot(*(places[:, None] - places[None]).T)[np.triu_indices(n, 1)]
    assert (apart > 0.01).all()


@pytest.mark.parametrize("n", [3, 10, 50])
@pytest.mark.parametrize("edges", [directed_ring, UNDIRECTED["ring"], grid_successors])
def test_rings_go_clockwise_from_the_top_at_equal_distances(n: int, edges: object) -> None:
    made = {directed_ring: lambda: directed_ring(n), grid_successors: lambda: grid_successors(n, 2)}
    places = positions_of(made.get(edges, lambda: named_edges("ring", n, 0))(), n)  # type: ignore[call-overload]
    np.testing.assert_allclose(places[0], [0.5, 1.0])
    assert places[1, 0] > 0.5
    np.testing.assert_allclose((places[:, 0] - 0.5) ** 2 + (places[:, 1] - 0.5) ** 2, 0.25)
    if n == 50:  # chords are as good as arcs; the drawing is 1.65 times as wide as high
        steps = np.diff(np.vstack([places, places[:1]]), axis=0) * [1.65, 1.0]
        lengths = np.hypot(*steps.T)
        assert lengths.max() / lengths.min() < 1.02


def test_stars_and_lattices() -> None:
    star = positions_of(named_edges("star", 8, 0), 8)
    np.testing.assert_allclose(star[0], [0.5, 0.5])
    np.testing.assert_allclose(star[1:], ellipse(7))
    grid = positions_of(named_edges("grid", 7, 0), 7)
    np.testing.assert_allclose(grid, lattice(7))
    assert sorted(set(np.round(grid[:, 0], 6))) == pytest.approx([1 / 6, 1 / 2, 5 / 6], abs=1e-6)
    assert (np.diff(grid[::3, 1]) < 0).all()


def test_other_graphs_are_placed_by_their_edges() -> None:
    """Agents of the same clique are nearer to each other than to those of the other one."""
    edges = graph_edges(nx.barbell_graph(6, 0))
    np.random.seed(3)  # noqa: NPY002  (the global generator is left alone)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    places = positions_of(edges, 12)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    apart = np.hypot(*(places[:, None] - places[None]).T)
    assert apart[:5, :5].max() < apart[:5, 7:].min()


def test_the_server_that_joins_is_in_the_middle_of_the_ring() -> None:
    env = crl_envs.make(LOAD, render_mode="rgb_array", **EVERYTHING)
    look = env._renderer.picture.look()
    np.testing.assert_allclose(look.positions[-1], [0.5, 0.5])
    np.testing.assert_allclose(look.positions[:-1], ellipse(12))
