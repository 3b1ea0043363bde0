"""The arguments of routing, and what follows from them: who is linked to whom, and what is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_choice,
    check_int,
    check_probability,
    check_real,
    check_seed,
    check_size,
    keep,
    shown,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.on_graph import OnGraph
from crl_envs.core.problem import listing
from crl_envs.core.stream import UInt64Array, threshold
from crl_envs.core.topology import (
    UNDIRECTED,
    Edges,
    is_graph,
    opened_topology,
    slot_table,
    sorted_edges,
)
from crl_envs.routing.rules import SIDE, Rules

if TYPE_CHECKING:
    import networkx as nx

_MOST_PLACED: Final = 1000  # nodes with places: each has an action for every other one
_MOST_ENTERING: Final = 20.0  # packets a step at one agent, on average
_WIDTH: Final = 6  # of the irregular grid
_OBSERVED: Final = ("destination", "queues")
_REWARDS: Final = ("waiting", "delay")


def irregular_grid() -> Edges:
    """Return the network of 36 nodes and 50 links of Boyan & Littman (1994, Figure 1), row by row from the top left.

    Rows 0 and 2 are complete; row 1 has the links 1–2 and 3–4, rows 3 to 5 have 0–1–2 and 3–4–5. Columns 0 and 5 are
    complete, columns 1 to 4 from row 1 to row 5.
    """
    number = np.arange(_WIDTH * _WIDTH).reshape(_WIDTH, _WIDTH)
    across = [(row, k) for row in (0, 2) for k in range(_WIDTH - 1)]
    across += [(1, 1), (1, 3)] + [(row, k) for row in (3, 4, 5) for k in (0, 1, 3, 4)]
    down = [(row, k) for k in (0, _WIDTH - 1) for row in range(_WIDTH - 1)]
    down += [(row, k) for k in (1, 2, 3, 4) for row in range(1, _WIDTH - 1)]
    pairs = [(number[r, k], number[r, k + 1]) for r, k in across]
    pairs += [(number[r, k], number[r + 1, k]) for r, k in down]
    one, other = np.array(pairs, np.int64).T
    return sorted_edges(np.concatenate([one, other]), np.concatenate([other, one]))


@listing(topology=("irregular_grid", "geometric", *UNDIRECTED), observe=_OBSERVED, reward=_REWARDS)
@dataclass(frozen=True)
class RoutingProblem(OnGraph):
    """Packets that agents on a graph forward to their destinations.

    Attributes:
        n_agents: Number of nodes n, at least 1; with one, nothing enters. Default None: 36, or the number of nodes of
            `topology` when that is a graph.
        topology: {topology}, a networkx graph, or the path of a GraphML file
            (`crl_envs.core.topology.read_graphml`). The edges of a directed graph are links in one direction.
            ``"irregular_grid"`` has 36 nodes. ``"geometric"``: nodes are at random in the unit square, anew in each
            episode, and linked where they are no further apart than `radius`. Default None: ``"geometric"`` with
            `mobility`, else ``"irregular_grid"`` for 36 nodes and ``"torus"`` for others.
        load: Packets that enter the network in a step, a Poisson number of this mean, 0 to 720 (to 20 n, where n isn't
            36). Default 2.
        queue_size: Packets that a node has room for, 1 to 100,000. One that finds no room is dropped. Default 100.
        lifetime: Steps that a packet may be under way, 1 to 1,000,000; whoever has an older one at the head of its
            queue drops it. Default None: without end.
        loss: Probability that a transmission is lost, 0 to 1. The packet then stays at the head of its queue. Default
            0.
        radius: How far links reach in ``topology="geometric"``, 0 to 1.5; without effect in others. Default 0.3.
        mobility: How far nodes move at most along each side of the square in a step, 0 to 1; for
            ``topology="geometric"``. Default 0.
        observe: {observe}. ``"destination"``: that of the head of the own queue; ``"queues"``: also how long the own
            queue and the neighbours' are. Default ``"destination"``.
        reward: {reward}. ``"waiting"``: minus the packets in the own queue, divided by `queue_size`; ``"delay"``: for
            each packet that the agent delivers one minus its delay divided by `horizon`. Default ``"waiting"``.
        horizon: Steps of an episode T, 1 to 1,000,000. Default 1000.
        instance_seed: Seed of random topologies but ``"geometric"``, 0 to 2^64 − 1. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``: Numba where it is installed.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int | None = None
    topology: str | nx.Graph | None = None
    load: float = 2.0
    queue_size: int = 100
    lifetime: int | None = None
    loss: float = 0.0
    radius: float = 0.3
    mobility: float = 0.0
    observe: str = "destination"
    reward: str = "waiting"
    horizon: int = 1000
    instance_seed: int = 0
    backend: str = "auto"

    families: ClassVar[tuple[str, ...]] = ("irregular_grid", "geometric", *UNDIRECTED)

    def __post_init__(self) -> None:
        keep(self, check_probability, "mobility")
        if self.n_agents is not None:
            keep(self, check_int, "n_agents", low=1)
        if self.topology is None:
            usual = self.n_agents is None or self.n_agents == self.default_n
            fixed = "irregular_grid" if usual else "torus"
            object.__setattr__(self, "topology", "geometric" if self.mobility else fixed)
        keep(self, opened_topology, "topology")
        keep(self, check_int, "queue_size", low=1, high=100_000)
        if self.lifetime is not None:
            keep(self, check_int, "lifetime", low=1, high=1_000_000)
        keep(self, check_probability, "loss")
        keep(self, check_real, "radius", low=0.0, high=1.5)
        keep(self, check_choice, "observe", _OBSERVED)
        keep(self, check_choice, "reward", _REWARDS)
        keep(self, check_int, "horizon", low=1, high=1_000_000)
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)
        n = self.n
        if self.named == "irregular_grid" and n != self.default_n:
            raise ValueError(
                f"n_agents must be {self.default_n} with topology='irregular_grid', or left out; got {n}"
            )
        if self.placed and n > _MOST_PLACED:
            raise ValueError(
                f"n_agents must be at most {_MOST_PLACED} with topology='geometric', got {n}"
            )
        if self.mobility and not self.placed:
            raise ValueError(
                f"mobility must be 0 without topology='geometric', got {shown(self.mobility)}"
            )
        keep(self, check_real, "load", low=0.0, high=_MOST_ENTERING * n)
        check_size("n_agents × queue_size", n * self.queue_size, 48)

    @property
    def default_n(self) -> int:
        """Number of nodes where neither `n_agents` nor a graph says it."""
        return _WIDTH * _WIDTH

    @property
    def named(self) -> str | None:
        """The name of the topology; None for a graph."""
        return None if is_graph(self.topology) else str(self.topology)

    @property
    def placed(self) -> bool:
        """Whether links depend on where nodes are."""
        return self.named == "geometric"

    def family_edges(self, topology: str) -> Edges:
        """Return the edges of one of the `families`; of ``"geometric"`` those that there may be: all."""
        if topology == "irregular_grid":
            return irregular_grid()
        if topology == "geometric":
            one, other = np.divmod(np.arange(self.n * self.n), self.n)
            return sorted_edges(one, other)
        return super().family_edges(topology)

    @cached_property
    def arrivals(self) -> UInt64Array:
        """``uint64[M]``: more than k packets enter at an agent where its word isn't below entry k."""
        rate = self.load / self.n if self.n > 1 else 0.0
        limits, chance, below = [], math.exp(-rate), 0.0
        for k in range(math.ceil(rate + 20 * math.sqrt(rate) + 20)):
            below += chance
            limits.append(min(below, 1.0))
            chance *= rate / (k + 1)
        table = threshold(np.array(limits))
        return table[: 1 + int(np.argmax(table == table[-1]))]

    @cached_property
    def rules(self) -> Rules:
        """The constants that the kernels read."""
        return Rules(
            successors=slot_table(self.edges, self.n),
            queue_size=self.queue_size,
            arrivals=self.arrivals,
            loss=int(threshold(self.loss)),
            lifetime=self.lifetime or 0,
            horizon=self.horizon,
            pays_delay=self.reward == "delay",
            places=self.placed,
            stride=round(self.mobility * (SIDE - 1)),
            reach=math.floor((self.radius * SIDE) ** 2),
        )

    @cached_property
    def hops(self) -> NDArray[np.int64]:
        """``int64[n, n]``: links on a shortest path from each node to each other; −1 where there is none."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(range(self.n))
        graph.add_edges_from(map(tuple, self.edges.tolist()))
        hops = np.full((self.n, self.n), -1, np.int64)
        for node, lengths in nx.all_pairs_shortest_path_length(graph):
            hops[node, list(lengths)] = list(lengths.values())
        return hops


class RoutingArguments(TypedDict, total=False):
    """The fields of `RoutingProblem` as keywords, for type checkers."""

    n_agents: int | None
    topology: str | nx.Graph | None
    load: float
    queue_size: int
    lifetime: int | None
    loss: float
    radius: float
    mobility: float
    observe: str
    reward: str
    horizon: int
    instance_seed: int
    backend: str
