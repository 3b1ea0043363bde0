"""Any environment as arrays: environments first and agents second, rewards ``(B, n)`` and so on.

`VectorArrays` takes a vector env in the layout of `WorldVectorEnv`, `ParallelArrays` any ParallelEnv. Learners
(`agents.view`) and adapters (`crl_envs.adapters.columns`) stand on them. Nothing resets by itself.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays
from crl_envs.core.returns import (  # noqa: F401  (those of episodes are known from here, too)
    EpisodeReturn,
    EpisodeTally,
    Returns,
    in_order,
    mean_of,
    own_rewards,
)

Options = Sequence[Mapping[str, Any] | None]

_GOES_ON: Final = np.zeros(1, np.bool_)
_HAS_ENDED: Final = np.ones(1, np.bool_)


class Frame(NamedTuple):
    """What the agents know when they choose their actions."""

    observations: NDArray[Any]  # (B, n, …), or (B, …) as `observe` makes it of a dict
    action_masks: NDArray[np.int8] | None  # (B, n, A); None: no agent has a mask
    live: NDArray[np.bool_] | None  # (B, n), whether the agent will act; None: all will


class TeamRewards(NamedTuple):
    """Means over the agents that took part in a step, where some didn't."""

    given: NDArray[np.float64]  # [B], of `Step.rewards`
    local: NDArray[np.float64]  # [B], of `Step.local_rewards`


class Step(NamedTuple):
    """What came of a step; rows of environments that had ended before are meaningless."""

    frame: Frame  # after it; where an episode has ended, its last one
    rewards: NDArray[Any]  # (B, n), as they are given; 0 for agents that didn't take part
    local_rewards: NDArray[Any]  # (B, n), own ones; the same object unless a wrapper differs
    team: TeamRewards | None  # None: the means of all n
    terminations: NDArray[np.bool_]  # (B, n)
    truncations: NDArray[np.bool_]  # (B, n)
    ended: NDArray[np.bool_]  # [B]


