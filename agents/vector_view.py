"""A vector env whose sub-environments hold all n agents as arrays of B columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from agents.array_view import ArrayView, Frame, Transition, measure, topology_pairs


class VectorView(ArrayView):
    """B columns: a vector env whose sub-environments hold all n agents.

    The autoreset mode ``"disabled"`` gives what the dict view gives, column by column. So does ``"next-step"`` when all
    episodes are equally long; otherwise a column that has finished plays on there, unobserved, until all have.

    Args:
        env: A `WorldVectorEnv` or another vector env in its layout.
        rows: Whether to number the observations; without it every one is row 0 and any space will do.

    Raises:
        ValueError: Another layout, autoreset mode ``"same-step"``, or spaces that don't make a table.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], rows: bool = True) -> None:
        self.env = env
        self.num_envs = env.num_envs
        action_space = env.single_action_space
        if not isinstance(action_space, spaces.MultiDiscrete) or action_space.nvec.ndim != 1:
            raise ValueError(
                "env must have all agents of an environment in its single_action_space, a 1-D "
                f"MultiDiscrete, got {action_space}"
            )
        mode = env.metadata.get("autoreset_mode")
        if mode is AutoresetMode.SAME_STEP:
            raise ValueError(
                f"autoreset_mode of env must be {AutoresetMode.DISABLED} or "
                f"{AutoresetMode.NEXT_STEP}, got {mode}"
            )
        n = action_space.nvec.size
        agents = [f"agent_{i}" for i in range(n)]
        whole = env.single_observation_space
        observed = [_slice_space(whole, i, n) if rows else whole for i in range(n)]
        sizes, starts = action_space.nvec.astype(np.int64), action_space.start.astype(np.int64)
        super().__init__(list(zip(agents, observed, strict=True)), sizes, starts, rows)

    def reset(self, seed: int | None = None) -> Frame:
        """Start an episode in every column."""
        observations, infos = self.env.reset(seed=seed)
        self.infos = infos
        self.running = np.ones(self.num_envs, np.bool_)
        self.n_running = self.num_envs
        return self._frame(observations, infos)

    def step(self, actions: NDArray[np.integer]) -> Transition:
        """Let all agents of the running columns act."""
        observations, given, terminations, truncations, infos = self.env.step(
            self.own_actions(actions).T
        )
        self.infos = infos
        rewards = self._running_only(given.T)
        local = self._running_only(infos["local_reward"].T) if "local_reward" in infos else rewards
        ended = (terminations | truncations) & self.running
        n_ended = int(np.count_nonzero(ended))
        if n_ended:
            self.running = self.running & ~ended
            self.n_running -= n_ended
        frame = self._frame(observations, infos)
        return Transition(rewards, local, None, ended if n_ended else None, frame)

    def neighbors(self) -> NDArray[np.int64]:
        """Pairs out of the topology."""
        return topology_pairs(self.env, self.agents)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """``env.unwrapped.metrics()``."""
        return measure(self.env)

    def _running_only(self, values: NDArray[Any]) -> NDArray[Any]:
        """``[n, B]`` with zeros in the columns that have finished."""
        return values if self.n_running == self.num_envs else np.where(self.running, values, 0.0)

    def _frame(self, observations: NDArray[Any], infos: dict[str, Any]) -> Frame:
        masks = infos.get("action_mask")
        if self.n_running == self.num_envs:
            return self.frame_of_array(observations, masks)
        if masks is not None:
            masks = np.where(self.running[:, None, None], masks, 1)
        live = np.repeat(self.running[None], self.n_agents, axis=0)
        return self.frame_of_array(observations, masks)._replace(live=live)


def _slice_space(space: spaces.Space[Any], i: int, n: int) -> spaces.Space[Any]:
    """Agent i's part of the joint observation space of n agents."""
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.shape[:1] == (n,):
        if space.nvec.ndim == 1:
            return spaces.Discrete(int(space.nvec[i]), start=int(space.start[i]))
        return spaces.MultiDiscrete(space.nvec[i], start=space.start[i])
    if isinstance(space, spaces.Box) and space.shape[:1] == (n,):
        return spaces.Box(space.low[i], space.high[i], dtype=space.dtype.type)
    raise ValueError(
        f"single_observation_space of env must be a MultiDiscrete or Box with {n} agents along its "
        f"first axis, got {space}"
    )
