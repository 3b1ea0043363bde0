"""Masks and infos where other people's code looks for them, for any ParallelEnv."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs.core.arguments import shown
from crl_envs.core.copies import CopiesApart
from crl_envs.wrappers.global_reward import ByAgent
from crl_envs.wrappers.shown import ShowsWhatItWraps

Begun = tuple[dict[Any, Any], dict[Any, dict[str, Any]]]
"""What a reset of a ParallelEnv returns."""


class ClientWrapper(ShowsWhatItWraps, CopiesApart, BaseParallelWrapper):
    """Base of the wrappers that change what agents are shown, and nothing of what happens."""

    def __init__(self, env: Any) -> None:
        if not isinstance(env, ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv, got {shown(env)}")
        super().__init__(env)


class MaskInObservation(ClientWrapper):
    """Show each agent ``{"observation": …, "action_mask": int8[A]}``, as PettingZoo's classic games do.

    Tianshou, RLlib's action-masking model and PettingZoo's own tutorials and tests read the mask there. The infos have
    it no longer: TorchRL takes it from one place and fails on the other. An agent without a mask may do everything.

    Args:
        env: A ParallelEnv with Discrete actions and masks in ``infos[agent]["action_mask"]``.

    Raises:
        ValueError: Another kind of environment, or an agent whose actions aren't Discrete or that sees a mask already.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._spaces: dict[Any, spaces.Dict] = {}
        self._sizes: dict[Any, int] = {}  # numbers of actions
        for agent in env.possible_agents:
            acts = env.action_space(agent)
            if not isinstance(acts, spaces.Discrete):
                raise ValueError(f"the action space of {agent} must be Discrete, got {acts}")
            self._sizes[agent] = int(acts.n)
            mask = spaces.Box(0, 1, (int(acts.n),), np.int8)
            seen = env.observation_space(agent)
            if isinstance(seen, spaces.Dict) and "action_mask" in seen.spaces:
                raise ValueError(
                    f"{agent} must not have a mask in its observations yet, got {seen}"
                )
            self._spaces[agent] = spaces.Dict({"observation": seen, "action_mask": mask})

    def observation_space(self, agent: Any) -> spaces.Dict:
        """Return the space of one agent's observation and mask, the same object at each call."""
        if agent not in self._sizes:
            self.env.observation_space(agent)  # says what is wrong with it
        return self._spaces[agent]

    @property
    def observation_spaces(self) -> dict[Any, spaces.Space[Any]]:
        """All observation spaces by agent."""
        return dict(self._spaces)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Begun:
        """Start an episode, as the wrapped environment does."""
        return self._moved(*self.env.reset(seed=seed, options=options))

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """Let all agents act, as in the wrapped environment."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        observations, infos = self._moved(observations, infos)
        return observations, rewards, terminations, truncations, infos

    def _moved(
        self, observations: Mapping[Any, Any], infos: Mapping[Any, Mapping[str, Any]]
    ) -> Begun:
        others = {agent: dict(info) for agent, info in infos.items()}
        shown = {}
        for agent, seen in observations.items():
            legal = others.get(agent, {}).pop("action_mask", None)
            mask = np.ones(self._sizes[agent], np.int8)
            if legal is not None:
                if np.shape(legal) != mask.shape:
                    raise ValueError(
                        f"action_mask of {agent} must have {len(mask)} entries, got {legal!r}"
                    )
                mask[:] = legal
            shown[agent] = {"observation": seen, "action_mask": mask}
        return shown, others


class NumericInfos(ClientWrapper):
    """Keep of the infos what a tensor can hold, under the same keys for every agent and at every step.

    Numbers, booleans and numeric arrays stay. A list of agents, such as ``neighbors``, becomes ``int64[K]``: their
    places in ``possible_agents``, in that order, and −1 for none; K is the length of the longest one at the first
    reset. All else (texts, objects) is left out, and so is what not all agents have at the first reset: whoever makes
    room for tensors then has none for what comes later. What is missing later is 0, or −1 for agents. What a tensor of
    the first one's kind can't hold, such as 0.5 where an integer was, is refused at `step` and `reset`.

    Args:
        env: Any ParallelEnv.

    Raises:
        ValueError: Another kind of environment.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._places = {agent: i for i, agent in enumerate(env.possible_agents)}
        self._blank: dict[str, NDArray[Any]] = {}  # of each key what stands for a missing entry

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Begun:
        """Start an episode, as the wrapped environment does."""
        observations, infos = self.env.reset(seed=seed, options=options)
        if not self._blank:
            self._blank = self._common(list(infos.values()))
        return observations, self._tensors(infos)

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """Let all agents act, as in the wrapped environment."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        return observations, rewards, terminations, truncations, self._tensors(infos)

    def _common(self, infos: list[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
        """Return blanks for the keys that all agents have, with values that fit into one array."""
        blank: dict[str, NDArray[Any]] = {}
        for key in infos[0] if infos else ():
            values = [self._numeric(info.get(key)) for info in infos]
            found = [value for value in values if value is not None]
            if len(found) < len(values):
                continue
            if all(self._is_list_of_agents(info[key]) for info in infos):
                blank[key] = np.full(max(map(len, found)), -1)
            elif len({value.shape for value in found}) == 1:
                blank[key] = np.zeros(found[0].shape, np.result_type(*found))
        return blank

    def _tensors(self, infos: Mapping[Any, Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
        return {
            agent: {
                key: self._fitted(key, info.get(key), blank) for key, blank in self._blank.items()
            }
            for agent, info in infos.items()
        }

    def _fitted(self, key: str, value: Any, blank: NDArray[Any]) -> NDArray[Any]:
        made, given = blank.copy(), self._numeric(value)
        if given is not None and given.ndim == made.ndim:
            if not np.can_cast(given.dtype, made.dtype, "same_kind"):
                raise ValueError(
                    f"infos' {key!r} must stay {made.dtype}, as at the first reset, got {value!r}"
                )
            shared = tuple(map(slice, np.minimum(given.shape, made.shape)))
            made[shared] = given[shared]
        return made

    def _is_list_of_agents(self, value: Any) -> bool:
        return isinstance(value, tuple | list) and all(
            v is None or (isinstance(v, Hashable) and v in self._places) for v in value
        )

    def _numeric(self, value: Any) -> NDArray[Any] | None:
        if self._is_list_of_agents(value):
            return np.array([self._places.get(agent, -1) for agent in value], np.int64)
        if isinstance(value, np.ndarray | np.generic | Real):
            array = np.asarray(value)
            return array if array.dtype.kind in "biuf" else None
        return None
