"""The base of learners that keep a number for each action and take larger ones with higher probability.

p(a) = exp(V[i, o, a] / τ) / Σ_a' exp(V[i, o, a'] / τ)   over the legal actions
τ    = τ₀ δ^t, but not below τ₁, in episode t

The temperature of Kapetanakis & Kudenko (2002) falls in nearly the same way: 500 e^(−0.006 t) + 1.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_real, check_seed, keep


@dataclass(frozen=True)
class BoltzmannConfig:
    """Hyperparameters of all of them.

    Attributes:
        rate: α in (0, 1], 0.1 by default: how far a value moves towards what was given.
        temperature: τ₀ > 0, 500 by default, in units of reward.
        cooling: δ in (0, 1], 0.994 by default.
        coldest: τ₁ > 0, 1 by default.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    rate: float = 0.1
    temperature: float = 500.0
    cooling: float = 0.994
    coldest: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "temperature", low=SMALLEST_REAL)
        keep(self, check_real, "cooling", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "coldest", low=SMALLEST_REAL)
        keep(self, check_seed, "seed")


class BoltzmannTable(Learner):
    """A learner whose choice is a Boltzmann draw. A subclass has `values` and `observe`.

    Args:
        env: Any ParallelEnv or vector env with Discrete actions; an observation is a row of a table.
        **config: Fields of `config_class`, which has `temperature`, `cooling` and `coldest`.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries.
    """

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.shape = n, _, _, b = self.view.check_table("observations")
        self._agent, self._column = np.arange(n)[:, None], np.arange(b)

    @abstractmethod
    def values(self, rows: NDArray[np.intp], columns: Any) -> NDArray[np.float64]:
        """Return V of all actions ``[n, B, A]`` for rows ``[n, B]`` of the tables in these columns."""

    @property
    def present_temperature(self) -> float:
        """τ of the next episode."""
        config = self.config
        return float(max(config.coldest, config.temperature * config.cooling**self.episodes))

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a Boltzmann draw; without words the best action."""
        columns = self._column if frame.rows.shape[1] == len(self._column) else 0
        values = self.values(frame.rows, columns)
        if frame.legal is not None:
            values = np.where(frame.legal, values, -np.inf)
        if words is None:
            return np.asarray(values.argmax(axis=-1))
        # Elementwise and contiguous, so that a column doesn't notice the others.
        best = values.max(axis=-1, keepdims=True)
        weights = np.exp(np.ascontiguousarray((values - best) / self.present_temperature))
        ends = np.cumsum(weights, axis=-1)
        drawn = words[..., None] * 2.0**-32 * ends[..., -1:]
        return np.asarray((ends[..., :-1] <= drawn).sum(axis=-1))

    def places(self, frame: Frame, actions: NDArray[np.integer]) -> tuple[Any, ...]:
        """Return where a table ``[n, O, A, B]`` has what the agents did."""
        return self._agent, frame.rows, actions, self._column


@dataclass(frozen=True)
class ActionValuesConfig(BoltzmannConfig):
    """Hyperparameters of `ActionValues`: those of `BoltzmannConfig` and one more.

    Attributes:
        discount: γ in [0, 1], 1 by default: the weight of what follows in the same episode.

    Raises:
        ValueError: A value out of its range.
    """

    discount: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_real, "discount", low=0.0, high=1.0)


class ActionValues(BoltzmannTable):
    """A learner that keeps Q of its own actions, and moves it towards r + γ max_a' Q(s', a').

    Attributes:
        q: ``float64[n, O, A, B]``, Q.
    """

    config_class = ActionValuesConfig
    config: ActionValuesConfig
    learnt: ClassVar[tuple[str, ...]] = ("q",)

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.q = np.zeros(self.shape)

    def values(self, rows: NDArray[np.intp], columns: Any) -> NDArray[np.float64]:
        """Return Q."""
        found: NDArray[np.float64] = self.q[self._agent, rows, :, columns]
        return found

    def error(
        self, frame: Frame, actions: NDArray[np.integer], transition: Transition
    ) -> NDArray[np.float64]:
        """Return r + γ max_a' Q(s', a') − Q(s, a), the maximum over legal actions and 0 for who has left."""
        after = transition.frame
        follows = self.q[self._agent, after.rows, :, self._column]
        if after.legal is not None:
            follows = np.where(after.legal, follows, -np.inf)
        worth = self.config.discount * follows.max(axis=-1)
        if after.live is not None:
            worth = np.where(after.live, worth, 0.0)
        error = transition.rewards + worth - self.q[self.places(frame, actions)]
        return np.asarray(error if frame.live is None else error * frame.live)
