"""Observations that are sometimes wrong: each component replaced, now and then, by one drawn from its space."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs.core.arguments import check_probability, shown
from crl_envs.core.copies import CopiesApart
from crl_envs.core.stream import Purpose, Stream, UInt64Array, threshold, words
from crl_envs.wrappers.global_reward import Batch, ByAgent, VectorRewardWrapper
from crl_envs.wrappers.noisy_reward import layers_inside
from crl_envs.wrappers.shown import ShowsWhatItWraps


class VectorNoisyObservation(VectorRewardWrapper):
    """`NoisyObservation` for a batch; arguments and errors are those of `NoisyObservation`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], probability: float) -> None:
        super().__init__(env)
        self.probability = check_probability("probability", probability)
        self._sizes = _sizes(self._world_env.single_observation_space)
        if self._sizes is None:
            raise ValueError(f"{_WANTED}, got {shown(self._world_env.single_observation_space)}")
        self._layer = layers_inside(env, VectorNoisyObservation)

    def reset(self, **kwargs: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """As the wrapped environment's, with noisy observations."""
        observations, infos = self.env.reset(**kwargs)
        return self._noisy(observations, self._world_env._stream), infos

    def step(self, actions: NDArray[Any]) -> Batch:
        """As the wrapped environment's, with noisy observations, ``final_obs`` among them."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        stream = self._world_env._stream
        if "final_obs" in infos:  # seen one tick before what the new episode begins with
            before = Stream(self.num_envs)
            before.seeds = stream.seeds
            before._begin(stream.clock - np.uint64(1))
            final = infos["final_obs"]
            ended = np.flatnonzero(infos["_final_obs"])
            last = np.zeros_like(observations)
            last[ended] = np.stack(final[ended].tolist())
            last = self._noisy(last, before)
            final[ended] = [last[b] for b in ended]
        return self._noisy(observations, stream), rewards, terminations, truncations, infos

    def _noisy(self, observations: NDArray[Any], stream: Stream) -> NDArray[Any]:
        flat = observations.reshape(len(observations), -1)
        keys = stream.keys(Purpose.OBSERVATION_NOISE)
        noisy = add_noise(flat.T, self._sizes, self.probability, keys, self._layer)
        return noisy.T.reshape(observations.shape)


class NoisyObservation(ShowsWhatItWraps, CopiesApart, BaseParallelWrapper):
    """Replace each agent's observation, with some probability, by a uniformly random one of its space.

    Of a MultiDiscrete observation every component on its own. What is drawn may be what is there: a Discrete(2)
    observation is wrong with half of the probability. The noise is independent of agent, component and step, seeded by
    ``reset(seed=…)``, and goes on with resets without one. Rewards, infos and ``state()`` stay as they are.

    A `WorldVectorEnv` is accepted too and gives a `VectorNoisyObservation`, whose columns are the same environments.

    Args:
        env: Any ParallelEnv with Discrete or MultiDiscrete observations, or a `WorldVectorEnv`, perhaps wrapped.
        probability: Of a replacement, 0 to 1.

    Raises:
        ValueError: Another kind of environment or observation, or a bad `probability`.
    """

    def __new__(cls, env: Any = None, probability: float = 0.0) -> Any:
        """Make a `VectorNoisyObservation` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorNoisyObservation(env, probability)
        return super().__new__(cls)

    def __init__(self, env: Any, probability: float) -> None:
        if not isinstance(env, ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv or a WorldVectorEnv, got {shown(env)}")
        super().__init__(env)
        self.probability = check_probability("probability", probability)
        self._components: dict[Any, slice] = {}
        self._firsts: dict[Any, Any] = {}
        sizes: list[NDArray[np.int64]] = []
        count = 0
        for agent in env.possible_agents:
            space = env.observation_space(agent)
            found = _sizes(space)
            if found is None:
                raise ValueError(f"{_WANTED}, got {shown(space)} of {agent}")
            sizes.append(found)
            self._components[agent] = slice(count, count := count + found.size)
            self._firsts[agent] = space.start
        self._all_sizes = np.concatenate(sizes)
        self._layer = layers_inside(env, NoisyObservation)
        self._stream = Stream(1)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """As the wrapped environment's, with noisy observations.

        Raises:
            ValueError: The seed is not an integer in [0, 2^64 − 1].
        """
        if seed is not None:
            self._stream.seed(seed)
        observations, infos = self.env.reset(seed=seed, options=options)
        self._stream.advance()
        return self._noisy(observations), infos

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """As the wrapped environment's, with noisy observations."""
        observations, *rest = self.env.step(actions)
        if observations:
            self._stream.advance()
        return self._noisy(observations), *rest

    def _noisy(self, observations: dict[Any, Any]) -> dict[Any, Any]:
        flat = np.zeros((self._all_sizes.size, 1), np.int64)
        for agent, seen in observations.items():
            flat[self._components[agent], 0] = np.ravel(
                np.asarray(seen, np.int64) - self._firsts[agent]
            )
        keys = self._stream.keys(Purpose.OBSERVATION_NOISE)
        noisy = add_noise(flat, self._all_sizes, self.probability, keys, self._layer)[:, 0]
        made = {}
        for agent, seen in observations.items():
            own = noisy[self._components[agent]]
            if isinstance(seen, np.ndarray):
                made[agent] = (own.reshape(seen.shape) + self._firsts[agent]).astype(seen.dtype)
            else:
                made[agent] = type(seen)(own[0] + self._firsts[agent])
        return made


def add_noise(
    seen: NDArray[Any],
    sizes: NDArray[np.int64],
    probability: float,
    keys: UInt64Array,
    layer: int = 0,
) -> NDArray[Any]:
    """Return observations some of which are replaced.

    Args:
        seen: ``[C, B]``, components counted from 0.
        sizes: ``int64[C]``, how many values each has.
        probability: Of a replacement.
        keys: ``uint64[B]``, a key for each column.
        layer: How many other sources of noise have the same keys and come first.
    """
    drawn = words(keys, len(sizes), first=2 * len(sizes) * layer).astype(np.uint64)
    limit = threshold(probability)
    random = drawn * sizes.astype(np.uint64)[:, None] // np.maximum(limit, np.uint64(1))
    return np.where(drawn < limit, random.astype(seen.dtype), seen)


_WANTED = "env must have Discrete or MultiDiscrete observations"


def _sizes(space: Any) -> Any:
    """Return how many values each component has, ``int64[C]``; None for other spaces."""
    if isinstance(space, spaces.Discrete):
        return np.array([space.n], np.int64)
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ravel().astype(np.int64)
    return None
