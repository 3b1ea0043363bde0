"""REINFORCE once more, in plain Python and from its definition, to hold the learner against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pettingzoo.utils.wrappers import BaseParallelWrapper

STEP = 1e-5  # of the numeric derivative


class Act(NamedTuple):
    """What one agent saw, was allowed and did, and what it got."""

    row: int
    mask: tuple[int, ...]
    action: int
    reward: float


def discrete_row(observation: Any, space: Any) -> int:
    return int(observation) - int(space.start)


class Recorder(BaseParallelWrapper):
    """Keeps the episodes that are played through it.

    Attributes:
        seeds: What the resets were given.
        episodes: Of each episode the steps; of each step the agents that took part, in their order.
    """

    def __init__(self, env: Any, row_of: Callable[[Any, Any], int] = discrete_row) -> None:
        super().__init__(env)
        self.row_of = row_of
        self.seeds: list[int | None] = []
        self.episodes: list[list[dict[Any, Act]]] = []

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.seen, self.infos = self.env.reset(seed=seed, options=options)
        self.seeds.append(seed)
        self.episodes.append([])
        return self.seen, self.infos

    def step(self, actions: dict[Any, int]) -> Any:
        seen, infos = self.seen, self.infos
        result = self.env.step(actions)
        self.seen, rewards, *_, self.infos = result
        step = {}
        for agent, action in actions.items():
            space = self.env.action_space(agent)
            mask = infos[agent].get("action_mask", (1,) * int(space.n))
            row = self.row_of(seen[agent], self.env.observation_space(agent))
            step[agent] = Act(row, tuple(mask), action - int(space.start), rewards[agent])
        self.episodes[-1].append(step)
        return result


class Flaky(Recorder):
    """Fails once, after `steps_left` steps."""

    steps_left = -1

    def step(self, actions: Any) -> Any:
        self.steps_left -= 1
        if self.steps_left == 0:
            raise KeyboardInterrupt
        return super().step(actions)


Parameters = dict[tuple[Any, int, int], float]  # (agent, row, action) to a logit; others are 0


@dataclass
class Textbook:
    """The parameters and baselines after some recorded episodes.

    Args:
        agents: All agents.
        credit: For each agent those whose rewards count, and the share of each; or None: the mean over whoever
            took part in the step.
        rate: α.
        baseline_rate: β, or None without a baseline.
    """

    agents: list[Any]
    credit: Mapping[Any, Mapping[Any, float]] | None
    rate: float
    baseline_rate: float | None

    def __post_init__(self) -> None:
        self.theta: Parameters = {}
        self.baseline: dict[Any, float] = {}

    def learn(self, episode: list[dict[Any, Act]]) -> None:
        gains = {agent: self.gain(agent, episode) for agent in self.agents}
        if self.baseline_rate is None:
            self.baseline = dict.fromkeys(self.agents, 0.0)
        elif not self.baseline:
            self.baseline = dict(gains)
        gradients = {agent: self.gradient(agent, episode) for agent in self.agents}
        for agent in self.agents:
            advantage = gains[agent] - self.baseline[agent]
            for key, slope in gradients[agent].items():
                change = self.rate / len(episode) * slope * advantage
                self.theta[key] = self.theta.get(key, 0.0) + change
            self.baseline[agent] += (self.baseline_rate or 0.0) * advantage

    def gain(self, agent: Any, episode: list[dict[Any, Act]]) -> float:
        """G: the sum over the steps."""
        total = 0.0
        for step in episode:
            shares = (
                dict.fromkeys(step, 1 / len(step)) if self.credit is None else self.credit[agent]
            )
            total += sum(share * step[a].reward for a, share in shares.items() if a in step)
        return total

    def gradient(self, agent: Any, episode: list[dict[Any, Act]]) -> Parameters:
        """The derivative of the log-likelihood of the agent's actions, by central differences."""
        acts = [step[agent] for step in episode if agent in step]
        keys = {(agent, act.row, a) for act in acts for a in range(1, len(act.mask))}
        return {key: self.slope(agent, acts, key) for key in keys}

    def slope(self, agent: Any, acts: list[Act], key: tuple[Any, int, int]) -> float:
        middle = self.theta.get(key, 0.0)
        values = []
        for shifted in (middle + STEP, middle - STEP):
            self.theta[key] = shifted
            values.append(sum(math.log(self.probability(agent, act)) for act in acts))
        self.theta[key] = middle
        return (values[0] - values[1]) / (2 * STEP)

    def probability(self, agent: Any, act: Act) -> float:
        weights = [
            math.exp(self.theta.get((agent, act.row, a), 0.0)) if legal else 0.0
            for a, legal in enumerate(act.mask)
        ]
        return weights[act.action] / sum(weights)
