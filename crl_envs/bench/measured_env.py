"""A ParallelEnv that counts what is done with it."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils.wrappers import BaseParallelWrapper


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
        self._team, self._own = 0.0, dict.fromkeys(env.possible_agents, 0.0)

    def go_on(self) -> None:
        """Let the first reset be without a seed too: the environment's streams are put where they were."""
        self._seed = None

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """As the environment's; an episode that hadn't ended doesn't count.

        Raises:
            EnoughEpisodes: There have been `most_episodes`.
        """
        if self.most_episodes is not None and len(self.global_returns) >= self.most_episodes:
            raise EnoughEpisodes
        if seed is None:
            seed = self._seed
        self._seed = None
        self._team, self._own = 0.0, dict.fromkeys(self.possible_agents, 0.0)
        result: tuple[dict[Any, Any], dict[Any, dict[str, Any]]] = self.env.reset(
            seed=seed, options=options
        )
        return result

    def step(self, actions: dict[Any, Any]) -> Any:
        """As the environment's."""
        acting = len(self.env.agents)
        result = self.env.step(actions)
        if not acting:
            return result
        _, rewards, _, _, infos = result
        self.env_steps += 1
        self.agent_steps += acting
        total = 0.0
        for agent, reward in rewards.items():
            info = infos[agent]
            own = float(info.get("local_reward", reward))
            self._own[agent] += own
            total += own
            self.illegal_actions += bool(info.get("illegal_action", False))
        self._team += total / len(rewards)
        if not self.env.agents:
            self.global_returns.append(self._team)
            self.local_returns.append(sum(self._own.values()) / len(self._own))
        return result
