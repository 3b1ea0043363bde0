"""ParallelEnvs as somebody else would write them: odd ids, own spaces for every agent, agents that leave early."""

from __future__ import annotations

from typing import Any, ClassVar

import networkx as nx
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

COLOURS = ["red", "green", "blue"]


class Leavers(ParallelEnv):
    """Agent k leaves after k + 1 steps, all but the last terminated; the last is truncated, or terminated as asked.

    The reward of agent k at step t for action a is ``a + 10 k + 100 t``, t from 1. Actions start at k. What an
    agent sees is the number of steps so far, as ``Discrete(5, start=k)``.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "leavers",
        "render_modes": ["ansi"],
        "render_fps": 4,
    }

    def __init__(self, last: str = "truncated", render_mode: str | None = None) -> None:
        self.possible_agents = COLOURS[:]
        self.agents: list[str] = []
        self.last = last
        self.render_mode = render_mode
        self.closed = False
        self.told: list[tuple[Any, Any]] = []  # (seed, options) of the resets
        self.given: list[dict[str, Any]] = []  # actions of the steps
        self._observed = {a: spaces.Discrete(5, start=k) for k, a in enumerate(COLOURS)}
        self._acted = {a: spaces.Discrete(2 + k, start=k) for k, a in enumerate(COLOURS)}

    def observation_space(self, agent: str) -> Any:
        return self._observed[agent]

    def action_space(self, agent: str) -> Any:
        return self._acted[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.told.append((seed, options))
        self.agents = self.possible_agents[:]
        self.t = 0
        return self._observe(self.agents), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        assert set(actions) == set(self.agents)
        self.given.append(actions)
        self.t += 1
        took_part = self.agents
        rewards = {a: float(actions[a] + 10 * k + 100 * self.t) for k, a in self._numbered()}
        ended = {a: self.t > k for k, a in self._numbered()}
        truncated = {a: ended[a] and a == "blue" and self.last != "terminated" for a in took_part}
        terminated = {a: ended[a] and not truncated[a] for a in took_part}
        infos = {a: {"step": self.t} for a in took_part}
        observations = self._observe(took_part)
        self.agents = [a for a in took_part if not ended[a]]
        return observations, rewards, terminated, truncated, infos

    def render(self) -> str:
        return f"step {self.t}"

    def close(self) -> None:
        self.closed = True

    def state(self) -> Any:
        return np.array([self.t])

    def _numbered(self) -> list[tuple[int, str]]:
        return [(k, a) for k, a in enumerate(COLOURS) if a in self.agents]

    def _observe(self, agents: list[str]) -> dict[str, Any]:
        return {a: self.t + k for k, a in enumerate(COLOURS) if a in agents}


class Spaced(ParallelEnv):
    """Agents with the given spaces, which observe samples, for one step that pays `pay`; `masks` go into the infos."""

    metadata: ClassVar[dict[str, Any]] = {"name": "spaced"}
    pay = 1.0

    def __init__(
        self, observed: dict[Any, Any], acted: dict[Any, Any], masks: dict[Any, Any] | None = None
    ) -> None:
        self.possible_agents = list(observed)
        self.agents: list[Any] = []
        self.observed, self.acted, self.masks = observed, acted, masks or {}

    def observation_space(self, agent: Any) -> Any:
        return self.observed[agent]

    def action_space(self, agent: Any) -> Any:
        return self.acted[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents = self.possible_agents[:]
        for k, space in enumerate(self.observed.values()):
            space.seed(None if seed is None else seed + k)
        return self._observe()

    def step(self, actions: dict[Any, Any]) -> Any:
        for agent, action in actions.items():
            assert action in self.acted[agent], (agent, action)
        self.last_actions = actions
        observations, infos = self._observe()
        everybody, self.agents = self.agents, []
        false, true = dict.fromkeys(everybody, False), dict.fromkeys(everybody, True)
        return observations, dict.fromkeys(everybody, self.pay), true, false, infos

    def _observe(self) -> Any:
        self.seen = {agent: space.sample() for agent, space in self.observed.items()}
        infos = {a: {"action_mask": self.masks[a]} if a in self.masks else {} for a in self.agents}
        return self.seen, infos


class Line(Leavers):
    """`Leavers` that know their neighbours: red – green – blue, told in the infos or by a graph."""

    def __init__(self, tell: str) -> None:
        super().__init__()
        self.tell = tell
        if tell == "graph of ids":
            self.topology = nx.DiGraph([("red", "green"), ("blue", "green")])
        elif tell == "graph of numbers":
            self.topology = nx.Graph([(2, 1), (0, 1)])
        elif tell == "graph of others":
            self.topology = nx.path_graph(["x", "y", "z"])

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, infos = super().reset(seed, options)
        near = {"red": ("green",), "green": ("red", None, "blue"), "blue": ["green"]}
        if self.tell in ("infos", "strangers"):
            infos = {agent: {"neighbors": near[agent]} for agent in infos}
        if self.tell == "strangers":
            infos["red"]["neighbors"] = ("mauve",)
        return observations, infos