class EnvArrays(OwnsArrays, ABC):
    """B environments of n agents.

    Attributes:
        num_envs: B.
        agents: Their n ids, in the order of the arrays.
        infos: What the last reset or step said beside the rewards, in the environment's own layout.
    """

    num_envs: int
    agents: list[Any]
    infos: dict[Any, Any]

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return len(self.agents)

    @property
    @abstractmethod
    def observed(self) -> list[spaces.Space[Any]]:
        """What each agent observes.

        Raises:
            ValueError: A joint space isn't made of the agents' own.
        """

    @property
    @abstractmethod
    def actions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each agent's number of actions and its first action: ``int64[n]``.

        Raises:
            ValueError: An action space isn't Discrete.
        """

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
        """Let all agents act: ``(B, n)``, for Box actions ``(B, n, …)``; ignored where nobody lives."""

    def look(self) -> None:
        """Take in that episodes may have gone on by other ways than `step`."""


class VectorArrays(EnvArrays):
    """A vector env whose sub-environments hold all n agents.

    Args:
        env: A `WorldVectorEnv` or another one in its layout.

    Raises:
        ValueError: Another layout, or autoreset mode ``"same-step"``.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
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
        self.env = env
        self.num_envs = env.num_envs
        self.agents = [f"agent_{i}" for i in range(action_space.nvec.size)]
        self.infos: dict[Any, Any] = {}
        self._space = action_space

    @property
    def observed(self) -> list[spaces.Space[Any]]:
        """Each agent's part of the joint space."""
        whole, n = self.env.single_observation_space, self.n_agents
        if isinstance(whole, spaces.MultiDiscrete) and whole.nvec.shape == (n,):
            # One object for all that are the same: to make one takes as long as a learner's step.
            pairs = list(zip(whole.nvec.tolist(), whole.start.tolist(), strict=True))
            made = {pair: spaces.Discrete(pair[0], start=pair[1]) for pair in set(pairs)}
            return [made[pair] for pair in pairs]
        return [_slice_space(whole, i, n) for i in range(n)]

    @property
    def actions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of the joint space."""
        return self._space.nvec.astype(np.int64), self._space.start.astype(np.int64)

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """See `EnvArrays.reset`."""
        if options is not None and any(options):
            raise ValueError(f"options must be empty, since worlds have none, got {options!r}")
        if ended is None or ended.all():
            observations, self.infos = self.env.reset(seed=seed)
        else:
            observations, self.infos = self.env.reset(seed=seed, options={"reset_mask": ended})
        return Frame(observations, self.infos.get("action_mask"), None)

    def step(self, actions: NDArray[Any]) -> Step:
        """See `EnvArrays.step`."""
        observations, rewards, terminations, truncations, self.infos = self.env.step(actions)
        ended = terminations | truncations
        terminated = truncated = self._nobody
        if ended.any():
            terminated = np.broadcast_to(terminations[:, None], rewards.shape)
            truncated = np.broadcast_to(truncations[:, None], rewards.shape)
        frame = Frame(observations, self.infos.get("action_mask"), None)
        local = self.infos.get("local_reward", rewards)
        return Step(frame, rewards, local, None, terminated, truncated, ended)

    @cached_property
    def _nobody(self) -> NDArray[np.bool_]:
        return np.broadcast_to(np.False_, (self.num_envs, self.n_agents))


class ParallelArrays(EnvArrays):
    """A ParallelEnv as one environment of arrays, B = 1.

    Masks are read from ``infos[agent]["action_mask"]``, or from observations of the form
    ``{"observation": …, "action_mask": …}``, of which the observation is what agents observe.

    Args:
        env: Any ParallelEnv with ``possible_agents``.
        observe: What makes an array of the observations, ``{agent: observation}`` of those that have any; by default
            they are stacked, ``(n, …)``.
        check: Called with the agents that are there when some aren't, to refuse that; by default they may be absent.

    Attributes:
        env: The environment.

    Raises:
        ValueError: No possible agents.
    """

    num_envs = 1

    def __init__(
        self,
        env: Any,
        observe: Callable[[Mapping[Any, Any]], NDArray[Any]] | None = None,
        check: Callable[[list[Any]], None] | None = None,
    ) -> None:
        self.env = env
        self.agents = list(getattr(env, "possible_agents", ()))
        if not self.agents:
            raise ValueError("env must have at least one possible agent, got none")
        seen = env.observation_space(self.agents[0])
        self._nested = isinstance(seen, spaces.Dict) and "observation" in seen.spaces
        self._observe = self._stacked if observe is None else observe
        self._check = check
        self._acted = [env.action_space(agent) for agent in self.agents]
        self._discrete = all(isinstance(space, spaces.Discrete) for space in self._acted)
        self._sizes = [int(space.n) for space in self._acted] if self._discrete else None
        self._nobody = np.zeros((1, self.n_agents), np.bool_)
        self.infos: dict[Any, Any] = {}
        self._live: list[Any] | None = None  # None: all agents
        self._read: list[Any] = []  # the masks of `_masks`, one an agent
        self._masks: NDArray[np.int8] | None = None
        self._constant = False  # whether nobody can have written into them since

    @property
    def observed(self) -> list[spaces.Space[Any]]:
        """What each agent observes, without the mask that may stand beside it."""
        found = [self.env.observation_space(agent) for agent in self.agents]
        return [space["observation"] for space in found] if self._nested else found

    @property
    def actions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each agent's space."""
        for agent, space in zip(self.agents, self._acted, strict=True):
            if not isinstance(space, spaces.Discrete):
                raise ValueError(f"the action space of {agent} must be Discrete, got {space}")
        starts = [int(space.start) for space in self._acted]
        return np.array(self._sizes, np.int64), np.array(starts, np.int64)

    def reset(
        self,
        seed: int | None = None,
        ended: NDArray[np.bool_] | None = None,
        options: Options | None = None,
    ) -> Frame:
        """See `EnvArrays.reset`."""
        own = {"options": options[0]} if options is not None and options[0] else {}
        observations, infos = self.env.reset(seed=seed, **own)
        self._note_live(self.env.agents)
        return self._frame(observations, infos)

    def step(self, actions: NDArray[Any]) -> Step:
        """See `EnvArrays.step`."""
        (plain,) = actions.tolist() if self._discrete else actions
        chosen = dict(zip(self.agents, plain, strict=True))
        if self._live is not None:
            chosen = {agent: chosen[agent] for agent in self._live}
        observations, given, terminations, truncations, infos = self.env.step(chosen)
        live, terminated, truncated = self.env.agents, self._nobody, self._nobody
        if any(terminations.values()) or any(truncations.values()):
            # PettingZoo drops finished agents from env.agents; some environments leave that to the flags.
            terminated, truncated = self._flags(terminations), self._flags(truncations)
            over = dict(zip(self.agents, (terminated | truncated)[0].tolist(), strict=True))
            live = [agent for agent in live if not over[agent]]
        self._note_live(live)
        own = own_rewards(given, infos)
        rewards = in_order(given, self.agents)[None]
        local = rewards if own is given else in_order(own, self.agents)[None]
        team = None
        if list(given) != self.agents:
            team = TeamRewards(np.array([mean_of(given)]), np.array([mean_of(own)]))
        ended = _GOES_ON if live else _HAS_ENDED
        frame = self._frame(observations, infos)
        return Step(frame, rewards, local, team, terminated, truncated, ended)

    def look(self) -> None:
        """See `EnvArrays.look`."""
        self._note_live(self.env.agents)

    def _note_live(self, live: list[Any]) -> None:
        self._live = None if live == self.agents else list(live)
        if self._live and self._check is not None:
            self._check(self._live)

    def _flags(self, flags: Mapping[Any, Any]) -> NDArray[np.bool_]:
        return np.array([[bool(flags.get(agent, False)) for agent in self.agents]])

    def _frame(self, observations: Mapping[Any, Any], infos: dict[Any, Any]) -> Frame:
        self.infos = infos
        source = observations if self._nested else infos
        masks = [source[a].get("action_mask") if a in source else None for a in self.agents]
        if self._nested:
            observations = {agent: seen["observation"] for agent, seen in observations.items()}
        live = None
        if self._live is not None:
            there = set(self._live)
            live = np.array([[agent in there for agent in self.agents]])
        seen = self._observe(observations)[None]
        if not (self._constant and all(map(operator.is_, masks, self._read))):
            self._read, self._masks = masks, stack_masks(masks, self.agents, self._sizes)
            self._constant = all(map(_is_constant, masks))
            if self._constant and self._masks is not None:
                # Says that it stays the same for as long as it is given.
                self._masks.setflags(write=False)
        return Frame(seen, self._masks, live)

    def _stacked(self, observations: Mapping[Any, Any]) -> NDArray[Any]:
        if list(observations) != self.agents and self._check is not None:
            self._check(list(observations))
        return np.array([observations[agent] for agent in self.agents])


