"""The bar problem as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.bar.problem import BarArguments, BarProblem
from crl_envs.core.backend import resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import Edges
from crl_envs.core.world import World

if TYPE_CHECKING:
    from crl_envs.core.array_form import ArrayForm

State = NDArray[np.int32]


class BarWorld(World[State]):
    """The bar problem. The state is ``int32[1 + K, B]``: 1 when the week is over, then each night's guests.

    Action 0, to stay at home, is illegal for everybody; it is what an agent does that `DifferenceReward` leaves out.

    Args:
        *args: A `BarProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.

    Raises:
        ValueError: An argument out of its range.
    """

    name = "bar"
    horizon = None

    def __init__(self, *args: Any, **arguments: Unpack[BarArguments]) -> None:
        self.problem = problem = BarProblem(*args, **arguments)
        self.n_agents = problem.n_agents
        self.backend = resolve_backend(problem.backend)
        self.single_action_space = spaces.Discrete(1 + problem.n_nights)
        self.single_observation_space = spaces.Discrete(1)
        dtype: Any = np.int32
        high = [1] + [self.n_agents] * problem.n_nights
        self.single_state_space = spaces.MultiDiscrete(np.array(high) + 1, dtype=dtype)
        self._share = np.append(0.0, problem.share(np.arange(1, self.n_agents + 1)))
        self._share = self._share.astype(np.float32)
        self._legal = (np.arange(1 + problem.n_nights) > 0).astype(np.int8)
        self.seal()

    @property
    def edges(self) -> Edges:
        """There are none."""
        return np.empty((0, 2), np.int64)

    def initial(self, stream: Stream) -> State:
        """Return the state before the week."""
        return np.zeros((1 + self.problem.n_nights, stream.num_envs), np.int32)

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Count the guests."""
        k, b = state.shape
        cells = action.astype(np.int64) * b + np.arange(b)
        counts = np.bincount(cells.ravel(), minlength=k * b).reshape(k, b).astype(np.int32)
        counts[0] = 1
        return counts

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """Return exp(−x / c) for x guests on the agent's night, 0 at home."""
        guests = np.take_along_axis(next_state, action.astype(np.int64), axis=0)
        return self._share[np.where(action > 0, guests, 0)]

    def observation(self, state: State) -> NDArray[np.uint8]:
        """Return the only one there is: ``uint8[n, B]`` zeros."""
        return np.zeros((self.n_agents, state.shape[1]), np.uint8)

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """Return that all nights are legal and staying at home isn't: ``int8[n, 1 + K, B]``."""
        legal = self._legal[None, :, None]
        return np.broadcast_to(legal, (self.n_agents, self._legal.size, state.shape[1]))

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Return whether the week is over."""
        return np.asarray(state[0], np.bool_)

    def state_array(self, state: State) -> State:
        """Return ``int32[1 + K, B]``: whether the week is over, and each night's guests."""
        return state.copy()

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Return ``worth``, ``float64[B]``: G, what all nights are worth together."""
        guests = state[1:]
        return {"worth": (guests * self.problem.share(guests)).sum(axis=0)}

    def array_form(self) -> ArrayForm:
        """Return the dynamics over any array namespace."""
        from crl_envs.bar.array_form import array_form

        return array_form(self.problem, self._share)

    def optimum(self) -> Optimum:
        """Return the best G by dynamic programming, divided by n."""
        return self.problem.optimum()
