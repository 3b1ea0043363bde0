"""The vector view: B columns of a World at once, all agents as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    LARGEST_INT,
    check_choice,
    check_int,
    check_options,
    check_size,
    shown,
)
from crl_envs.core.copies import CopiesApart
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.world import Edges, World, column_select, legalise

if TYPE_CHECKING:
    import networkx as nx

StepResult = tuple[
    NDArray[Any], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]


class WorldVectorEnv(CopiesApart, VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """B independent environments of n agents in one object.

    Arrays have the environments first and the agents second: observations ``(B, n)`` or ``(B, n, k)``, actions
    ``(B, n)``, local rewards ``float32 (B, n)``; terminations and truncations are ``bool (B,)``, since all agents
    end together. Infos hold ``action_mask`` ``int8 (B, n, A)`` and ``illegal_action`` ``bool (B, n)`` where masks
    vary, and in `SAME_STEP` mode ``final_obs``, ``final_info`` and their masks ``_final_obs``, ``_final_info``.

    Column b reset with seed s is the ParallelEnv reset with seed s + b, number by number. In `NEXT_STEP` mode the
    step after the end of an episode ignores that column's actions and resets it (reward 0); in `DISABLED` mode a
    finished column stands still until ``reset(options={"reset_mask": bool[B]})``.

    Args:
        world: The dynamics.
        num_envs: Number of environments B, ≥ 1.
        autoreset_mode: One of Gymnasium's three.

    Raises:
        ValueError: A bad `num_envs` or `autoreset_mode`.
    """

    def __init__(
        self,
        world: World[Any],
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.world = world
        self.num_envs = check_size(
            "num_envs",
            check_int("num_envs", num_envs, low=1),
            world.bytes_per_env,
            f" with {world.n_agents} agents",
        )
        if not isinstance(autoreset_mode, AutoresetMode):
            modes = [mode.value for mode in AutoresetMode]
            autoreset_mode = AutoresetMode(check_choice("autoreset_mode", autoreset_mode, modes))
        self.autoreset_mode = autoreset_mode
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.n_agents = world.n_agents
        self._dtype: Any = np.uint8 if self._n_actions <= 256 else np.int64
        self._stream = Stream(self.num_envs)
        self._state: Any = None
        self._mask: NDArray[np.int8] | None = None
        self._elapsed = np.zeros(self.num_envs, np.int64)
        self._done = np.zeros(self.num_envs, np.bool_)

    @cached_property
    def single_observation_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """All agents' observations in one environment."""
        return joint_space(self.world.single_observation_space, self.n_agents)

    @cached_property
    def single_action_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """All agents' actions in one environment."""
        return spaces.MultiDiscrete(np.full(self.n_agents, self._n_actions), dtype=self._dtype)

    @cached_property
    def observation_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """Observations of the whole batch."""
        return batch_space(self.single_observation_space, self.num_envs)

    @cached_property
    def action_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """Actions of the whole batch."""
        return batch_space(self.single_action_space, self.num_envs)

    @property
    def topology(self) -> nx.DiGraph:
        """The graph of agents 0 … n−1."""
        return self.world.topology

    @property
    def edges(self) -> Edges:
        """The edges of `topology` as an array ``int64[E, 2]``."""
        return self.world.edges

    def optimum(self) -> Optimum:
        """Return what is known about the best expected episode return, mean over agents."""
        return self.world.optimum()

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Return measurements of the present states: arrays ``(B,)``, and ``(B, n)`` for what each agent has."""
        self._need_state("metrics")
        return {k: np.moveaxis(v, -1, 0) for k, v in self.world.metrics(self._state).items()}

    def state(self) -> NDArray[Any]:
        """Return the full states, a fresh array ``(B, d)``."""
        self._need_state("state")
        return self.world.state_array(self._state).T

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start episodes in all columns, or in those of ``options["reset_mask"]``.

        Args:
            seed: Column b gets seed + b; without one the streams go on. All columns are seeded, so it doesn't go
                with a mask.
            options: ``reset_mask``: ``bool[B]``, the columns to reset.

        Raises:
            ValueError: A bad seed or mask, or another option.
        """
        columns = self._reset_mask(options)
        if columns is not None and (self._state is None or seed is not None):
            raise ValueError("reset_mask needs an earlier reset() and no seed")
        if seed is not None:
            self._stream.seed(seed)
        self._restart(columns)
        return self._observations(), self._infos(None)

    def step(self, actions: NDArray[Any]) -> StepResult:
        """Let all agents of all environments act at once.

        Args:
            actions: Integers ``(B, n)`` in [0, A).

        Raises:
            ValueError: Wrong shape, not integers, or out of range.
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        self._need_state("step")
        asked = self._pack(actions)
        idle = self._done
        any_idle = bool(idle.any())
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and any_idle and bool(idle.all()):
            self._restart(None)
            nothing = np.zeros((self.num_envs, self.n_agents), np.float32)
            return self._observations(), nothing, ~idle, ~idle, self._infos(None)

        action, illegal = legalise(asked, self._mask)
        state, rewards = self.world.step(self._state, action, self._stream)
        if any_idle:
            state = column_select(idle, self._state, state)
            rewards[:, idle] = 0.0
            if illegal is not None:
                illegal[:, idle] = False
        self._state = state
        self._stream.advance(~idle if any_idle else None)
        self._elapsed += ~idle
        terminations = self.world.terminal(state) & ~idle
        truncations = np.zeros_like(idle)
        if self.world.horizon is not None:
            truncations = (self._elapsed == self.world.horizon) & ~terminations & ~idle
        ended = terminations | truncations
        self._mask = self.world.action_mask(state)

        match self.autoreset_mode:
            case AutoresetMode.NEXT_STEP:
                if any_idle:
                    self._restart(idle)
                self._done = ended
                extra: dict[str, Any] = {}
            case AutoresetMode.SAME_STEP:
                extra = {}
                if ended.any():
                    extra = self._final(ended, illegal)
                    self._restart(ended)
                    illegal = None if illegal is None else illegal & ~ended
            case AutoresetMode.DISABLED:
                self._done = idle | ended
                extra = {}
        observations = self._observations()
        infos = self._infos(illegal) | extra
        return observations, rewards.T, terminations, truncations, infos

    def fast_forward(self, play: Callable[[World[Any], Any, Stream, int], int]) -> int:
        """Let a compiled loop play several steps of all columns at once: `WorldEnv.fast_forward` for B columns.

        Raises:
            ValueError: The autoreset mode is `SAME_STEP`, whose steps begin episodes.
            gymnasium.error.ResetNeeded: An episode isn't running.
        """
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            raise ValueError("autoreset_mode must be another one than SameStep for fast_forward()")
        if self._state is None or self._done.any():
            raise ResetNeeded("call reset() before fast_forward()")
        horizon = self.world.horizon
        most = -1 if horizon is None else horizon - int(self._elapsed.max())
        steps = play(self.world, self._state, self._stream, most)
        steps = check_int("steps played", steps, low=0, high=LARGEST_INT if most < 0 else most)
        self._stream.advance(ticks=steps)
        self._elapsed += steps
        self._mask = self.world.action_mask(self._state)
        self._done = self.world.terminal(self._state) | (self._elapsed == (horizon or -1))
        return steps

    @property
    def finished(self) -> NDArray[np.bool_]:
        """``bool[B]``: the columns whose episode has ended, and that the next step, or a reset, begins again."""
        return self._done.copy()

    def render(self) -> None:
        """Do nothing: vector environments have no render modes; `crl_envs.make` gives one that draws itself."""

    @property
    def _n_actions(self) -> int:
        return int(self.world.single_action_space.n)

    def _restart(self, columns: NDArray[np.bool_] | None) -> None:
        """Begin new episodes in `columns`; the others' states and clocks stay."""
        fresh = self.world.initial(self._stream)
        if columns is None:
            self._state = fresh
            self._elapsed = np.zeros_like(self._elapsed)
            self._done = np.zeros_like(self._done)
        else:
            self._state = column_select(columns, fresh, self._state)
            self._elapsed = np.where(columns, 0, self._elapsed)
            self._done = self._done & ~columns
        self._stream.advance(columns)
        self._mask = self.world.action_mask(self._state)

    def _observations(self) -> NDArray[Any]:
        return np.moveaxis(self.world.observation(self._state), -1, 0)

    def _infos(self, illegal: NDArray[np.bool_] | None) -> dict[str, Any]:
        extra = {k: np.moveaxis(v, -1, 0) for k, v in self.world.info(self._state).items()}
        if self._mask is None:
            return extra
        flags = np.zeros((self.num_envs, self.n_agents), np.bool_) if illegal is None else illegal.T
        return extra | {
            "action_mask": np.moveaxis(self._mask, -1, 0).copy(),
            "illegal_action": flags,
        }

    def _final(self, ended: NDArray[np.bool_], illegal: NDArray[np.bool_] | None) -> dict[str, Any]:
        """Return what the finished columns ended with, in Gymnasium's layout."""
        last = self._observations()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for b in np.flatnonzero(ended):
            final_obs[b] = last[b]
        info = self._infos(illegal)
        return {
            "final_obs": final_obs,
            "_final_obs": ended,
            "final_info": info | {f"_{key}": ended for key in info},
            "_final_info": ended,
        }

    def _pack(self, actions: NDArray[Any]) -> NDArray[np.integer]:
        array = np.asarray(actions)
        shape = (self.num_envs, self.n_agents)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be an integer array of shape {shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
        if array.max() >= self._n_actions or (array.dtype.kind == "i" and array.min() < 0):
            bad = array[(array < 0) | (array >= self._n_actions)][0]
            raise ValueError(f"actions must be in [0, {self._n_actions - 1}], got {bad}")
        return np.ascontiguousarray(array.T, self._dtype)

    def _reset_mask(self, options: Mapping[str, Any] | None) -> NDArray[np.bool_] | None:
        options = check_options(options, ("reset_mask",))
        if "reset_mask" not in options:
            return None
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"options['reset_mask'] must be a bool array of shape ({self.num_envs},) with at "
                f"least one True, got {shown(mask)}"
            )
        return mask

    def _need_state(self, what: str) -> None:
        if self._state is None:
            raise ResetNeeded(f"call reset() before {what}()")


def joint_space(space: spaces.Space[Any], n: int) -> spaces.Space[Any]:
    """Return the space of n agents' observations stacked along a first axis.

    Discrete and MultiDiscrete become MultiDiscrete with ``uint8`` entries where they fit, Box a Box.
    """
    if isinstance(space, spaces.Discrete):
        return spaces.MultiDiscrete(np.full(n, int(space.n)), dtype=small_dtype(int(space.n)))
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(np.tile(space.nvec, (n, 1)), dtype=space.dtype.type)
    if isinstance(space, spaces.Box):
        stack = (n,) + (1,) * len(space.shape)
        return spaces.Box(
            np.tile(space.low, stack), np.tile(space.high, stack), dtype=space.dtype.type
        )
    raise TypeError(f"a world's observation space is Discrete, MultiDiscrete or Box, got {space}")


def small_dtype(size: int) -> type[np.integer]:
    """Return ``np.uint8`` for up to 256 values, else ``np.int64``."""
    return np.uint8 if size <= 256 else np.int64
