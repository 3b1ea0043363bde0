"""The vector view: B columns of a World at once, all agents as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    LARGEST_INT,
    check_bool,
    check_choice,
    check_int,
    check_options,
    check_size,
    shown,
)
from crl_envs.core.copies import CopiesApart
from crl_envs.core.optimum import Optimum
from crl_envs.core.overrides import overridden
from crl_envs.core.returns import team_reward
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.topology import Edges
from crl_envs.core.world import World, column_select, in_range

if TYPE_CHECKING:
    import networkx as nx

_BLOCK: Final = 256  # environments
_NO_COUNTS: Final = np.zeros((0, 2), np.uint32)
_NOBODY: Final = np.zeros(1, np.bool_)
_NEXT_STEP, _SAME_STEP = (
    AutoresetMode.NEXT_STEP,
    AutoresetMode.SAME_STEP,
)  # sooner than to look them up

StepResult = tuple[
    NDArray[Any], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]


class Rollout(NamedTuple):
    """What `WorldVectorEnv.rollout` adds up."""

    rewards: NDArray[np.float64]  # (B, n), each agent's
    team: NDArray[np.float64]  # (B,), of the agents' mean
    episodes: NDArray[np.int64]  # (B,), that have ended


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
        copy: Whether each call gives arrays of its own. False: all but the truth about ends are read-only, and may be
            those of the call before with other numbers in them, which is sooner where little moves.

    Raises:
        ValueError: A bad `num_envs`, `autoreset_mode` or `copy`.
    """

    def __init__(
        self,
        world: World[Any],
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
    ) -> None:
        self.world = world
        self._copies = check_bool("copy", copy)
        self._seer = world if copy else world.tracking()
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
        self._n_actions = int(world.single_action_space.n)
        self._dtype: Any = np.dtype(small_dtype(self._n_actions))
        self._stream = Stream(self.num_envs)
        self._state: Any = None
        self._mask: NDArray[np.int8] | None = None
        self._elapsed: int | NDArray[np.int64] = 0  # a number while it is the same for all columns
        self._done = np.zeros(self.num_envs, np.bool_)
        self._any_done = False

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
        return {k: _batch_first(v) for k, v in self.world.metrics(self._state).items()}

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
        if self._state is None:
            self._need_state("step")
        asked = self._pack(actions)
        mode, idle, any_idle = self.autoreset_mode, self._done, self._any_done
        if any_idle and mode is _NEXT_STEP and idle.all():
            self._restart(None)
            nothing = np.zeros((self.num_envs, self.n_agents), np.float32)
            return self._observations(), nothing, ~idle, ~idle, self._infos(None)

        action, illegal = self._seer.legalise(self._state, asked, self._mask)
        step = self._seer.step if any_idle else self._seer.step_in_place
        state, rewards = step(self._state, action, self._stream)
        terminations = self.world.terminal(state)
        if any_idle:
            state = column_select(idle, self._state, state)
            rewards[:, idle] = 0.0
            if illegal is not None:
                illegal[:, idle] = False
            self._stream.advance(~idle)
            self._elapsed = self._elapsed + ~idle
            terminations = self.world.terminal(state) & ~idle
        else:
            self._stream.advance()
            self._elapsed += 1
        self._state = state
        over, any_ended = self._elapsed == self.world.horizon, _any(terminations)
        if isinstance(over, bool):
            truncations = np.zeros(self.num_envs, np.bool_)
            if over:
                np.logical_not(terminations, out=truncations)
                any_ended = True
        else:
            truncations = over & ~idle & ~terminations
            any_ended = any_ended or _any(truncations)
        ended = terminations | truncations if any_ended else _NOBODY
        self._mask = self._seer.action_mask(state)

        extra: dict[str, Any] = {}
        if mode is _SAME_STEP:
            if any_ended:
                extra = self._final(ended, illegal)
                self._restart(ended)
                illegal = None if illegal is None else illegal & ~ended
        elif any_idle or any_ended:
            if mode is _NEXT_STEP:
                if any_idle:
                    self._restart(idle)
                self._done = ended if any_ended else np.zeros_like(idle)
            else:
                self._done = idle | ended
            self._any_done = any_ended or mode is not _NEXT_STEP
        observations = self._observations()
        infos = self._infos(illegal) | extra
        return observations, self._given(rewards), terminations, truncations, infos

    def act(self, policy: Any) -> NDArray[np.integer]:
        """Draw actions ``(B, n)`` for the present observations by a table of policies.

        The draws are the environment's own, for its present clock: a call draws nothing from a state that would change,
        and a second one gives the same.

        Args:
            policy: Probabilities of an agent's A actions given its observation 0 … O−1: ``(O, A)`` for all agents,
                ``(n, O, A)``, or ``(B, n, O, A)``. They are rounded to multiples of 2⁻³².

        Raises:
            ValueError: Another shape, or no probabilities; observations that aren't Discrete.
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        self._need_state("act")
        return self._draw(self._limits(policy)).T

    def rollout(self, policy: Any, steps: int) -> Rollout:
        """Play several steps by a table of policies: a loop over ``step(act(policy))``, bit for bit.

        Compiled for SYSADMIN's binary worlds with ``observe="own"``, where Numba is and the autoreset mode isn't
        `SAME_STEP`.

        Args:
            policy: See `act`.
            steps: How many, ≥ 0; the resets of `NEXT_STEP` mode are steps, as they are for `step`.

        Raises:
            ValueError: As `act`, or not such a number of steps.
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        self._need_state("rollout")
        limits, left = self._limits(policy), check_int("steps", steps, low=0)
        n, b = self.n_agents, self.num_envs
        made = Rollout(np.zeros((n, b)).T, np.zeros(b), np.zeros(b, np.int64))
        world: Any = self.world
        compiles = (
            self.autoreset_mode is not _SAME_STEP
            and world.can_play
            and not overridden(world)
            and not overridden(self)
        )
        while left:
            if compiles and not self._any_done and world.compiled.ready() is not None:
                left -= self._play(limits, left, made)
                made.episodes[:] += self._done
                continue
            if compiles and self.autoreset_mode is _NEXT_STEP and self._done.all():
                self._restart(None)  # as a step does
                left -= 1
                continue
            begun = perf_counter()
            _, rewards, terminations, truncations, _ = self.step(self._draw(limits).T)
            made.rewards[:] += rewards
            made.team[:] += team_reward(rewards.T)
            made.episodes[:] += terminations | truncations
            left -= 1
            if compiles:
                world.compiled.waited(perf_counter() - begun)
        return made

    def fast_forward(self, play: Callable[[World[Any], Any, Stream, int], int]) -> int:
        """Let a compiled loop play several steps of all columns at once: `WorldEnv.fast_forward` for B columns.

        Raises:
            ValueError: The autoreset mode is `SAME_STEP`, whose steps begin episodes.
            gymnasium.error.ResetNeeded: An episode isn't running.
        """
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            raise ValueError("autoreset_mode must be another one than SameStep for fast_forward()")
        if self._state is None or self._any_done:
            raise ResetNeeded("call reset() before fast_forward()")
        horizon = self.world.horizon
        played = self._elapsed
        latest = played if isinstance(played, int) else int(played.max())
        most = -1 if horizon is None else horizon - latest
        steps = play(self.world, self._state, self._stream, most)
        steps = check_int("steps played", steps, low=0, high=LARGEST_INT if most < 0 else most)
        self._stream.advance(ticks=steps)
        self._elapsed += steps
        self._mask = self._seer.action_mask(self._state)
        self._done = self.world.terminal(self._state) | (self._elapsed == horizon)
        self._any_done = _any(self._done)
        return steps

    @property
    def finished(self) -> NDArray[np.bool_]:
        """``bool[B]``: the columns whose episode has ended, and that the next step, or a reset, begins again."""
        return self._done.copy()

    def render(self) -> None:
        """Do nothing: vector environments have no render modes; `crl_envs.make` gives one that draws itself."""

    def _limits(self, policy: Any) -> NDArray[np.uint64]:
        """Return ``uint64[n, O, B, A − 1]``, or B = 1 for all: action a when a word is in [limit a−1, limit a)."""
        space = self.world.single_observation_space
        if not isinstance(space, spaces.Discrete) or space.start:
            raise ValueError(
                f"a table of policies is for observations Discrete(O), got an env with {space}"
            )
        shape = (self.num_envs, self.n_agents, int(space.n), self._n_actions)
        table = np.asarray(policy)
        fits = 2 <= table.ndim <= 4 and table.shape == shape[4 - table.ndim :]
        if not fits or table.dtype.kind not in "biuf":
            raise ValueError(
                f"policy must be numbers of shape {shape[2:]}, {shape[1:]} or {shape}, got {shown(policy)}"
            )
        with np.errstate(invalid="ignore"):
            good = (table >= 0).all() and np.allclose(table.sum(axis=-1), 1.0)
        if not good:
            raise ValueError("policy must have probabilities that add up to 1 over the actions")
        limits = threshold(np.minimum(np.cumsum(table[..., :-1], axis=-1, dtype=np.float64), 1.0))
        columns = self.num_envs if table.ndim == 4 else 1
        every = np.broadcast_to(limits, (columns, *shape[1:3], shape[3] - 1))
        return np.ascontiguousarray(every.transpose(1, 2, 0, 3))

    def _draw(self, limits: NDArray[np.uint64]) -> NDArray[np.integer]:
        """Return actions ``[n, B]``."""
        words = self._stream.words(Purpose.ACTION, self.n_agents)
        agents, columns = np.arange(self.n_agents)[:, None], np.arange(limits.shape[2])
        own = limits[agents, self.world.observation(self._state), columns]
        return np.asarray((words[..., None] >= own).sum(axis=-1), self._dtype)

    def _play(self, limits: NDArray[np.uint64], most: int, made: Rollout) -> int:
        """Play at most so many steps of the running episodes compiled, and add up what comes of it."""

        def play(world: Any, state: Any, stream: Stream, left: int) -> int:
            seeds, clocks = np.stack([stream.seeds] * 2), np.stack([stream.clock] * 2)
            seen = _NO_COUNTS, made.rewards.T, made.team
            world.play(state, limits.reshape(-1, 1), seeds, clocks, steps := min(most, left), seen)
            return steps

        return self.fast_forward(play)

    def _restart(self, columns: NDArray[np.bool_] | None) -> None:
        """Begin new episodes in `columns`; the others' states and clocks stay."""
        fresh = self.world.initial(self._stream)
        if columns is None or columns.all():
            columns = None
            self._state, self._elapsed = fresh, 0
            self._done, self._any_done = np.zeros_like(self._done), False
        else:
            self._state = column_select(columns, fresh, self._state)
            self._elapsed = np.where(columns, 0, self._elapsed)
            self._done = self._done & ~columns
            self._any_done = _any(self._done)
        self._stream.advance(columns)
        self._mask = self._seer.action_mask(self._state)

    def _observations(self) -> NDArray[Any]:
        return self._given(self._seer.observation(self._state))

    def _infos(self, illegal: NDArray[np.bool_] | None) -> dict[str, Any]:
        extra = self._seer.info(self._state)
        if extra:
            extra = {k: self._given(v) for k, v in extra.items()}
        if self._mask is None:
            return extra
        flags = np.zeros((self.num_envs, self.n_agents), np.bool_) if illegal is None else illegal.T
        return extra | {
            "action_mask": self._apart(self._given(self._mask), self._copies),
            "illegal_action": flags,
        }

    def _given(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array ``[…, B]`` as users have it, environments first."""
        given = _batch_first(array)
        if not self._copies:
            given.flags.writeable = False  # of this view
        return given

    @staticmethod
    def _apart(array: NDArray[Any], apart: bool) -> NDArray[Any]:
        return array.copy() if apart else array

    def _final(self, ended: NDArray[np.bool_], illegal: NDArray[np.bool_] | None) -> dict[str, Any]:
        """Return what the finished columns ended with, in Gymnasium's layout."""
        last = self._apart(self._observations(), not self._copies)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for b in np.flatnonzero(ended):
            final_obs[b] = last[b]
        infos = self._infos(illegal)
        info = {k: self._apart(v, not self._copies) for k, v in infos.items()}
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
        if not in_range(array, self._n_actions):
            bad = array[(array < 0) | (array >= self._n_actions)][0]
            raise ValueError(f"actions must be in [0, {self._n_actions - 1}], got {bad}")
        return _batch_last(array, self._dtype)

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


def _any(flags: NDArray[np.bool_]) -> bool:
    return bool(flags.item() if flags.size == 1 else flags.any())


def _batch_first(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim <= 2:
        return array.T
    last = array.ndim - 1
    return array.transpose(last, *range(last))  # np.moveaxis(array, -1, 0), sooner


def _batch_last(actions: NDArray[Any], dtype: Any) -> NDArray[np.integer]:
    """Return ``(B, n)`` as a contiguous ``[n, B]``."""
    turned = actions.T
    if turned.size <= _BLOCK or turned.flags.c_contiguous:
        return np.ascontiguousarray(turned, dtype)
    made = np.empty(turned.shape, dtype)
    for low in range(
        0, made.shape[1], _BLOCK
    ):  # NumPy would go through all columns of a row, out of cache
        made[:, low : low + _BLOCK] = turned[:, low : low + _BLOCK]
    return made


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
