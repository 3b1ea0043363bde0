"""Bases of learners with a table over the actions of agents that solve problems or hand them on."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.delegation.infos import (
    DELEGATION,
    DISCOVERY,
    LOCAL,
    NONE,
    NOOP,
    Report,
    WorkInfos,
    holders,
)
from agents.learner import Learner
from agents.view import Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_choice, check_real, check_seed, keep

_UNREAD: Final = -2  # kind of an action before the environment has said


class DelegationTable(Learner):
    """Base of learners with one number for each agent, state and action that does something with a problem.

    A subclass has `weigh`, what the numbers mean for the choice, and `learn_from`, how they change. See
    `agents.delegation.infos` for what the environment must say.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on.
        **config: Fields of `config_class`.

    Attributes:
        work: How work is handed on.
        table: ``float64[B, n, S, A]``, the numbers.
        behind: ``int64[B, n, A]``, the agent behind each delegation, −1 for nobody; learnt from what it last was.
        offered: ``bool[B, n, A]``, what an agent with a problem can do: local actions, delegations to somebody, and
            discoveries that were legal when it last acted.

    Raises:
        ValueError: A bad argument, or a table of more than 50 million entries. From `learn`: infos that lack
            something.
    """

    learnt = ("table", "behind", "offered", "_kind")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.work = WorkInfos(self.view)
        n, s, a, b = self.view.check_table("states")
        self.table = np.full((b, n, s, a), float(self.first))
        self.behind = np.full((b, n, a), -1, np.int64)
        self.offered = np.zeros((b, n, a), np.bool_)
        self._kind = np.full((n, a), _UNREAD, np.int8)
        self._through: list[list[int]] = []  # the action of each slot of each agent

    @property
    @abstractmethod
    def first(self) -> float:
        """What the table holds where nothing has been learnt."""

    @abstractmethod
    def weigh(self, entries: list[float], legal: list[bool]) -> list[float]:
        """Return what the choice of an agent is drawn by.

        Args:
            entries: ``[A]``, its part of the table.
            legal: ``[A]``, True for legal actions that do something with a problem, at least one.

        Returns:
            ``[A]``, weights ≥ 0, not all 0, and 0 for what isn't legal.
        """

    @abstractmethod
    def learn_from(
        self,
        b: int,
        acted: list[int],
        frame: Frame,
        actions: list[int],
        transition: Transition,
        report: Report,
    ) -> None:
        """Take in a step of one column.

        Args:
            b: The column.
            acted: The agents that acted on a problem, ascending.
            frame: What they knew.
            actions: ``[n]``, what all did.
            transition: What came of it.
            report: What the environment said of it.
        """

    def reads_rows(self) -> bool:
        """Return False: an agent has one state, holding a problem."""
        return False

    def begin_episode(self) -> None:
        """Read what the agents can do, and who is whose neighbour.

        Raises:
            ValueError: The infos lack something, or the kinds of action aren't those learnt with.
        """
        self.work.begin()
        if (self._kind == _UNREAD).all():
            self._kind = self.work.kind.copy()
            self.offered |= self._kind == LOCAL
        elif not np.array_equal(self._kind, self.work.kind):
            raise ValueError("env must have the kinds of action that the learner has learnt with")
        self._works = self._kind > NOOP
        self._through = [np.flatnonzero(row == DELEGATION).tolist() for row in self._kind]
        for b in range(self.view.num_envs):
            for i, through in enumerate(self._through):
                # A learner from a checkpoint missed who left.
                self.offered[b, i, through] = self.work.neighbors[b][i, : len(through)] >= 0
            self.read_neighbors(b)

    def acts_in_any_columns(self) -> bool:
        """Return False: the queues are those of the environment that is learnt from."""
        return False

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Draw an action by `weigh` for those that have a problem; the others take the first that is legal."""
        if (self._kind == _UNREAD).all():
            raise ValueError("learn() must come first: before it the kinds of action aren't known")
        works = self._kind > NOOP
        legal, actions, holds = holders(frame, works)
        useful = legal & works[:, None]
        for i, b in np.argwhere(holds).tolist():
            entries = self.table[b, i, frame.rows[i, b]].tolist()
            weights = self.weigh(entries, useful[i, b].tolist())
            if words is None:
                actions[i, b] = weights.index(max(weights))
            else:
                actions[i, b] = draw(weights, int(words[i, b]))
        return actions

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn from a step of the columns that took part in it."""
        for b in self.work.took_part(transition):
            report = self.work.report(b)
            acted = np.flatnonzero(report.dops != NONE).tolist()
            if frame.legal is not None:
                for i in acted:
                    seeks = self._kind[i] == DISCOVERY
                    self.offered[b, i, seeks] = frame.legal[i, b, seeks]
            self.learn_from(b, acted, frame, actions[:, b].tolist(), transition, report)
            self.read_neighbors(b)

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `get_arrays` gave.

        Raises:
            ValueError: A neighbour that doesn't exist.
        """
        behind = arrays["behind"]
        if behind.min() < -1 or behind.max() >= self.view.n_agents:
            raise ValueError(f"behind must be in [-1, {self.view.n_agents - 1}], got {behind}")
        super().set_arrays(arrays)

    def best(self, b: int, i: int, s: int) -> float:
        """Return the largest entry among what an agent can do in state s; the first value where it can do nothing."""
        entries, offered = self.table[b, i, s].tolist(), self.offered[b, i].tolist()
        can = [entry for entry, is_offered in zip(entries, offered, strict=True) if is_offered]
        return max(can, default=self.first)

    def introduce(self, b: int, i: int, a: int) -> None:
        """Take in that agent i has somebody new behind its action a; the table has forgotten the last one."""

    def read_neighbors(self, b: int) -> bool:
        """Read column b's neighbours; return whether they have changed."""
        changed = self.work.changed_neighbors(b)
        for i, k, j, _ in changed:
            a = self._through[i][k]
            self.offered[b, i, a] = j >= 0
            if j >= 0 and self.behind[b, i, a] != j:
                self.behind[b, i, a] = j
                self.table[b, i, :, a] = self.first
                self.introduce(b, i, a)
        return bool(changed)


