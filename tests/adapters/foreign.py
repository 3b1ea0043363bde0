"""Environments for the adapters: a constant one, and our own as anybody else's would look."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

import crl_envs
from tests.core.toy import ToyEnv


class Constant(ParallelEnv):
    """Every agent always observes 0 and is paid 1, for `horizon` steps that end in a truncation or a termination."""

    metadata: ClassVar[dict[str, Any]] = {"name": "constant"}

    def __init__(self, n_agents: int = 2, horizon: int = 5, ends: str = "truncated") -> None:
        self.possible_agents = [f"agent_{i}" for i in range(n_agents)]
        self.agents: list[str] = []
        self.horizon, self.ends = horizon, ends
        self.seeds: list[int | None] = []
        self.steps = 0
        self._observation_space, self._action_space = spaces.Discrete(2), spaces.Discrete(2)
        self.state_space = spaces.MultiDiscrete([2])

    def observation_space(self, agent: str) -> Any:
        return self._observation_space

    def action_space(self, agent: str) -> Any:
        return self._action_space

    def state(self) -> Any:
        return np.zeros(1, np.int64)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.seeds.append(seed)
        self.agents = self.possible_agents[:]
        self.t = 0
        return dict.fromkeys(self.agents, 0), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        assert set(actions) == set(self.agents)
        self.t += 1
        self.steps += 1
        everybody = self.agents
        over = dict.fromkeys(everybody, self.t == self.horizon)
        on = dict.fromkeys(everybody, False)
        terminated, truncated = (over, on) if self.ends == "terminated" else (on, over)
        if self.t == self.horizon:
            self.agents = []
        infos: dict[str, Any] = {agent: {} for agent in everybody}
        return (
            dict.fromkeys(everybody, 0),
            dict.fromkeys(everybody, 1.0),
            terminated,
            truncated,
            infos,
        )


class Foreign(BaseParallelWrapper):
    """One of our environments as somebody else's: nothing says that there is a world inside."""

    def __init__(self, id: str = "crl/sysadmin-v0", **kwargs: Any) -> None:
        super().__init__(crl_envs.make(id, **kwargs))


class Asked(Constant):
    """Keeps the options of its last reset."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.options = options
        return super().reset(seed)


# Worlds whose episodes end in every way there is: what makes them, and with which arguments.
WORLDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "bandit": ("crl/bandit-v0", {"n_agents": 3}),  # one step, terminated
    "sysadmin": ("crl/sysadmin-v0", {"n_agents": 3, "horizon": 5}),  # truncated
    "toy": (ToyEnv, {}),  # either, staggered
    "load balancing": ("crl/load_balancing-v0", {"n_agents": 3, "n_loads": 4}),
    "foreign": (Foreign, {"n_agents": 4, "horizon": 5}),
    "constant": (Constant, {"n_agents": 2, "horizon": 5}),
}
