"""The worlds of the page, and the environments and learners that follow from what is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import crl_envs
from crl_envs.bench.learners import LearnerSpec, learner_spec
from crl_envs.core.arguments import check_choice, check_int, check_seed
from crl_envs.explorer.choices import Choice, Value, World
from crl_envs.explorer.games import GAMES
from crl_envs.explorer.queueing import QUEUEING
from crl_envs.explorer.spreading import SPREADING

MOST_LIVE: Final = 10_000  # agents; a step of more takes too long to be watched
NOBODY: Final = "nobody"  # in the place of a second learner

WORLDS: Final[Mapping[str, World]] = {world.key: world for world in (*SPREADING, *QUEUEING, *GAMES)}


@dataclass(frozen=True)
class Task:
    """What has been chosen: a world, its arguments, and who learns.

    Attributes:
        world: Key of a world.
        values: By name of the choice; what is left out is at its default.
        learner: Name of a learner, as in ``crl-envs list``.
        rival: Name of another one that learns the same task beside it, or ``"nobody"``.
        seed: Of the learners and their environments.
        episodes: After how many they rest.
    """

    world: str
    values: Mapping[str, Value] = field(default_factory=dict)
    learner: str = "random"
    rival: str = NOBODY
    seed: int = 0
    episodes: int = 1000

    @property
    def names(self) -> tuple[str, ...]:
        """The learners."""
        return (
            (self.learner,) if self.rival in (NOBODY, self.learner) else (self.learner, self.rival)
        )

    def value(self, name: str) -> Value:
        """What is chosen for `name`."""
        chosen: Value = self.values.get(name, WORLDS[self.world].choice(name).default)
        return chosen

    def arguments(self) -> dict[str, Any]:
        """The environment's arguments.

        Raises:
            ValueError: A value that no environment takes, as a text for a number.
        """
        world = WORLDS[check_choice("world", self.world, WORLDS)]
        chosen = {c.name: _checked(c, self.value(c.name)) for c in world.choices if not c.learner}
        if "n_agents" in chosen:
            check_int("n_agents", chosen["n_agents"], low=1)
            if chosen["n_agents"] > MOST_LIVE:
                raise ValueError(
                    f"n_agents must be at most {MOST_LIVE:,} to be watched live, got "
                    f"{chosen['n_agents']:,}; for more there are crl-envs run and crl-envs sweep"
                )
        return chosen if world.arguments is None else world.arguments(chosen)

    def make_env(self, render_mode: str | None = None) -> Any:
        """A new environment.

        Raises:
            ValueError: A bad argument, or a render mode that there isn't.
        """
        return crl_envs.make(WORLDS[self.world].id, render_mode=render_mode, **self.arguments())

    def make_learner(self, name: str, env: Any) -> Any:
        """A new learner of that name.

        Raises:
            ValueError: It isn't there, doesn't suit the environment, or a bad argument.
            MissingLibraryError: A library that it needs is missing.
        """
        check_int("episodes", self.episodes, low=1)
        spec = learner_spec(name)
        own = {
            choice.name: _checked(choice, self.value(choice.name))
            for choice in WORLDS[self.world].choices
            if choice.learner == spec.source
        }
        seed = check_seed("seed", self.seed)
        return spec.load()(env, seed=seed, **{**spec.config, **own})

    def label(self, name: str) -> str:
        """The learner with whatever isn't at its default: a curve's name."""
        settings = self.settings(name)
        return f"{name}, {', '.join(settings)}" if settings else name

    def settings(self, name: str, size: bool = True) -> list[str]:
        """What isn't at its default for that learner, for people; n always is, unless it is left out."""
        source = learner_spec(name).source
        return [
            f"{choice.label.split(' (')[0]} {_short(self.value(choice.name))}"
            for choice in WORLDS[self.world].choices
            if choice.learner in (None, source)
            and (size if choice.name == "n_agents" else self.value(choice.name) != choice.default)
        ]


def shown_choices(world: World, names: tuple[str, ...]) -> list[Choice]:
    """The choices of a world that mean something to these learners."""
    sources = {spec.source for spec in map(_known, names) if spec is not None}
    return [
        choice for choice in world.choices if choice.learner is None or choice.learner in sources
    ]


def default_task(key: str) -> Task:
    """What a world begins with on the page."""
    world = WORLDS[key]
    return Task(key, {}, world.learner, world.rival, episodes=world.episodes)


def _known(name: str) -> LearnerSpec | None:
    try:
        return learner_spec(name)
    except ValueError:
        return None


def _checked(choice: Choice, value: Any) -> Any:
    """A number that a field of a page has given, as an int where it is a whole one."""
    if choice.kind == "select":
        return check_choice(choice.name, value, choice.options)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{choice.name} must be a number, got {value!r}")
    return int(value) if choice.kind == "whole" and float(value).is_integer() else value


def _short(value: Any) -> str:
    """A value for people; an empty field gives None."""
    if value is None:
        return "?"
    return value if isinstance(value, str) else f"{value:,.10g}"
