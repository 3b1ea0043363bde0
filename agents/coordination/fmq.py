"""FMQ: value an action by the best that it gave, and by how often it gave that (Kapetanakis & Kudenko 2002).

Independent learners of a repeated game, who see neither the others' actions nor their rewards. After agent i did a and
was given r:

    Q[i, a] += α (r − Q[i, a])
    N[i, a] += 1;  if r > M[i, a]: M[i, a] = r, K[i, a] = 0;  if r = M[i, a]: K[i, a] += 1
    V[i, a]  = Q[i, a] + c · M[i, a] · K[i, a] / N[i, a]              the frequency of the maximum

and actions are Boltzmann draws by V. While partners explore, the mean of the right action is dragged down by their
mistakes; the best that it gave isn't, and its frequency grows with the partners' understanding.

Details that matter:

1. Where rewards are random, the maximum is luck, and all maxima are rare: use it where equal joint actions pay equally.
2. c has to be chosen by the differences of payoffs: 10 for the climbing and penalty games of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.boltzmann import ActionValues, ActionValuesConfig
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_real, keep


@dataclass(frozen=True)
class FMQConfig(ActionValuesConfig):
    """Hyperparameters of `FMQ`: those of `ActionValuesConfig` and one more.

    Attributes:
        weight: c ≥ 0, 10 by default. 0 is independent Q-learning.

    Raises:
        ValueError: A value out of its range.
    """

    weight: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_real, "weight", low=0.0)


class FMQ(ActionValues):
    """See the module for the update, `Learner` for the vocabulary, `FMQConfig` for the arguments.

        env = crl_envs.make("crl/coordination_game-v0", n_agents=2)
        FMQ(env, seed=1).learn(total_episodes=1000).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv or vector env with Discrete actions; an observation is a row of a table. In episodes of
            several steps M is of what a single step gave.
        **config: Fields of `FMQConfig`.

    Attributes:
        q: ``float64[n, O, A, B]``, Q.
        best: ``float64[n, O, A, B]``, M; 0 where nothing was done.
        hits, counts: ``int64[n, O, A, B]``, K and N.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries.
    """

    config_class = FMQConfig
    config: FMQConfig
    learnt = ("q", "best", "hits", "counts")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.best = np.zeros(self.shape)
        self.hits, self.counts = (np.zeros(self.shape, np.int64) for _ in range(2))

    def values(self, rows: NDArray[np.intp], columns: Any) -> NDArray[np.float64]:
        """Return V."""
        at = self._agent, rows, slice(None), columns
        frequency = self.hits[at] / np.maximum(self.counts[at], 1)
        found: NDArray[np.float64] = self.q[at] + self.config.weight * frequency * self.best[at]
        return found

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move Q, and count how often the maximum was reached."""
        where, given = self.places(frame, actions), np.asarray(transition.rewards, np.float64)
        live: Any = True if frame.live is None else frame.live
        self.q[where] += self.config.rate * self.error(frame, actions, transition)
        better = live & ((self.counts[where] == 0) | (given > self.best[where]))
        self.best[where] = np.where(better, given, self.best[where])
        self.hits[where] = np.where(better, 0, self.hits[where])
        self.hits[where] += live & (given == self.best[where])
        self.counts[where] += live
