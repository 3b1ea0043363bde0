"""Global learner of the bandit that settles agents on the way: least squares in phases, half of the agents in each.

A budget of M trials is cut into phases that end after M/2, 3M/4, 7M/8 … and M trials. In the first all agents explore.
At the end of a phase w is estimated from all trials so far (`agents.bandit.global_least_squares`, with a ridge), and of
the agents that still explore the half with the largest |w| settles: it plays its greedy action from then on, which no
longer adds to the variance of the global reward. After the last phase everybody plays the greedy action. (Karnin,
Koren & Somekh 2013, "Almost Optimal Exploration in Multi-Armed Bandits", halve the arms of one agent in this way.)

What this is worth: reward on the way, not fewer trials. The luck of all n agents is in the global reward whoever
explores, and a trial of random actions tells as much about every agent as any trial can. So P after M trials is that of
least squares with the same ridge or a little less, while the mean reward of the M trials rises from .5 to .57 for
M = 2 n and .60 for M = 10 n (n = 200, probabilities 0.8 and 0.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandit.global_least_squares import GlobalLeastSquares, GlobalLeastSquaresConfig
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_int, keep, shown


@dataclass(frozen=True)
class AdaptiveHalvingConfig(GlobalLeastSquaresConfig):
    """Settings of `AdaptiveHalving`: those of `GlobalLeastSquaresConfig`, and one more.

    Attributes:
        budget: Trials M ≥ 1 until all have settled; None (default): 6 n, after which P is about .9 with the
            probabilities 0.8 and 0.2. More trials are surer, and cost the reward of exploring.
        ridge: As there, but ``"noise"`` by default, and above 0: weights are compared when trials are few.

    Raises:
        ValueError: A value out of its range.
    """

    ridge: float | str = "noise"
    budget: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.design != "random":
            raise ValueError(
                f"design must be 'random' here, got {shown(self.design)}: agents that settle leave the design"
            )
        if self.ridge == 0:
            raise ValueError(f"ridge must be 'noise' or a number above 0, got {shown(self.ridge)}")
        if self.budget is not None:
            keep(self, check_int, "budget", low=1)


class AdaptiveHalving(GlobalLeastSquares):
    """See the module for the phases, `GlobalLeastSquares` for the estimate, `Learner` for the vocabulary.

    Those that explore do so like all other learners of the bandit, with the same random numbers.

        AdaptiveHalving(env, budget=8 * n, seed=1).learn(total_episodes=8 * n).greedy()

    Args:
        env: A bandit, with or without `GlobalReward`; see `BanditLearner`.
        **config: Fields of `AdaptiveHalvingConfig`.

    Attributes:
        ends: Numbers of trials after which agents settle, ascending; the last is the budget.
        exploring: ``bool[n, B]``, who hasn't settled.

    Raises:
        ValueError: As `GlobalLeastSquares`.
    """

    config_class: ClassVar[type[Any]] = AdaptiveHalvingConfig
    config: AdaptiveHalvingConfig
    learnt = (*GlobalLeastSquares.learnt, "exploring", "_settled")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n = self.view.n_agents
        self.ends = phase_ends(self.config.budget or 6 * n, n)
        self.exploring = np.ones((n, self.view.num_envs), np.bool_)
        self._settled = np.zeros(self.exploring.shape, np.uint8)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a random action of those that explore, the settled action of others; without words the greedy ones."""
        actions = super().choose(frame, words)
        return actions if words is None else np.where(self.exploring, actions, self._settled)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Keep the trial; at the end of a phase let agents settle."""
        super().observe(frame, actions, transition)
        if self.trials in self.ends:
            self._settle()

    def greedy(self) -> NDArray[np.uint8]:
        """Return 1 where w > 0, else 0, of settled agents too; after the last phase what they settled for."""
        return super().greedy() if self.trials < self.ends[-1] else self._settled.copy()

    def _settle(self) -> None:
        weights = self.weights()
        if self.trials == self.ends[-1]:
            self.exploring[:] = False
            self._settled = np.asarray(weights > 0).view(np.uint8)
            return
        for b in range(self.view.num_envs):
            exploring = np.flatnonzero(self.exploring[:, b])
            order = np.argsort(-np.abs(weights[exploring, b]), kind="stable")
            surest = exploring[order[: -(-exploring.size // 2)]]
            self._settled[surest, b] = weights[surest, b] > 0
            self.exploring[surest, b] = False


def phase_ends(budget: int, n: int) -> list[int]:
    """Return the trials after which phases end: each has half of those that are left, until one agent explores."""
    ends, left = [], budget
    while n > 1 and left > 1:
        left -= left // 2
        ends.append(budget - left)
        n //= 2
    return [*ends, budget]
