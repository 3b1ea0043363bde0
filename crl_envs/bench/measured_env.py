"""A ParallelEnv that counts what is done with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs.core.arrays import Returns, in_order, mean_of, own_rewards, team_reward


class EnoughEpisodes(BaseException):
    """The learner has had the episodes that it was to have. No `Exception`, which its code might catch."""


class MeasuredEnv(BaseParallelWrapper):
    """Counts steps and sums the agents' own rewards, whatever rewards they are given.

    Args:
        env: Any ParallelEnv; ``infos[agent]["local_reward"]`` is an agent's own reward where it is there.
        seed: Of the first reset, when that comes without one.

    Attributes:
        env_steps: Steps taken.
        agent_steps: The same times the agents that took part.
        illegal_actions: Actions that the mask forbade (``infos[agent]["illegal_action"]``).
        global_returns: Of each episode that has ended: the sum over steps of the mean own reward.
        local_returns: Of each: the mean over agents of the sum of own rewards.
        most_episodes: After so many episodes a reset raises `EnoughEpisodes`; None for no limit.
    """

    def __init__(self, env: Any, seed: int | None = None) -> None:
        super().__init__(env)
        self._seed = seed
        self.env_steps = 0
        self.agent_steps = 0
        self.illegal_actions = 0
        self.global_returns: list[float] = []
        self.local_returns: list[float] = []
        self.most_episodes: int | None = None
        self._everyone = list(env.possible_agents)
        self._returns = Returns(len(self._everyone), 1)

    def go_on(self) -> None:
        """Let the first reset be without a seed too: the environment's streams are put where they were."""
        self._seed = None

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """Reset the environment; an episode that hadn't ended doesn't count.

        Raises:
            EnoughEpisodes: There have been `most_episodes`.
        """
        if self.most_episodes is not None and len(self.global_returns) >= self.most_episodes:
            raise EnoughEpisodes
        if seed is None:
            seed = self._seed
        self._seed = None
        self._returns.clear()
        result: tuple[dict[Any, Any], dict[Any, dict[str, Any]]] = self.env.reset(
            seed=seed, options=options
        )
        return result

    def step(self, actions: dict[Any, Any]) -> Any:
        """Step the environment, and count."""
        acting = len(self.env.agents)
        result = self.env.step(actions)
        if not acting:
            return result
        _, rewards, _, _, infos = result
        self.env_steps += 1
        self.agent_steps += acting
        self.illegal_actions += sum(bool(i.get("illegal_action", False)) for i in infos.values())
        own = own_rewards(rewards, infos)
        team = None if list(own) == self._everyone else np.array([mean_of(own)])
        self._returns.add(in_order(own, self._everyone)[:, None], team)
        if not self.env.agents:
            self.global_returns.append(float(self._returns.team()[0]))
            self.local_returns.append(float(team_reward(self._returns.agents())[0]))
        return result
