"""Episodes with what a learner has learnt, and a ParallelEnv that counts what is done with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs.bench.contract import Traits
from crl_envs.bench.experiment import Task
from crl_envs.core.returns import Returns, in_order, mean_of, own_rewards, team_reward


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


_TAG: Final = 0x6576616C  # sets these seeds apart from others derived from a run's


class Found(NamedTuple):
    """What an evaluation found; see `crl_envs.bench.store.Evaluation`."""

    global_return: float
    local_return: float
    episodes: int
    illegal_actions: float | None


def evaluation_seed(seed: int, budget: int) -> int:
    """Return the seed of the environment in which a run is evaluated after a budget."""
    words = np.random.SeedSequence([_TAG, seed, budget]).generate_state(2)
    return int(words[0]) << 31 | int(words[1]) >> 1  # below 2^63: room for the columns


def evaluate(task: Task, learner: Any, traits: Traits, episodes: int, seed: int) -> Found:
    """Play episodes by the learner's present policy, without noise on the rewards and without learning.

    A learner that takes vector environments plays them all at once, another one after the other.

    Raises:
        ValueError: Actions that aren't in their space, or missing.
        Exception: Whatever the learner raises.
    """
    task = replace(task, reward_noise=0.0)
    if traits.measures_itself:
        return _at_once(task.make_vec(episodes), learner, traits, seed)
    return _one_by_one(MeasuredEnv(task.make(), seed), learner, traits, episodes)


def _at_once(env: Any, learner: Any, traits: Traits, seed: int) -> Found:
    observations, infos = env.reset(seed=seed)
    running = np.ones(env.num_envs, np.bool_)
    returns = Returns(env.n_agents, env.num_envs)
    illegal = acted = 0
    while running.any():
        masks = infos.get("action_mask")
        actions = learner.act(observations, traits.evaluates_greedily, action_masks=masks)
        observations, rewards, terminations, truncations, infos = env.step(actions)
        returns.add(np.where(running, rewards.T, 0.0))
        acted += env.n_agents * int(running.sum())
        if "illegal_action" in infos:
            illegal += int(infos["illegal_action"][running].sum())
        running &= ~(terminations | truncations)
    team, own = returns.team(), team_reward(returns.agents())
    return Found(float(team.mean()), float(own.mean()), env.num_envs, illegal / max(acted, 1))


def _one_by_one(env: MeasuredEnv, learner: Any, traits: Traits, episodes: int) -> Found:
    act = acting(learner, traits.evaluates_greedily)
    for _ in range(episodes):
        observations, infos = env.reset()
        while env.agents:
            actions = act(observations, infos)
            observations, _, _, _, infos = env.step(actions)
    return measured(env, episodes)


def measured(env: MeasuredEnv, episodes: int) -> Found:
    """Return the last episodes of a measured environment, and the illegal actions of all of them."""
    return Found(
        float(np.mean(env.global_returns[-episodes:])),
        float(np.mean(env.local_returns[-episodes:])),
        episodes,
        env.illegal_actions / max(env.agent_steps, 1),
    )


def acting(learner: Any, deterministic: bool) -> Callable[[Any, Any], Any]:
    """Return `learner.act` as a function of observations and infos, with masks if it takes them."""
    if "action_masks" not in inspect.signature(learner.act).parameters:
        return lambda observations, infos: learner.act(observations, deterministic=deterministic)

    def act(observations: Any, infos: Any) -> Any:
        masks = {a: info["action_mask"] for a, info in infos.items() if "action_mask" in info}
        return learner.act(observations, deterministic=deterministic, action_masks=masks or None)

    return act
