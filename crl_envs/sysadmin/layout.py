"""What the SYSADMIN worlds share: arguments, graph, relabelling, observations."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_probability,
    check_seed,
    check_size,
    shown,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.legality import check_actions
from crl_envs.core.stream import Purpose, Stream, fixed_words, threshold
from crl_envs.core.topology import (
    UNDIRECTED,
    Adjacency,
    directed_ring,
    graph_edges,
    is_graph,
    named_edges,
    neighbors_of,
    sources_of,
)
from crl_envs.core.world import Edges, World
from crl_envs.sysadmin import numpy_kernel
from crl_envs.sysadmin.dynamics import DYNAMICS

if TYPE_CHECKING:
    import networkx as nx

State = NDArray[np.uint8]

_BYTE: Final = np.dtype(np.uint8)  # NumPy takes a dtype sooner than a type
_BOOL: Final = np.dtype(np.bool_)
_N_ACTIONS = 2
_BYTES_PER_EDGE = 64
_MOST_OBSERVED = 50_000_000  # agents × (1 + neighbours) of a neighbourhood observation


class SysadminLayout(World[State]):
    """Base of the SYSADMIN worlds: machines on a graph, each with a small discrete state ``uint8[n, B]``.

    Arguments are documented at `crl_envs.sysadmin.SysadminEnv`.

    Attributes:
        n_values: Number of states of one machine.
        parents: For each machine, those that influence it.
        neighbors: For each machine, those that share an edge with it.
        swap: ``uint8[n, 1]``, 1 where the hidden relabelling exchanges the two actions; None without it.
    """

    name = "sysadmin"
    n_values: ClassVar[int]

    def __init__(
        self,
        n_agents: int | None = None,
        dynamics: str = "ring",
        topology: str | nx.Graph = "ring",
        observe: str = "own",
        relabel: bool = False,
        horizon: int = 20,
        start_up: float = 0.5,
        instance_seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.dynamics = check_choice("dynamics", dynamics, DYNAMICS)
        self.observe = check_choice("observe", observe, ("own", "neighborhood"))
        self.relabel = check_bool("relabel", relabel)
        self.horizon: int = check_int("horizon", horizon, low=1, high=2**40)
        self.start_up = check_probability("start_up", start_up)
        self.instance_seed = check_seed("instance_seed", instance_seed)
        self.backend = resolve_backend(backend)
        self.n_agents, self._edges = _size_and_edges(
            n_agents, topology, self.dynamics, self.instance_seed
        )
        self.is_directed_ring = self.n_agents > 1 and np.array_equal(
            self._edges, directed_ring(self.n_agents)
        )
        self.parents = sources_of(self._edges, self.n_agents)
        self.swap = _swap(self.n_agents, self.instance_seed) if self.relabel else None
        self.single_action_space = spaces.Discrete(_N_ACTIONS)
        self.single_observation_space = self._observation_space()
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """Every machine's state."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(np.full(self.n_agents, self.n_values), dtype=dtype)

    @property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the source's state influences the target's."""
        return self._edges

    @cached_property
    def neighbors(self) -> Adjacency:
        """For each machine, those that share an edge with it, ascending."""
        return neighbors_of(self._edges, self.n_agents)

    def executed(self, action: NDArray[np.integer]) -> State:
        """What is done (1 reboots) when the agents choose `action`: differs under `relabel`."""
        chosen = cast(State, action if action.dtype is _BYTE else action.astype(_BYTE))
        return chosen if self.swap is None else chosen ^ self.swap

    def observation(self, state: State) -> State:
        """Own states ``uint8[n, B]``, or own and neighbours' ``uint8[n, 1 + k, B]``."""
        if self.observe == "own":
            return state.copy()
        absent = np.full((1, state.shape[1]), self.n_values, np.uint8)
        return np.concatenate([state, absent])[self._observed]

    def check(self, state: State, action: NDArray[np.integer], stream: Stream) -> None:
        """Refuse actions and streams that don't fit the world and the state."""
        n = self.parents.indptr.size - 1
        if len(state) != n:
            raise ValueError(f"state must have {n} rows, got {len(state)}")
        check_actions(action, state.shape, _N_ACTIONS, stream)

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Never: episodes are truncated at the horizon."""
        return np.zeros(state.shape[1], _BOOL)

    def state_array(self, state: State) -> State:
        """``uint8[n, B]``."""
        return state.copy()

    @property
    def _kernel(self) -> Any:
        return _numba_kernel() if self.backend == "numba" else numpy_kernel

    def _start_words(self, stream: Stream) -> NDArray[np.bool_]:
        return stream.words(Purpose.INITIAL, self.n_agents) < threshold(self.start_up)

    @cached_property
    def _observed(self) -> NDArray[np.int64]:
        """``int64[n, 1 + k]``: the agents that each one sees, n standing for nobody."""
        indptr, indices = self.neighbors
        degree = self.neighbors.degree
        seen = np.full((self.n_agents, 1 + int(degree.max(initial=0))), self.n_agents, np.int64)
        seen[:, 0] = np.arange(self.n_agents)
        rows = np.repeat(np.arange(self.n_agents), degree)
        seen[rows, 1 + np.arange(indices.size) - indptr[rows]] = indices
        return seen

    def _observation_space(self) -> spaces.Space[Any]:
        if self.observe == "own":
            return spaces.Discrete(self.n_values)
        degree = self.neighbors.degree
        most = int(degree.max(initial=0))
        if self.n_agents * (1 + most) > _MOST_OBSERVED:
            raise ValueError(
                f"observe='neighborhood' needs n_agents × (1 + largest degree) ≤ {_MOST_OBSERVED}, "
                f"got {self.n_agents} × {1 + most}; use observe='own'"
            )
        fewest = int(degree.min())
        sizes = [self.n_values] * (1 + fewest) + [self.n_values + 1] * (most - fewest)
        return spaces.MultiDiscrete(sizes, dtype=np.uint8)


def _size_and_edges(
    n_agents: int | None, topology: str | nx.Graph, dynamics: str, seed: int
) -> tuple[int, Edges]:
    if is_graph(topology):
        edges = graph_edges(topology)
        size = topology.number_of_nodes()
        if n_agents is not None and check_int("n_agents", n_agents, low=1) != size:
            raise ValueError(
                f"n_agents must be {size}, the number of nodes of topology, or left out; got {shown(n_agents)}"
            )
        return size, edges
    check_choice("topology", topology, UNDIRECTED)
    size = 10 if n_agents is None else check_int("n_agents", n_agents, low=1, high=100_000_000)
    if topology == "ring" and dynamics == "ring":
        return size, directed_ring(size)
    degree = 4 if topology in ("grid", "random") else 2
    check_size("n_agents", size, degree * _BYTES_PER_EDGE, f" with topology={topology!r}")
    return size, named_edges(topology, size, seed)


@lru_cache(maxsize=1)
def _numba_kernel() -> Any:
    from crl_envs.sysadmin import numba_kernel

    return numba_kernel


def _swap(n: int, seed: int) -> State:
    return (fixed_words(seed, Purpose.INSTANCE, n) & np.uint32(1)).astype(np.uint8)[:, None]
