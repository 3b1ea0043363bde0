"""What the learners of other libraries share: the vocabulary of `agents.Learner`; the learning is the library's."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from agents.learner import check_totals
from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_keywords,
    check_probability,
    check_real,
    check_seed,
    keep,
    shown,
)
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.returns import REWARDS, EpisodeTally
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.wrappers import NoisyReward, VectorNoisyReward
from crl_envs.wrappers.neighborhood_reward import paid_as

TAG: Final = 0x616374  # sets the stream of `act` apart from others derived from a seed


@dataclass(frozen=True)
class LibraryConfig:
    """Hyperparameters that the learners of all libraries have.

    Attributes:
        rewards: What agents learn from. ``"local"`` (default): their own rewards; ``"neighborhood"``: the means over
            their neighbourhoods; ``"global"``: the mean over agents, with noise that grows with n.
        agent_ids: Whether the network sees which agent it acts for, True by default. Without it agents that observe
            the same do the same, which is faster to learn where that is best and can't solve the bandit.
        learning_rate: Adam's step size > 0, 0.005 by default: the networks are small and the runs short.
        gamma: Discount in [0, 1], 0.99 by default.
        seed: 0 by default; an integer in [0, 2^32 − 1]. Fixes networks, actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    allowed_rewards: ClassVar[tuple[str, ...]] = REWARDS

    rewards: str = "local"
    agent_ids: bool = True
    learning_rate: float = 5e-3
    gamma: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "rewards", self.allowed_rewards)
        keep(self, check_bool, "agent_ids")
        keep(self, check_real, "learning_rate", low=0.0, open_low=True)
        keep(self, check_probability, "gamma")
        keep(self, check_seed, "seed", high=2**32 - 1)


