"""Who shares an edge with whom: the edges of any environment, and means over neighbourhoods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import shown
from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.topology import sorted_edges
from crl_envs.core.vector import WorldVectorEnv


class Neighborhoods:
    """The closed neighbourhoods of a graph: of each agent those that share an edge with it, and itself.

    Args:
        edges: ``int64[E, 2]``, in whichever direction.
        n: Number of agents.

    Attributes:
        agent: ``int64[E']``, of all pairs (agent, who is in its neighbourhood), in their order.
        source: ``int64[E']``, who that is.
        size: ``int64[n]``, agents in each.
    """

    def __init__(self, edges: NDArray[np.integer], n: int) -> None:
        alone = np.repeat(np.arange(n)[:, None], 2, axis=1)
        pairs = np.concatenate([alone, edges, edges[:, ::-1]])
        self.agent, self.source = np.divmod(np.unique(pairs @ (n, 1)), n)
        self.size = np.bincount(self.agent, minlength=n)
        self._target = self.agent  # where the pairs' values are added in a flat [n, B]

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return sums over neighbourhoods, ``[n, B]`` to ``float64[n, B]``, in one order whatever B is."""
        b = values.shape[1]
        if self._target.size != self.agent.size * b:
            self._target = (self.agent[:, None] * b + np.arange(b)).ravel()
        weights = values[self.source].ravel()
        sums = np.bincount(self._target, weights, values.size).reshape(values.shape)
        return np.asarray(sums, np.float64)

    def means(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return means over neighbourhoods, ``[n, B]`` to ``float64[n, B]``."""
        return self.sums(values) / self.size[:, None]


def neighbor_pairs(
    env: Any, agents: list[Any], infos: Mapping[Any, Mapping[str, Any]]
) -> NDArray[np.int64]:
    """Return pairs (agent, neighbour) of indices, both ways, without self-loops: ``int64[E, 2]``.

    Out of ``infos[agent]["neighbors"]``, where None is nobody and two agents are neighbours when either one names the
    other; where they aren't in the infos of all, out of ``env.unwrapped.topology``.

    Args:
        env: A ParallelEnv or vector environment.
        agents: Its agents.
        infos: What a reset gave; empty for vector environments.

    Raises:
        ValueError: The environment doesn't tell, or names somebody unknown.
    """
    if not infos or not all("neighbors" in info for info in infos.values()):
        return pairs_both_ways(topology_edges(env, agents))
    index = {agent: i for i, agent in enumerate(agents)}
    named = [(a, b) for a, info in infos.items() for b in info["neighbors"] if b is not None]
    strangers = [b for _, b in named if b not in index]
    if strangers:
        raise ValueError(
            f"infos[agent]['neighbors'] must hold ids of agents, got {shown(strangers[0])}"
        )
    pairs = [(index[a], index[b]) for a, b in named]
    return pairs_both_ways(np.array(pairs, np.int64).reshape(-1, 2))


def topology_edges(env: Any, agents: list[Any]) -> NDArray[np.int64]:
    """Return the edges of ``env.unwrapped.topology`` as indices of agents: ``int64[E, 2]``, each as it is there.

    A shipped environment has them as an array beside the graph, which saves making the graph.

    Raises:
        ValueError: There is no topology, or its nodes are neither 0 … n−1 nor the agents' ids.
    """
    base = env.unwrapped
    if isinstance(base, WorldEnv | WorldVectorEnv) and not overridden(base):
        return base.edges
    graph = getattr(base, "topology", None)
    if graph is None:
        raise ValueError(
            "the agents' neighbors must be known: env must have "
            "infos[agent]['neighbors'] or env.unwrapped.topology, got neither"
        )
    index = node_indices(graph, agents)
    pairs = [(index[a], index[b]) for a, b in graph.edges()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def node_indices(graph: Any, agents: list[Any]) -> dict[Any, int]:
    """Return the index of the agent that each node of a graph stands for, in the agents' order.

    Raises:
        ValueError: The nodes are neither 0 … n−1 nor the agents' ids.
    """
    for nodes in (agents, range(len(agents))):
        if set(graph.nodes) == set(nodes):
            return {node: i for i, node in enumerate(nodes)}
    raise ValueError(
        f"env.unwrapped.topology must have the nodes 0 … {len(agents) - 1} or the agents' ids, got {graph}"
    )


def pairs_both_ways(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each pair of ``int64[E, 2]`` and its reverse, sorted, without repeats and without self-loops."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return sorted_edges(both[:, 0], both[:, 1])
