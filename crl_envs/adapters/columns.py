"""Copies of a ParallelEnv as arrays: what the adapters of array libraries step.

The first axis are environments, the second agents: observations ``(B, n, …)``, rewards ``(B, n)``. Our own worlds are
arrays underneath (`WorldColumns`); of any other ParallelEnv B copies are stepped one after the other
(`ParallelColumns`). All agents of an environment begin and end together; nothing resets by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core.arguments import check_choice, check_int
from crl_envs.core.arrays import EnvArrays, Frame, Options, ParallelArrays, Step, VectorArrays
from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.returns import REWARDS, EpisodeReturn, EpisodeTally, Rewards
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.registration import has_world, make, make_vec
from crl_envs.wrappers.neighborhood_reward import paid_as

Masks = Literal["check", "ignore"]

EnvOrId = str | Callable[..., ParallelEnv[Any, Any, Any]]

_MASKS: Final = ("check", "ignore")


@dataclass(frozen=True)
class WorldColumn:
    """One environment of `WorldColumns`: what can be asked of it alone. It isn't stepped or changed alone.

    Attributes:
        vec: All of them.
        column: Which one.
        common: Has what is the same for all: a ParallelEnv, or the world.
    """

    vec: WorldVectorEnv
    column: int
    common: Any

    def state(self) -> NDArray[Any]:
        """Return the full state, ``[d]``."""
        row: NDArray[Any] = self.vec.state()[self.column]
        return row

    def metrics(self) -> dict[str, Any]:
        """Measurements of the present state, as of the ParallelEnv."""
        rows = {key: rows[self.column] for key, rows in self.vec.metrics().items()}
        return {key: row.item() if row.ndim == 0 else row for key, row in rows.items()}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("agents", "close", "fast_forward", "render"):
            raise AttributeError(f"one environment of an array of them has no {name!r}")
        return getattr(self.common, name)


class WorldColumns(VectorArrays):
    """A `WorldVectorEnv`, perhaps with other rewards, as `Columns`.

    Args:
        vec: With the autoreset mode ``"Disabled"``, or with one column and ``"NextStep"``.
        env: One such environment as a ParallelEnv, of which what all have in common is read.

    Raises:
        ValueError: Another mode.
    """

    render_mode = None

    def __init__(self, vec: VectorEnv[Any, Any, Any], env: Any = None) -> None:
        base = vec.unwrapped
        if not isinstance(base, WorldVectorEnv):
            raise ValueError(f"vec must be a WorldVectorEnv, perhaps wrapped, got {vec!r}")
        mode = base.autoreset_mode
        alone = base.num_envs == 1 and mode is AutoresetMode.NEXT_STEP
        if mode is not AutoresetMode.DISABLED and not alone:
            raise ValueError(
                "vec must have autoreset_mode='Disabled' (or one column and 'NextStep'), since adapters reset "
                f"by themselves; got {mode.value!r} and num_envs={base.num_envs}"
            )
        super().__init__(vec)
        world = base.world
        self.observation_space = world.single_observation_space
        self.action_space = world.single_action_space
        self.state_space = world.single_state_space
        common = world if env is None else env
        self.envs = [WorldColumn(base, b, common) for b in range(base.num_envs)]

    def state(self) -> NDArray[Any]:
        """Return the full states, ``(B, d)``."""
        states: NDArray[Any] = self.env.unwrapped.state()  # type: ignore[attr-defined]
        return states

    def render(self) -> list[Any]:
        """Refuse: arrays have no pictures."""
        raise NotImplementedError(
            f"{type(self).__name__} has no pictures: make it with render_mode='rgb_array'"
        )

    def close(self) -> None:
        """Do nothing: arrays hold nothing."""


class ParallelColumns(EnvArrays):
    """Copies of any ParallelEnv whose agents have equal spaces and all act at every step, as `Columns`.

    They are stepped one after the other.

    Args:
        envs: The copies.

    Raises:
        ValueError: Agents with different spaces, or with spaces that don't stack.
    """

    def __init__(self, envs: Sequence[ParallelEnv[Any, Any, Any]]) -> None:
        self.envs = list(envs)
        self.num_envs = len(self.envs)
        first = self.envs[0]
        _, self.action_space = common_spaces(first)
        self._copies = [ParallelArrays(env, check=self._check_present) for env in self.envs]
        self._frames: list[Frame] = []
        self.agents = self._copies[0].agents
        self.observation_space = self.observed[0]
        if self.observation_space.shape is None or isinstance(self.observation_space, spaces.Dict):
            raise ValueError(
                f"observations must be arrays or numbers, got {self.observation_space}: flatten them, for instance "
                "with supersuit.flatten_v0"
            )
        self.state_space = getattr(first, "state_space", None)
        self.render_mode = getattr(first, "render_mode", None)

    @property
    def observed(self) -> list[spaces.Space[Any]]:
        """What each agent observes."""
        return self._copies[0].observed

    @property
    def actions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each agent's number of actions and its first action."""
        return self._copies[0].actions

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """See `EnvArrays.reset`."""
        begun = [True] * self.num_envs if ended is None or not self._frames else ended.tolist()
        self._frames = [
            copy.reset(
                None if seed is None else seed + b,
                options=None if options is None else options[b : b + 1],
            )
            if begun[b]
            else self._frames[b]
            for b, copy in enumerate(self._copies)
        ]
        return self._joint_frame()

    def step(self, actions: NDArray[Any]) -> Step:
        """See `EnvArrays.step`."""
        steps = [copy.step(actions[b : b + 1]) for b, copy in enumerate(self._copies)]
        self._frames = [step.frame for step in steps]
        _, rewards, local, _, *flags = zip(*steps, strict=True)
        joint = (self._joint_frame(), np.concatenate(rewards), np.concatenate(local), None)
        return Step(*joint, *map(np.concatenate, flags))

    def state(self) -> NDArray[Any]:
        """Return the full states, ``(B, d)``."""
        return np.stack([np.ravel(env.state()) for env in self.envs])

    def render(self) -> list[Any]:
        """Return a picture of each environment."""
        return [env.render() for env in self.envs]

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def _joint_frame(self) -> Frame:
        observations, masks, _ = zip(*self._frames, strict=True)
        everywhere = all(mask is not None for mask in masks)
        return Frame(
            np.concatenate(observations), np.concatenate(masks) if everywhere else None, None
        )

    def _check_present(self, present: Sequence[Any]) -> None:
        away = [agent for agent in self.agents if agent not in present]
        if away:
            raise ValueError(
                f"agents must act at every step of an episode, but {away[:5]} left or came later than others: keep "
                "them in, idle, for instance with supersuit.black_death_v3, or use a library that takes changing "
                "sets of agents (RLlib does)"
            )


