"""The environment under test: how to make it, how hard to test it, and what it did by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gymnasium.spaces import Space

from crl_envs.testing.rollouts import Episode, ParallelEnvLike, Step, space_of

EnvFn = Callable[[], ParallelEnvLike]

BRIEF = 30  # steps of an episode that need not be whole


@dataclass(frozen=True)
class Recording:
    """The episodes of one environment, seeded one by one, and its spaces."""

    episodes: tuple[list[Step], ...]
    observation_spaces: dict[Any, Space[Any]]
    action_spaces: dict[Any, Space[Any]]
    state_space: Any  # None where the env has none

    @property
    def steps(self) -> Iterator[Step]:
        """The steps of all episodes."""
        return (step for episode in self.episodes for step in episode)


@dataclass(frozen=True)
class Subject:
    """The environment under test, and how hard to test it.

    Args:
        env_fn: Gives a fresh environment at each call.
        episodes: Number of episodes that the checks of returned values look at.
        max_steps: Episodes that last longer are cut off after this many steps.
        seed: Base of the seeds: `seed + 1`, `seed + 2`, … go to `reset`. (0 has its own check.)
        stochastic: Whether episodes with different seeds are expected to differ.

    Raises:
        ValueError: An argument is out of range.
    """

    env_fn: EnvFn
    episodes: int = 2
    max_steps: int = 500
    seed: int = 0
    stochastic: bool = True

    def __post_init__(self) -> None:
        if not callable(self.env_fn):
            raise ValueError(f"env_fn={self.env_fn!r}: expected a callable that returns an env")
        for name, least in (("episodes", 1), ("max_steps", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value!r}: expected an int of at least {least}")

    @contextmanager
    def fresh(self) -> Iterator[ParallelEnvLike]:
        """Yield a fresh environment, closed at the end."""
        with closing(self.env_fn()) as env:
            yield env

    def begin(
        self, env: ParallelEnvLike, k: int | None, *, actions: int = 0, number: int = 0
    ) -> Episode:
        """Reset `env` with the k-th seed (without one if k is None); the episode to be played."""
        seed = None if k is None else self.seed + 1 + k
        return Episode(env, seed=seed, actions=actions, limit=self.max_steps, number=number)

    def play(
        self, env: ParallelEnvLike, k: int | None, *, actions: int = 0, number: int = 0
    ) -> list[Step]:
        """Return what `begin` gives, played to the end."""
        return self.begin(env, k, actions=actions, number=number).finish()

    @cached_property
    def reference(self) -> Recording:
        """`episodes` episodes played in one environment by itself, the k-th with the k-th seed."""
        with self.fresh() as env:
            played = tuple(self.play(env, k, actions=k, number=k) for k in range(self.episodes))
            possible = played[0][0].possible_agents
            return Recording(
                episodes=played,
                observation_spaces={a: space_of(env, "observation_space", a) for a in possible},
                action_spaces={a: space_of(env, "action_space", a) for a in possible},
                state_space=getattr(env, "state_space", None),
            )

    def play_on(self, env: ParallelEnvLike, k: int, count: int) -> tuple[list[Step], ...]:
        """Return a whole episode with the k-th seed, then `count` steps each of two without a seed."""
        first = self.play(env, k)
        after = [self.begin(env, None, number=number).play(count) for number in (1, 2)]
        return (first, *after)
