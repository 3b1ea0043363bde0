"""Learners that do what learners shouldn't, and some that do."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np


class Uniform:
    """Uniformly random actions by the dict API; learns nothing."""

    def __init__(self, env: Any, seed: int = 0) -> None:
        self.env = env
        self.rng = np.random.default_rng(seed)

    def learn(self, total_steps: int) -> Uniform:
        observations, steps = None, 0
        while steps < total_steps:
            observations, _ = self.env.reset()
            while self.env.agents:
                observations, *_ = self.env.step(self.act(observations))
                steps += 1
        return self

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return {
            agent: int(self.rng.integers(self.env.action_space(agent).n)) for agent in observations
        }


class Counting(Uniform):
    """Resumable, and does at random what depends on all rewards that it has ever had."""

    resumable = True
    total = 0.0

    def learn(self, total_steps: int) -> Counting:
        steps = 0
        while steps < total_steps:
            observations, _ = self.env.reset()
            while self.env.agents:
                observations, rewards, *_ = self.env.step(self.act(observations))
                self.total += sum(k * reward for k, reward in enumerate(rewards.values(), 1))
                steps += 1
        return self

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        drawn = super().act(observations)
        return {agent: (action + int(self.total)) % 2 for agent, action in drawn.items()}

    def save(self, path: Any) -> None:
        text = json.dumps({"total": self.total, "rng": self.rng.bit_generator.state})
        Path(path).write_text(text)

    @classmethod
    def load(cls, path: Any, env: Any) -> Counting:
        learner, found = cls(env), json.loads(Path(path).read_text())
        learner.total, learner.rng.bit_generator.state = found["total"], found["rng"]
        return learner


class Team(Uniform):
    """Notes the rewards that it is given."""

    trains_on = "global"
    rewards: list[dict[str, float]] = []  # noqa: RUF012

    def learn(self, total_steps: int) -> Team:
        observations, _ = self.env.reset()
        _, rewards, *_ = self.env.step(self.act(observations))
        type(self).rewards.append(rewards)
        return self


class Odd(Uniform):
    """Actions that aren't there."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return dict.fromkeys(observations, 7)


class NotANumber(Uniform):
    """Actions that are no numbers."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, Any]:
        return dict.fromkeys(observations, float("nan"))


class Forbidden(Uniform):
    """The last action, whatever the mask says."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return {agent: int(self.env.action_space(agent).n) - 1 for agent in observations}


class Crashing(Uniform):
    def learn(self, total_steps: int) -> Crashing:
        raise ZeroDivisionError("as it was told to")


class Idle(Uniform):
    """Doesn't take a step."""

    def learn(self, total_steps: int) -> Idle:
        return self


class Versioned(Uniform):
    """Its record is to have the version of a package that others don't have."""

    packages = ("typer", "not-there-at-all")


class Hanging(Uniform):
    def learn(self, total_steps: int) -> Hanging:
        while True:
            time.sleep(0.01)


class Dying(Uniform):
    def learn(self, total_steps: int) -> Dying:
        os.kill(os.getpid(), signal.SIGKILL)
        return self


class Greedy(Uniform):
    """Of memory."""

    def learn(self, total_steps: int) -> Greedy:
        self.hoard = [np.ones(2**22) for _ in range(1000)]
        return self


class Slow(Counting):
    """As `Counting`, with time to be killed in."""

    def learn(self, total_steps: int) -> Slow:
        time.sleep(0.05)
        super().learn(total_steps)
        return self
