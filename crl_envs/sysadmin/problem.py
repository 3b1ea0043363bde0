"""SYSADMIN's arguments, and what follows from them before anything moves: the graph, the labels, the tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_probability,
    check_seed,
    is_word,
    keep,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.on_graph import OnGraph, action_orders
from crl_envs.core.problem import listing
from crl_envs.core.topology import Edges, directed_ring
from crl_envs.core.world import freeze
from crl_envs.factored import FactoredMDP, Scopes
from crl_envs.sysadmin.dynamics import (
    BINARY,
    DYNAMICS,
    local_transition,
    n_states,
    reward,
    start,
    up_probability,
)

if TYPE_CHECKING:
    import networkx as nx


@listing(dynamics=DYNAMICS)
@dataclass(frozen=True)
class SysadminProblem(OnGraph):
    """Machines on a graph, each with a small discrete state.

    Attributes:
        n_agents: Number of machines n, 1 to 100,000,000 (fewer on graphs other than the default ring, see the
            error). Default None: 10, or the number of nodes of `topology` when
            that is a graph.
        dynamics: {dynamics}, see the description.
            Default ``"ring"``.
        topology: ``"ring"``, ``"directed_ring"``, ``"star"``, ``"legs"`` (three chains that begin at machine 0),
            ``"ring_of_rings"``, ``"grid"``, ``"torus"``, ``"tree"`` (binary), ``"small_world"`` (Watts & Strogatz),
            ``"scale_free"`` (Barabási & Albert), ``"random_regular"``, ``"random"`` (two neighbours drawn by each
            machine) or a networkx graph, whose nodes 0 … n − 1 are the machines of these numbers, in whatever order
            they are; other nodes are numbered in the graph's order. An edge is an influence of its source on its
            target; those of named topologies go both ways, except that ``"directed_ring"`` and the ring of the default
            dynamics go i → i + 1. Default ``"ring"``.
        observe: ``"own"`` or ``"neighborhood"``. Default ``"own"``.
        relabel: True or False: hide, for a random half of the agents, a swap of the two actions, so that "reboot when
            down" can't be built into a learner. Default False.
        horizon: Steps of an episode T, 1 to 2^40. Default 20.
        start_up: Probability of starting up, 0 to 1. Default 0.5.
        instance_seed: Seed of the relabelling and of the random topology, 0 to 2^64 − 1, apart from the episodes'
            seed, which is that of ``reset(seed=…)``. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same results, Numba's sooner; ``"auto"`` takes it where it
            is installed. Default ``"auto"``.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int | None = None
    dynamics: str = "ring"
    topology: str | nx.Graph = "ring"
    observe: str = "own"
    relabel: bool = False
    horizon: int = 20
    start_up: float = 0.5
    instance_seed: int = 0
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, check_choice, "dynamics", DYNAMICS)
        keep(self, check_choice, "observe", ("own", "neighborhood"))
        keep(self, check_bool, "relabel")
        keep(self, check_int, "horizon", low=1, high=2**40)
        keep(self, check_probability, "start_up")
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)
        _ = self.n, self.edges  # so that what can't be made is refused at once

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the source's state influences the target's."""
        return directed_ring(self.n) if self._is_default_ring else super().edges

    @property
    def _is_default_ring(self) -> bool:
        one_way = self.dynamics in BINARY and BINARY[self.dynamics].one_way
        return one_way and is_word(self.topology, "ring")

    @cached_property
    def is_directed_ring(self) -> bool:
        """Whether the only parent of each machine is the one before it."""
        return self.n > 1 and (
            self._is_default_ring or np.array_equal(self.edges, directed_ring(self.n))
        )

    @cached_property
    def swap(self) -> NDArray[np.uint8] | None:
        """``uint8[n, 1]``, 1 where the hidden relabelling exchanges the two actions; None without it."""
        if not self.relabel:
            return None
        return np.ascontiguousarray(action_orders(self.n, 2, self.instance_seed)[:, :1])

    @cached_property
    def up_probabilities(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """P(up next) of all binary machines in one table, and where each machine's part begins.

        Returns:
            ``float64[·]`` and ``int64[n]``: entry ``offset[i] + own · (degree_i + 1) + parents up`` is machine i's.
        """
        return self.by_degree(lambda degree: up_probability(self.dynamics, degree))

    def by_degree(self, table: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the tables of all machines one behind the other, and where each machine's begins.

        Args:
            table: From a number of parents to the table of the machines that have so many.
        """
        degrees, kind = np.unique(self.parents.degree, return_inverse=True)
        parts = [table(int(degree)).ravel() for degree in degrees]
        begins = np.cumsum([0] + [part.size for part in parts[:-1]])
        tables = np.concatenate(parts), begins[kind].astype(np.int64)
        freeze(tables)
        return tables

    def factored_model(self) -> FactoredMDP:
        """Return the probabilities and rewards of all machines, with actions as the agents choose them.

        Raises:
            ValueError: A machine has so many parents that its table would be too large.
        """
        n, s = self.n, n_states(self.dynamics)
        scopes = Scopes(s, self.parents, 2 * s, "transition")
        transition = np.empty((scopes.n_entries, 2, s))
        degrees = self.parents.degree
        for degree in np.unique(degrees):
            table = local_transition(self.dynamics, int(degree))
            first = scopes.first[np.flatnonzero(degrees == degree)]
            transition[first[:, None] + np.arange(len(table))] = table
        rewards = np.repeat(reward(self.dynamics)[None], n, axis=0)
        if self.swap is not None:
            swapped = self.swap[:, 0] == 1
            rewards[swapped] = rewards[swapped][..., ::-1]
            swapped = np.repeat(swapped, scopes.sizes)
            transition[swapped] = transition[swapped][:, ::-1]
        return FactoredMDP(
            edges=self.edges,
            transition=transition,
            reward=rewards,
            start=np.repeat(start(self.dynamics, self.start_up)[None], n, axis=0),
            horizon=self.horizon,
        )


class SysadminArguments(TypedDict, total=False):
    """The fields of `SysadminProblem` as keywords, for type checkers."""

    n_agents: int | None
    dynamics: str
    topology: str | nx.Graph
    observe: str
    relabel: bool
    horizon: int
    start_up: float
    instance_seed: int
    backend: str
