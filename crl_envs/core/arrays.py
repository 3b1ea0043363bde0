"""Any environment as arrays: environments first and agents second, rewards ``(B, n)`` and so on.

`VectorArrays` takes a vector env in the layout of `WorldVectorEnv`, `ParallelArrays` copies of any ParallelEnv, which
are stepped one after the other. Learners (`agents.view`) and adapters (`crl_envs.adapters.columns`) stand on them.
Nothing resets by itself.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays
from crl_envs.core.returns import in_order, mean_of, own_rewards, team_reward

Options = Sequence[Mapping[str, Any] | None]


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
        infos: What the last reset or step said beside the rewards, in the environment's own layout: of a vector env
            its dict, of ParallelEnvs one dict each.
    """

    num_envs: int
    agents: list[Any]
    infos: Any

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
        self.infos: dict[str, Any] = {}
        self._space = action_space

    @property
    def observed(self) -> list[spaces.Space[Any]]:
        """Each agent's part of the joint space."""
        whole, n = self.env.single_observation_space, self.n_agents
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
    """Copies of any ParallelEnv.

    Masks are read from ``infos[agent]["action_mask"]``, or from observations of the form
    ``{"observation": …, "action_mask": …}``, of which the observation is what agents observe.

    Args:
        envs: The copies.
        observe: What makes an array of one environment's observations, ``{agent: observation}`` of those that have
            any; by default they are stacked, ``(n, …)``.

    Attributes:
        envs: The copies.

    Raises:
        ValueError: No possible agents.
    """

    def __init__(
        self,
        envs: Sequence[Any],
        observe: Callable[[Mapping[Any, Any]], NDArray[Any]] | None = None,
    ) -> None:
        self.envs = list(envs)
        self.num_envs = len(self.envs)
        first = self.envs[0]
        self.agents = list(getattr(first, "possible_agents", ()))
        if not self.agents:
            raise ValueError("env must have at least one possible agent, got none")
        seen = first.observation_space(self.agents[0])
        self._nested = isinstance(seen, spaces.Dict) and "observation" in seen.spaces
        self._observe = self._stacked if observe is None else observe
        self._acted = [first.action_space(agent) for agent in self.agents]
        self._discrete = all(isinstance(space, spaces.Discrete) for space in self._acted)
        self._sizes = [int(space.n) for space in self._acted] if self._discrete else None
        self._nobody = np.zeros(self.n_agents, np.bool_)
        self.infos: list[dict[Any, Any]] = [{} for _ in self.envs]
        self._seen: list[Any] = [None] * self.num_envs
        self._live: list[list[Any]] = [[]] * self.num_envs
        self._masks: list[_Masks] = [_Masks([], None, False)] * self.num_envs
        self._joint: tuple[list[Any], NDArray[np.int8] | None] = [], None

    @property
    def observed(self) -> list[spaces.Space[Any]]:
        """What each agent observes, without the mask that may stand beside it."""
        found = [self.envs[0].observation_space(agent) for agent in self.agents]
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
        for b, env in enumerate(self.envs):
            if ended is None or self._seen[b] is None or ended[b]:
                own = {} if options is None or not options[b] else {"options": options[b]}
                observations, infos = env.reset(seed=None if seed is None else seed + b, **own)
                self._take_in(b, list(env.agents), observations, infos)
        return self._frame()

    def step(self, actions: NDArray[Any]) -> Step:
        """See `EnvArrays.step`."""
        plain = actions.tolist() if self._discrete else actions
        steps = [self._step(b, env, plain[b]) for b, env in enumerate(self.envs)]
        given, local, team, terminated, truncated = zip(*steps, strict=True)
        rewards = _stack(given)
        means = None
        if any(pair is not None for pair in team):
            means = TeamRewards(*np.array([pair or _means(g, o) for g, o, pair, _, _ in steps]).T)
        return Step(
            self._frame(),
            rewards,
            rewards if all(map(operator.is_, given, local)) else _stack(local),
            means,
            _stack(terminated),
            _stack(truncated),
            np.array([not live for live in self._live]),
        )

    def look(self) -> None:
        """See `EnvArrays.look`."""
        self._live = [list(env.agents) for env in self.envs]

    def check_present(self, present: Sequence[Any]) -> None:
        """Refuse environments from which agents are absent, where a subclass can't have that."""

    def _step(self, b: int, env: Any, actions: Any) -> _Parts:
        chosen = dict(zip(self.agents, actions, strict=True))
        live = self._live[b]
        if live != self.agents:
            chosen = {agent: chosen[agent] for agent in live}
        observations, given, terminations, truncations, infos = env.step(chosen)
        live, terminated, truncated = list(env.agents), self._nobody, self._nobody
        if any(terminations.values()) or any(truncations.values()):
            # PettingZoo drops finished agents from env.agents; some environments leave that to the flags.
            terminated = self._flags(terminations)
            truncated = self._flags(truncations)
            over = dict(zip(self.agents, (terminated | truncated).tolist(), strict=True))
            live = [agent for agent in live if not over[agent]]
        self._take_in(b, live, observations, infos)
        own = own_rewards(given, infos)
        rewards = in_order(given, self.agents)
        local = rewards if own is given else in_order(own, self.agents)
        team = None if list(given) == self.agents else (mean_of(given), mean_of(own))
        return rewards, local, team, terminated, truncated

    def _flags(self, flags: Mapping[Any, Any]) -> NDArray[np.bool_]:
        return np.array([bool(flags.get(agent, False)) for agent in self.agents])

    def _take_in(
        self, b: int, live: list[Any], observations: Mapping[Any, Any], infos: dict[Any, Any]
    ) -> None:
        if live and live != self.agents:
            self.check_present(live)
        masks = [infos[a].get("action_mask") if a in infos else None for a in self.agents]
        if self._nested:
            masks = [
                observations[a].get("action_mask") if a in observations else None
                for a in self.agents
            ]
            observations = {agent: seen["observation"] for agent, seen in observations.items()}
        self._seen[b] = self._observe(observations)
        self.infos[b] = infos
        self._live[b] = live
        known, everybody = self._masks[b], live == self.agents
        if everybody and known.constant and all(map(operator.is_, masks, known.given)):
            return  # the same read-only arrays as at the last step
        stacked = stack_masks(masks, self.agents, self._sizes)
        constant = everybody and all(map(_is_constant, masks))
        self._masks[b] = _Masks(masks, stacked, constant)

    def _frame(self) -> Frame:
        live = None
        if any(there != self.agents for there in self._live):
            sets = [set(there) for there in self._live]
            live = np.array([[agent in there for agent in self.agents] for there in sets])
        parts = [masks.stacked for masks in self._masks]
        known, joint = self._joint
        if not (known and all(map(operator.is_, parts, known))):
            joint = None if any(part is None for part in parts) else _stack(parts)
            if joint is not None and all(masks.constant for masks in self._masks):
                joint.setflags(write=False)  # so that it may be known again
            self._joint = parts, joint
        return Frame(_stack(self._seen), joint, live)

    def _stacked(self, observations: Mapping[Any, Any]) -> NDArray[Any]:
        if list(observations) != self.agents:
            self.check_present(list(observations))
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
        ``int8[n, A]``, zeros where an agent has fewer actions; None where nobody has a mask.

    Raises:
        ValueError: A mask of the wrong size.
    """
    if all(mask is None for mask in masks):
        return None
    if sizes is None:
        return None if any(m is None for m in masks) else np.stack(masks).astype(np.int8)
    most = max(sizes)
    if all(isinstance(m, np.ndarray) and len(m) == most for m in masks) and min(sizes) == most:
        joint: NDArray[Any] = np.concatenate(masks).reshape(len(agents), most)
        return joint.astype(np.int8, copy=False)
    joint = np.zeros((len(agents), most), np.int8)
    for i, (mask, size) in enumerate(zip(masks, sizes, strict=True)):
        flat = np.ones(size) if mask is None else np.ravel(mask)
        if flat.size != size:
            raise ValueError(
                f"action_mask of {agents[i]} must have {size} entries, got {flat.size}"
            )
        joint[i, :size] = flat != 0
    return joint


class _Masks(NamedTuple):
    """An environment's masks as they were last read."""

    given: list[Any]  # one an agent
    stacked: NDArray[np.int8] | None  # [n, A]
    constant: bool  # whether nobody can have written into them since


_Parts = tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    tuple[float, float] | None,
    NDArray[np.bool_],
    NDArray[np.bool_],
]


def _means(given: NDArray[np.float64], own: NDArray[np.float64]) -> tuple[float, float]:
    return float(team_reward(given)), float(team_reward(own))


def _stack(parts: Sequence[Any]) -> NDArray[Any]:
    """Arrays of B environments as one; of a single environment a view, which is sooner made."""
    return np.asarray(parts[0])[None] if len(parts) == 1 else np.stack(parts)


def _is_constant(mask: Any) -> bool:
    return mask is None or (isinstance(mask, np.ndarray) and not mask.flags.writeable)


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