class LibraryLearner(OwnsArrays, ABC):
    """Base of the learners that other libraries bring: the bench drives them as it drives `agents.Learner`.

    The library acts and learns on arrays: on the one column of a `WorldVectorEnv`, or the world of a `WorldEnv`; with
    the setting ``copies`` on as many columns, whose steps all count. Measured are always the agents' own rewards. A
    killed run begins anew: there are no checkpoints.

    Args:
        env: A `WorldVectorEnv` with one column, perhaps with noisy rewards, or a `WorldEnv`.
        **config: Fields of `config_class`: ``seed``, ``rewards`` and the library's own.

    Attributes:
        config: The hyperparameters, an object of `config_class`.
        vec: The environment as a vector env, with the rewards that `config` says.
        n_agents: Number of agents n.
        observation_space: Of one agent.
        n_actions: Of one agent.
        episodes: Episodes that have ended.
        env_steps: ``int64[1]``, environment steps learnt from.
        history: One dict an episode, as `agents.Learner` has it. It may be cleared.

    Raises:
        ValueError: Another kind of environment, an unknown hyperparameter or a bad value.
    """

    config_class: ClassVar[type[Any]]
    # What the bench asks of a class; see `crl_envs.bench.contract.Traits`.
    evaluates_greedily: ClassVar[bool] = False
    resumable: ClassVar[bool] = False
    measures_itself: ClassVar[bool] = True

    def __init__(self, env: Any, **config: Any) -> None:
        check_keywords(type(self).__name__, self.config_class, config)
        self.config = self.config_class(**config)
        vec = repeated(one_column(env), getattr(self.config, "copies", 1))
        base = cast(WorldVectorEnv, vec.unwrapped)
        world = base.world
        self.n_agents: int = world.n_agents
        self.agents = [f"agent_{i}" for i in range(self.n_agents)]
        self.observation_space: spaces.Space[Any] = world.single_observation_space
        self.n_actions = int(world.single_action_space.n)
        self.vec = paid_as(vec, self.config.rewards)
        self.env_steps = np.zeros(1, np.int64)
        self.episodes = 0
        self.history: list[dict[str, Any]] = []
        self._rng = np.random.default_rng([TAG, self.config.seed])

    @property
    @abstractmethod
    def tally(self) -> EpisodeTally:
        """What the library has done in the environment so far."""

    @abstractmethod
    def train(self, total_steps: int, total_episodes: float) -> None:
        """Go on learning for about `total_steps` environment steps and at most `total_episodes` further episodes."""

    @abstractmethod
    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the present policy: ``(B, n, A)``, of observations ``(B, n, …)`` and masks ``(B, n, A)``.

        A policy without chance gives one-hot vectors.
        """

    def learn(self, total_episodes: int | None = None, total_steps: int | None = None) -> Self:
        """Go on learning.

        Args:
            total_episodes: Number of further episodes.
            total_steps: Number of further environment steps; libraries round it up to whole rollouts.

        Returns:
            The learner.

        Raises:
            ValueError: Not exactly one of the totals, or not a whole number ≥ 0.
        """
        check_totals(total_episodes, total_steps)
        if total_steps is not None:
            goal = int(self.env_steps[0]) + check_int("total_steps", total_steps, low=0)
            while self.env_steps[0] < goal:
                self._train(goal - int(self.env_steps[0]), math.inf)
        else:
            last = self.episodes + check_int("total_episodes", total_episodes, low=0)
            while self.episodes < last:
                self._train(2**31 - 1, last - self.episodes)
        return self

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """Return actions of the present policy, drawn from a stream of their own.

        Args:
            observations: A dict agent → observation, of all agents, or an array ``(B, n, …)``.
            deterministic: The most probable action (the first of equals) instead of a random one.
            action_masks: What is legal: a dict agent → mask, or an array ``(B, n, A)``.

        Returns:
            For a dict, a dict of ints; for an array ``int64 (B, n)``.

        Raises:
            ValueError: A dict without all agents.
        """
        is_dict = isinstance(observations, Mapping)
        if is_dict:
            observations = stacked("observations", observations, self.agents)[None]
            if action_masks is not None:
                action_masks = stacked("masks", action_masks, self.agents)[None]
        chances = self.probabilities(np.asarray(observations), action_masks)
        if deterministic:
            actions = chances.argmax(-1)
        else:
            # The first action whose cumulative probability exceeds a uniform draw.
            heights = np.cumsum(chances, axis=-1, dtype=np.float64)
            drawn = self._rng.random(heights.shape[:-1]) * heights[..., -1]
            actions = (heights <= drawn[..., None]).sum(-1)
        actions = actions.astype(np.int64)
        return dict(zip(self.agents, actions[0].tolist(), strict=True)) if is_dict else actions

    def _train(self, total_steps: int, total_episodes: float) -> None:
        before = self.tally.env_steps
        self.train(total_steps, total_episodes)
        if self.tally.env_steps == before:
            raise RuntimeError(f"{type(self).__name__} took no step of {total_steps} asked for")
        self.env_steps = np.array([self.tally.env_steps])
        for ended in self.tally.episodes:
            returns = {
                "local_return_mean": ended.local_return,
                "global_return": ended.global_return,
            }
            self.history.append({"episode": self.episodes, "steps": ended.steps, **returns})
            self.episodes += 1
        self.tally.episodes.clear()


def stacked(what: str, by_agent: Mapping[Any, Any], agents: Sequence[Any]) -> NDArray[Any]:
    """Return what all agents have as ``(n, …)``.

    Raises:
        ValueError: An agent is missing.
    """
    missing = [agent for agent in agents if agent not in by_agent]
    if missing:
        raise ValueError(f"{what} must have all agents, missing {missing[:5]}")
    return np.stack([np.asarray(by_agent[agent]) for agent in agents])


def one_column(env: Any) -> VectorEnv[Any, Any, Any]:
    """Return the environment as a vector env of arrays with one column.

    Raises:
        ValueError: It isn't one of this package's worlds, or has several columns.
    """
    changed = overridden(env.unwrapped) if isinstance(env, WorldEnv | VectorEnv) else []
    if changed:
        raise ValueError(
            "env must step as its world does, since the library learns on the world's arrays; "
            f"{type(env.unwrapped).__name__} has its own {', '.join(changed)}. Use the library itself with an adapter "
            "of crl_envs.adapters, which steps such an environment"
        )
    if isinstance(env, WorldEnv):
        return WorldVectorEnv(env.world, 1)
    if not isinstance(env, VectorEnv) or not isinstance(env.unwrapped, WorldVectorEnv):
        raise ValueError(
            "env must be a WorldVectorEnv (crl_envs.make_vec) or a WorldEnv (crl_envs.make); for other ParallelEnvs "
            f"use the library itself with an adapter of crl_envs.adapters; got {shown(env)}"
        )
    if env.num_envs != 1:
        raise ValueError(f"env must have one column, got num_envs={env.num_envs}")
    return env


def repeated(vec: VectorEnv[Any, Any, Any], copies: int) -> VectorEnv[Any, Any, Any]:
    """Return another vector env like one with one column, with `copies` of them that don't reset by themselves.

    Returns:
        `vec` itself for one copy.

    Raises:
        ValueError: It has a wrapper other than those of `crl_envs.wrappers`.
    """
    if copies == 1:
        return vec
    if isinstance(vec, WorldVectorEnv):
        return WorldVectorEnv(vec.world, copies, AutoresetMode.DISABLED)
    if isinstance(vec, VectorNoisyReward) and not overridden(vec):
        noisy: VectorEnv[Any, Any, Any] = NoisyReward(
            repeated(vec.env, copies), vec.scale, vec.shared
        )
        return noisy
    raise ValueError(f"copies must be 1 for an environment with the wrapper {type(vec).__name__}")
