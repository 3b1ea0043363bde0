"""Difference rewards (COIN): an agent is paid what its team would have lacked without what it did.

D. Wolpert and K. Tumer, "Optimal Payoff Functions for Members of Collectives", Advances in Complex Systems 4, 2001 (the
wonderful life utility, with the agent's actions clamped to null); Dowling & Haridi (2008, §4.2). With G the team's
reward (`GlobalReward`), z what all do and z₋ᵢ the same but that agent i does nothing (action 0):

    D_i = G(z) − G(z₋ᵢ)

G(z₋ᵢ) doesn't depend on what agent i does, so that what is good for D_i is good for G (factored, aligned), and
what the others' luck does to G is mostly in both terms (learnable: much less noise than G). It needs what a real system
has not: the world played again. Here that is exact: the world's own functions from the same state, with the same draws,
which depend on nothing but seed, clock, purpose and agent.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core.arguments import check_choice, shown
from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.returns import Reduce, team_reward
from crl_envs.core.stream import Purpose, Stream, UInt64Array
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.core.world import column_select, legalise
from crl_envs.wrappers.global_reward import (
    REDUCTIONS,
    Batch,
    ByAgent,
    RewardWrapper,
    VectorGlobalReward,
    with_own,
)

_NULL: Final = 0
_WANTED: Final = (
    "env must be an environment of crl_envs, whose world can be played again, or a WorldVectorEnv"
)


class VectorDifferenceReward(VectorGlobalReward):
    """`DifferenceReward` for a batch: rewards ``float64 (B, n)``; the rest is as `VectorGlobalReward` has it.

    ``infos["local_reward"]`` holds the agents' own rewards, ``(B, n)``. Columns whose step is a reset have rewards 0.
    Arguments and errors are those of `DifferenceReward`.
    """

    wanted = _WANTED

    def __init__(
        self, env: VectorEnv[Any, Any, Any], reduce: str = "mean", clamp: str = "step"
    ) -> None:
        super().__init__(env, reduce)
        _refuse_overridden(self._world_env)
        self.clamp = check_choice("clamp", clamp, ("step", "episode"))
        self._without: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """As the wrapped environment's."""
        result = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        self._begin(np.ones(self.num_envs, np.bool_) if mask is None else np.asarray(mask))
        return result

    def step(self, actions: NDArray[Any]) -> Batch:
        """As the wrapped environment's, with difference rewards."""
        base, n = self._world_env, self.n_agents
        base._need_state("step")
        asked, idle, world = base._pack(actions), base._done.copy(), base.world
        if self.clamp == "episode":
            lacking = nulled(np.ones((n, self.num_envs), np.bool_))
            state, without = play(world, self._without, asked, lacking, base._stream)
            # Columns that stand still: what was played there is thrown away.
            self._without = column_select(idle[lacking.column], self._without, state)
        else:
            action, _ = legalise(asked, base._mask)
            lacking = self._alternatives(action, base._mask, ~idle)
            state = _at(base._state, lacking.column)
            _, without = play(world, state, action, lacking, base._stream)
        observations, given, terminations, truncations, infos = self.env.step(actions)
        extended = {"local_reward": given, **infos}
        rewards = differences(extended["local_reward"].T, without, lacking, self.reduce)
        rewards[:, idle] = 0.0
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._begin(idle)
        elif self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._begin(terminations | truncations)
        return observations, rewards.T, terminations, truncations, extended

    def _alternatives(
        self, action: NDArray[np.integer], mask: NDArray[np.int8] | None, going: NDArray[np.bool_]
    ) -> Counterfactual:
        """Return the worlds that a step is compared with, in the columns ``bool[B]`` that go on."""
        return nulled((action != _NULL) & going)

    def _begin(self, columns: NDArray[np.bool_]) -> None:
        """In these columns an episode has just begun, in all worlds alike."""
        if self.clamp == "episode" and columns.any():
            every = np.tile(np.arange(self.num_envs), self.n_agents)
            fresh = _at(self._world_env._state, every)
            before = fresh if self._without is None else self._without
            self._without = column_select(columns[every], fresh, before)


