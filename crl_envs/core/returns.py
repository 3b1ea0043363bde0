"""Sums of rewards: over agents (`team_reward`, the global reward) and over time (`Returns`, `EpisodeTally`).

They don't depend on the batch size or the memory layout: agents are added in one order and steps in another.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.backend import Compiled
from crl_envs.core.copies import OwnsArrays

Reduce = Literal["mean", "sum"]

Rewards = Literal["local", "neighborhood", "global"]
"""What agents are paid: what each earns itself, the mean over its neighbourhood, the mean over all."""

REWARDS: Final = get_args(Rewards)

_MOST_WAITING: Final = 128  # steps whose rewards are added up together


def fold_sum(values: NDArray[Any]) -> NDArray[np.float64]:
    """Sum over the first axis in float64 by folding halves onto each other.

    ``np.sum`` chooses its order of addition by shape and strides, so a column of a batch may differ from
    the same column alone in the last bit. Here every column is added in one fixed order.

    Args:
        values: Array of shape ``(n, …)``, n ≥ 1.

    Returns:
        ``float64`` array of shape ``(…)``.
    """
    total = np.array(values, np.float64, order="C")
    fold = _FOLD if "numba" in sys.modules else _fold_halves  # never for this alone
    fold(total.reshape(-1), total[:1].size or 1)
    return np.array(total[0])  # apart from the rest


def fold_each(total: NDArray[np.float64], columns: int) -> None:
    """Leave in the first row of a flat ``[n, columns]`` what `fold_sum` returns; compiled where Numba is."""
    length = total.size // columns
    while length > 1:
        half = length // 2
        for j in range(half * columns):
            total[j] += total[half * columns + j]
        if length % 2:
            for j in range(columns):
                total[j] += total[(length - 1) * columns + j]
        length = half


def _fold_halves(total: NDArray[np.float64], columns: int) -> None:
    """Do what `fold_each` does, in NumPy."""
    while total.size > columns:
        half = total.size // columns // 2 * columns
        folded, odd = total[:half], total[2 * half :]
        folded += total[half : 2 * half]
        folded[: odd.size] += odd
        total = folded


_FOLD: Final = Compiled.loop(fold_each, seconds=0.5, plain=_fold_halves)


def team_reward(local: NDArray[Any], reduce: Reduce = "mean") -> NDArray[np.float64]:
    """Return the global reward of local ones: ``(n, B)`` to ``float64[B]``, mean or sum (Bagnell & Ng 2005, §2)."""
    total = fold_sum(local)
    return total / local.shape[0] if reduce == "mean" else total


def take_mean(values: Any, nonzero: Any, count: int) -> float:
    """Return the mean of values as `team_reward` adds them up, and leave zeros: for loops that Numba compiles.

    Args:
        values: ``float64[n]``, overwritten; an array or a list.
        nonzero: ``int64[≥ count]``, where they are: all others are 0.
        count: How many.
    """
    n = len(values)
    if count <= 1:
        total = 0.0
        for position in range(count):
            total = values[nonzero[position]]
            values[nonzero[position]] = 0.0
        return total / n
    length = n
    while length > 1:
        half = length // 2
        odd = values[length - 1]
        for i in range(half):
            values[i] = values[i] + values[half + i]
        if length % 2:
            values[0] += odd
        length = half
    total = values[0]
    for i in range(n):
        values[i] = 0.0
    return total / n  # type: ignore[no-any-return]


def own_rewards(
    rewards: dict[Any, float], infos: Mapping[Any, Mapping[str, Any]]
) -> dict[Any, float]:
    """Return the agents' own rewards in the order of `rewards`; that very dict when no wrapper says otherwise."""
    if not any("local_reward" in info for info in infos.values()):
        return rewards
    return {agent: infos.get(agent, {}).get("local_reward", r) for agent, r in rewards.items()}


def in_order(rewards: dict[Any, float], agents: Sequence[Any]) -> NDArray[np.float64]:
    """Return ``float64[n]``: the agents' rewards in their order, 0 for those that have none."""
    if list(rewards) == agents:
        return np.array(list(rewards.values()), np.float64)
    return np.array([rewards.get(agent, 0.0) for agent in agents], np.float64)


def mean_of(rewards: dict[Any, float]) -> float:
    """Return the mean over the agents that took part, in the order of the dict as `GlobalReward` takes it."""
    if not rewards:
        return 0.0
    return float(team_reward(np.array(list(rewards.values()), np.float64)))


