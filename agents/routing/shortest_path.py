"""Shortest paths: every packet goes to a neighbour that is one link nearer to its destination."""

from __future__ import annotations

from dataclasses import dataclass

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

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return what the tables say; see `Learner.choose`."""
        goals = self.goals(frame)
        nearer = self.nearer(frame, goals)
        return np.asarray(nearer.argmax(axis=2))

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn nothing."""
