"""The World protocol: dynamics as array functions, in the verbs of ``gymnasium.experimental.functional.FuncEnv``.

A world holds parameters and no episode. Its state is an array, or a NamedTuple of arrays, whose last axis is
the batch of B environments (columns); functions return new arrays and never write into their arguments. All
randomness comes from the `Stream` they are given, at its present clock.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import Edges, node_names

if TYPE_CHECKING:
    import networkx as nx

    from crl_envs.core.array_form import ArrayForm
    from crl_envs.core.backend import BackendName, Compiled

StateT = TypeVar("StateT")
T = TypeVar("T", bound=np.generic)

_BYTES: Final = bytes(range(256))
_FEW: Final = 1000  # bytes, which Python looks through in less time than NumPy takes to begin


class World(OwnsArrays, ABC, Generic[StateT]):
    """One family of problems for n cooperating agents.

    Attributes:
        name: Short name, for messages and metadata.
        n_agents: Number of agents n.
        horizon: Steps after which an episode is truncated; None when it isn't.
        single_observation_space: What one agent observes; the same for all.
        single_action_space: ``Discrete(A)``, the same for all; action 0 is what an illegal action becomes.
        single_state_space: Space of one column of `state_array`.
        backend: What its kernels run on, where it has some.
    """

    _sealed: frozenset[str] = frozenset()  # names of attributes

    can_play = False  # whether it plays by tables of policies compiled, as `SysadminWorld.play`

    name: ClassVar[str]
    n_agents: int
    horizon: int | None
    single_observation_space: spaces.Space[Any]
    single_action_space: spaces.Discrete
    single_state_space: spaces.Space[Any]
    backend: BackendName

    @property
    @abstractmethod
    def edges(self) -> Edges:
        """``int64[E, 2]``: pairs (source, target) of agents; what an edge means is the world's to say."""

    @cached_property
    def topology(self) -> nx.DiGraph:
        """The graph of agents 0 … n−1 with the world's edges; ``node`` of an agent is its name in the user's graph."""
        import networkx as nx  # by itself a good part of the package's import time

        graph = nx.DiGraph()
        graph.add_nodes_from(range(self.n_agents))
        if self.nodes is not None:
            nx.set_node_attributes(graph, dict(enumerate(self.nodes)), "node")
        graph.add_edges_from(map(tuple, self.edges.tolist()))
        return graph

    @cached_property
    def nodes(self) -> tuple[Any, ...] | None:
        """The node that each agent is in the graph that its problem has for a topology, where nodes have names."""
        return node_names(getattr(getattr(self, "problem", None), "topology", None))

    def seal(self) -> None:
        """Make the arrays read-only and keep them where they are; for the end of a constructor.

        Compiled kernels trust their numbers: who wrote into them would lead a kernel out of bounds.
        """
        held = {name: value for name, value in vars(self).items() if freeze(value)}
        self._sealed = frozenset(held)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._sealed:
            raise AttributeError(f"{name} of {type(self).__name__} is fixed when the world is made")
        super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for name in self._sealed:  # copies of arrays are writable
            freeze(vars(self)[name])

    def _kernel_of(self, compiled: Compiled[Any]) -> Callable[..., Any]:
        """Return the one to call: the other one on NumPy, else the compiled one or what stands in its place."""
        return compiled.plain if self.backend == "numpy" else compiled.function or compiled

    @property
    def bytes_per_env(self) -> int:
        """About how many bytes a step takes for each environment; what limits the size of a batch."""
        space = self.single_observation_space
        return 100 + self.n_agents * (
            32 + math.prod(space.shape or ()) * np.dtype(space.dtype).itemsize
        )

    @abstractmethod
    def initial(self, stream: Stream) -> StateT:
        """Return states at the start of an episode."""

    @abstractmethod
    def transition(self, state: StateT, action: NDArray[np.integer], stream: Stream) -> StateT:
        """Return the next states. `action` is ``[n, B]`` and legal, or 0 where an illegal one was asked for."""

    @abstractmethod
    def reward(
        self, state: StateT, action: NDArray[np.integer], next_state: StateT, stream: Stream
    ) -> NDArray[np.float32]:
        """Return the local rewards ``float32[n, B]`` of a transition, at the clock of that transition."""

    def step(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        """Do `transition` and `reward` together; a world may fuse them, with the same result."""
        next_state = self.transition(state, action, stream)
        return next_state, self.reward(state, action, next_state, stream)

    def step_in_place(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        """Do `step` for a caller who has checked the actions and needs the state no longer.

        The state may be written to, and become the next one.
        """
        return self.step(state, action, stream)

    def legalise(
        self, state: StateT, action: NDArray[np.integer], mask: NDArray[np.int8] | None
    ) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
        """Return what is done where an action isn't legal, as `legalise` does by the state's `action_mask`."""
        return legalise(action, mask)

    def tracking(self) -> World[StateT]:
        """Return what gives one environment the same arrays, but may write the next ones over them; here the world."""
        return self

    @abstractmethod
    def observation(self, state: StateT) -> NDArray[Any]:
        """Return a fresh array: ``[n, B]`` for a Discrete space, ``[n, k, B]`` for a space of shape (k,)."""

    @abstractmethod
    def terminal(self, state: StateT) -> NDArray[np.bool_]:
        """Return whether the episode has ended: ``bool[B]``."""

    def action_mask(self, state: StateT) -> NDArray[np.int8] | None:
        """Return the legal actions ``int8[n, A, B]``, or None when every action is always legal."""
        return None

    def info(self, state: StateT) -> dict[str, NDArray[Any]]:
        """Return what learners see beside the mask: named arrays ``[n, …, B]``."""
        return {}

    def array_form(self) -> ArrayForm | None:
        """Return the dynamics over any array namespace, for devices; None where the world has no such form.

        Raises:
            ValueError: The world has one, but not with these arguments.
        """
        return None

    @abstractmethod
    def state_array(self, state: StateT) -> NDArray[Any]:
        """Return the full state for centralised critics: a fresh array ``[d, B]``."""

    @abstractmethod
    def metrics(self, state: StateT) -> dict[str, NDArray[Any]]:
        """Return named measurements of a state, each with the batch as its last axis."""

    @abstractmethod
    def optimum(self) -> Optimum:
        """Return what is known about the best expected episode return."""


def frozen(array: NDArray[T]) -> NDArray[T]:
    """Return the array read-only, so that nobody can write to it: a copy unless it is its own and read-only."""
    if array.flags.writeable or not array.flags.owndata:
        array = array.copy()
        array.setflags(write=False)
    return array


def freeze(value: Any) -> bool:
    """Make an array, or those in a tuple, read-only; whether there are any."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
        return True
    return isinstance(value, tuple) and any([freeze(part) for part in value])


def column_select(columns: NDArray[np.bool_], chosen: StateT, other: StateT) -> StateT:
    """Return the state that has `chosen`'s columns where ``columns[b]`` and `other`'s elsewhere."""
    selected: Any
    if isinstance(chosen, tuple) and isinstance(other, tuple):
        fields = (np.where(columns, c, o) for c, o in zip(chosen, other, strict=True))
        selected = type(chosen)(*fields)
    else:
        selected = np.where(columns, cast(Any, chosen), cast(Any, other))
    return cast(StateT, selected)


def legalise(
    action: NDArray[np.integer], mask: NDArray[np.int8] | None
) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
    """Replace what the mask forbids by action 0.

    Args:
        action: ``[n, B]``, each in [0, A).
        mask: ``int8[n, A, B]``, or None when everything is legal.

    Returns:
        The actions to carry out ``[n, B]`` and ``bool[n, B]``: which ones were illegal (None without a mask).
    """
    if mask is None:
        return action, None
    n, columns = action.shape
    illegal = mask[np.arange(n)[:, None], action, np.arange(columns)] == 0
    return np.where(illegal, action.dtype.type(0), action), illegal


def check_actions(
    action: NDArray[np.integer], shape: tuple[int, ...], n_actions: int | None, stream: Stream
) -> None:
    """Refuse what would lead a kernel, which doesn't look, out of its arrays.

    Args:
        action: What should be integers ``[n, B]``, in [0, A).
        shape: (n, B), those of the world's tables and of the state.
        n_actions: A; None where that has been looked at.
        stream: Should have B columns.

    Raises:
        ValueError: Another shape, no integers, or one out of range.
    """
    kind = action.dtype.kind
    if action.shape != shape or kind not in "iub":
        raise ValueError(
            f"action must be integers of shape {shape}, as the world and its state have it, got "
            f"{action.dtype} of shape {action.shape}"
        )
    if stream.num_envs != shape[1]:
        raise ValueError(f"stream must have {shape[1]} columns, got {stream.num_envs}")
    if n_actions is not None and not in_range(action, n_actions):
        raise ValueError(
            f"action must be in [0, {n_actions - 1}], got {action.min()} … {action.max()}"
        )


def in_range(action: NDArray[np.integer], n_actions: int) -> bool:
    """Return whether all actions, of any integer dtype, are in [0, A)."""
    signed = action.dtype.kind == "i"
    if not signed and action.nbytes <= _FEW and action.itemsize == 1:
        return not action.tobytes().translate(None, _BYTES[:n_actions])
    return action.size == 0 or bool(action.max() < n_actions and not (signed and action.min() < 0))