class EpisodeReturn(NamedTuple):
    """What an episode brought.

    Attributes:
        column: Which of the B environments.
        steps: Its length in environment steps.
        local_return: Mean over agents of the sum of own rewards.
        global_return: Sum over steps of the mean own reward of the agents that took part in the step.
        agent_returns: ``float64[n]``, each agent's sum of own rewards.
    """

    column: int
    steps: int
    local_return: float
    global_return: float
    agent_returns: NDArray[np.float64]


class Returns(OwnsArrays):
    """Adds up rewards over the steps of episodes: for each agent, and for the team.

    Args:
        n_agents: Number of agents n.
        num_envs: Number of environments B.
    """

    def __init__(self, n_agents: int, num_envs: int) -> None:
        self._agents = np.zeros((n_agents, num_envs))
        self._team = np.zeros(num_envs)
        self._waiting: list[NDArray[Any]] = []  # many steps are added sooner than one by one

    def add(self, rewards: NDArray[Any], team: NDArray[np.float64] | None = None) -> None:
        """Add a step: ``[n, B]``, which nobody writes into later, and the team's ``[B]``, by default their mean."""
        if team is None:
            self._waiting.append(rewards)
            if len(self._waiting) == _MOST_WAITING:
                self._settle()
        else:
            self._settle()
            self._agents = self._agents + rewards
            self._team = self._team + team

    def agents(self) -> NDArray[np.float64]:
        """Return ``float64[n, B]``: each agent's sum so far; it may be added to in place."""
        self._settle()
        return self._agents

    def team(self) -> NDArray[np.float64]:
        """Return ``float64[B]``: the sum so far of the steps' means; it may be added to in place."""
        self._settle()
        return self._team

    def clear(self, columns: NDArray[np.bool_] | slice = slice(None)) -> None:
        """Begin again from 0 in some environments; in all without an argument."""
        self._settle()
        self._agents[:, columns] = 0.0
        self._team[columns] = 0.0

    def _settle(self) -> None:
        if not self._waiting:
            return
        steps = np.stack(self._waiting, axis=1)  # [n, T, B]
        self._waiting = []
        n, t, b = steps.shape
        means = team_reward(steps.reshape(n, t * b)).reshape(t, b)
        self._team = _add_in_order(self._team, means)
        self._agents = _add_in_order(self._agents, steps.swapaxes(0, 1))


class EpisodeTally(OwnsArrays):
    """Counts the episodes of environments that begin and end each at its own time, by the agents' own rewards.

    Args:
        num_envs: Number of environments B.
        n_agents: Number of agents n.

    Attributes:
        env_steps: Environment steps so far, of all B together.
        episodes: Those that have ended. It grows; clear it as you like.
    """

    def __init__(self, num_envs: int, n_agents: int) -> None:
        self.env_steps = 0
        self.episodes: list[EpisodeReturn] = []
        self._returns = Returns(n_agents, num_envs)
        self._steps = np.zeros(num_envs, np.int64)

    def begin(self, columns: NDArray[np.bool_] | None = None) -> None:
        """Forget the unfinished episodes of some columns, which have been reset; of all without an argument."""
        these: Any = slice(None) if columns is None else columns
        self._returns.clear(these)
        self._steps[these] = 0

    def add(
        self,
        local_rewards: NDArray[Any],
        ended: NDArray[np.bool_],
        team: NDArray[np.float64] | None = None,
    ) -> list[EpisodeReturn]:
        """Take in a step of every column.

        Args:
            local_rewards: ``(B, n)``, the agents' own, which nobody writes into later.
            ended: ``bool[B]``, whether it was the last of its episode.
            team: ``float64[B]``, their means over the agents that took part, where some didn't.

        Returns:
            The episodes that it ended, which are also appended to `episodes`.
        """
        self._returns.add(local_rewards.T, team)
        self._steps += 1
        self.env_steps += len(ended)
        if not ended.any():
            return []
        agents, whole = self._returns.agents(), self._returns.team()
        done = []
        for b in np.flatnonzero(ended).tolist():
            own = agents[:, b].copy()
            local = float(team_reward(own))
            done.append(EpisodeReturn(b, int(self._steps[b]), local, float(whole[b]), own))
        self.episodes += done
        self.begin(ended)
        return done


def _add_in_order(start: NDArray[np.float64], terms: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``((start + terms[0]) + terms[1]) + …``; ``np.sum`` would choose an order by shape."""
    every = np.concatenate([start[None], terms], dtype=np.float64)
    return np.asarray(np.add.accumulate(every, axis=0)[-1])
