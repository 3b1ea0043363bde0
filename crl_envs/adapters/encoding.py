"""Observations of all agents as rows of numbers, for networks that one policy's agents share."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import check_bool


class AgentEncoder:
    """One-hot vectors for Discrete and MultiDiscrete observations, Boxes flattened; the agent's number if wanted.

    A policy that all agents share can't let two agents that observe the same do different things, as the bandit asks
    for, unless it sees who they are: with `agent_ids` a one-hot vector of length n is appended.

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
        self._ids = np.eye(n_agents, dtype=np.float32)[:, :ids]
        if isinstance(space, spaces.Box):
            self._codes: list[NDArray[np.float32]] | None = None
            self._start: NDArray[Any] = np.zeros(0)
            low, high = np.ravel(space.low), np.ravel(space.high)
        elif isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
            sizes = np.ravel(space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n)
            self._codes = [np.eye(size, dtype=np.float32) for size in sizes.tolist()]
            self._start = np.ravel(space.start)
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
        """Encode ``(…, n, *space.shape)`` as a fresh ``float32 (…, n, d)``."""
        array = np.asarray(observations)
        lead = array.shape[: array.ndim - self._ndim]
        rows = array.reshape(*lead, -1)
        if self._codes is None:
            parts = [rows.astype(np.float32)]
        else:
            values = rows.astype(np.int64) - self._start
            parts = [code[values[..., k]] for k, code in enumerate(self._codes)]
        ids = np.broadcast_to(self._ids, (*lead, self._ids.shape[1]))
        return np.concatenate([*parts, ids], axis=-1)
