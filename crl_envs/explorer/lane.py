"""One learner on an environment of its own, and what there is to see of it: its curve, its picture, its numbers."""

from __future__ import annotations

import inspect
import io
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np

import crl_envs
from crl_envs.bench.contract import Traits
from crl_envs.bench.learners import PRESETS, LearnerSpec, installed_learners, learner_spec
from crl_envs.core.arrays import Returns, in_order, team_reward
from crl_envs.explorer.worlds import WORLDS, Task

WINDOW: Final = 20  # episodes of the moving mean

_ENDLESS: Final = 10**12  # episodes
_BETWEEN: Final = 0.1  # seconds between two pictures, at least
_STRIDE: Final = 20  # steps between two points of an episode's progress
_SHARE: Final = 3.0  # as many times what drawing takes is left for learning
_DRAWING: Final = Lock()  # one picture at a time, whoever asks: drawing libraries share caches
# They learn from batches, not step by step, and importing them takes seconds.
_LIBRARIES: Final = "agents.libraries."

Point = TypeVar("Point")


@dataclass(frozen=True)
class Points:
    """A curve as it is drawn.

    Attributes:
        episodes: Numbers of the episodes, from 1, ascending.
        returns: Return of each of them, mean over agents.
        means: Mean return of each and the up to `WINDOW` − 1 episodes before it.
    """

    episodes: list[int]
    returns: list[float]
    means: list[float]