Columns = WorldColumns | ParallelColumns
"""B environments of n agents with equal spaces: `crl_envs.core.arrays.EnvArrays` that also have

- ``observation_space`` and ``action_space`` of one agent, ``state_space`` of an environment's ``state()``, or None;
- ``render_mode``, and ``envs``: the B environments, each to be asked for what it has alone;
- ``state()``: the full states ``(B, d)``; ``render()``: a picture of each environment; ``close()``.
"""


def columns_of(env: EnvOrId, copies: int, rewards: Rewards = "local", **kwargs: Any) -> Columns:
    """Make copies of an environment: as arrays where it is one of our worlds, one after the other otherwise.

    A world that is to be drawn (``render_mode``) isn't an array: each copy draws itself.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv (a class, a function).
        copies: Number of environments B.
        rewards: ``"local"``: as the environment gives them; ``"neighborhood"``: the mean of each agent's neighbourhood;
            ``"global"``: their mean for every agent.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """
    check_choice("rewards", rewards, REWARDS)
    first, vec = first_of(env, copies, **kwargs)
    if vec is not None:
        return WorldColumns(paid_as(vec, rewards), first)
    envs = [first, *(made(env, **kwargs) for _ in range(copies - 1))]
    return ParallelColumns([paid_as(e, rewards) for e in envs])


def first_of(
    env: EnvOrId, copies: int, **kwargs: Any
) -> tuple[ParallelEnv[Any, Any, Any], WorldVectorEnv | None]:
    """Return one environment, and `copies` of it as arrays where it is nothing but a world that isn't drawn.

    Raises:
        ValueError: A bad argument; an unknown id.
    """
    copies = check_int("copies", copies, low=1)
    mode = AutoresetMode.DISABLED
    first = made(env, **kwargs)
    if getattr(first, "render_mode", None) is not None:
        return first, None
    if isinstance(first, WorldEnv):
        if not overridden(first):
            return first, WorldVectorEnv(first.world, copies, mode)
    elif isinstance(env, str) and has_world(env):
        return first, make_vec(env, copies, autoreset_mode=mode, **kwargs)
    return first, None


def made(env: EnvOrId, **kwargs: Any) -> ParallelEnv[Any, Any, Any]:
    """Make an environment.

    Raises:
        ValueError: A bad argument; an unknown id; neither an id nor a callable that makes a ParallelEnv.
    """
    if isinstance(env, ParallelEnv) or not (isinstance(env, str) or callable(env)):
        raise ValueError(
            "env must be an id or a callable that makes a ParallelEnv, since each copy is one of its own; "
            f"got {env!r}"
        )
    found = make(env, **kwargs) if isinstance(env, str) else env(**kwargs)
    if not isinstance(found, ParallelEnv):
        raise ValueError(f"env must make a ParallelEnv, got {found!r}")
    return found


