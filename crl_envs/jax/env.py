"""Worlds on a device: pure functions of a state that carries its own random stream."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array

import crl_envs
from crl_envs.core.arguments import (
    about_bytes,
    check_bool,
    check_choice,
    check_int,
    check_seed,
    check_size,
    shown,
)
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.neighborhood import Neighborhoods
from crl_envs.core.optimum import Optimum
from crl_envs.core.returns import REWARDS
from crl_envs.core.stream import Purpose
from crl_envs.core.world import World
from crl_envs.jax.stream import advance, keys, pair, words

_BYTES_OF_A_SEED: Final = 32  # while they are made, on the host

Params = Any  # the world's tables, as a tree of arrays


class State(NamedTuple):
    """An episode, or B of them along the last axis of every array."""

    world: Any  # what the world's functions work on: arrays [n, …]
    elapsed: Array  # int32[…], steps of this episode
    seed: Array  # uint32[2, …], the stream's seed as two halves
    clock: Array  # uint32[2, …], ticks (resets and steps) since seeding
    keys: tuple[Array, ...]  # uint32[2, …] for each purpose that the coming step draws for


class JaxEnv:
    """A world as pure functions, to be jitted, mapped and scanned.

    The numbers are those of `crl_envs.make_vec`, bit for bit: a seed gives the same episodes. Arrays have the agents
    first and the environments, if there are several, last: ``[n]`` and ``[n, B]``, which is the layout that compiled
    loops are fastest in. ``jax.vmap`` over single environments works, too.

    Args:
        world: The dynamics.
        autoreset: Whether the step that ends an episode begins the next one, as Gymnasium's ``SAME_STEP`` does.

    Attributes:
        world: The dynamics in NumPy: spaces, topology, optimum.
        params: The world's tables, the default of each function's `params`.

    Raises:
        ValueError: A world without a JAX form, or with arguments that it can't hold: more steps in an episode than
            int32 does, for one.
    """

    def __init__(self, world: World[Any], autoreset: bool = True) -> None:
        form = world.array_form()
        if form is None:
            raise ValueError(f"{world.name} has no JAX form: use crl_envs.make_vec")
        self.world = world
        self.autoreset = check_bool("autoreset", autoreset)
        self._form: ArrayForm = form
        self._horizon = world.horizon
        if self._horizon is not None:
            check_int("horizon", self._horizon, low=1, high=2**31 - 1)
        self._n_actions = int(world.single_action_space.n)
        self.params: Params = jax.tree.map(jnp.asarray, form.tables)

    def __getstate__(self) -> dict[str, Any]:
        # Functions inside of functions can't be pickled.
        return {**vars(self), "_form": None, "params": jax.tree.map(np.asarray, self.params)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._form = state["world"].array_form()
        self.params = jax.tree.map(jnp.asarray, state["params"])

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return self.world.n_agents

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """What one agent observes."""
        return self.world.single_observation_space

    @property
    def action_space(self) -> spaces.Discrete:
        """What one agent can do."""
        return self.world.single_action_space

    def optimum(self) -> Optimum:
        """Return what is known about the best expected episode return, mean over agents."""
        return self.world.optimum()

    def paid_as(self, own: Array, rewards: str) -> Array:
        """Return what agents are paid for their own rewards ``[n, …]``, as `crl_envs.wrappers` does.

        Args:
            own: What `step` gives.
            rewards: ``"local"``: that; ``"neighborhood"``: means over neighbourhoods; ``"global"``: over all agents.

        Raises:
            ValueError: An unknown `rewards`.
        """
        check_choice("rewards", rewards, REWARDS)
        if rewards == "local":
            return own
        if rewards == "global":
            return jnp.broadcast_to(own.mean(axis=0), own.shape)
        near = self._neighborhoods
        sums = jnp.zeros_like(own).at[near.agent].add(own[near.source])
        return sums / near.size.astype(np.float32).reshape(-1, *(1,) * (own.ndim - 1))

    @cached_property
    def _neighborhoods(self) -> Neighborhoods:
        return Neighborhoods(self.world.edges, self.n_agents)

    def bytes_needed(self, num_envs: int) -> int:
        """Return about how many bytes a step of so many environments takes on the device."""
        return self.world.bytes_per_env * check_int("num_envs", num_envs, low=1)

    def check_room(self, num_envs: int, device: Any = None) -> None:
        """Refuse more environments than the device has memory for, where it says how much it has.

        Raises:
            ValueError: There isn't enough; the message has both numbers.
        """
        device = jax.devices()[0] if device is None else device
        known = device.memory_stats() or {}
        limit, needed = known.get("bytes_limit"), self.bytes_needed(num_envs)
        if limit is not None and needed > limit:
            raise ValueError(
                f"num_envs must be smaller for {device}: {num_envs} environments of {self.n_agents} agents take about "
                f"{about_bytes(needed)}, and it has {about_bytes(limit)}"
            )

    def reset(
        self, seed: int | Array, num_envs: int | None = None, params: Params | None = None
    ) -> tuple[Array, State]:
        """Begin episodes, and with them their random streams.

        Args:
            seed: An integer in [0, 2^64 − 1]; with `num_envs` environment b gets seed + b. Or ``uint32[2, …]``, as
                `crl_envs.jax.pair` makes of an integer, which may be traced; or a key of ``jax.random``, whose bits are
                taken for it.
            num_envs: Number of environments B; None: one, without an axis for it.
            params: The tables.

        Returns:
            Observations ``[n, …]`` and the state.

        Raises:
            ValueError: A bad seed; `num_envs` beside a seed that isn't an integer.
        """
        pairs = self._pairs(seed, num_envs)
        clock = jnp.zeros_like(pairs)
        state = self._begun(pairs, clock, self.params if params is None else params)
        return self.observe(state), state

    def step(
        self, state: State, action: Array, params: Params | None = None
    ) -> tuple[Array, State, Array, Array, dict[str, Array]]:
        """Let all agents act at once.

        Args:
            state: Where the episodes are.
            action: Integers ``[n, …]``. What is illegal or out of range is carried out as 0 and flagged in the infos:
                under jit there is no raising of errors.
            params: The tables.

        Returns:
            Observations, the next state, local rewards ``float32[n, …]``, whether the episode is over ``bool[…]``, and
            infos: ``terminated`` and ``truncated`` ``bool[…]``, ``illegal_action`` ``bool[n, …]``, ``steps`` of the
            episode ``int32[…]``, and with `autoreset` ``final_observation`` and ``final_state``, those that the step
            led to before any reset.

        Raises:
            ValueError: Actions of another shape, or that aren't integers; when it is traced, too.
        """
        self._check_shape(state, action)
        tables = self.params if params is None else params
        illegal = (action < 0) | (action >= self._n_actions)
        done_as = jnp.where(illegal, 0, action)
        if self._form.legal is not None:
            illegal = illegal | ~self._form.legal(jnp, state.world, done_as)
            done_as = jnp.where(illegal, 0, action)
        drawn = {
            purpose: words(key, self._form.lanes or self.n_agents)
            for purpose, key in zip(self._form.purposes, state.keys, strict=True)
        }
        world, reward = self._form.step(jnp, tables, state.world, done_as, drawn)
        clock, elapsed = advance(state.clock), state.elapsed + 1
        never = jnp.zeros(elapsed.shape, jnp.bool_)
        ends = self._form.terminal
        terminated = never if ends is None else ends(jnp, world)
        truncated = never
        if self._horizon is not None:
            truncated = (elapsed == self._horizon) & ~terminated
        done = terminated | truncated
        info = {
            "terminated": terminated,
            "truncated": truncated,
            "illegal_action": illegal,
            "steps": elapsed,
        }
        following = State(world, elapsed, state.seed, clock, self._keys(state.seed, clock))
        observation = self.observe(following)
        if self.autoreset:
            info |= {"final_observation": observation, "final_state": following}
            following = jax.lax.cond(
                done.any(), lambda: self._restarted(done, following, tables), lambda: following
            )
            observation = self.observe(following)
        return observation, following, reward, done, info

    def restart(self, state: State, columns: Array, params: Params | None = None) -> State:
        """Begin the next episodes where ``columns``, ``bool[…]``; the streams go on."""
        return self._restarted(columns, state, self.params if params is None else params)

    def observe(self, state: State) -> Array:
        """Return the observations ``[n, …]``, or ``[n, k, …]`` for a space of shape (k,)."""
        seen: Array = self._form.observation(jnp, state.world)
        return seen

    def action_mask(self, state: State) -> Array | None:
        """Return the legal actions ``int8[n, A, …]``, or None where every action is always legal."""
        masks = self._form.action_mask
        return None if masks is None else masks(jnp, state.world)

    def agent_info(self, state: State) -> dict[str, Array]:
        """Return what else the infos of `crl_envs.make_vec` say of each agent: named arrays ``[n, …]``."""
        return self._form.info(jnp, state.world)

    def encode(self, observation: Array) -> Array:
        """Return observations as networks want them: ``float32[…, n, d]``, the numbers of ``encode="onehot"``.

        Args:
            observation: ``[n, B]`` or ``[n, k, B]``, as `step` gives them of a batch; the batch comes first afterwards.
        """
        return _encoded(self.observation_space, jnp.moveaxis(observation, -1, 0))

    def encode_state(self, state: State) -> Array:
        """Return the full states as networks want them: ``float32[B, d]``."""
        return _encoded(self.world.single_state_space, self.state_array(state).T)

    @property
    def encoded_size(self) -> int:
        """Numbers that `encode` gives of one agent."""
        return _encoded_size(self.observation_space)

    @property
    def encoded_state_size(self) -> int:
        """Numbers that `encode_state` gives."""
        return _encoded_size(self.world.single_state_space)

    def state_array(self, state: State) -> Array:
        """Return the full state for centralised critics: ``[d, …]``."""
        whole: Array = self._form.state_array(jnp, state.world)
        return whole

    def metrics(self, state: State) -> dict[str, Array]:
        """Return measurements of a state, in single precision unless JAX is set otherwise."""
        return self._form.metrics(jnp, state.world)

    def _check_shape(self, state: State, action: Any) -> None:
        shape = (self.n_agents, *state.elapsed.shape)
        dtype = getattr(action, "dtype", None)
        if dtype is None or dtype.kind not in "iub" or action.shape != shape:
            got = shown(action) if dtype is None else f"{dtype} of shape {action.shape}"
            raise ValueError(f"action must be an integer array of shape {shape}, got {got}")

    def _begun(self, seed: Array, clock: Array, tables: Params) -> State:
        # Under vmap this is computed at every step, and without the barrier XLA would repeat the key for every agent.
        key = jax.lax.optimization_barrier(keys(seed, clock, Purpose.INITIAL))
        drawn = {Purpose.INITIAL: words(key, self._form.lanes or self.n_agents)}
        world = self._form.initial(jnp, tables, drawn)
        clock = advance(clock)
        return State(
            world, jnp.zeros(clock.shape[1:], jnp.int32), seed, clock, self._keys(seed, clock)
        )

    def _keys(self, seed: Array, clock: Array) -> tuple[Array, ...]:
        # Computed a step ahead: where the words are made, XLA would compute them anew for every agent.
        return tuple(keys(seed, clock, purpose) for purpose in self._form.purposes)

    def _restarted(self, columns: Array, state: State, tables: Params) -> State:
        fresh = self._begun(state.seed, state.clock, tables)
        chosen: State = jax.tree.map(lambda new, old: jnp.where(columns, new, old), fresh, state)
        return chosen

    def _pairs(self, seed: Any, num_envs: int | None) -> Array:
        if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
            seed = jax.random.key_data(seed)
        if isinstance(seed, jax.Array | np.ndarray) and seed.ndim > 0:
            if seed.shape[0] != 2 or seed.dtype != np.uint32 or num_envs is not None:
                raise ValueError(
                    "seed must be an integer, or uint32[2, …] without num_envs, got "
                    f"{seed.dtype} of shape {seed.shape} and num_envs={shown(num_envs)}"
                )
            return jnp.asarray(seed)
        if num_envs is None:
            return pair(check_seed("seed", seed))
        count = check_int("num_envs", num_envs, low=1)
        check_size("num_envs", count, _BYTES_OF_A_SEED)
        first = check_seed("seed", seed, high=2**64 - count)
        every = np.uint64(first) + np.arange(count, dtype=np.uint64)
        halves = [every & np.uint64(0xFFFFFFFF), every >> np.uint64(32)]
        return jnp.asarray(np.stack(halves).astype(np.uint32))


def make(id: str, *, autoreset: bool = True, **kwargs: Any) -> JaxEnv:
    """Make an environment on JAX.

    Args:
        id: A registered id whose world has a JAX form.
        autoreset: Whether the step that ends an episode begins the next one.
        **kwargs: The environment's arguments. They are fixed: none may be traced.

    Raises:
        ValueError: As `crl_envs.make_vec`; or the world has no JAX form, or `encode` isn't None.
    """
    world = crl_envs.make_vec(id, 1, **kwargs).world
    if kwargs.get("encode") is not None:
        raise ValueError(
            "encode must be None on JAX, where env.encode(observations) gives the same, got "
            f"{shown(kwargs['encode'])}"
        )
    return JaxEnv(world, autoreset)


def _encoded(space: spaces.Space[Any], values: Array) -> Array:
    """Return ``float32[…, d]`` of values in `space`, whose components, if it has any, are their last axis."""
    if isinstance(space, spaces.Box):
        return values.astype(jnp.float32)
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(values - int(space.start), int(space.n))
    given: Any = space
    sizes, starts = np.ravel(given.nvec), np.ravel(given.start)
    if (sizes == sizes[0]).all():
        coded = jax.nn.one_hot(values - starts, int(sizes[0]))
        return coded.reshape(*values.shape[:-1], -1)
    parts = [jax.nn.one_hot(values[..., k] - starts[k], int(sizes[k])) for k in range(sizes.size)]
    return jnp.concatenate(parts, axis=-1)


def _encoded_size(space: spaces.Space[Any]) -> int:
    (size,) = AgentEncoder(space, 1).space.shape or (0,)
    return size
