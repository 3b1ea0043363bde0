"""The environment under test: how to make it, how hard to test it, and what it did by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypedDict

from gymnasium.spaces import Space

from crl_envs.testing.errors import ConformanceError, fault, quote
from crl_envs.testing.rollouts import Episode, ParallelEnvLike, Step

EnvFn = Callable[[], ParallelEnvLike]

BRIEF = 30  # steps of an episode that need not be whole


@dataclass(frozen=True)
class Recording:
    """The episodes of one environment, seeded one by one, and its spaces."""

    episodes: tuple[list[Step], ...]
    broken: ConformanceError | None  # why the last one ends where it does, and no other follows
    observation_spaces: dict[Any, Space[Any]]
    action_spaces: dict[Any, Space[Any]]
    state_space: Any  # None where the env has none

    @property
    def steps(self) -> Iterator[Step]:
        """The steps of all episodes."""
        return (step for episode in self.episodes for step in episode)


class Settings(TypedDict, total=False):
    """How hard to test an environment, and what it needn't do; see `Subject`."""

    episodes: int
    max_steps: int
    max_turns: int
    seed: int
    stochastic: bool
    pickling: bool
    generated: bool
    vector_rewards: bool


@dataclass(frozen=True)
class Subject:
    """The environment under test, how hard to test it, and what it needn't do.

    Args:
        env_fn: Gives a fresh environment at each call; called fewer than thirty times.
        episodes: Number of episodes that the checks of returned values look at.
        max_steps: Episodes that last longer are cut off after this many steps; that is no fault.
        max_turns: The same for the actions of all agents together, so that many agents don't take longer.
        seed: Base of the seeds: `seed + 1`, `seed + 2`, … go to `reset`. (0 has its own check.)
        stochastic: Whether the environment is random, so that episodes with different seeds, and
            successive episodes, are expected to differ. With False they may, but need not.
        pickling: Whether to check `pickle` and `deepcopy`.
        generated: Whether agents may appear that `possible_agents` doesn't list.
        vector_rewards: Whether a reward is an array with a number for each objective.

    Raises:
        ValueError: An argument is out of range.
    """

    env_fn: EnvFn
    episodes: int = 2
    max_steps: int = 500
    max_turns: int = 2_500
    seed: int = 0
    stochastic: bool = True
    pickling: bool = True
    generated: bool = False
    vector_rewards: bool = False

    def __post_init__(self) -> None:
        if not callable(self.env_fn):
            raise ValueError(f"env_fn={self.env_fn!r}: expected a callable that returns an env")
        for name, least in (("episodes", 1), ("max_steps", 1), ("max_turns", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value!r}: expected an int of at least {least}")
        for name in ("stochastic", "pickling", "generated", "vector_rewards"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r}: expected True or False")

    def relaxed(self) -> Subject:
        """Return the same subject, of which nothing random is expected."""
        same = replace(self, stochastic=False)
        vars(same).update({"reference": self.reference})
        return same

    @contextmanager
    def fresh(self) -> Iterator[ParallelEnvLike]:
        """Yield a fresh environment, closed at the end.

        Raises:
            ConformanceError: `api` if there is none to be had, or it can't be closed.
        """
        try:
            made = self.env_fn()
        except Exception as error:
            raise fault("api", f"making the env raised {type(error).__name__}: {error}") from error
        if isinstance(made, type) or not hasattr(made, "close"):
            raise fault("api", f"making the env gave {quote(made)}, expected a ParallelEnv")
        try:
            yield made
        except BaseException:
            with suppress(Exception):  # what was found first is raised
                made.close()
            raise
        try:
            made.close()
        except Exception as error:
            raise fault("api", f"close() raised {type(error).__name__}: {error}") from error

    def begin(
        self, env: ParallelEnvLike, k: int | None, *, actions: int = 0, number: int = 0
    ) -> Episode:
        """Reset `env` with the k-th seed (without one if k is None); the episode to be played."""
        seed = None if k is None else self.seed + 1 + k
        return self.begin_with(env, seed, actions=actions, number=number)

    def begin_with(
        self, env: ParallelEnvLike, seed: int | None, *, actions: int = 0, number: int = 0
    ) -> Episode:
        """Reset `env` with this very seed; the episode to be played."""
        return Episode(
            env,
            seed=seed,
            actions=actions,
            limit=self.max_steps,
            turns=self.max_turns,
            number=number,
        )

    def play(
        self, env: ParallelEnvLike, k: int | None, *, actions: int = 0, number: int = 0
    ) -> list[Step]:
        """Return what `begin` gives, played to the end."""
        return self.begin(env, k, actions=actions, number=number).finish()

    @cached_property
    def reference(self) -> Recording:
        """`episodes` episodes played in one environment by itself, the k-th with the k-th seed.

        Raises:
            ConformanceError: There is not even a first reset.
        """
        played: list[Episode] = []
        broken = None
        with self.fresh() as env:
            try:
                for k in range(self.episodes):
                    played.append(self.begin(env, k, actions=k, number=k))
                    played[-1].finish()
            except ConformanceError as error:
                if not played:
                    raise
                broken = error
            return Recording(
                episodes=tuple(episode.steps for episode in played),
                broken=broken,
                observation_spaces=_joined(episode.observation_spaces for episode in played),
                action_spaces=_joined(episode.action_spaces for episode in played),
                state_space=_state_space(env),
            )

    def play_on(self, env: ParallelEnvLike, k: int, count: int) -> tuple[list[Step], ...]:
        """Return a whole episode with the k-th seed, then `count` steps each of two without a seed."""
        first = self.play(env, k)
        after = [self.begin(env, None, number=number).play(count) for number in (1, 2)]
        return (first, *after)


def _state_space(env: Any) -> Any:
    try:
        return getattr(env, "state_space", None)
    except NotImplementedError:
        return None


def _joined(parts: Iterable[dict[Any, Space[Any]]]) -> dict[Any, Space[Any]]:
    """Return one dict of all; of an agent the first entry."""
    return {agent: space for part in reversed(list(parts)) for agent, space in part.items()}
