"""Local learner of the bandit: each agent keeps the mean of its own reward for each action (Bagnell & Ng 2005, §5).

After m trials of uniformly random actions agent i has played action a c[i, a] times, for a sum of own rewards s[i, a]:

    mean[i, a] = s[i, a] / c[i, a]          `unseen` (0) where c[i, a] = 0
    greedy[i]  = argmax_a mean[i, a]        of equals by a coin of agent i's, tossed once for all

Both rules matter when trials are few. With right rewarded with probability p and wrong with q, c ~ Binomial(m, ½)
trials of the right action, X ~ Binomial(c, p) and Y ~ Binomial(m − c, q), an agent is right with probability

    Σ_c 2^−m C(m, c) [ P(X/c > Y/(m−c)) + ½ P(X/c = Y/(m−c)) ]

For p = 0.8, q = 0.2 this makes P = 2 · (fraction right) − 1 = .300 at m = 1, .766 at 5, .946 at 10 and .996 at 20, for
any number of agents: no agent notices how many others there are. (With ``unseen=0.5``, what is known of a reward
before it is seen, P is .600 at m = 1 and .811 at 5: one failure then speaks for the other action. Ties that all went
to action 0 would be worth ½ on average only, and more where more right actions happen to be 0.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.bandit.bandit_learner import BanditLearner
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_real, check_seed, keep
from crl_envs.core.stream import Purpose

_COINS: Final = np.uint64(2**62)  # clock at which the coins for ties are drawn, far from all else


@dataclass(frozen=True)
class LocalMeansConfig:
    """Settings of `LocalMeans`.

    Attributes:
        unseen: Mean of an action that was never played, 0.0 by default: any reward above 0 keeps an agent with the
            action that it knows. 0.5, the prior mean of the bandit's rewards, learns faster from the first trials.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    unseen: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "unseen")
        keep(self, check_seed, "seed")


class LocalMeans(BanditLearner):
    """See the module for the estimate, `BanditLearner` for how it explores, `Learner` for the vocabulary.

    Own rewards are what the environment gives, or ``local_reward`` of the infos under a wrapper such as
    `GlobalReward`. A trial costs O(n).

        LocalMeans(env, seed=1).learn(total_episodes=20).greedy()

    Args:
        env: A bandit; see `BanditLearner`.
        **config: Fields of `LocalMeansConfig`.

    Attributes:
        counts: ``int64[2, n, B]``, c: how often each action was played.
        sums: ``float64[2, n, B]``, s: sums of own rewards.

    Raises:
        ValueError: As `BanditLearner`.
    """

    config_class: ClassVar[type[Any]] = LocalMeansConfig
    config: LocalMeansConfig
    learnt = (*BanditLearner.learnt, "_ones", "sums")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.sums = np.zeros((2, self.view.n_agents, self.view.num_envs))
        self._ones = np.zeros(self.sums.shape[1:], np.int64)
        coins = self._stream_at(np.full_like(self.env_steps, _COINS))
        self._coins = coins.words(Purpose.ACTION, self.view.n_agents) >> np.uint32(31) == 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each action was played."""
        return np.stack([self.trials - self._ones, self._ones])

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Add the agents' own rewards to the sums of what they played."""
        super().observe(frame, actions, transition)
        earned = transition.local * actions
        self._ones += actions
        self.sums[1] += earned
        self.sums[0] += transition.local - earned

    def means(self) -> NDArray[np.float64]:
        """Return ``float64[2, n, B]``: mean own reward of each action, `unseen` where it was never played."""
        counts = self.counts
        means = np.full(self.sums.shape, float(self.config.unseen))
        np.divide(self.sums, counts, out=means, where=counts > 0)
        return means

    def greedy(self) -> NDArray[np.uint8]:
        """Return the action with the larger mean, or the coin's when they are equal (as before the first trial)."""
        first, second = self.means()
        return np.asarray((second > first) | ((second == first) & self._coins)).view(np.uint8)
