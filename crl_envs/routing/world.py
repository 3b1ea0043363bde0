"""Routing as arrays, compiled by Numba when that is worth the wait."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.core.stream import Purpose, Stream
from crl_envs.core.topology import Edges
from crl_envs.core.vector import small_dtype
from crl_envs.core.world import World, check_actions
from crl_envs.routing.problem import RoutingArguments, RoutingProblem
from crl_envs.routing.rules import (
    LEVELS,
    OUTSIDE,
    PURPOSES,
    SIDE,
    Count,
    Keys,
    Rules,
    State,
    advance,
    begin,
    empty_state,
    level,
    linked,
    paid,
)


class RoutingWorld(KeepsOptimum, World[State]):
    """Packets in the queues of a network's nodes; the state is a `State`.

    A world without a JAX form: who comes into whose queue at which place is a matter of sorting.

    Args:
        *args: A `RoutingProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
        rules: The constants of the dynamics.

    Raises:
        ValueError: An argument out of its range.
    """

    name = "routing"
    problem: RoutingProblem
    finder = "crl_envs.routing.optimum:find_optimum"
    horizon: int

    def __init__(self, *args: Any, **arguments: Unpack[RoutingArguments]) -> None:
        self.problem = problem = RoutingProblem(*args, **arguments)
        self.rules: Rules = problem.rules
        self._edges = problem.edges
        self.n_agents, self.horizon = problem.n, problem.horizon
        self.backend = resolve_backend(problem.backend)
        n, k = self.rules.successors.shape
        self._n_actions = 1 + k
        self.single_action_space = spaces.Discrete(self._n_actions)
        dtype: Any = np.int32
        self.single_observation_space = (
            spaces.Discrete(n + 1)
            if problem.observe == "destination"
            else spaces.MultiDiscrete([n + 1, LEVELS, *[LEVELS + 1] * k], dtype=dtype)
        )
        legal = np.concatenate([np.ones((n, 1), np.int8), self.rules.successors >= 0], axis=1)
        self._legal = legal[..., None].astype(np.int8)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.Box:  # type: ignore[override]
        """Destinations by place in the queue, then what else there is."""
        n, q = self.n_agents, self.rules.queue_size
        high = [np.full(n * q, n)]
        if self.problem.reward == "delay":
            high.append(np.full(n * q, self.horizon))
        if self.rules.places:
            high.append(np.full(2 * n, SIDE - 1))
        most = np.concatenate(high).astype(np.int32)
        return spaces.Box(np.zeros(most.size, np.int32), most, dtype=np.int32)

    @property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where there may be a link from the source to the target."""
        return self._edges

    @property
    def bytes_per_env(self) -> int:
        """About how many bytes a step takes for each environment."""
        each: int = 100 + 48 * self.rules.queue_size + 16 * self._n_actions
        return self.n_agents * each

    def initial(self, stream: Stream) -> State:
        """Return empty queues but for the first packets, and nodes at random places where they have any."""
        state = empty_state(self.rules, stream.num_envs)
        begin(self.rules, state, stream.keys(Purpose.INITIAL), self._keys(stream))
        return state

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Carry out one step; see `rules` for the order of events."""
        shape = self.n_agents, state.length.shape[1]
        check_actions(action, shape, self._n_actions, stream)
        if state.goal.shape != (self.n_agents, self.rules.queue_size, shape[1]):
            raise ValueError(
                f"state must be of a world with {self.n_agents} queues of {self.rules.queue_size} "
                f"places, got {state.goal.shape[:2]}"
            )
        fields: Any = (field.copy() for field in state)
        next_state = State(*fields)
        self._kernel_of(_COMPILED)(self.rules, next_state, action, self._keys(stream))
        return next_state

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """Return the local rewards ``float32[n, B]``.

        ``"waiting"``: minus the packets that wait in the agent's queue, and for one that it dropped as if it waited
        until the end, divided by `queue_size`. ``"delay"``: 1 − delay / horizon of the packet that it delivered.
        """
        return paid(self.rules, next_state)

    def observation(self, state: State) -> NDArray[np.integer]:
        """Return the destination of each head, n for none; with ``observe="queues"`` also queue lengths, by `level`."""
        heads = self._head(state.goal, state, self.n_agents)
        if self.problem.observe == "destination":
            return heads.astype(small_dtype(self.n_agents + 1))
        lengths = level(state.length)
        theirs = np.where(linked(self.rules, state), lengths[self.rules.successors], LEVELS)
        return np.concatenate([heads[:, None], lengths[:, None], theirs], axis=1, dtype=np.int32)

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """``int8[n, 1 + K, B]``: to hold, and to forward to the neighbours that there are now, packet or not."""
        shape = (*self._legal.shape[:2], state.length.shape[1])
        if not self.rules.places:
            return np.broadcast_to(self._legal, shape)
        legal = np.ones(shape, np.int8)
        legal[:, 1:] = linked(self.rules, state)
        return legal

    def info(self, state: State) -> dict[str, NDArray[Any]]:
        """Return what the agents see beside the mask.

        - ``outcome`` ``int8[n, B]``, see `rules.Outcome`; ``queue`` ``int32[n, B]``, packets in the own queue;
        - ``waited`` ``int32[n, B]``: steps that the head has been in this queue; 0 without one;
        - ``sender`` ``int32[n, B]``: the agent that the head came from; −1 where it entered here, or without one;
        - ``neighbors`` ``int32[n, K, B]``: who is behind actions 1 … K, −1 for nobody.
        """
        neighbors = self.rules.successors
        columns = state.length.shape[1]
        waited = state.tally[Count.TIME] - self._head(state.since, state, 0)
        return {
            "outcome": state.outcome.copy(),
            "queue": state.length.copy(),
            "waited": np.where(state.length > 0, waited, 0).astype(np.int32),
            "sender": self._head(state.via, state, OUTSIDE),
            "neighbors": np.broadcast_to(neighbors[..., None], (*neighbors.shape, columns)),
        }

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Return that it never ends by itself."""
        return np.zeros(state.length.shape[1], np.bool_)

    def state_array(self, state: State) -> NDArray[np.int32]:
        """Return for each agent's queue, from the head on, 1 + the packets' destinations, 0 for none.

        Then, with ``reward="delay"``, as many steps since they entered the network, and in ``topology="geometric"``
        where nodes are: ``int32[d, B]``.
        """
        q = self.rules.queue_size
        place = (state.first[:, None] + np.arange(q)[:, None]) % q  # [n, Q, B]
        there = np.arange(q)[:, None] < state.length[:, None]
        columns = state.length.shape[1]
        parts = [np.where(there, 1 + np.take_along_axis(state.goal, place, axis=1), 0)]
        if self.problem.reward == "delay":
            age = state.tally[Count.TIME] - np.take_along_axis(state.born, place, axis=1)
            parts.append(np.where(there, age, 0))
        if self.rules.places:
            parts.append(state.place)
        return np.concatenate([part.reshape(-1, columns) for part in parts]).astype(np.int32)

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Return counts of packets and messages, all ``[B]`` but `queue`.

        - ``arrived``: packets that have entered; they are ``delivered``, ``waiting`` or ``dropped``;
        - ``delivery_share``: delivered / arrived, 1 before any has; ``mean_delay``: of those delivered, in steps;
        - ``total_delay``: of those delivered;
        - ``messages_sent``, transmissions, and ``messages_lost``;
        - ``queue``: ``int32[n, B]``, packets at each agent.
        """
        count = {name: state.tally[name].copy() for name in Count}
        arrived, delivered = count[Count.ARRIVED], count[Count.DELIVERED]
        return {
            "arrived": arrived,
            "delivered": delivered,
            "waiting": state.length.sum(axis=0, dtype=np.int64),
            "dropped": count[Count.DROPPED],
            "delivery_share": np.where(arrived > 0, delivered / np.maximum(arrived, 1), 1.0),
            "mean_delay": count[Count.DELAY] / np.maximum(delivered, 1),
            "total_delay": count[Count.DELAY],
            "messages_sent": count[Count.MESSAGES],
            "messages_lost": count[Count.LOST],
            "queue": state.length.copy(),
        }

    def _head(self, of: NDArray[np.int32], state: State, nothing: int) -> NDArray[np.int32]:
        """Return a field of the heads ``int32[n, B]``, `nothing` where queues are empty."""
        head = np.take_along_axis(of, state.first[:, None].astype(np.int64), axis=1)[:, 0]
        return np.where(state.length > 0, head, np.int32(nothing))

    def _keys(self, stream: Stream) -> Keys:
        arrival, goal, loss, motion = PURPOSES
        return Keys(
            stream.keys(arrival),
            stream.keys(goal),
            stream.keys(loss) if self.rules.loss else stream.seeds,
            stream.keys(motion) if self.rules.stride else stream.seeds,
        )


_COMPILED: Final = Compiled.at("crl_envs.routing.numba_kernel:advance", seconds=3.0, plain=advance)
