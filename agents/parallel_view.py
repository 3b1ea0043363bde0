"""A PettingZoo ParallelEnv as arrays of one column."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.array_view import (
    ArrayView,
    Frame,
    TeamRewards,
    Transition,
    measure,
    pairs_both_ways,
    topology_pairs,
)
from crl_envs.core.arguments import shown
from crl_envs.core.overrides import overridden
from crl_envs.core.reduction import team_reward
from crl_envs.load_balancing import LoadBalancingEnv, LoadBalancingWorld


class ParallelView(ArrayView):
    """One column: a PettingZoo ParallelEnv.

    An agent that has left (or not yet come) isn't live; its rewards are 0.

    Args:
        env: Any ParallelEnv with ``possible_agents``.
        rows: Whether to number the observations; without it every one is row 0 and any space will do.

    Raises:
        ValueError: No possible agents, or spaces that don't make a table.
    """

    num_envs = 1

    def __init__(self, env: Any, rows: bool = True) -> None:
        self.env = env
        agents = list(getattr(env, "possible_agents", ()))
        if not agents:
            raise ValueError("env must have at least one possible agent, got none")
        observed = [(agent, env.observation_space(agent)) for agent in agents]
        acted = [env.action_space(agent) for agent in agents]
        for agent, space in zip(agents, acted, strict=True):
            if not isinstance(space, spaces.Discrete):
                raise ValueError(f"the action space of {agent} must be Discrete, got {space}")
        sizes = np.array([int(space.n) for space in acted])
        super().__init__(observed, sizes, np.array([int(space.start) for space in acted]), rows)
        self._live_agents: list[Any] = []
        self._masks: list[Any] = []
        self._constant = False
        self._known_legal: NDArray[np.bool_] | None = None

    def reset(self, seed: int | None = None) -> Frame:
        """Start an episode."""
        observations, self.infos = self.env.reset(seed=seed)
        self._set_live(list(self.env.agents))
        return self._frame(observations)

    def step(self, actions: NDArray[np.integer]) -> Transition:
        """Let the live agents act."""
        chosen = dict(zip(self.agents, self.own_actions(actions)[:, 0].tolist(), strict=True))
        if self._live_agents != self.agents:
            chosen = {agent: chosen[agent] for agent in self._live_agents}
        observations, given, terminations, truncations, self.infos = self.env.step(chosen)
        own = self._own_rewards(given)
        rewards = self._column(given)
        local = rewards if own is given else self._column(own)
        team = None
        if list(given) != self.agents:
            team = TeamRewards(_mean(given), _mean(own))
        self._set_live(
            [
                agent
                for agent in self.env.agents
                if not terminations.get(agent, False) and not truncations.get(agent, False)
            ]
        )
        ended = None if self.n_running else np.ones(1, np.bool_)
        return Transition(rewards, local, team, ended, self._frame(observations))

    def fast_forward(self, play: Callable[..., int]) -> int:
        """As ``env.fast_forward``: several steps by a compiled loop; the number of them."""
        steps: int = self.env.fast_forward(play)
        self._set_live(list(self.env.agents))
        return steps

    def neighbors(self) -> NDArray[np.int64]:
        """Pairs out of ``infos[agent]["neighbors"]`` of the last reset, else out of the topology.

        None among the neighbours is nobody; two agents are neighbours when either one names the other.
        """
        index = {agent: i for i, agent in enumerate(self.agents)}
        if self.infos and all("neighbors" in info for info in self.infos.values()):
            told = [
                (a, b) for a, info in self.infos.items() for b in info["neighbors"] if b is not None
            ]
            strangers = [b for _, b in told if b not in index]
            if strangers:
                raise ValueError(
                    f"infos[agent]['neighbors'] must hold ids of agents, got {shown(strangers[0])}"
                )
            pairs = [(index[a], index[b]) for a, b in told]
            return pairs_both_ways(np.array(pairs, np.int64).reshape(-1, 2))
        return topology_pairs(self.env, self.agents)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """``env.unwrapped.metrics()`` with a first axis of one column."""
        return {k: np.asarray(v)[None] for k, v in measure(self.env).items()}

    def _set_live(self, agents: list[Any]) -> None:
        self._live_agents = agents
        self.n_running = int(bool(agents))
        self.running = np.array([bool(agents)])

    def _own_rewards(self, given: dict[Any, float]) -> dict[Any, float]:
        """The agents' own rewards, in the order of `given`; that very dict when no wrapper says otherwise."""
        infos = self.infos
        if not any("local_reward" in info for info in infos.values()):
            return given
        return {k: infos.get(k, {}).get("local_reward", r) for k, r in given.items()}

    def _column(self, rewards: dict[Any, float]) -> NDArray[np.float64]:
        """``float64[n, 1]``."""
        if list(rewards) == self.agents:
            return np.array(list(rewards.values()), np.float64)[:, None]
        return np.array([[rewards.get(agent, 0.0)] for agent in self.agents], np.float64)

    def _frame(self, observations: dict[Any, Any]) -> Frame:
        rows = self._rows_of_dict(observations)
        live = None
        if self._live_agents != self.agents:
            there = set(self._live_agents)
            live = np.array([[agent in there] for agent in self.agents])
        return Frame(rows, self._info_masks(live), live)

    def _info_masks(self, live: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """The masks of the present infos; those of agents that aren't live don't matter."""
        infos = self.infos
        masks = [infos[a].get("action_mask") if a in infos else None for a in self.agents]
        if live is None and self._constant and all(map(operator.is_, masks, self._masks)):
            return self._known_legal  # the same read-only arrays as at the last step
        stacked = None
        if any(mask is not None for mask in masks):
            stacked = self._stack_masks(masks)
            if live is not None:
                stacked[~live] = True
        self._masks = masks
        self._constant = live is None and all(map(_is_constant, masks))
        self._known_legal = self._legal(stacked, 1)
        return self._known_legal


def runs_compiled(learner: Any) -> bool:
    """Whether a learner's environment is load balancing itself, on one column and with Numba.

    Then the learner can fuse its loop with the world's compiled one, through `ParallelView.fast_forward`. It mustn't
    where a wrapper, or what a user's class or object has of its own, would be gone round: the environment's, the
    world's or the learner's.
    """
    view = learner.view
    if not isinstance(view, ParallelView) or not isinstance(view.env, LoadBalancingEnv):
        return False
    world = view.env.world
    return (
        type(world) is LoadBalancingWorld
        and world.backend == "numba"
        and not any(map(overridden, (view.env, world, learner)))
    )


def _is_constant(mask: Any) -> bool:
    return mask is None or (isinstance(mask, np.ndarray) and not mask.flags.writeable)


def _mean(rewards: dict[Any, float]) -> NDArray[np.float64]:
    """``float64[1]``: the mean in the order of the dict, as `GlobalReward` takes it."""
    if not rewards:
        return np.zeros(1)
    return team_reward(np.array(list(rewards.values()), np.float64)[:, None])
