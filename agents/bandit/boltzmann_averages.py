"""Boltzmann exploration of aged averages: what COIN's agents are (Wolpert & Tumer 2001, the bar problem).

Every agent keeps an average of the rewards that each of its actions gave it, in which old rewards fade, and takes
actions that paid better with higher probability. It sees nothing of the others. After an episode of one step in which
agent i did a and was given r:

    N[i, a] += 1
    Q[i, a] += max(1 / N[i, a], β) (r − Q[i, a])             the mean at first, then an aged average
    p(a)     = exp(Q[i, a] / τ) / Σ_a' exp(Q[i, a'] / τ)     over the legal actions
    τ        = τ₀ δ^t, but not below τ₁, in episode t

An action never tried counts as Q = 0. It learns from the rewards that the environment gives, and so serves to compare
what agents are given: their own reward, the team's (`GlobalReward`), the wonderful life utility (`DifferenceReward`).

Details that matter:

1. Others learn, too, so that what an action is worth changes: β forgets.
2. τ is in units of reward: with ``reduce="sum"`` in the wrappers the three rewards have the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.boltzmann import BoltzmannConfig, BoltzmannTable
from agents.view import Frame, Transition


@dataclass(frozen=True)
class BoltzmannAveragesConfig(BoltzmannConfig):
    """Hyperparameters of `BoltzmannAverages`.

    Attributes:
        rate: β in (0, 1], 0.1 by default: averages reach back over about 1/β trials of an action. Larger follows the
            others sooner, with more noise.
        temperature: τ₀ > 0, 1.0 by default, in units of reward.
        cooling: δ in (0, 1], 0.995 by default.
        coldest: τ₁ > 0, 0.05 by default: agents go on exploring, as far as actions differ by no more.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    temperature: float = 1.0
    cooling: float = 0.995
    coldest: float = 0.05


class BoltzmannAverages(BoltzmannTable):
    """See the module for the update, `Learner` for the vocabulary, `BoltzmannAveragesConfig` for the arguments.

        env = DifferenceReward(crl_envs.make("crl/bar-v0"), reduce="sum")
        BoltzmannAverages(env, seed=1).learn(total_episodes=3000).history[-1]["worth"]

    Args:
        env: Any ParallelEnv or vector env with Discrete actions; an observation is a row of a table. In episodes of
            several steps each step's reward counts for its own action alone.
        **config: Fields of `BoltzmannAveragesConfig`.

    Attributes:
        averages: ``float64[n, O, A, B]``, Q.
        counts: ``int64[n, O, A, B]``, N.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries.
    """

    config_class: ClassVar[type[Any]] = BoltzmannAveragesConfig
    config: BoltzmannAveragesConfig
    learnt = ("averages", "counts")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.averages, self.counts = np.zeros(self.shape), np.zeros(self.shape, np.int64)

    def values(self, rows: NDArray[np.intp], columns: Any) -> NDArray[np.float64]:
        """Return Q."""
        found: NDArray[np.float64] = self.averages[self._agent, rows, :, columns]
        return found

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move the averages of what was done towards what it gave."""
        where = self.places(frame, actions)
        live: Any = 1 if frame.live is None else frame.live
        self.counts[where] += live
        rate = np.maximum(1 / np.maximum(self.counts[where], 1), self.config.rate) * live
        self.averages[where] += rate * (transition.rewards - self.averages[where])