@dataclass(frozen=True)
class QConfig:
    """Hyperparameters that `IndependentQ` and `agents.delegation.distributed_value_functions` share."""

    learning_rate: float = 0.5
    temperature: float = 0.9
    discount: float = 1.0
    states: str = "one"
    initial_q: float = 0.0
    min_q: float = -200.0
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "learning_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "temperature", low=SMALLEST_REAL)
        keep(self, check_real, "discount", low=0.0, high=1.0)
        keep(self, check_choice, "states", ("one", "observation"))
        keep(self, check_real, "initial_q")
        keep(self, check_real, "min_q", high=min(0.0, self.initial_q))
        keep(self, check_seed, "seed")


class DelegationQ(DelegationTable):
    """Base of learners whose table is Q: Boltzmann choice, and the update towards r + `follows`."""

    config: QConfig

    @property
    def first(self) -> float:
        """``initial_q``."""
        return float(self.config.initial_q)

    @abstractmethod
    def follows(self, b: int, i: int, a: int, dop: int, s2: int) -> float:
        """Return the value of what comes after an action, not discounted.

        Args:
            b: The column.
            i: The agent.
            a: Its action.
            dop: What became of the problem; a value of `agents.delegation.infos.DOPS`.
            s2: The state that the agent is in now.
        """

    def reads_rows(self) -> bool:
        """Return whether an observation is a state."""
        return self.config.states == "observation"

    def weigh(self, entries: list[float], legal: list[bool]) -> list[float]:
        """Return Boltzmann's weights: exp(Q/T), relative to the best legal action."""
        best = max(q for q, may in zip(entries, legal, strict=True) if may)
        return [
            math.exp((q - best) / self.config.temperature) if may else 0.0
            for q, may in zip(entries, legal, strict=True)
        ]

    def learn_from(
        self,
        b: int,
        acted: list[int],
        frame: Frame,
        actions: list[int],
        transition: Transition,
        report: Report,
    ) -> None:
        """Update Q of each agent that acted on a problem."""
        config = self.config
        for i in acted:
            a, s, s2 = actions[i], int(frame.rows[i, b]), int(transition.frame.rows[i, b])
            follows = config.discount * self.follows(b, i, a, int(report.dops[i]), s2)
            before = float(self.table[b, i, s, a])
            error = float(transition.rewards[i, b]) + follows - before
            self.table[b, i, s, a] = max(before + config.learning_rate * error, config.min_q)

    def values(self) -> NDArray[np.float64]:
        """Return ``float64[n, S, B]``: V of each agent in each state."""
        b, n, s, _ = self.table.shape
        shown = np.where(self.offered[:, :, None], self.table, -np.inf).max(axis=3)
        shown = np.where(np.isinf(shown), self.first, shown)
        return np.ascontiguousarray(shown.reshape(b, n, s).transpose(1, 2, 0))


def draw(weights: list[float], word: int) -> int:
    """Return the place that a uniform 32-bit word falls on, each having a share in proportion to its weight.

    Args:
        weights: ≥ 0, not all 0.
        word: In [0, 2³²).

    Returns:
        A place whose weight isn't 0.
    """
    target = (word + 0.5) * 2.0**-32 * math.fsum(weights)
    below, last = 0.0, 0
    for place, weight in enumerate(weights):
        if weight > 0.0:
            below += weight
            last = place
            if target < below:
                break
    return last
