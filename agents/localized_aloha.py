"""Localized ALOHA: users who send at random, to an access point at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policy import Policy
from agents.view import Frame
from crl_envs.core.arguments import check_probability, check_seed, keep
from crl_envs.core.stream import threshold


@dataclass(frozen=True)
class LocalizedAlohaConfig:
    """Settings of `LocalizedAloha`.

    Attributes:
        rate: Probability of sending in a step, 0 to 1. Default None: half the number of an agent's points, at most 1,
            so that those who have one point send every second time, and all others always.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rate is not None:
            keep(self, check_probability, "rate")
        keep(self, check_seed, "seed")


class LocalizedAloha(Policy):
    """Every agent sends with a fixed probability, to one of its access points, each equally probable.

        LocalizedAloha(env, rate=0.6).learn(total_episodes=100).history[-1]["global_return"]

    Asked by `act` for deterministic actions it sends to its first point, if it ever sends.

    Args:
        env: `crl/access-v0`, as a ParallelEnv or a vector env, wrapped or not.
        **config: Fields of `LocalizedAlohaConfig`.

    Raises:
        ValueError: A bad argument, or another environment.
    """

    config_class = LocalizedAlohaConfig
    config: LocalizedAlohaConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        world = getattr(getattr(env, "unwrapped", None), "world", None)
        if getattr(world, "name", None) != "access":
            raise ValueError("env must be crl/access-v0, whose actions are access points")

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the point whose place among the m of an agent is ⌊m · word / r⌋, none from m on; see `Learner.choose`.

        The words are uniform below 2³²; r is `threshold` of the rate.
        """
        points = np.ones((*frame.rows.shape, self.view.n_actions - 1), np.bool_)
        if frame.legal is not None:
            points = frame.legal[..., 1:]
        count = points.sum(axis=2)
        rate = np.minimum(count / 2, 1.0) if self.config.rate is None else self.config.rate
        limit = threshold(rate).astype(np.int64)
        word = np.zeros(count.shape, np.int64) if words is None else words.astype(np.int64)
        place = np.where(word < limit, word * count // np.maximum(limit, 1), count)
        reached = np.cumsum(points, axis=2) > place[..., None]
        return np.where(reached.any(axis=2), 1 + reached.argmax(axis=2), 0)
