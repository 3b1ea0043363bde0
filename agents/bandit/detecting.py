"""Global learner of the deterministic bandit that chooses its trials: a detecting matrix (Lindström 1965).

Where the right action pays 1 and the wrong one 0 (Bagnell & Ng 2005, Theorem 3.1), each trial tells how many agents
were right. A detecting matrix is a list of trials whose counts determine everybody's right action; no list can have
fewer than about 2 n / log₂ n trials, and this one has about that many. (B. Lindström, "On a Combinatorial Problem in
Number Theory", 1965; D. Cantor and W. Mills, "Determination of a Subset from Certain Combinatorial Properties", 1966.)

A block of order k has 2^k trials, numbered by the points x ∈ {0, 1}^k, for up to k 2^(k−1) agents. Their names are
(a, j) with a nonempty set a ⊆ {0 … k−1} and 0 ≤ j < |a|. Agent (a, j) plays 1 at x when

    x has an even number of ones in a, and none among the elements of a from its j-th up to its last but one

which leaves it exactly 2^j of the even points of {0, 1}^a. All others play 0, as all do in one more trial. With
c = 1 for an agent whose right action is 1, the number D(x) of right agents at x, against D₀ of that trial, gives

    F(x) = (D(x) − D₀ + number of agents that play 1 at x) / 2 = Σ_(a,j) c_(a,j) 1{(a, j) plays 1 at x}

of which the Walsh coefficient Σ_x (−1)^(ones of x in a) F(x) is 2^(k−|a|) Σ_j 2^j c_(a,j), plus what the sets that
contain a add. So, from the largest sets down: the coefficient's binary digits are the c of a's agents; take their
plays off F and go on. What is left of F at the end must be 0: a check.

Other numbers of agents are made up of blocks, one after the other: the largest that is filled and what does the
rest, or a larger one with agents missing, whichever takes fewer trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.bandit.bandit_learner import BanditLearner
from agents.bandit.walsh_hadamard import parity, walsh_hadamard
from agents.learner import global_reward
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_int, check_seed, check_size, keep

_SLACK: Final = 1e-3  # by which n times a mean reward may miss a whole number
_MOST_ENTRIES: Final = 1 << 20  # of a design that are looked at together


def detecting_design(n: int) -> NDArray[np.uint8]:
    """Return all trials for n agents: ``uint8[m, n]``, the first of them all zeros.

    m = 2^k + 1 for n = k 2^(k−1), and at most that for the next larger such number.

    Raises:
        ValueError: n isn't a whole number ≥ 1.
    """
    design = _Design(_check_n(n))
    return np.stack([design.row(t) for t in range(design.n_trials)])


def _check_n(n: Any) -> int:
    n = check_int("n", n, low=1)
    return check_size("n", n, 1 + n // 4)  # of trials there are about 2 n / log₂ n


def decode(rewards: Any, n: int) -> NDArray[np.uint8]:
    """Return the right actions of n agents.

    Args:
        rewards: ``[m]`` or ``[m, B]``: the global rewards (means of the own ones) of the trials of `detecting_design`.
        n: Number of agents.

    Returns:
        ``uint8[n]`` or ``uint8[n, B]``.

    Raises:
        ValueError: Too few or too many trials; rewards that no right actions explain, as noise makes them.
    """
    design = _Design(_check_n(n))
    given = np.asarray(rewards, np.float64)
    if given.ndim not in (1, 2) or len(given) != design.n_trials:
        raise ValueError(
            f"rewards must be of the {design.n_trials} trials for {n} agents, got an array of shape {given.shape}"
        )
    right = design.decode(given.reshape(len(given), -1))
    return right[:, 0] if given.ndim == 1 else right


@dataclass(frozen=True)
class DetectingMatrixConfig:
    """Settings of `DetectingMatrix`.

    Attributes:
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes; the actions are always
            the same.

    Raises:
        ValueError: A value out of its range.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_seed, "seed")


