"""Any environment as arrays, and what an episode of it adds up to.

`view_of` takes a ParallelEnv (one column) or a vector env in the layout of `crl_envs.core.WorldVectorEnv` (B
columns). Every column is an episode of its own; columns start together, and one that has finished waits,
ignored, until all have.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from agents.array_view import ArrayView, Transition
from agents.parallel_view import ParallelView
from agents.vector_view import VectorView
from crl_envs.core.arguments import shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.reduction import team_reward

_MOST_WAITING: Final = 128  # steps


def view_of(env: Any, rows: bool = True) -> ArrayView:
    """The view of a ParallelEnv or of a vector env; its frames tell observations apart only with `rows`.

    Raises:
        ValueError: Another kind of environment, or spaces that don't make a table.
    """
    if isinstance(env, VectorEnv):
        return VectorView(env, rows)
    if isinstance(env, ParallelEnv):
        return ParallelView(env, rows)
    raise ValueError(f"env must be a ParallelEnv or a vector env, got {shown(env)}")


class Episode(OwnsArrays):
    """Sums over one episode in every column.

    Args:
        view: The environment.

    Attributes:
        steps: ``int64[B]``, length T.
        elapsed: Steps played so far.
        metrics: The environment's measurements of the state in which each column ended, ``(B, …)``.
    """

    def __init__(self, view: ArrayView) -> None:
        self._view = view
        self._given = _Sums(view)
        self._local = self._given
        self.elapsed = 0
        self.steps = np.zeros(view.num_envs, np.int64)
        self.metrics: dict[str, NDArray[Any]] = {}

    def add(self, transition: Transition) -> None:
        """Count one step."""
        rewards, local, team, ended, _ = transition
        if local is not rewards and self._local is self._given:
            self._local = copy.deepcopy(self._given)
        self._given.add(rewards, None if team is None else team.given)
        if self._local is not self._given:
            self._local.add(local, None if team is None else team.local)
        self.elapsed += 1
        if ended is not None:
            self.steps[ended] = self.elapsed
            self._measure(ended)

    def running_totals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sums so far, to be added to in place: ``float64[n, B]`` of the agents, ``float64[B]`` of the team."""
        return self._given.agents(), self._given.team()

    def count(self, steps: int) -> None:
        """Count steps of a single environment whose rewards were added to `running_totals`."""
        self.elapsed += steps
        if not self._view.n_running:
            self.steps[:] = self.elapsed
            self._measure(np.ones(1, np.bool_))

    @property
    def returns(self) -> NDArray[np.float64]:
        """``float64[n, B]``: each agent's sum of the rewards that it was given."""
        return self._given.agents()

    @property
    def team_return(self) -> NDArray[np.float64]:
        """``float64[B]``: the sum over the steps of the mean reward of the agents that took part."""
        return self._given.team()

    @property
    def local_returns(self) -> NDArray[np.float64]:
        """``float64[n, B]``: as `returns`, of the agents' own rewards."""
        return self._local.agents()

    @property
    def local_team_return(self) -> NDArray[np.float64]:
        """``float64[B]``: as `team_return`, of the agents' own rewards."""
        return self._local.team()

    def _measure(self, ended: NDArray[np.bool_]) -> None:
        for name, values in self._view.metrics().items():
            if name in self.metrics:
                self.metrics[name][ended] = values[ended]
            else:
                self.metrics[name] = np.array(values)


class _Sums(OwnsArrays):
    """Sums of rewards over time, for each agent and for the team; adds step by step, but many steps at once."""

    def __init__(self, view: ArrayView) -> None:
        self._agents = np.zeros((view.n_agents, view.num_envs))
        self._team = np.zeros(view.num_envs)
        self._waiting: list[NDArray[Any]] = []

    def add(self, rewards: NDArray[Any], team: NDArray[np.float64] | None) -> None:
        """Add ``[n, B]`` and the team's ``[B]``, by default their mean."""
        if team is None:
            self._waiting.append(rewards)
            if len(self._waiting) == _MOST_WAITING:
                self._settle()
        else:
            self._settle()
            self._agents = self._agents + rewards
            self._team = self._team + team

    def agents(self) -> NDArray[np.float64]:
        self._settle()
        return self._agents

    def team(self) -> NDArray[np.float64]:
        self._settle()
        return self._team

    def _settle(self) -> None:
        if not self._waiting:
            return
        steps = np.stack(self._waiting, axis=1)  # [n, T, B]
        self._waiting = []
        n, t, b = steps.shape
        means = team_reward(steps.reshape(n, t * b)).reshape(t, b)
        self._team = _add_in_order(self._team, means)
        self._agents = _add_in_order(self._agents, steps.swapaxes(0, 1))


def _add_in_order(start: NDArray[np.float64], terms: NDArray[Any]) -> NDArray[np.float64]:
    """``((start + terms[0]) + terms[1]) + …``: ``np.sum`` would choose an order by shape."""
    every = np.concatenate([start[None], terms], dtype=np.float64)
    return np.asarray(np.add.accumulate(every, axis=0)[-1])
