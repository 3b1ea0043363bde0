"""The agents' view: every agent of every environment as one sub-environment of a Gymnasium vector env."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from crl_envs.core.arguments import check_options
from crl_envs.core.copies import CopiesApart
from crl_envs.core.vector import StepResult, WorldVectorEnv


class AgentVectorEnv(CopiesApart, VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """A `WorldVectorEnv` of B environments and n agents as ``num_envs = B·n`` single-agent environments.

    Sub-environment ``b·n + i`` is agent i of environment b, with its own observation, action and local reward;
    all n of an environment end and reset together. For training one shared policy with single-agent libraries.

    Args:
        vec: The batch of multi-agent environments.
    """

    def __init__(self, vec: WorldVectorEnv) -> None:
        self.vec = vec
        self.world = vec.world
        self.n_agents = vec.n_agents
        self.num_envs = vec.num_envs * vec.n_agents
        self.metadata = vec.metadata
        self.single_observation_space = vec.world.single_observation_space
        self.single_action_space = vec.world.single_action_space

    @cached_property
    def observation_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """Observations of all sub-environments."""
        return batch_space(self.single_observation_space, self.num_envs)

    @cached_property
    def action_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """Actions of all sub-environments."""
        return batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start episodes; environment b gets seed + b.

        Args:
            seed: Seed of environment 0.
            options: ``reset_mask``: ``bool[B·n]``, the same for all agents of an environment.

        Raises:
            ValueError: A bad seed, another option, or a mask that would reset only some agents of an environment.
        """
        if "reset_mask" in check_options(options, ("reset_mask",)):
            assert options is not None
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,):
                raise ValueError(
                    f"options['reset_mask'] must have shape ({self.num_envs},), got {mask.shape}"
                )
            rows = mask.reshape(self.vec.num_envs, self.n_agents)
            if (rows != rows[:, :1]).any():
                raise ValueError(
                    "options['reset_mask'] must be equal for all agents of an environment"
                )
            options = {"reset_mask": rows[:, 0]}
        observations, infos = self.vec.reset(seed=seed, options=options)
        return self._observations(observations), self._infos(infos)

    def step(self, actions: NDArray[Any]) -> StepResult:
        """Let every sub-environment act: integers ``(B·n,)``.

        Raises:
            ValueError: Wrong shape, not integers, or out of range.
        """
        array = np.asarray(actions)
        if array.shape != (self.num_envs,):
            raise ValueError(f"actions must have shape ({self.num_envs},), got {array.shape}")
        observations, rewards, terminations, truncations, infos = self.vec.step(
            array.reshape(self.vec.num_envs, self.n_agents)
        )
        return (
            self._observations(observations),
            rewards.reshape(-1),
            np.repeat(terminations, self.n_agents),
            np.repeat(truncations, self.n_agents),
            self._infos(infos),
        )

    def render(self) -> None:
        """Do nothing: vector environments have no render modes; `crl_envs.make` gives one that draws itself."""

    def _observations(self, joint: NDArray[Any]) -> NDArray[Any]:
        dtype = self.single_observation_space.dtype
        return joint.reshape(self.num_envs, *joint.shape[2:]).astype(dtype, copy=False)

    def _infos(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Per-environment infos ``(B, n, …)`` to per-agent ones ``(B·n, …)``."""
        flat: dict[str, Any] = {}
        for key, value in infos.items():
            if isinstance(value, dict):
                flat[key] = self._infos(value)
            elif key == "final_obs":
                flat[key] = self._final_observations(value)
            elif value.ndim == 1:
                flat[key] = np.repeat(value, self.n_agents)
            else:
                flat[key] = value.reshape(self.num_envs, *value.shape[2:])
        return flat

    def _final_observations(self, joint: NDArray[Any]) -> NDArray[Any]:
        final = np.full(self.num_envs, None, dtype=object)
        for b, observations in enumerate(joint):
            if observations is not None:
                for i in range(self.n_agents):
                    final[b * self.n_agents + i] = observations[i]
        return final