class DifferenceReward(RewardWrapper):
    """Give every agent its difference reward; ``infos[agent]["local_reward"]`` keeps its own.

    The null action is 0, what an illegal action becomes: the no-op of load balancing, which costs an agent with a load
    `min_q_value` there as well, no reboot in SYSADMIN; in the bandit it is one of two choices. Who takes it anyway (or
    tried something illegal) has D_i = 0, exactly.

    A step with ``clamp="step"`` costs up to n steps of the world more (none for agents that do nothing), with
    ``"episode"`` n always, all at once, in memory for n states: n² numbers where a state has n.

    Wrappers between this one and the world may change rewards, if they tell the agents' own as ``local_reward`` (as
    `GlobalReward` does): those make G. They must hand on actions as they get them.

    A `WorldVectorEnv` is accepted too and gives a `VectorDifferenceReward`.

    Args:
        env: An environment of this package, perhaps wrapped, or a `WorldVectorEnv`.
        reduce: G is the ``"mean"`` of the agents' own rewards, or the ``"sum"``, with which D_i is the agent's own
            reward (less that of doing nothing) where agents don't influence each other.
        clamp: ``"step"`` (default): z₋ᵢ lacks this step's action of agent i. D_i sees what the action changes in the
            rewards of this very step, and nothing of what comes of it later: in SYSADMIN a reboot never
            pays. ``"episode"``: z₋ᵢ lacks all that agent i has done since the reset: a world of its own for every
            agent, in which the others act as they do here (what is illegal there becomes the null action). The sum of
            D_i over the episode is then the difference of two returns.

    Raises:
        ValueError: Another kind of environment, a subclass with public methods of its own, or an unknown `reduce`
            or `clamp`.
    """

    def __new__(cls, env: Any = None, reduce: str = "mean", clamp: str = "step") -> Any:
        """Make a `VectorDifferenceReward` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorDifferenceReward(env, reduce, clamp)
        return super().__new__(cls)

    def __init__(self, env: Any, reduce: str = "mean", clamp: str = "step") -> None:
        if not isinstance(env, ParallelEnv) or not isinstance(env.unwrapped, WorldEnv):
            raise ValueError(f"{_WANTED}, got {shown(env)}")
        super().__init__(env)
        _refuse_overridden(env.unwrapped)
        self.reduce = cast(Reduce, check_choice("reduce", reduce, REDUCTIONS))
        self.clamp = check_choice("clamp", clamp, ("step", "episode"))
        self._without: Any = None  # states of the worlds in which one agent never does anything

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """As the wrapped environment's."""
        result = super().reset(seed=seed, options=options)
        if self.clamp == "episode":
            base = self._base
            self._without = _at(base._state, np.zeros(base.world.n_agents, np.int64))
        return result

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """As the wrapped environment's, with difference rewards as ``float``."""
        base = self._base
        if not base._running:
            return cast(ByAgent, self.env.step(actions))
        asked = base._pack(actions)
        world, n = base.world, base.world.n_agents
        if self.clamp == "episode":
            lacking = nulled(np.ones((n, 1), np.bool_))
            self._without, without = play(world, self._without, asked, lacking, base._stream)
        else:
            action, _ = legalise(asked, base._mask)
            lacking = self._alternatives(action, base._mask, np.ones(1, np.bool_))
            _, without = play(
                world, _at(base._state, lacking.column), action, lacking, base._stream
            )
        observations, given, terminations, truncations, infos = self.env.step(actions)
        extended = with_own(infos, given)
        local = np.array([info["local_reward"] for info in extended.values()], np.float64)[:, None]
        rewards = differences(local, without, lacking, self.reduce)[:, 0].tolist()
        by_agent = dict(zip(given, rewards, strict=True))
        return observations, by_agent, terminations, truncations, extended

    def _alternatives(
        self, action: NDArray[np.integer], mask: NDArray[np.int8] | None, going: NDArray[np.bool_]
    ) -> Counterfactual:
        """Return the worlds that a step is compared with, in the columns ``bool[B]`` that go on."""
        return nulled((action != _NULL) & going)

    @property
    def _base(self) -> WorldEnv:
        return cast(WorldEnv, self.env.unwrapped)


