"""``render``: a learner at work, as a picture or a film."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import crl_envs
from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import MeasuredEnv, acting
from crl_envs.bench.learners import LearnerSpec, learner_spec
from crl_envs.bench.store import writable_folder
from crl_envs.commands.console import counting_bar, refusals, say
from crl_envs.core.arguments import check_int, check_seed
from crl_envs.rendering.film import Film
from crl_envs.wrappers.neighborhood_reward import paid_as

_MOST_STEPS: Final = 100_000
_LONGEST: Final = 10_000  # steps of an episode that a learner which counts in steps is trained on


def render(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of an environment in `crl-envs list`.")],
    out: Annotated[
        Path, typer.Option(help="File: .png (the last frame), .gif or .mp4.", show_default=False)
    ],
    learner: Annotated[
        str,
        typer.Option(
            "--learner", "--policy", help="A learner in `crl-envs list`, or module:Class."
        ),
    ] = "random",
    n_agents: Annotated[
        int | None, typer.Option(help="Number of agents.", show_default="the environment's")
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Steps to play, in as many episodes as they take.")
    ] = 60,
    every: Annotated[int, typer.Option(help="Steps between frames.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the learner and the environment.")] = 0,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second.", show_default="the environment's")
    ] = None,
    train: Annotated[int, typer.Option(help="Episodes to learn from before.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another argument of the environment, as topology=star; repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a picture or a film of a learner at work.

    Learners that are scored by what they do while they learn (reinforce, crl and the policies that learn nothing) go on
    learning in the film; the others show what they have learnt from `--train` episodes.
    """
    with refusals():
        check_int("steps", steps, low=1, high=_MOST_STEPS)
        check_int("every", every, low=1, high=steps)
        check_int("train", train, low=0)
        check_seed("seed", seed)
        spec = learner_spec(learner)
        traits = Traits(spec.load())
        env = _made(id, n_agents, settings or [])
        rate = env.metadata.get("render_fps", 10) if fps is None else fps
        film = Film(writable_folder(out.parent) / out.name, rate)
        stride = (
            steps if film.path.suffix.lower() == ".png" else every
        )  # of a picture only the last
        with film, counting_bar() as progress:
            task = progress.add_task("frames", total=steps // stride)
            student = _Student(env, spec, traits, seed)
            student.train(train)

            def shoot() -> None:
                film.add(env.render())
                progress.advance(task)

            student.perform(steps, stride, shoot)
        env.close()
    count = "1 frame" if film.frames == 1 else f"{film.frames} frames, {rate:g} a second"
    say(f"{film.path}: {count}")


class _Enough(Exception):
    """All steps have been played."""


class _Student:
    """A learner on the environment that it is filmed in."""

    def __init__(self, env: Any, spec: LearnerSpec, traits: Traits, seed: int) -> None:
        self._traits, self._seed = traits, seed
        cls: Any = spec.load()
        self._learns_on = (
            traits.measures_itself
            and not traits.evaluates_greedily
            and "step_callback" in inspect.signature(cls.learn).parameters
        )
        self._env = paid_as(env, traits.trains_on)
        if not traits.measures_itself:
            self._env = MeasuredEnv(self._env, seed)
        elif self._learns_on:  # no compiled loops, whose actions the pictures wouldn't know
            self._env = MeasuredEnv(self._env)
        self._name = spec.label
        self._learner = cls(self._env, seed=seed, **spec.config)

    def train(self, episodes: int) -> None:
        """Learn from so many episodes.

        Raises:
            ValueError: The learner counts in steps, and an episode may be very long.
        """
        if episodes == 0:
            return
        if self._traits.measures_itself:
            self._learner.learn(total_episodes=episodes)
            return
        horizon = getattr(getattr(self._env.unwrapped, "world", None), "horizon", None) or 1
        if horizon > _LONGEST:
            raise ValueError(
                f"train: {self._name} counts in steps, and an episode may have {horizon} here; "
                "limit it: --set max_steps=1000"
            )
        self._learner.learn(total_steps=episodes * horizon)

    def perform(self, steps: int, every: int, shoot: Callable[[], None]) -> None:
        """Play, and call `shoot` after every so-many-th step."""
        played = 0

        def count(_: Any = None) -> None:
            nonlocal played
            played += 1
            if played % every == 0:
                shoot()
            if played == steps:
                raise _Enough

        try:
            if self._learns_on:
                self._learner.learn(total_steps=steps, step_callback=count)
            else:
                self._act(count)
        except _Enough:
            pass

    def _act(self, count: Callable[[], None]) -> None:
        env = self._env
        act = acting(self._learner, self._traits.evaluates_greedily)
        seed: int | None = self._seed
        while True:
            observations, infos = env.reset(seed=seed)
            seed = None
            while env.agents:
                observations, _, _, _, infos = env.step(act(observations, infos))
                count()


def _made(id: str, n_agents: int | None, settings: list[str]) -> Any:
    """The environment, with frames.

    Raises:
        ValueError: A bad argument, or an environment without frames.
    """
    arguments: dict[str, Any] = {} if n_agents is None else {"n_agents": n_agents}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"set must be KEY=VALUE, got {setting!r}")
        if key == "render_mode":
            raise ValueError("set: render_mode is rgb_array here, of which the film is made")
        if key in arguments:
            raise ValueError(f"{key} must be given once, got {arguments[key]!r} and {text}")
        arguments[key] = _value(text)
    env = crl_envs.make(id, render_mode="rgb_array", **arguments)
    modes = env.metadata.get("render_modes", [])
    if "rgb_array" not in modes:
        raise ValueError(
            f"{id} has no render mode 'rgb_array', which films are made of; it has {modes}"
        )
    return env


def _value(text: str) -> Any:
    """A Python literal, else the text itself: ``20``, ``[1, 2]``, ``None``, ``star``."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
