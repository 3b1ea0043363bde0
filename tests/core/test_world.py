"""The toy world's verbs, and the choice between columns of two states."""

from __future__ import annotations

import numpy as np

from crl_envs.core.world import column_select
from tests.core.toy import ToyState, ToyWorld
from tests.views import assert_verbs_agree


def test_verbs() -> None:
    assert_verbs_agree(ToyWorld(n_agents=5), num_envs=4)


def test_column_select_of_an_array() -> None:
    columns = np.array([True, False, True])
    chosen, other = np.ones((2, 3), np.uint8), np.zeros((2, 3), np.uint8)
    seen = column_select(columns, chosen, other)
    assert seen.dtype == np.uint8
    assert seen.tolist() == [[1, 0, 1]] * 2


def test_column_select_of_a_named_tuple() -> None:
    columns = np.array([False, True])
    chosen = ToyState(np.full((3, 2), 7, np.int16), np.full((1, 2), 8, np.int16))
    other = ToyState(np.zeros((3, 2), np.int16), np.ones((1, 2), np.int16))
    seen = column_select(columns, chosen, other)
    assert isinstance(seen, ToyState)
    assert seen.energy.tolist() == [[0, 7]] * 3
    assert seen.fuse.tolist() == [[1, 8]]


def test_topology() -> None:
    graph = ToyWorld(n_agents=3).topology
    assert sorted(graph.edges) == [(0, 1), (1, 2), (2, 0)]
    assert list(graph.nodes) == [0, 1, 2]
