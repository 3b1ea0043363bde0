"""How many episodes a learner needs, against n: the points that gather while somebody tries one size after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from crl_envs.bench.learners import find_learner
from crl_envs.core.optimum import Optimum
from crl_envs.explorer.choices import Value
from crl_envs.explorer.curve import WINDOW, Curve
from crl_envs.explorer.worlds import WORLDS, Task

GOAL_SHARE: Final = 0.8  # of the way from random actions to the best policy known
_EPISODES: Final = 50  # of random actions


@dataclass(frozen=True)
class Marks:
    """What a task's returns are measured by.

    Attributes:
        optimum: What is known about the best policy.
        goal: The return at `GOAL_SHARE` of the way; None in worlds where an episode takes too long to play many.
    """

    optimum: Optimum
    goal: float | None


@dataclass(frozen=True)
class Sample:
    """How long a learner took to reach the goal.

    Attributes:
        learner: Its name.
        setting: The world and what isn't at its default, without n.
        size: n.
        seed: Of the run.
        episodes: After which the mean of the last `WINDOW` had reached the goal, or that it has learnt from so far.
        reached: Whether it has.
        touched: Whether somebody has changed the world by hand.
    """

    learner: str
    setting: str
    size: int
    seed: int
    episodes: int
    reached: bool
    touched: bool


def setting_of(task: Task, name: str) -> str:
    """Return what makes the samples of one learner comparable: all but n and the seed."""
    return ", ".join([task.world, *task.settings(name, size=False)])


def sample_of(
    task: Task, name: str, curve: Curve, marks: Marks | None, touched: bool
) -> Sample | None:
    """Return the point of one learner's run; None where there is none (yet)."""
    has_size = any(choice.name == "n_agents" for choice in WORLDS[task.world].choices)
    if marks is None or marks.goal is None or not has_size or len(curve) < WINDOW:
        return None
    at = curve.first_at(marks.goal)
    size, episodes = int(task.arguments()["n_agents"]), len(curve) if at is None else at
    setting = setting_of(task, name)
    return Sample(name, setting, size, task.seed, episodes, at is not None, touched)


def marks_of(task: Task) -> Marks:
    """Return the optimum and the goal of a task's world; they are remembered."""
    return _marks(task.world, tuple(sorted(task.values.items())))


@lru_cache(maxsize=64)
def _marks(world: str, values: tuple[tuple[str, Value], ...]) -> Marks:
    chosen: Mapping[str, Value] = dict(values)
    env = Task(world, chosen).make_env()
    optimum: Optimum = env.unwrapped.optimum()
    if WORLDS[world].progress is not None:
        return Marks(optimum, None)
    history = find_learner("random")(env, seed=0).learn(total_episodes=_EPISODES).history
    random = float(np.mean([entry["local_return_mean"] for entry in history]))
    best = optimum.lower if math.isfinite(optimum.lower) else optimum.value
    return Marks(optimum, random + GOAL_SHARE * (best - random))
