"""Global learner of the bandit that correlates: does the global reward go with the agent's action?

After m trials of uniformly random actions a_i ∈ {0, 1} with global rewards R (the mean of all own rewards), agent i
looks at the covariance of its own action and R alone:

    C[i]      = Σ_t (a_it − ā_i) (R_t − R̄)
    greedy[i] = 1 when C[i] > 0, else 0

The sums are kept as deviations from running means (Welford 1962, "Note on a Method for Calculating Corrected Sums of
Squares and Products"), so that a large mean of R costs no digits:

    R̄ += (R − R̄) / m,   ā_i += (a_i − ā_i) / m,   C[i] += (a_i − ā_i) (R − R̄ before the trial)

It is least squares that takes the other agents' actions for noise, O(n) a trial instead of O(n²), and what REINFORCE
on the global reward tends to for a tiny step size. With p = 0.8 for right and 0.2 for wrong, every agent adds ¼ to the
variance of n R, of which an agent's own choice explains ±0.3 to either side, so that for large n it is right with
probability Φ(0.6 √(m/n)): m must grow as n, and P ≥ .9 takes 7.5 n trials, against 5.8 n for least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandit.bandit_learner import BanditLearner
from agents.learner import global_reward
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_seed, keep


@dataclass(frozen=True)
class CorrelationConfig:
    """Settings of `Correlation`.

    Attributes:
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_seed, "seed")


class Correlation(BanditLearner):
    """See the module for the estimate, `BanditLearner` for how it explores, `Learner` for the vocabulary.

    It reads the mean of the rewards that the environment gives, and nothing else of them.

        Correlation(env, seed=1).learn(total_episodes=8 * n).greedy()

    Args:
        env: A bandit, with or without `GlobalReward`; see `BanditLearner`.
        **config: Fields of `CorrelationConfig`.

    Attributes:
        covariation: ``float64[n, B]``, C.

    Raises:
        ValueError: As `BanditLearner`.
    """

    config_class: ClassVar[type[Any]] = CorrelationConfig
    config: CorrelationConfig
    learnt = (*BanditLearner.learnt, "covariation", "_mean_action", "_mean_reward")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.covariation = np.zeros((self.view.n_agents, self.view.num_envs))
        self._mean_action = np.zeros_like(self.covariation)
        self._mean_reward = np.zeros(self.view.num_envs)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move the running means on, and the sums with them."""
        super().observe(frame, actions, transition)
        surprise = global_reward(transition) - self._mean_reward
        self._mean_reward = self._mean_reward + surprise / self.trials
        self._mean_action += (actions - self._mean_action) / self.trials
        self.covariation += (actions - self._mean_action) * surprise

    def greedy(self) -> NDArray[np.uint8]:
        """Return 1 where action and reward go together; 0 elsewhere, and before the second trial."""
        return np.asarray(self.covariation > 0).view(np.uint8)
