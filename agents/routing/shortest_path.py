"""Shortest paths: every packet goes to a neighbour that is one link nearer to its destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.routing.packets import PacketLearner
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_seed, keep


@dataclass(frozen=True)
class ShortestPathConfig:
    """Settings of `ShortestPath`.

    Attributes:
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes; the rule draws nothing.

    Raises:
        ValueError: A value out of its range.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_seed, "seed")


class ShortestPath(PacketLearner):
    """Forward to the first of the neighbours that are nearest to the destination, as a link-state protocol would.

    It knows the whole network at each step, the links that there are by the agents' masks. Where no path leads to the
    destination now, the packet is held.

        ShortestPath(env, seed=s).learn(total_episodes=1).history[-1]["mean_delay"]

    Args:
        env: See `PacketLearner`.
        **config: Fields of `ShortestPathConfig`.

    Raises:
        ValueError: As `PacketLearner`.
    """

    config_class = ShortestPathConfig
    config: ShortestPathConfig
    learnt = ()

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self._known: dict[bytes, NDArray[np.int64]] = {}

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return what the tables say; see `Learner.choose`."""
        goals, links = self.goals(frame), self.open_links(frame)
        n, b = goals.shape
        links = np.broadcast_to(links, (n, b, links.shape[2]))
        actions = np.empty((n, b), np.int64)
        for c in range(b):
            actions[:, c] = self._table(links[:, c])[np.arange(n), goals[:, c]]
        return actions

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn nothing."""

    def _table(self, links: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return actions ``[n, D + 1]`` for a network; the last ones are kept."""
        key = links.tobytes()
        if key not in self._known:
            if len(self._known) >= max(self.view.num_envs, 1):
                self._known.clear()
            self._known[key] = next_actions(self.behind, links)
        return self._known[key]


def next_actions(behind: NDArray[np.int64], links: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first action on a shortest path, by breadth-first search from all destinations at once.

    Args:
        behind: ``int64[n, A]``, whom actions lead to.
        links: ``bool[n, A]``, those that are there.

    Returns:
        ``int64[n, n + 1]`` by destination; 0 at the destination, for n, and where no path leads there.
    """
    n, a = behind.shape
    reached = np.eye(n, dtype=np.bool_)
    actions = np.zeros((n, n + 1), np.int64)
    far = np.where(links, behind, n)
    while True:
        near = np.concatenate([reached, np.zeros((1, n), np.bool_)])
        found = np.zeros((n, n), np.int64)
        for k in range(a - 1, 0, -1):
            found[near[far[:, k]]] = k
        new = (found > 0) & ~reached
        if not new.any():
            return actions
        actions[:, :n][new] = found[new]
        reached |= new
