"""Which agent is which node of a user's graph."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest

import crl_envs

NAMED = nx.Graph([("b", "a"), ("a", "c"), ("c", "d"), ("d", "e")])
WORLDS: dict[str, dict[str, Any]] = {
    "crl/sysadmin-v0": {},
    "crl/epidemic-v0": {"encode": "onehot"},
    "crl/consensus-v0": {},
    "crl/coordination_game-v0": {},
    "crl/routing-v0": {"horizon": 5},
    "crl/load_balancing-v0": {"entries": ["a"], "servers": ["d"], "max_steps": 5},
}


@pytest.mark.parametrize("id", WORLDS)
def test_infos_and_topology_name_each_agents_node(id: str) -> None:
    env: Any = crl_envs.make(id, topology=NAMED, **WORLDS[id])
    for infos in (env.reset(seed=0)[1], env.step(dict.fromkeys(env.agents, 0))[-1]):
        assert [info["node"] for info in infos.values()] == ["b", "a", "c", "d", "e"]
    named = nx.relabel_nodes(env.topology, dict(env.topology.nodes(data="node")))
    assert nx.to_undirected(named).edges == NAMED.edges


@pytest.mark.parametrize("id", WORLDS)
def test_numbers_need_no_names(id: str) -> None:
    numbered = nx.convert_node_labels_to_integers(NAMED)
    arguments = WORLDS[id] | ({"entries": [1], "servers": [3]} if "load" in id else {})
    env: Any = crl_envs.make(id, topology=numbered, **arguments)
    assert all("node" not in info for info in env.reset(seed=0)[1].values())
    assert not nx.get_node_attributes(env.topology, "node")
