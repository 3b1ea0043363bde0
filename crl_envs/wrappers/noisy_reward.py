"""Gaussian noise on the rewards that are given, with the agents' own kept in the infos.

An agent that gets r from the wrapped environment gets r + σ z instead, z standard normal: σ is `scale`. The draws are
counter-based (`crl_envs.core.stream`): a function of the seed, the number of resets and steps since it was given, and
the agent. Two words u, v of an agent make its z by the transform of Box & Muller (1958, "A Note on the Generation of
Random Normal Deviates"): z = √(−2 ln u) cos 2πv, at most 6.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from crl_envs.core.arguments import check_bool, check_real
from crl_envs.core.stream import Purpose, Stream, UInt32Array, UInt64Array, words
from crl_envs.wrappers.global_reward import (
    Batch,
    ByAgent,
    RewardWrapper,
    VectorRewardWrapper,
    with_own,
)


class VectorNoisyReward(VectorRewardWrapper):
    """`NoisyReward` for a batch: rewards ``float64 (B, n)``; the rest is as `VectorGlobalReward` has it.

    ``infos["local_reward"]`` holds the agents' own rewards, ``(B, n)``. Columns whose step is a reset, or that stand
    still, have no noise. Arguments and errors are those of `NoisyReward`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], scale: float, shared: bool = True) -> None:
        super().__init__(env)
        self.scale = check_real("scale", scale, low=0.0)
        self.shared = check_bool("shared", shared)
        self._layer = layers_inside(env, VectorNoisyReward)

    def step(self, actions: NDArray[Any]) -> Batch:
        """As the wrapped environment's, with noisy rewards."""
        base = self._world_env
        keys, idle = base._stream.keys(Purpose.REWARD_NOISE), base._done.copy()
        observations, given, terminations, truncations, infos = self.env.step(actions)
        noise = draw_noise(keys, self.n_agents, self._layer, self.scale, self.shared)
        noise[:, idle] = 0.0
        rewards = given + noise.T
        return observations, rewards, terminations, truncations, {"local_reward": given, **infos}


class NoisyReward(RewardWrapper):
    """Add Gaussian noise to the rewards; ``infos[agent]["local_reward"]`` keeps the agent's own.

    ``NoisyReward(GlobalReward(env), scale=0.1)`` is a team reward that is measured with an error of 0.1, the same for
    everybody; ``NoisyReward(env, scale=0.1, shared=False)`` are local rewards each of which has an error of its own.
    Both returns stay measurable: where the wrapped environment reports a ``local_reward``, that one stays, elsewhere
    it is the reward without noise.

    The noise is seeded by ``reset(seed=…)`` and goes on with resets without one. Noise upon noise is independent.

    A `WorldVectorEnv` is accepted too and gives a `VectorNoisyReward`.

    Args:
        env: Any ParallelEnv, or a `WorldVectorEnv`, perhaps wrapped.
        scale: Standard deviation σ ≥ 0 of the noise of one step, in units of reward.
        shared: True (default): one draw a step, the same for all agents. False: one for each agent.

    Raises:
        ValueError: Another kind of environment, or a bad `scale` or `shared`.
    """

    def __new__(cls, env: Any = None, scale: float = 0.0, shared: bool = True) -> Any:
        """Make a `VectorNoisyReward` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorNoisyReward(env, scale, shared)
        return super().__new__(cls)

    def __init__(self, env: Any, scale: float, shared: bool = True) -> None:
        super().__init__(env)
        self.scale = check_real("scale", scale, low=0.0)
        self.shared = check_bool("shared", shared)
        self._layer = layers_inside(env, NoisyReward)
        self._stream = Stream(1)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """As the wrapped environment's.

        Raises:
            ValueError: The seed is not an integer in [0, 2^64 − 1].
        """
        if seed is not None:
            self._stream.seed(seed)
        result = super().reset(seed=seed, options=options)
        self._stream.advance()
        return result

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """As the wrapped environment's, with noisy rewards as ``float``."""
        observations, given, terminations, truncations, infos = self.env.step(actions)
        if not given:
            return observations, given, terminations, truncations, infos
        agents = self.env.possible_agents
        keys = self._stream.keys(Purpose.REWARD_NOISE)
        noise = draw_noise(keys, len(agents), self._layer, self.scale, self.shared)
        self._stream.advance()
        error = dict(zip(agents, noise[:, 0].tolist(), strict=True))
        rewards = {agent: float(reward) + error[agent] for agent, reward in given.items()}
        return observations, rewards, terminations, truncations, with_own(infos, given)


def draw_noise(
    keys: UInt64Array, n: int, layer: int, scale: float, shared: bool
) -> NDArray[np.float64]:
    """Return the errors of one step: ``float64[n, B]``.

    Args:
        keys: ``uint64[B]``, a key for each column.
        n: Number of agents.
        layer: How many other sources of noise have the same keys and come first.
        scale: Standard deviation.
        shared: Whether a column's agents have the same error.
    """
    drawn = words(keys, 2 * (1 if shared else n), first=2 * n * layer)
    noise = scale * standard_normal(drawn)
    return np.repeat(noise, n, axis=0) if shared else noise


def standard_normal(drawn: UInt32Array) -> NDArray[np.float64]:
    """Box & Muller's transform of pairs of words: ``uint32[2 m, B]`` to ``float64[m, B]``."""
    # Contiguous: NumPy may round the last bit of a logarithm or cosine otherwise for other strides.
    u = np.ascontiguousarray((drawn[0::2] + 1.0) * 2.0**-32)
    v = np.ascontiguousarray(drawn[1::2] * (np.pi * 2.0**-31))
    return np.asarray(np.sqrt(-2.0 * np.log(u)) * np.cos(v))


def layers_inside(env: Any, kind: type[Any]) -> int:
    """Return how many wrappers of that kind are around the innermost environment."""
    count = 0
    while env is not None:
        count += isinstance(env, kind)
        env = getattr(env, "env", None)
    return count