class Curve:
    """The return of every episode, mean over agents. One thread may append while others read."""

    def __init__(self) -> None:
        self._returns = array("d")

    def __len__(self) -> int:
        return len(self._returns)

    def append(self, value: float) -> None:
        """Add an episode's return."""
        self._returns.append(value)

    @property
    def returns(self) -> list[float]:
        """All of them."""
        return self._returns.tolist()

    @property
    def last(self) -> float | None:
        """The latest return."""
        return self._returns[-1] if self._returns else None

    @property
    def mean(self) -> float | None:
        """The mean of the last `WINDOW` returns."""
        return float(np.mean(self._returns[-WINDOW:])) if self._returns else None

    def points(self, most: int) -> Points:
        """At most `most` points, evenly spread; the last episode is always among them."""
        returns = np.array(
            self._returns[:]
        )  # of a copy: what is read as a whole can't grow meanwhile
        total = returns.size
        sums = np.concatenate([[0.0], np.cumsum(returns)])
        ends = np.arange(1, total + 1)
        starts = np.maximum(ends - WINDOW, 0)
        means = (sums[ends] - sums[starts]) / (ends - starts)
        chosen = np.array(thinned(range(total), most), np.int64)
        return Points(
            (chosen + 1).tolist(),
            returns[chosen].round(6).tolist(),
            means[chosen].round(6).tolist(),
        )


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` of them, evenly spread; the last is always among them."""
    stride = max(-(-len(points) // most), 1)
    return list(points[::-1][::stride])[::-1]


@dataclass(frozen=True)
class Sight:
    """Describe a learner at one moment.

    Attributes:
        episodes: Whole episodes learnt from.
        step: Of the running episode, or the length of the one that has ended.
        env_steps: Environment steps in all.
        last_return: Of the last whole episode, mean over agents; None before the first.
        mean_return: Mean of the last episodes' (see `WINDOW`).
        metrics: The numbers among the environment's ``metrics()``.
        frame: A PNG file; None where nobody looks, or before there is one.
    """

    episodes: int = 0
    step: int = 0
    env_steps: int = 0
    last_return: float | None = None
    mean_return: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    frame: bytes | None = None


class Lane:
    """A learner that learns until it is stopped.

    The curve is of what it earns while it learns. A learner that explores for as long as it learns (see
    `Traits.evaluates_greedily`) shows nothing there, so its greedy policy plays an episode of its own after each one.

    Args:
        task: What it learns.
        name: Of the learner.
        in_view: Whether its environment is to be drawn, at rest (True is passed) or in passing; asked each time.

    Attributes:
        sight: The latest. It is replaced, never changed.
        curve: Returns so far.
        progress: (step, how far it is) of the running episode or of the one that has ended, every 20 steps; empty
            in a world without `World.progress`.
        env: The environment; None until `prepare`.
        tries: Another environment, in which the greedy policy plays; None where it doesn't.
    """

    def __init__(self, task: Task, name: str, in_view: Callable[[bool], bool]) -> None:
        self.name = name
        self.sight = Sight()
        self.curve = Curve()
        self.progress: list[tuple[int, float]] = []
        self.env: Any = None
        self.tries: Any = None
        self._task = task
        self._in_view = in_view
        self._learner: Any = None
        self._due = 0.0

    def prepare(self) -> None:
        """Make the environment and the learner.

        Raises:
            ValueError: They don't go together, or a bad argument.
            MissingLibraryError: A library that they need is missing.
        """
        self.env = self._task.make_env("rgb_array")
        self._learner = self._task.make_learner(self.name, self.env)
        self.env.reset(seed=self._task.seed)  # to be seen; `learn` begins with the same reset
        if Traits(type(self._learner)).evaluates_greedily:
            self.tries = self._task.make_env("rgb_array")
            self.tries.reset(seed=self._task.seed)

    def learn(self, after_step: Callable[[], None], after_episode: Callable[[], None]) -> None:
        """Learn until one of the callbacks raises something.

        Args:
            after_step: Called after each step but an episode's last.
            after_episode: Called after each episode, when the learner has learnt from it.
        """

        def step_taken(learner: Any) -> None:
            if learner.elapsed % _STRIDE == 0 or not self.env.agents:
                self._follow(learner.elapsed)
            if self.env.agents:
                self._look_now_and_then()
                after_step()

        def episode_played(learner: Any) -> None:
            earned = learner.history[-1]["local_return_mean"]
            learner.history.clear()  # else it would grow for as long as a page is open
            self.curve.append(earned if self.tries is None else greedy_return(learner, self.tries))
            self._look_now_and_then()
            after_episode()

        self._learner.learn(_ENDLESS, callback=episode_played, step_callback=step_taken)

    def look(self, at_rest: bool = True) -> None:
        """Make `sight` what it is now."""
        begun = time.monotonic()
        learner = self._learner
        running = bool(self.env.agents)
        env = self.env if running or self.tries is None else self.tries
        metrics = env.unwrapped.metrics() if hasattr(env.unwrapped, "metrics") else {}
        self.sight = Sight(
            episodes=learner.episodes,
            step=learner.elapsed,
            env_steps=int(learner.env_steps[0]) + (learner.elapsed if running else 0),
            last_return=self.curve.last,
            mean_return=self.curve.mean,
            metrics={k: float(v) for k, v in metrics.items() if isinstance(v, int | float)},
            frame=draw(env) if self._in_view(at_rest) else None,
        )
        now = time.monotonic()
        self._due = now + max(_BETWEEN, _SHARE * (now - begun))

    def _follow(self, step: int) -> None:
        metric = WORLDS[self._task.world].progress
        if metric is None:
            return
        if self.progress and self.progress[-1][0] >= step:
            self.progress = []
        self.progress.append((step, float(self.env.unwrapped.metrics()[metric])))

    def _look_now_and_then(self) -> None:
        if time.monotonic() >= self._due:
            self.look(at_rest=False)


def greedy_return(learner: Any, env: Any) -> float:
    """Play an episode by a learner's most probable actions.

    Returns:
        The return, mean over agents.
    """
    observations, _ = env.reset()
    agents = list(env.possible_agents)
    returns = Returns(len(agents), 1)
    while env.agents:
        observations, rewards, *_ = env.step(learner.act(observations, deterministic=True))
        returns.add(in_order(rewards, agents)[:, None])
    return float(team_reward(returns.agents())[0])


def draw(env: Any) -> bytes:
    """Return the present state of an environment with ``render_mode="rgb_array"`` as a PNG file.

    It is packed for speed, since it only goes through this machine.
    """
    from PIL import Image

    with _DRAWING:
        frame = env.unwrapped.render()
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


@cache
def suitable_learners(world: str) -> tuple[str, ...]:
    """Names of learners that learn step by step on that world, found by trying each on a small instance of it.

    One that explores for as long as it learns must have a greedy policy from the first episode on, to be shown.

    A name that is another one with its settings left at their defaults (``reinforce`` beside ``reinforce-local``) is
    left out.

    Args:
        world: Key of a world.
    """
    settled = {source for source, _ in PRESETS.values()}
    every = sorted({*installed_learners(), *PRESETS})
    names = [name for name in every if _learns_live(learner_spec(name), world)]
    return tuple(name for name in names if name not in settled or f"{name}-local" not in names)


def explores_apart(name: str) -> bool:
    """Whether a learner explores for as long as it learns, so that its greedy policy is shown instead."""
    return Traits(learner_spec(name).load()).evaluates_greedily


def _learns_live(spec: LearnerSpec, world: str) -> bool:
    if installed_learners()[spec.source].value.startswith(_LIBRARIES):
        return False
    try:
        cls = spec.load()
        if "step_callback" not in inspect.signature(cls.learn).parameters:  # type: ignore[attr-defined]
            return False
        env = crl_envs.make(WORLDS[world].id, **WORLDS[world].small)
        learner = cls(env, seed=0, **spec.config).learn(total_episodes=1)
        if Traits(cls).evaluates_greedily:
            greedy_return(learner, env)
    except Exception:  # another package's learner may raise anything where it doesn't fit
        return False
    return True
