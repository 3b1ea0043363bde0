"""Coordination graphs: every solver against brute force, an independent max-product on trees, bad input."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crl_envs.core.backend import HEAD_START
from crl_envs.factored import CoordinationGraph, coordination_graph, elimination


def drawn(graph: nx.Graph, a: int = 3, b: int = 2, seed: int = 0) -> CoordinationGraph:
    """Normal payoffs on a graph whose nodes are 0 … n − 1, edges in either direction."""
    rng = np.random.default_rng(seed)
    edges = np.array([e if rng.random() < 0.5 else e[::-1] for e in graph.edges], np.int64)
    pair = rng.normal(size=(len(edges), a, a, b))
    return CoordinationGraph(edges.reshape(-1, 2), pair, rng.normal(size=(len(graph), a, b)))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 6), chance=st.floats(0, 1), seed=st.integers(0, 1000), a=st.integers(1, 3))
def test_elimination_is_brute_force(n: int, chance: float, seed: int, a: int) -> None:
    graph = drawn(nx.gnp_random_graph(n, chance, seed=seed), a, 2, seed)
    exact, found = graph.brute_force(), graph.eliminate()
    np.testing.assert_allclose(found.value, exact.value)
    np.testing.assert_allclose(graph.value(found.actions), exact.value)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 9), seed=st.integers(0, 1000), damping=st.sampled_from([0.0, 0.4]))
def test_max_plus_is_exact_on_trees(n: int, seed: int, damping: float) -> None:
    """Also with forests of several trees, and single agents."""
    tree = nx.Graph(nx.random_labeled_tree(n, seed=seed))
    if n > 3:
        tree.remove_edge(*next(iter(tree.edges)))
    graph = drawn(tree, 3, 3, seed)
    found = graph.max_plus(200, damping, tolerance=1e-9)
    np.testing.assert_allclose(found.value, graph.eliminate().value)
    assert found.converged.all()
    if not damping:
        assert (found.iterations <= n + 1).all()  # a message from each end to the other


@pytest.mark.parametrize("seed", range(5))
def test_max_plus_never_says_more_than_it_pays(seed: int) -> None:
    """On a torus of 36: at most the exact value, nearly that, and no worse with more rounds."""
    torus = nx.convert_node_labels_to_integers(nx.grid_2d_graph(6, 6, periodic=True))
    graph = drawn(torus, 3, 4, seed)
    exact = graph.eliminate(2**28).value
    before = -np.inf
    for iterations in (1, 5, 60):
        found = graph.max_plus(iterations, damping=0.5)
        np.testing.assert_allclose(graph.value(found.actions), found.value)
        assert (found.value <= exact + 1e-9).all() and (found.value >= before - 1e-12).all()
        before = found.value
    assert (before > 0.93 * exact).all()


def test_a_column_does_not_notice_the_others() -> None:
    torus = nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4, periodic=True))
    graph = drawn(torus, 2, 5)
    together = graph.max_plus(40, 0.2)
    for b in range(5):
        alone = CoordinationGraph(graph.edges, graph.pair[..., b], graph.own[..., b]).max_plus(
            40, 0.2
        )
        assert np.array_equal(together.actions[:, b], alone.actions[:, 0])
        assert together.iterations[b] == alone.iterations[0]


def test_width_and_memory_are_said_before_it_begins() -> None:
    """A lattice of 9 rows and 40 columns has width 9; a complete graph of 50 can't be eliminated."""
    grid = drawn(nx.convert_node_labels_to_integers(nx.grid_2d_graph(40, 9)), 2, 1)
    assert grid.width == 9 and grid.entries == 2**10
    complete = drawn(nx.complete_graph(50), 3, 1)
    with pytest.raises(ValueError, match="width 49"):
        complete.eliminate()
    assert complete.max_plus(5).value[0] > 0
    with pytest.raises(ValueError, match="brute force tries"):
        complete.brute_force()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"own": np.zeros(3)}, "own"),
        ({"pair": np.zeros((2, 2, 3))}, "pair must have shape"),
        ({"edges": [[0, 1], [1, 3]]}, "name agents"),
        ({"edges": [[0, 1], [1, 0]]}, "each pair"),
        ({"edges": [[0, 1], [2, 2]]}, "each pair"),
        ({"pair": np.full((2, 2, 2), np.nan)}, "finite"),
    ],
)
def test_what_is_no_graph_is_refused(change: dict[str, Any], said: str) -> None:
    fits: dict[str, Any] = {
        "edges": [[0, 1], [1, 2]],
        "pair": np.zeros((2, 2, 2)),
        "own": np.zeros((3, 2)),
    }
    CoordinationGraph(**fits)
    with pytest.raises(ValueError, match=said):
        CoordinationGraph(**fits | change)


@pytest.mark.parametrize(("name", "value"), [("iterations", 0), ("damping", 1), ("tolerance", -1)])
def test_arguments_of_max_plus_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        drawn(nx.path_graph(3)).max_plus(**{name: value})  # type: ignore[arg-type]


GRAPHS = {
    "torus": nx.grid_2d_graph(4, 5, periodic=True),
    "tree": nx.random_labeled_tree(30, seed=1),
    "some alone": nx.gnp_random_graph(15, 0.1, seed=2),
    "nine to one": nx.star_graph(9),
    "no edges": nx.empty_graph(3),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("a", [1, 3, 8])
@pytest.mark.parametrize("b", [1, 3])
def test_compiled_solvers_are_numpy_bit_for_bit(
    graph: str, a: int, b: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole payoffs too, which tie; on degrees and numbers of actions where max-plus stays with NumPy as well."""
    pytest.importorskip("numba")
    monkeypatch.setenv(HEAD_START, "0")
    game = drawn(nx.convert_node_labels_to_integers(GRAPHS[graph]), a, b)
    narrow = a**game.width < 10_000
    for tied in (False, True):
        pair, own = (np.round(t) if tied else t for t in (game.pair, game.own))

        def found(pair: Any = pair, own: Any = own) -> list[Any]:
            other = game.paying(pair, own)
            by_messages = [other.max_plus(15, damping) for damping in (0.0, 0.3)]
            return by_messages + ([other.eliminate()] if narrow else [])

        compiled = found()
        with monkeypatch.context() as patch:
            for kept in (coordination_graph._SEND, elimination._ELIMINATE):
                patch.setattr(kept, "ready", lambda: None)
            plain = found()
        for one, other in zip(compiled, plain, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))


def test_other_payoffs_on_the_same_edges() -> None:
    """Like a graph made anew, whatever was asked of the first one before; of the same agents and actions only."""
    torus = nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 4, periodic=True))
    first, second = drawn(torus, 2, 3), drawn(torus, 2, 3)
    second = CoordinationGraph(first.edges, -second.pair, second.own + 1)
    for asked in (lambda g: g.max_plus(5), lambda g: g.eliminate()):
        alike = zip(asked(first.paying(second.pair, second.own)), asked(second), strict=True)
        assert all(np.array_equal(x, y) for x, y in alike)
        asked(first)
    with pytest.raises(ValueError, match="pair must have shape"):
        first.paying(first.pair[1:], first.own)
    with pytest.raises(ValueError, match=r"own must have shape \(12, 2\)"):
        first.paying(first.pair, np.zeros((13, 2, 3)))
    with pytest.raises(ValueError, match="finite"):
        first.paying(first.pair * np.inf, first.own)
