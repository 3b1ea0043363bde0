"""Each agent's neighbourhood's reward, with the agents' own kept in the infos.

With N(i) the agents that share an edge with agent i, and n_i how many of them and of i itself there are,

    r̄_i = 1/n_i (r_i + Σ_{j ∈ N(i)} r_j)

These are the local rewards of Bagnell & Ng's demonstration (2005, §5, Figure 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice
from crl_envs.core.neighborhood import Neighborhoods, neighbor_pairs
from crl_envs.core.returns import in_order
from crl_envs.wrappers.global_reward import (
    REDUCTIONS,
    Batch,
    ByAgent,
    GlobalReward,
    RewardWrapper,
    VectorRewardWrapper,
    with_own,
)


class VectorNeighborhoodReward(VectorRewardWrapper):
    """`NeighborhoodReward` for a batch: rewards ``float64 (B, n)``; the rest is as `VectorGlobalReward` has it.

    ``infos["local_reward"]`` holds the agents' own rewards, ``(B, n)``. Arguments and errors are those of
    `NeighborhoodReward`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], reduce: str = "mean") -> None:
        super().__init__(env)
        self.reduce = check_choice("reduce", reduce, REDUCTIONS)
        self._near = Neighborhoods(self.edges, self.n_agents)

    def step(self, actions: NDArray[Any]) -> Batch:
        """As the wrapped environment's, with the neighbourhoods' rewards."""
        observations, local, terminations, truncations, infos = self.env.step(actions)
        take = self._near.means if self.reduce == "mean" else self._near.sums
        rewards = np.ascontiguousarray(take(local.T).T)
        return observations, rewards, terminations, truncations, {"local_reward": local, **infos}


class NeighborhoodReward(RewardWrapper):
    """Give every agent its neighbourhood's reward; ``infos[agent]["local_reward"]`` keeps its own.

    The neighbourhood's reward is the mean or the sum of the rewards of the agent and of those that share an edge with
    it, in either direction; of those among them that took part in the step. Who is a neighbour is what the last reset
    said in ``infos[agent]["neighbors"]``, or ``env.unwrapped.topology``. Where the wrapped environment already reports
    a ``local_reward``, that one stays.

    A `WorldVectorEnv` is accepted too and gives a `VectorNeighborhoodReward`.

    Args:
        env: Any ParallelEnv that tells who the neighbours are, or a `WorldVectorEnv`.
        reduce: ``"mean"``, or ``"sum"``, with which an agent with many neighbours is paid more.

    Raises:
        ValueError: Another kind of environment, or an unknown `reduce`; at a reset, an environment that doesn't tell
            who the neighbours are.
    """

    def __new__(cls, env: Any = None, reduce: str = "mean") -> Any:
        """Make a `VectorNeighborhoodReward` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorNeighborhoodReward(env, reduce)
        return super().__new__(cls)

    def __init__(self, env: Any, reduce: str = "mean") -> None:
        super().__init__(env)
        self.reduce = check_choice("reduce", reduce, REDUCTIONS)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """Start an episode, and find out who the neighbours are."""
        observations, infos = super().reset(seed=seed, options=options)
        self._agents = list(self.env.possible_agents)
        pairs = neighbor_pairs(self.env, self._agents, infos)
        self._near = Neighborhoods(pairs, len(self._agents))
        return observations, infos

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """As the wrapped environment's, with the neighbourhoods' rewards as ``float``."""
        observations, local, terminations, truncations, infos = self.env.step(actions)
        if not local:
            return observations, local, terminations, truncations, infos
        paid = self._near.sums(in_order(local, self._agents)[:, None])
        if self.reduce == "mean":
            there = np.array([agent in local for agent in self._agents], np.float64)
            paid /= np.maximum(self._near.sums(there[:, None]), 1.0)
        rewards = dict(zip(self._agents, paid[:, 0].tolist(), strict=True))
        given = {agent: rewards[agent] for agent in local}
        return observations, given, terminations, truncations, with_own(infos, local)


def paid_as(env: Any, rewards: str) -> Any:
    """Return an environment that pays what an agent earns itself, its neighbourhood's mean or the team's.

    Args:
        env: A ParallelEnv or a `WorldVectorEnv`.
        rewards: ``"local"``, ``"neighborhood"`` or ``"global"``.

    Raises:
        ValueError: Another kind of environment.
    """
    if rewards == "neighborhood":
        return NeighborhoodReward(env)
    return GlobalReward(env) if rewards == "global" else env
