"""Returns of the episodes that pass through an adapter, local and global, whatever rewards the library is given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays
from crl_envs.core.reduction import team_reward


class EpisodeReturn(NamedTuple):
    """What an episode brought.

    Attributes:
        column: Which of the B environments.
        steps: Its length in environment steps.
        local_return: Mean over agents of the sum of own rewards.
        global_return: Sum over steps of the mean own reward: the same, since all agents take part in every step.
        agent_returns: ``float64[n]``, each agent's sum of own rewards.
    """

    column: int
    steps: int
    local_return: float
    global_return: float
    agent_returns: NDArray[np.float64]


class EpisodeTally(OwnsArrays):
    """Adds up own rewards until episodes end.

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
        self._own = np.zeros((num_envs, n_agents))
        self._steps = np.zeros(num_envs, np.int64)

    def begin(self, columns: NDArray[np.bool_] | None = None) -> None:
        """Forget the unfinished episodes of some columns, which have been reset; of all without an argument."""
        these: Any = slice(None) if columns is None else columns
        self._own[these], self._steps[these] = 0.0, 0

    def add(self, local_rewards: NDArray[Any], ended: NDArray[np.bool_]) -> list[EpisodeReturn]:
        """Take in a step of every column.

        Args:
            local_rewards: ``(B, n)``, the agents' own.
            ended: ``bool[B]``, whether it was the last of its episode.

        Returns:
            The episodes that it ended, which are also appended to `episodes`.
        """
        self._own += local_rewards
        self._steps += 1
        self.env_steps += len(ended)
        if not ended.any():
            return []
        done = []
        for b in np.flatnonzero(ended).tolist():
            mean = float(team_reward(self._own[b]))
            own = self._own[b].copy()
            done.append(EpisodeReturn(b, int(self._steps[b]), mean, mean, own))
        self.episodes += done
        self.begin(ended)
        return done