class DetectingMatrix(BanditLearner):
    """See the module for the trials, `Learner` for the vocabulary.

    It plays the trials of `detecting_design` in their order, then the right actions for good. It reads the mean of the
    rewards that the environment gives, and nothing else of them.

        learner = DetectingMatrix(env)
        learner.learn(total_episodes=learner.n_trials).greedy()

    Rewards must be deterministic, 1 for one action and 0 for the other (``p_correct=1, p_wrong=0``). With noise there
    is no sensible answer. It is noticed when no right actions explain the rewards, as is all but certain with more
    than a few agents.

    Args:
        env: A bandit, with or without `GlobalReward` (of means, not of sums); see `BanditLearner`.
        **config: Fields of `DetectingMatrixConfig`.

    Attributes:
        n_trials: Length m of the design.

    Raises:
        ValueError: As `BanditLearner`. From `greedy`, and so from `learn` after `n_trials` trials: too few trials so
            far, or rewards that no right actions explain.
    """

    config_class: ClassVar[type[Any]] = DetectingMatrixConfig
    config: DetectingMatrixConfig
    learnt = (*BanditLearner.learnt, "_rewards")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self._design = _Design(self.view.n_agents)
        self.n_trials = self._design.n_trials
        self._rewards = np.zeros((self.n_trials, self.view.num_envs))
        self._right: NDArray[np.uint8] | None = None

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the next trial of the design; after the last, and without words, what is right."""
        super().choose(frame, np.zeros((1, 1), np.uint32))  # for its checks
        if words is None or self.trials >= self.n_trials:
            return self.greedy()
        return np.repeat(self._design.row(self.trials)[:, None], self.view.num_envs, axis=1)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note the global reward of a trial of the design."""
        super().observe(frame, actions, transition)
        if self.trials <= self.n_trials:
            self._rewards[self.trials - 1] = global_reward(transition)

    def greedy(self) -> NDArray[np.uint8]:
        """Return the right actions."""
        if self.trials < self.n_trials:
            raise ValueError(
                f"{self.view.n_agents} agents need {self.n_trials} trials, got {self.trials}: "
                f"learn(total_episodes={self.n_trials - self.trials}) first"
            )
        if self._right is None:
            self._right = self._design.decode(self._rewards)
        return self._right.copy()

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these rewards; what they say is worked out anew."""
        super().set_arrays(arrays)
        self._right = None


class _Design:
    """The trials for n agents, row by row."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.blocks: list[_Block] = []
        left = n
        for order in _orders(n):
            self.blocks.append(_Block.of(order, min(left, _capacity(order))))
            left -= self.blocks[-1].sets.size
        self.n_trials = 1 + sum(1 << block.order for block in self.blocks)

    def row(self, trial: int) -> NDArray[np.uint8]:
        """Return ``uint8[n]``: the actions in one trial."""
        actions = np.zeros(self.n, np.uint8)
        for first, agents, block in self._placed():
            if 0 <= trial - first < 1 << block.order:
                actions[agents] = block.plays(np.array([trial - first]))[0]
        return actions

    def decode(self, rewards: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Decode global rewards ``[m, B]`` to right actions ``uint8[n, B]``."""
        exact = rewards * self.n
        counts = np.rint(exact)
        if not np.isfinite(exact).all() or (np.abs(exact - counts) > _SLACK).any():
            raise _unexplained("n times a mean isn't a whole number")
        right = np.empty((self.n, rewards.shape[1]), np.uint8)
        for first, agents, block in self._placed():
            here = counts[first : first + (1 << block.order)]
            right[agents] = block.decode(here - counts[0])
        if not (counts[0] == np.sum(right == 0, axis=0)).all():
            raise _unexplained("the trial of zeros pays too much or too little")
        return right

    def _placed(self) -> Iterator[tuple[int, slice, _Block]]:
        """Yield each block with its first trial and its agents."""
        first, agent = 1, 0
        for block in self.blocks:
            yield first, slice(agent, agent + block.sets.size), block
            first, agent = first + (1 << block.order), agent + block.sets.size


class _Block(NamedTuple):
    """2^order trials and the agents (a, j) that they decide on, larger sets first."""

    order: int
    sets: NDArray[np.int64]  # [agents], a as a bit mask
    digits: NDArray[np.int64]  # [agents], j
    barred: NDArray[np.int64]  # [agents], elements of a where the agent wants no ones
    sizes: NDArray[np.int64]  # [agents], |a|

    @classmethod
    def of(cls, order: int, n: int) -> _Block:
        """Return a block with the first n of its agents."""
        sizes = [mask.bit_count() for mask in range(1 << order)]
        agents = []
        for mask in sorted(range(1, 1 << order), key=lambda mask: -sizes[mask])[:n]:
            elements = [1 << i for i in range(order) if mask >> i & 1]
            for j in range(len(elements)):
                agents.append((mask, j, sum(elements[j:-1]), len(elements)))
        columns = np.array(agents[:n], np.int64).T
        return cls(order, *columns)

    def plays(
        self, points: NDArray[np.int64], agents: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Return who plays 1 at each point: ``bool[points, agents]``, of all agents or of some."""
        sets, barred = self.sets, self.barred
        if agents is not None:
            sets, barred = sets[agents], barred[agents]
        x = points[:, None]
        return np.asarray((parity(x & sets) == 0) & (x & barred == 0))

    def decode(self, gains: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Decode D(x) − D₀ for each point, ``[2^order, B]``, to right actions ``uint8[agents, B]``."""
        everybody = np.ones(self.sets.size, np.bool_)
        playing = self._summed(everybody, np.ones((self.sets.size, 1), np.uint8))
        left = gains + playing  # 2 F
        right = np.zeros((self.sets.size, gains.shape[1]), np.uint8)
        for size in range(self.order, 0, -1):
            agents = self.sizes == size
            if agents.any():
                numbers = walsh_hadamard(left)[self.sets[agents]] / 2 ** (self.order - size + 1)
                whole = np.clip(np.rint(numbers), 0, 2**size - 1).astype(np.int64)
                digits = whole >> self.digits[agents][:, None] & 1
                right[agents] = digits
                left = left - 2 * self._summed(agents, right[agents])
        if left.any():
            raise _unexplained("the trials contradict each other")
        return right

    def _summed(self, agents: NDArray[np.bool_], weights: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return Σ of the weights ``[agents, B]`` of those that play 1, for each point: ``float64[2^order, B]``."""
        points = np.arange(1 << self.order)
        at_once = max(1, _MOST_ENTRIES // max(1, int(agents.sum())))
        factor = weights.astype(np.float32)  # sums below 2²⁴ are exact
        parts = [
            self.plays(points[first : first + at_once], agents).astype(np.float32) @ factor
            for first in range(0, points.size, at_once)
        ]
        return np.concatenate(parts).astype(np.float64)


def _capacity(order: int) -> int:
    """Return the number of agents of a block: k 2^(k−1)."""
    return order << order >> 1


def _orders(n: int) -> list[int]:
    """Return the orders of the blocks for n agents, the largest first, with about as few trials as blocks can have."""
    order = 1
    while _capacity(order) < n:
        order += 1
    if _capacity(order) == n or order == 1:
        return [order]
    filled = [order - 1, *_orders(n - _capacity(order - 1))]
    return min([order], filled, key=lambda orders: sum(1 << k for k in orders))


def _unexplained(why: str) -> ValueError:
    return ValueError(
        "the rewards must be means of own rewards that are 1 for one action and 0 for the other, without noise "
        f"(p_correct=1, p_wrong=0), got rewards that no right actions explain: {why}"
    )
