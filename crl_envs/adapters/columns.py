"""Copies of a ParallelEnv as arrays: what the adapters of array libraries step.

The first axis are environments, the second agents: observations ``(B, n, …)``, rewards ``(B, n)``. Our own worlds are
arrays underneath (`WorldColumns`); of any other ParallelEnv B copies are stepped one after the other
(`ParallelColumns`). All agents of an environment begin and end together; nothing resets by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core.arguments import check_choice, check_int
from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.registration import has_world, make, make_vec
from crl_envs.wrappers import GlobalReward

Rewards = Literal["local", "global"]
Masks = Literal["check", "ignore"]

EnvOrId = str | Callable[..., ParallelEnv[Any, Any, Any]]
Options = Sequence[Mapping[str, Any] | None]

_REWARDS: Final = ("local", "global")
_MASKS: Final = ("check", "ignore")


class Frame(NamedTuple):
    """What the agents know.

    Attributes:
        observations: ``(B, n, …)``.
        action_masks: ``int8 (B, n, A)``, or None where every action is always legal.
    """

    observations: NDArray[Any]
    action_masks: NDArray[np.int8] | None


class Step(NamedTuple):
    """What came of a step; rows of environments that had ended before are meaningless.

    Attributes:
        frame: After it. Where an episode has ended, its last one.
        rewards: ``(B, n)``, as they are given.
        local_rewards: ``(B, n)``, the agents' own.
        terminations: ``bool (B, n)``.
        truncations: ``bool (B, n)``.
        ended: ``bool[B]``.
    """

    frame: Frame
    rewards: NDArray[Any]
    local_rewards: NDArray[Any]
    terminations: NDArray[np.bool_]
    truncations: NDArray[np.bool_]
    ended: NDArray[np.bool_]


class Columns(ABC):
    """B environments of n agents with equal spaces.

    Attributes:
        num_envs: B.
        agents: Their n ids, in the order of the arrays.
        observation_space: Of one agent.
        action_space: Of one agent.
        state_space: Of one environment's ``state()``, or None.
        render_mode: Of the environments.
        envs: The B environments, each to be asked for what it has alone.
    """

    num_envs: int
    agents: list[Any]
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    state_space: spaces.Space[Any] | None
    render_mode: str | None
    envs: Sequence[Any]

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return len(self.agents)

    @abstractmethod
    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """Begin episodes everywhere, or only where `ended`; environment b gets seed + b and ``options[b]``.

        Returns:
            The frame of all environments.

        Raises:
            ValueError: Options for worlds, which have none.
        """

    @abstractmethod
    def step(self, actions: NDArray[Any]) -> Step:
        """Let all agents act: ``(B, n)``, for Box actions ``(B, n, …)``."""

    @abstractmethod
    def state(self) -> NDArray[Any]:
        """The full states, ``(B, d)``."""

    def render(self) -> list[Any]:
        """A picture of each environment."""
        raise NotImplementedError(
            f"{type(self).__name__} has no pictures: make it with render_mode='rgb_array'"
        )

    def close(self) -> None:  # noqa: B027  (there may be nothing to close)
        """Release what the environments hold."""


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
        """The full state, ``[d]``."""
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


class WorldColumns(Columns):
    """A `WorldVectorEnv`, perhaps with other rewards.

    Args:
        vec: With the autoreset mode ``"Disabled"``, or with one column and ``"NextStep"``.
        env: One such environment as a ParallelEnv, of which what all have in common is read.

    Raises:
        ValueError: Another mode.
    """

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
        self.vec = vec
        self.num_envs = base.num_envs
        self.agents = [f"agent_{i}" for i in range(base.n_agents)]
        self.observation_space = base.world.single_observation_space
        self.action_space = base.world.single_action_space
        self.state_space = base.world.single_state_space
        self.render_mode = None
        self.envs = [
            WorldColumn(base, b, base.world if env is None else env) for b in range(base.num_envs)
        ]
        self._nobody = np.zeros((base.num_envs, base.n_agents), np.bool_)
        self._nobody.setflags(write=False)

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """As the base says."""
        if options is not None and any(options):
            raise ValueError(f"options must be empty, since worlds have none, got {options!r}")
        some = ended is not None and not ended.all()
        observations, infos = self.vec.reset(
            seed=seed, options={"reset_mask": ended} if some else None
        )
        return Frame(observations, infos.get("action_mask"))

    def step(self, actions: NDArray[Any]) -> Step:
        """As the base says."""
        observations, rewards, terminations, truncations, infos = self.vec.step(actions)
        ended = terminations | truncations
        terminated = truncated = self._nobody
        if ended.any():
            terminated = np.broadcast_to(terminations[:, None], rewards.shape)
            truncated = np.broadcast_to(truncations[:, None], rewards.shape)
        return Step(
            Frame(observations, infos.get("action_mask")),
            rewards,
            infos.get("local_reward", rewards),
            terminated,
            truncated,
            ended,
        )

    def state(self) -> NDArray[Any]:
        """As the base says."""
        states: NDArray[Any] = self.vec.unwrapped.state()  # type: ignore[attr-defined]
        return states


class ParallelColumns(Columns):
    """Copies of any ParallelEnv whose agents have equal spaces and all act at every step.

    Masks are read from ``infos[agent]["action_mask"]``, or from observations of the form
    ``{"observation": …, "action_mask": …}``, of which the observation is what agents observe.

    Args:
        envs: The copies.

    Raises:
        ValueError: Agents with different spaces, or with spaces that don't stack.
    """

    def __init__(self, envs: Sequence[ParallelEnv[Any, Any, Any]]) -> None:
        self.envs = list(envs)
        first = self.envs[0]
        self.num_envs = len(self.envs)
        self.agents = list(first.possible_agents)
        observation, self.action_space = common_spaces(first)
        self._nested = isinstance(observation, spaces.Dict) and "observation" in observation.spaces
        self.observation_space = observation["observation"] if self._nested else observation  # type: ignore[index]
        if self.observation_space.shape is None or isinstance(self.observation_space, spaces.Dict):
            raise ValueError(
                f"observations must be arrays or numbers, got {self.observation_space}: flatten them, for instance "
                "with supersuit.flatten_v0"
            )
        self.state_space = getattr(first, "state_space", None)
        self.render_mode = getattr(first, "render_mode", None)
        self._frames: list[tuple[NDArray[Any], NDArray[np.int8] | None]] = []

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """As the base says."""
        whole = ended is None or not self._frames
        if whole:
            self._frames = [None] * self.num_envs  # type: ignore[list-item]
        for b, env in enumerate(self.envs):
            if whole or ended[b]:  # type: ignore[index]
                own = {} if options is None or not options[b] else {"options": options[b]}
                observations, infos = env.reset(seed=None if seed is None else seed + b, **own)
                self._check_all_there(env.agents)
                self._frames[b] = self._frame(observations, infos)
        return self._stacked()

    def step(self, actions: NDArray[Any]) -> Step:
        """As the base says."""
        shape = (self.num_envs, self.n_agents)
        rewards, own = np.zeros(shape), np.zeros(shape)
        terminations, truncations = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        ended = np.zeros(self.num_envs, np.bool_)
        plain = actions.tolist() if isinstance(self.action_space, spaces.Discrete) else actions
        for b, env in enumerate(self.envs):
            observations, given, terminated, truncated, infos = env.step(
                dict(zip(self.agents, plain[b], strict=True))
            )
            ended[b] = not env.agents
            if env.agents:
                self._check_all_there(env.agents)
            for i, agent in enumerate(self.agents):
                if agent in given:
                    rewards[b, i] = given[agent]
                    own[b, i] = infos.get(agent, {}).get("local_reward", given[agent])
                terminations[b, i] = terminated.get(agent, False)
                truncations[b, i] = truncated.get(agent, False)
            # PettingZoo drops finished agents from env.agents; some environments leave that to the flags.
            over = terminations[b] | truncations[b]
            if over.any() and not over.all():
                self._check_all_there([a for a, o in zip(self.agents, over, strict=True) if not o])
            ended[b] |= bool(over.all())
            self._frames[b] = self._frame(observations, infos)
        return Step(self._stacked(), rewards, own, terminations, truncations, ended)

    def state(self) -> NDArray[Any]:
        """As the base says."""
        return np.stack([np.ravel(env.state()) for env in self.envs])

    def render(self) -> list[Any]:
        """As the base says."""
        return [env.render() for env in self.envs]

    def close(self) -> None:
        """As the base says."""
        for env in self.envs:
            env.close()

    def _frame(
        self, observations: dict[Any, Any], infos: dict[Any, dict[str, Any]]
    ) -> tuple[NDArray[Any], NDArray[np.int8] | None]:
        self._check_all_there(list(observations))
        if self._nested:
            rows = np.stack([observations[agent]["observation"] for agent in self.agents])
            masks = [observations[agent].get("action_mask") for agent in self.agents]
        else:
            rows = np.stack([observations[agent] for agent in self.agents])
            masks = [infos.get(agent, {}).get("action_mask") for agent in self.agents]
        has_masks = all(mask is not None for mask in masks)
        return rows, np.stack(masks).astype(np.int8) if has_masks else None

    def _stacked(self) -> Frame:
        masks = [mask for _, mask in self._frames]
        everywhere = all(mask is not None for mask in masks)
        return Frame(
            np.stack([rows for rows, _ in self._frames]),
            np.stack(masks) if everywhere else None,  # type: ignore[arg-type]
        )

    def _check_all_there(self, present: list[Any]) -> None:
        away = [agent for agent in self.agents if agent not in present]
        if away:
            raise ValueError(
                f"agents must act at every step of an episode, but {away[:5]} left or came later than others: keep "
                "them in, idle, for instance with supersuit.black_death_v3, or use a library that takes changing "
                "sets of agents (RLlib does)"
            )


def columns_of(
    env: EnvOrId, copies: int, rewards: Rewards = "local", **kwargs: Any
) -> WorldColumns | ParallelColumns:
    """Copies of an environment: as arrays where it is one of our worlds, one after the other otherwise.

    A world that is to be drawn (``render_mode``) isn't an array: each copy draws itself.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv (a class, a function).
        copies: Number of environments B.
        rewards: ``"local"``: as the environment gives them; ``"global"``: their mean for every agent.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """
    check_choice("rewards", rewards, _REWARDS)
    first, vec = first_of(env, copies, **kwargs)
    if vec is not None:
        return WorldColumns(GlobalReward(vec) if rewards == "global" else vec, first)
    envs = [first, *(made(env, **kwargs) for _ in range(copies - 1))]
    return ParallelColumns([GlobalReward(e) for e in envs] if rewards == "global" else envs)


def first_of(
    env: EnvOrId, copies: int, **kwargs: Any
) -> tuple[ParallelEnv[Any, Any, Any], WorldVectorEnv | None]:
    """One environment, and `copies` of it as arrays where it is nothing but a world that isn't drawn.

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
    """A new environment.

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


def common_spaces(
    env: ParallelEnv[Any, Any, Any],
) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """The observation and action space that all agents have.

    Raises:
        ValueError: They differ.
    """
    first, *others = env.possible_agents
    pair = env.observation_space(first), env.action_space(first)
    for agent in others:
        for what, mine, its in zip(
            ("observation", "action"),
            pair,
            (env.observation_space(agent), env.action_space(agent)),
            strict=True,
        ):
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
        """The error that says what to do about an agent's forbidden action."""
        return ValueError(
            f"{agent} chose action {action}, which its action mask forbids: use an algorithm that obeys "
            "masks (MaskablePPO of sb3-contrib, the algorithms of BenchMARL), or masks='ignore', with which "
            "the environment treats it as its rules say (in the worlds of crl_envs as no action at all)"
        )
