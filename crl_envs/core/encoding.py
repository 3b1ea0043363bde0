"""Observations as rows of numbers, for networks: of arrays of them, and of a whole world in all its views."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import check_bool, check_choice
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import Edges
from crl_envs.core.world import World

ENCODINGS: Final = ("onehot",)


class AgentEncoder:
    """One-hot vectors for Discrete and MultiDiscrete observations, Boxes flattened; the agent's number if wanted.

    A policy that all agents share can't let two agents that observe the same do different things, as the bandit asks
    for, unless it knows who they are: with `agent_ids` a one-hot vector of length n is appended.

    Args:
        space: What one agent observes: Discrete, MultiDiscrete or Box.
        n_agents: Number of agents n.
        agent_ids: Whether to append the agent's number.

    Attributes:
        space: What `encode` gives of one agent: ``Box (d,) float32``.

    Raises:
        ValueError: Another kind of space.
    """

    def __init__(self, space: spaces.Space[Any], n_agents: int, agent_ids: bool = False) -> None:
        ids = n_agents if check_bool("agent_ids", agent_ids) else 0
        self._ids = np.eye(n_agents, ids, dtype=np.float32)
        if isinstance(space, spaces.Box):
            self._zero: NDArray[np.int64] | None = None
            low, high = np.ravel(space.low), np.ravel(space.high)
        elif isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
            given = space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n
            sizes = np.ravel(given).astype(np.int64)
            # Where each component's vector begins, less its first value.
            self._zero = np.cumsum(sizes) - sizes - np.ravel(space.start).astype(np.int64)
            low, high = np.zeros(sizes.sum()), np.ones(sizes.sum())
        else:
            raise ValueError(
                f"observations must be Discrete, MultiDiscrete or Box to be encoded, got {space}"
            )
        self._ndim = len(space.shape or ())
        self.space = spaces.Box(
            np.concatenate([low, np.zeros(ids)]).astype(np.float32),
            np.concatenate([high, np.ones(ids)]).astype(np.float32),
            dtype=np.float32,
        )

    def encode(self, observations: NDArray[Any]) -> NDArray[np.float32]:
        """Return a fresh ``float32 (…, n, d)`` of observations ``(…, n, *space.shape)``."""
        array = np.asarray(observations)
        lead = array.shape[: array.ndim - self._ndim]
        rows = array.reshape(*lead, -1)
        width = (self.space.shape or (0,))[0]
        own = width - self._ids.shape[1]
        made = np.zeros((*lead, width), np.float32)
        if self._zero is None:
            made[..., :own] = rows
        else:
            np.put_along_axis(made, rows.astype(np.int64) + self._zero, 1.0, axis=-1)
        made[..., own:] = self._ids
        return made


class EncodedWorld(World[Any]):
    """A world whose observations and states are rows of float32, as networks want them; all else is the world's own.

    Views of it differ from those of the world only in what they show: draws, rewards, masks and infos are the same.
    Attributes that a `World` needn't have (``problem``, ``capacity``, …) are those of the world.

    Args:
        world: The dynamics.

    Raises:
        ValueError: Observations or states that are neither Discrete, MultiDiscrete nor Box.
    """

    def __init__(self, world: World[Any]) -> None:
        self.world = world
        self.n_agents, self.horizon = world.n_agents, world.horizon
        self._agents = AgentEncoder(world.single_observation_space, world.n_agents)
        self._whole = AgentEncoder(world.single_state_space, 1)
        self.single_observation_space = self._agents.space
        self.single_state_space = self._whole.space
        self.single_action_space = world.single_action_space

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "world":  # while a pickle is read there is no world yet
            raise AttributeError(name)
        return getattr(self.world, name)

    @property
    def edges(self) -> Edges:
        """The world's."""
        return self.world.edges

    def initial(self, stream: Stream) -> Any:
        """Return the world's."""
        return self.world.initial(stream)

    def transition(self, state: Any, action: NDArray[np.integer], stream: Stream) -> Any:
        """Return the world's."""
        return self.world.transition(state, action, stream)

    def reward(
        self, state: Any, action: NDArray[np.integer], next_state: Any, stream: Stream
    ) -> NDArray[np.float32]:
        """Return the world's."""
        return self.world.reward(state, action, next_state, stream)

    def step(
        self, state: Any, action: NDArray[np.integer], stream: Stream
    ) -> tuple[Any, NDArray[np.float32]]:
        """Return the world's."""
        return self.world.step(state, action, stream)

    def step_in_place(
        self, state: Any, action: NDArray[np.integer], stream: Stream
    ) -> tuple[Any, NDArray[np.float32]]:
        """Return the world's."""
        return self.world.step_in_place(state, action, stream)

    def legalise(
        self, state: Any, action: NDArray[np.integer], mask: NDArray[np.int8] | None
    ) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
        """Return the world's."""
        return self.world.legalise(state, action, mask)

    def observation(self, state: Any) -> NDArray[np.float32]:
        """Return the world's as rows: ``float32[n, d, B]``."""
        seen = np.moveaxis(self.world.observation(state), -1, 0)
        return np.moveaxis(self._agents.encode(seen), 0, -1)

    def terminal(self, state: Any) -> NDArray[np.bool_]:
        """Return the world's."""
        return self.world.terminal(state)

    def action_mask(self, state: Any) -> NDArray[np.int8] | None:
        """Return the world's."""
        return self.world.action_mask(state)

    def info(self, state: Any) -> dict[str, NDArray[Any]]:
        """Return the world's."""
        return self.world.info(state)

    def state_array(self, state: Any) -> NDArray[np.float32]:
        """Return the world's as a row: ``float32[d, B]``."""
        whole = self.world.state_array(state).T[:, None]  # one agent, who sees everything
        return self._whole.encode(whole)[:, 0].T

    def metrics(self, state: Any) -> dict[str, NDArray[Any]]:
        """Return the world's."""
        return self.world.metrics(state)

    def optimum(self) -> Optimum:
        """Return the world's."""
        return self.world.optimum()


def encoded(world: World[Any], encode: str | None) -> World[Any]:
    """Return a world as it is to be shown.

    Args:
        world: The dynamics.
        encode: ``"onehot"``: as an `EncodedWorld`; None: as it is.

    Raises:
        ValueError: Another encoding, or a world that can't be encoded.
    """
    if encode is None:
        return world
    check_choice("encode", encode, ENCODINGS)
    return EncodedWorld(world)
