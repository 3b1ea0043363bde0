"""All agents of a ParallelEnv as one agent: the centralised controller's view, for single-agent libraries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any, Final, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core.arguments import about, check_bool, check_choice, check_seed, shown
from crl_envs.core.copies import CopiesApart
from crl_envs.core.returns import Reduce, team_reward
from crl_envs.wrappers.shown import ShowsWhatItWraps

_NOTHING: dict[str, Any] = {}
_MOST_FLAT: Final = 65_536  # joint actions as one number

AgentSpaces = Sequence[tuple[Any, spaces.Space[Any]]]  # (agent, its space), in agent order


class JointAction(ShowsWhatItWraps, CopiesApart, gymnasium.Env[NDArray[Any], NDArray[np.int64]]):
    """A ParallelEnv as one ``gymnasium.Env``: joint observation, joint action, the team's reward.

    Everything is in the order of ``env.possible_agents``.

    - ``action_space``: ``MultiDiscrete``, the agents' Discrete and MultiDiscrete actions one after the other; with
      `flatten` ``Discrete``.
    - ``observation_space``: a 1-D ``MultiDiscrete`` when all agents observe Discrete or MultiDiscrete values, a 1-D
      ``Box`` when all observe Boxes.
    - reward: the mean or sum over the agents that took part in the step, as in `GlobalReward`.
    - ``info["action_mask"]``: ``int8``, one entry for each value of each action component, as MaskablePPO wants
      it (ones for agents without a mask); also from `action_masks`. ``info["local_rewards"]``: ``float64[n]``.

    The episode ends when the last agent's does: truncated when any agent was truncated without being terminated,
    else terminated. An agent that has left keeps its last observation (before it first appears: zeros, or the
    nearest its space allows), has the local reward 0, and its part of the action is ignored; its mask then
    allows the first value only. The ParallelEnv is at ``env``; ``env.unwrapped`` has its optimum and metrics.

    Args:
        env: Any ParallelEnv with ``possible_agents`` and the spaces above.
        reduce: ``"mean"`` or ``"sum"``.
        flatten: Whether a joint action is one number, as DQN wants it: ``Discrete(A)``, the last agent's action varying
            fastest. The mask is ``int8[A]`` then.

    Raises:
        ValueError: Another kind of environment, an unknown `reduce`, an agent with another kind of space, or more than
            65,536 joint actions to flatten.
    """

    def __init__(self, env: Any, reduce: str = "mean", flatten: bool = False) -> None:
        if not isinstance(env, ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv, got {shown(env)}")
        self.reduce = cast(Reduce, check_choice("reduce", reduce, ("mean", "sum")))
        self.env = env
        self.agents = list(env.possible_agents)
        self.render_mode = getattr(env, "render_mode", None)

        observed = [(agent, env.observation_space(agent)) for agent in self.agents]
        acted = [(agent, env.action_space(agent)) for agent in self.agents]
        joint_space = join_observations(observed)
        self.observation_space = joint_space
        self._blank = _nearest_to_zero(joint_space)
        self._joint_actions = _join_discrete(acted, "action")
        self.flatten = check_bool("flatten", flatten)
        joint: Any = self._joint_actions
        if self.flatten:
            joint = spaces.Discrete(_count(self._joint_actions))
        self.action_space = joint
        self._observation_at = _bounds([_size(space) for _, space in observed])
        self._action_at = _bounds([_size(space) for _, space in acted])
        self._first = [_first_values(_parts(space)[0]) for _, space in acted]
        self._anything = [np.ones_like(first) for first in self._first]
        self._scalar_observations = all(isinstance(s, spaces.Discrete) for _, s in observed)
        self._action_spaces = [space for _, space in acted]
        self._scalar_actions = all(isinstance(s, spaces.Discrete) for _, s in acted)
        self._live: list[Any] = []
        self._truncated = False
        self._observation = self._blank
        self._mask = self._masks({})

    @cached_property
    def metadata(self) -> dict[str, Any]:  # type: ignore[override]
        """The ParallelEnv's, of a world's render modes only those that work here: `check_env` tries each of them."""
        given = dict(getattr(self.env, "metadata", {}))
        usable = getattr(self.env.unwrapped, "usable_render_modes", None)
        return {**given, "render_modes": usable() if usable else given.get("render_modes", [])}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode; seed and options go to the ParallelEnv."""
        if seed is not None:
            seed = check_seed("seed", seed)
        super().reset(seed=seed)
        observations, infos = self.env.reset(seed=seed, options=options)
        self._observation = self._blank
        self._live = list(self.env.agents)
        self._truncated = False
        return self._observe(observations), {"action_mask": self._masks(infos)}

    def step(
        self, action: NDArray[np.int64]
    ) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Let all agents act.

        Raises:
            ValueError: `action` is not in the action space.
            gymnasium.error.ResetNeeded: No agent is left, or before the first reset.
        """
        if not self._live:
            raise ResetNeeded("call reset() before step()")
        array = np.asarray(action)
        if not self.action_space.contains(array):
            raise ValueError(
                f"action must be an integer array of shape {self.action_space.shape} in "
                f"{self.action_space}, got {shown(action)}"
            )
        if self.flatten:
            array = self._joint_actions.start + self._digits(int(array))
        observations, rewards, terminations, truncations, infos = self.env.step(self._split(array))
        local = np.array([rewards.get(agent, 0.0) for agent in self.agents], np.float64)
        took_part = np.array(list(rewards.values()), np.float64)
        team = float(team_reward(took_part, self.reduce)) if rewards else 0.0

        self._truncated = self._truncated or any(
            truncations.get(agent, False) and not terminations.get(agent, False)
            for agent in self._live
        )
        self._live = [
            agent
            for agent in self.env.agents
            if not terminations.get(agent, False) and not truncations.get(agent, False)
        ]
        ended = not self._live
        info = {"action_mask": self._masks(infos), "local_rewards": local}
        terminated, truncated = ended and not self._truncated, ended and self._truncated
        return self._observe(observations), team, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return the present ``info["action_mask"]`` as ``bool``: what sb3-contrib's MaskablePPO asks for."""
        return self._mask.astype(np.bool_)

    def state(self) -> NDArray[Any]:
        """Return the ParallelEnv's full state."""
        return cast(NDArray[Any], self.env.state())

    def render(self) -> Any:
        """Return the ParallelEnv's picture."""
        return self.env.render()

    def close(self) -> None:
        """Close the ParallelEnv."""
        self.env.close()

    def _digits(self, number: int) -> NDArray[np.int64]:
        """Return the places of a flat action in its components, of which NumPy's own way takes 64 at most."""
        digits = np.zeros(len(self._joint_actions.nvec), np.int64)
        for i, size in reversed(list(enumerate(self._joint_actions.nvec.tolist()))):
            number, digits[i] = divmod(number, size)
        return digits

    def _split(self, action: NDArray[Any]) -> dict[Any, Any]:
        """Return the live agents' actions out of the joint one."""
        if self._scalar_actions:
            every = dict(zip(self.agents, action.tolist(), strict=True))
        else:
            parts = (action[low:high] for low, high in pairwise(self._action_at))
            every = dict(
                zip(self.agents, map(_own_action, self._action_spaces, parts), strict=True)
            )
        if self._live == self.agents:
            return every
        return {agent: every[agent] for agent in self._live}

    def _observe(self, observations: dict[Any, Any]) -> NDArray[Any]:
        """Return the joint observation, a fresh array; agents that are away keep their last part of it."""
        dtype = self._observation.dtype
        if self._scalar_observations and list(observations) == self.agents:
            self._observation = np.array(list(observations.values()), dtype)
        else:
            joint = self._observation.copy()
            bounds = pairwise(self._observation_at)
            for agent, (low, high) in zip(self.agents, bounds, strict=True):
                if agent in observations:
                    joint[low:high] = np.ravel(observations[agent])
            self._observation = joint
        return self._observation.copy()

    def _masks(self, infos: dict[Any, dict[str, Any]]) -> NDArray[np.int8]:
        """Return all agents' masks end to end, a fresh array."""
        live = set(self._live)
        parts = []
        for agent, anything, first in zip(self.agents, self._anything, self._first, strict=True):
            if live and agent not in live:
                parts.append(first)
                continue
            mask = infos.get(agent, _NOTHING).get("action_mask")
            if mask is None:
                mask = anything
            elif isinstance(mask, tuple):
                mask = np.concatenate(mask)
            if len(mask) != len(anything):
                raise ValueError(
                    f"action_mask of {agent} must have {len(anything)} entries, got {len(mask)}"
                )
            parts.append(mask)
        mask = np.concatenate(parts, dtype=np.int8, casting="unsafe")
        self._mask = self._outer(mask) if self.flatten else mask
        return self._mask.copy()

    def _outer(self, mask: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return which joint actions are legal: ``int8[A]``, of the masks of the components end to end."""
        parts = np.split(mask, np.cumsum(self._joint_actions.nvec)[:-1])
        return reduce(lambda legal, part: np.outer(legal, part).ravel(), parts)


def join_observations(observed: AgentSpaces) -> spaces.MultiDiscrete | spaces.Box:
    """Return one MultiDiscrete or Box out of the agents' spaces.

    Raises:
        ValueError: Spaces that can't be joined.
    """
    if observed and all(isinstance(space, spaces.Box) for _, space in observed):
        boxes = [cast(spaces.Box, space) for _, space in observed]
        dtype = np.result_type(*(box.dtype for box in boxes))
        low = np.concatenate([np.ravel(box.low).astype(dtype) for box in boxes])
        high = np.concatenate([np.ravel(box.high).astype(dtype) for box in boxes])
        return spaces.Box(low, high, dtype=dtype.type)
    return _join_discrete(observed, "observation")


def _join_discrete(given: AgentSpaces, what: str) -> spaces.MultiDiscrete:
    """One MultiDiscrete out of the agents' Discrete and MultiDiscrete spaces."""
    if not given:
        raise ValueError("env must have at least one possible agent, got none")
    parts = []
    for agent, space in given:
        if not isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
            boxes = "" if what == "action" else ", or Box for all agents"
            raise ValueError(
                f"the {what} space of {agent} must be Discrete or MultiDiscrete{boxes}, got {space}"
            )
        parts.append(_parts(space))
    sizes, starts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return spaces.MultiDiscrete(sizes, start=starts)


def _count(joint: spaces.MultiDiscrete) -> int:
    """Return the number of joint actions.

    Raises:
        ValueError: More than `_MOST_FLAT`.
    """
    count: int = math.prod(joint.nvec.tolist())
    if count > _MOST_FLAT:
        raise ValueError(
            f"flatten needs at most {_MOST_FLAT} joint actions, got {about(count)}: use the MultiDiscrete action space "
            "(flatten=False), or fewer agents"
        )
    return count


def _parts(space: spaces.Space[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return sizes and first values of the components of a Discrete or MultiDiscrete space."""
    given = cast(Any, space)
    sizes = given.n if isinstance(space, spaces.Discrete) else given.nvec
    return np.ravel(sizes).astype(np.int64), np.ravel(given.start).astype(np.int64)


def _size(space: spaces.Space[Any]) -> int:
    return int(np.prod(space.shape or (), dtype=np.int64))


def _bounds(sizes: list[int]) -> list[int]:
    return [0, *np.cumsum(sizes).tolist()]


def _own_action(space: spaces.Space[Any], part: NDArray[Any]) -> Any:
    """Return an agent's action out of its part of the joint one."""
    if isinstance(space, spaces.Discrete):
        return int(part[0])
    return part.reshape(space.shape or ()).astype(space.dtype)


def _first_values(sizes: NDArray[Any]) -> NDArray[np.int8]:
    """Return ``int8[sizes.sum()]``: 1 at the first value of each component."""
    first = np.zeros(int(sizes.sum()), np.int8)
    first[np.cumsum(sizes) - sizes] = 1
    return first


def _nearest_to_zero(space: spaces.MultiDiscrete | spaces.Box) -> NDArray[Any]:
    if isinstance(space, spaces.Box):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    nearest = np.clip(0, space.start, space.start + space.nvec - 1)
    return np.asarray(nearest, space.dtype)