def common_spaces(env: ParallelEnv[Any, Any, Any]) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """Return the observation and action space that all agents have.

    Raises:
        ValueError: They differ.
    """
    first, *others = env.possible_agents
    pair = env.observation_space(first), env.action_space(first)
    for agent in others:
        its_own = env.observation_space(agent), env.action_space(agent)
        for what, mine, its in zip(("observation", "action"), pair, its_own, strict=True):
            if mine != its:
                raise ValueError(
                    f"agents must have equal {what} spaces to share one policy: {first} has {mine}, {agent} has {its}. "
                    "Pad them to the same size (supersuit.pad_observations_v0, pad_action_space_v0), or let one "
                    "controller act for all (crl_envs.wrappers.JointAction)"
                )
    return pair


class MaskGuard:
    """Sees to it that a library which ignores action masks isn't left to choose forbidden actions unnoticed.

    Args:
        masks: ``"check"``: refuse forbidden actions; ``"ignore"``: let them pass to the environment.

    Attributes:
        checks: Whether it refuses them.

    Raises:
        ValueError: Another word.
    """

    def __init__(self, masks: Masks) -> None:
        self.checks = check_choice("masks", masks, _MASKS) == "check"

    def check(
        self, actions: NDArray[Any], action_masks: NDArray[np.int8] | None, agents: Sequence[Any]
    ) -> None:
        """See whether an action is forbidden.

        Args:
            actions: ``(B, n)``.
            action_masks: ``(B, n, A)``.
            agents: Their n ids.

        Raises:
            ValueError: One is.
        """
        if not self.checks or action_masks is None or actions.ndim != 2:
            return
        legal = np.take_along_axis(action_masks, actions[..., None].astype(np.int64), -1)[..., 0]
        if not legal.all():
            b, i = np.argwhere(legal == 0)[0]
            raise self.refusal(agents[i], actions[b, i])

    @staticmethod
    def refusal(agent: Any, action: Any) -> ValueError:
        """Return the error that says what to do about an agent's forbidden action."""
        return ValueError(
            f"{agent} chose action {action}, which its action mask forbids: use an algorithm that obeys "
            "masks (MaskablePPO of sb3-contrib, the algorithms of BenchMARL), or masks='ignore', with which "
            "the environment treats it as its rules say (in the worlds of crl_envs as no action at all)"
        )


class Play:
    """Step `Columns` for a library: count returns, seed the first episodes, and let no forbidden action pass unnoticed.

    Args:
        columns: The environments.
        masks: See `MaskGuard`.
        seed: Of the next reset of all that has none: environment b gets seed + b.

    Attributes:
        tally: Environment steps and the returns of episodes so far, by own rewards.
        action_masks: What is legal now, ``(B, n, A)``; None without masks.
        seed: See above; None when it has been used.
    """

    def __init__(self, columns: Columns, masks: Masks = "check", seed: int | None = None) -> None:
        self.tally = EpisodeTally(columns.num_envs, columns.n_agents)
        self.action_masks: NDArray[np.int8] | None = None
        self.seed = seed
        self._columns = columns
        self._guard = MaskGuard(masks)

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Begin episodes everywhere, or only where `ended`, all with the same options.

        Raises:
            ValueError: Options for worlds, which have none.
        """
        if ended is None:
            seed, self.seed = (self.seed if seed is None else seed), None
        self.tally.begin(ended)
        every = [options] * self._columns.num_envs
        return self.seen(self._columns.reset(seed, ended, every))

    def step(self, actions: NDArray[Any], first: int = 0) -> tuple[Step, list[EpisodeReturn]]:
        """Let all agents act: ``(B, n)``, for Box actions ``(B, n, …)``.

        Args:
            actions: What they do.
            first: The first action, where a library counts from 0.

        Returns:
            What came of it, and the episodes that it ended.

        Raises:
            ValueError: An action that its mask forbids; an agent that left before the others.
        """
        self._guard.check(actions, self.action_masks, self._columns.agents)
        step = self._columns.step(actions + first if first else actions)
        self.seen(step.frame)
        return step, self.tally.add(step.local_rewards, step.ended)

    def seen(self, frame: Frame) -> Frame:
        """Take in what is legal now."""
        self.action_masks = frame.action_masks
        return frame


def ends(step: Step) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which environments terminated and which were truncated: ``bool[B]`` each.

    Where some agents terminate and others are truncated in the same step, the episode goes on for some: truncated.
    """
    terminated = np.asarray(step.terminations.all(axis=1))
    return step.ended & terminated, step.ended & ~terminated
