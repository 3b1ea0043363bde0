"""A small correct environment, in methods that a broken one can override one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

LEVELS = 8
WAIT, RAISE, DIM = range(3)

OBSERVATION_SPACES: dict[str, Callable[[], spaces.Space[Any]]] = {
    "box": lambda: spaces.Box(0.0, 1.0, (2,), np.float32),
    "discrete": lambda: spaces.Discrete(LEVELS),
    "numpy-discrete": lambda: spaces.Discrete(LEVELS),
    "multi-discrete": lambda: spaces.MultiDiscrete([LEVELS, 100]),
    "multi-binary": lambda: spaces.MultiBinary(3),
    "dict": lambda: spaces.Dict(
        observation=spaces.Box(0.0, 1.0, (2,), np.float32),
        action_mask=spaces.Box(0, 1, (3,), np.int8),
    ),
}


class Lamps(ParallelEnv):
    """Each agent tends a flickering lamp, is paid for its brightness and pays for raising it.

    Args:
        n_agents: Number of agents.
        horizon: All agents are truncated after this many steps.
        leave: Chance that an agent terminates in a step.
        noisy: Whether lamps start at random and flicker.
        observing: A key of `OBSERVATION_SPACES`.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "lamps_v0"}

    def __init__(
        self,
        n_agents: int = 3,
        horizon: int = 8,
        leave: float = 0.0,
        noisy: bool = True,
        observing: str = "box",
    ) -> None:
        self.possible_agents = [f"agent_{i}" for i in range(n_agents)]
        self.agents: list[str] = []
        self.horizon, self.leave, self.noisy, self.observing = horizon, leave, noisy, observing
        self.state_space = spaces.Box(0, LEVELS - 1, (n_agents,), np.int64)
        self._observation_spaces = {
            a: OBSERVATION_SPACES[observing]() for a in self.possible_agents
        }
        self._action_spaces = {a: spaces.Discrete(3) for a in self.possible_agents}
        self.rng = np.random.default_rng()
        self.levels: dict[str, int] = {}
        self.t = 0

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._action_spaces[agent]

    def state(self) -> np.ndarray:
        return np.array(list(self.levels.values()), dtype=np.int64)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.seed(seed)
        self.t = 0
        self.agents = list(self.possible_agents)
        self.levels = {a: self.first_level() for a in self.agents}
        return self.for_all(self.observe), self.for_all(self.info)

    def step(self, actions: dict[str, int]) -> Any:
        self.t += 1
        for agent in self.agents:
            self.move(agent, int(actions[agent]))
        observations = self.for_all(self.observe)
        rewards = {a: self.reward(a, int(actions[a])) for a in self.agents}
        terminations = self.for_all(self.terminated)
        truncations = self.for_all(self.truncated)
        infos = self.for_all(self.info)
        self.agents = [a for a in self.agents if not (terminations[a] or truncations[a])]
        return observations, rewards, terminations, truncations, infos

    def for_all(self, function: Callable[[str], Any]) -> dict[str, Any]:
        return {agent: function(agent) for agent in self.agents}

    def seed(self, seed: int | None) -> None:
        if seed is not None:
            self.rng = np.random.default_rng(seed)

    def first_level(self) -> int:
        return int(self.rng.integers(LEVELS)) if self.noisy else LEVELS // 2

    def move(self, agent: str, action: int) -> None:
        level = self.levels[agent] + (action == RAISE) - (action == DIM)
        if self.noisy and self.rng.random() < 0.3:
            level = int(self.rng.integers(LEVELS))
        self.levels[agent] = min(max(level, 0), LEVELS - 1)

    def observe(self, agent: str) -> Any:
        level = self.levels[agent]
        box = np.array([level / (LEVELS - 1), self.t / self.horizon], dtype=np.float32)
        return {
            "box": box,
            "discrete": level,
            "numpy-discrete": np.uint8(level),
            "multi-discrete": np.array([level, self.t]),
            "multi-binary": np.array([level & 1, level & 2, level & 4], dtype=bool).astype(np.int8),
            "dict": {"observation": box, "action_mask": self.mask(agent)},
        }[self.observing]

    def reward(self, agent: str, action: int) -> Any:
        return self.levels[agent] / LEVELS - 0.1 * (action == RAISE)

    def terminated(self, agent: str) -> Any:
        return bool(self.leave > 0 and self.rng.random() < self.leave)

    def truncated(self, agent: str) -> Any:
        return self.t >= self.horizon

    def mask(self, agent: str) -> Any:
        level = self.levels[agent]
        return np.array([1, level < LEVELS - 1, level > 0], dtype=np.int8)

    def info(self, agent: str) -> Any:
        return {"action_mask": self.mask(agent), "level": self.levels[agent]}