def stack_masks(
    masks: Sequence[Any], agents: Sequence[Any], sizes: Sequence[int] | None
) -> NDArray[np.int8] | None:
    """Make one array of the agents' masks.

    Args:
        masks: One an agent, or None for all ones.
        agents: The n agents, for the message.
        sizes: Their numbers of actions; None where actions can't be counted.

    Returns:
        ``int8 (1, n, A)``, zeros where an agent has fewer actions; None where nobody has a mask.

    Raises:
        ValueError: A mask of the wrong size.
    """
    if all(mask is None for mask in masks):
        return None
    if sizes is None:
        return None if any(m is None for m in masks) else np.stack(masks).astype(np.int8)[None]
    most = max(sizes)
    if all(isinstance(m, np.ndarray) and len(m) == most for m in masks) and min(sizes) == most:
        joint: NDArray[Any] = np.concatenate(masks).reshape(1, len(agents), most)
        return joint.astype(np.int8, copy=False)
    joint = np.zeros((1, len(agents), most), np.int8)
    for i, (mask, size) in enumerate(zip(masks, sizes, strict=True)):
        flat = np.ones(size) if mask is None else np.ravel(mask)
        if flat.size != size:
            raise ValueError(
                f"action_mask of {agents[i]} must have {size} entries, got {flat.size}"
            )
        joint[0, i, :size] = flat != 0
    return joint


def _is_constant(mask: Any) -> bool:
    return mask is None or (isinstance(mask, np.ndarray) and not mask.flags.writeable)


def _slice_space(space: spaces.Space[Any], i: int, n: int) -> spaces.Space[Any]:
    """Return agent i's part of the joint observation space of n agents."""
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.shape[:1] == (n,):
        return spaces.MultiDiscrete(space.nvec[i], start=space.start[i])
    if isinstance(space, spaces.Box) and space.shape[:1] == (n,):
        return spaces.Box(space.low[i], space.high[i], dtype=space.dtype.type)
    raise ValueError(
        f"single_observation_space of env must be a MultiDiscrete or Box with {n} agents along its "
        f"first axis, got {space}"
    )