class Counterfactual(NamedTuple):
    """M worlds: in world m agent ``agent[m]`` of column ``column[m]`` does ``action[m]``."""

    agent: NDArray[np.int64]  # int64[M]
    column: NDArray[np.int64]  # int64[M]
    action: NDArray[np.int64]  # int64[M]
    weight: NDArray[np.float64]  # float64[M], with which G − G_m counts


def nulled(who: NDArray[np.bool_]) -> Counterfactual:
    """Return the worlds in which an agent does nothing, one for each of ``who: bool[n, B]``."""
    agent, column = np.nonzero(who)
    return Counterfactual(agent, column, np.full(agent.size, _NULL), np.ones(agent.size))


class EchoStream(Stream):
    """The stream of some columns of another one, at its present clock: the same draws again.

    Args:
        source: The stream.
        columns: ``int64[M]``, its columns, as often as wanted.
    """

    def __init__(self, source: Stream, columns: NDArray[np.int64]) -> None:
        self.num_envs = columns.size
        self.seeds = source.seeds[columns]
        self._source, self._columns = source, columns

    @property
    def clock(self) -> UInt64Array:
        """``uint64[M]``: that of each column."""
        return self._source.clock[self._columns]

    def keys(self, purpose: Purpose) -> UInt64Array:
        """Return the keys of each column: ``uint64[M]``."""
        return self._source.keys(purpose)[self._columns]


def _refuse_overridden(env: WorldEnv | WorldVectorEnv) -> None:
    if changed := overridden(env):
        raise ValueError(
            f"env must step as its world does, which is played again; {type(env).__name__} has its own "
            f"{', '.join(changed)}"
        )


def play(
    world: Any, state: Any, action: NDArray[np.integer], lacking: Counterfactual, stream: Stream
) -> tuple[Any, NDArray[np.float32]]:
    """Step the worlds in which an agent does something else, such as nothing.

    Args:
        world: The dynamics.
        state: M columns.
        action: ``[n, B]``, what all do in the real ones; what is illegal becomes 0.
        lacking: Who does what instead.
        stream: That of the real ones, before they step.

    Returns:
        The next states and the local rewards ``float32[n, M]``, 0 where the episode had ended before.
    """
    m = lacking.agent.size
    if m == 0:
        return state, np.zeros((world.n_agents, 0), np.float32)
    chosen = action[:, lacking.column]
    chosen[lacking.agent, np.arange(m)] = lacking.action
    legal, _ = legalise(chosen, world.action_mask(state))
    over = world.terminal(state)
    next_state, rewards = world.step(state, legal, EchoStream(stream, lacking.column))
    if over.any():
        next_state = column_select(over, state, next_state)
        rewards[:, over] = 0.0
    return next_state, rewards


def differences(
    local: NDArray[Any], without: NDArray[Any], lacking: Counterfactual, reduce: Reduce
) -> NDArray[np.float64]:
    """Return D: ``float64[n, B]``, 0 for those who don't figure in `lacking`.

    Args:
        local: ``[n, B]``, the agents' own rewards.
        without: ``[n, M]``, those in the worlds where somebody does something else.
        lacking: Who does, where.
        reduce: What G is.
    """
    rewards = np.zeros(local.shape)
    if lacking.agent.size:
        team = team_reward(local, reduce)
        lost = team_reward(without, reduce)
        gain = lacking.weight * (team[lacking.column] - lost)
        np.add.at(rewards, (lacking.agent, lacking.column), gain)
    return rewards


def _at(state: Any, columns: NDArray[np.int64]) -> Any:
    """Return the given columns of a state."""
    if isinstance(state, tuple):
        return type(state)(*(field[..., columns] for field in state))
    return state[..., columns]
