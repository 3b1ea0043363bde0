"""The team's reward for every agent (Bagnell & Ng 2005, §2: R = 1/n Σ R_i), with the agents' own kept in the infos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs.core.arguments import check_choice, shown
from crl_envs.core.copies import CopiesApart
from crl_envs.core.optimum import Optimum
from crl_envs.core.returns import Reduce, team_reward
from crl_envs.core.topology import Edges
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.wrappers.shown import ShowsWhatItWraps

if TYPE_CHECKING:
    import networkx as nx

ByAgent = tuple[
    dict[Any, Any], dict[Any, float], dict[Any, bool], dict[Any, bool], dict[Any, dict[str, Any]]
]
"""What a step of a ParallelEnv returns."""

Batch = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]
"""What a step of a `WorldVectorEnv` returns."""

REDUCTIONS: Final = ("mean", "sum")


class RewardWrapper(ShowsWhatItWraps, CopiesApart, BaseParallelWrapper):
    """Base of the wrappers that give other rewards."""

    def __init__(self, env: Any) -> None:
        if not isinstance(env, ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv or a WorldVectorEnv, got {shown(env)}")
        super().__init__(env)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """Start an episode; ``local_reward`` is 0 then, so that infos have the same keys at every step."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, with_own(infos, dict.fromkeys(infos, 0.0))


class VectorRewardWrapper(CopiesApart, VectorWrapper):
    """Base of the same for batches; it has the `WorldVectorEnv`'s own properties and measurements."""

    wanted: ClassVar[str] = "env must be a ParallelEnv or a WorldVectorEnv"

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env, VectorEnv) or not isinstance(env.unwrapped, WorldVectorEnv):
            wanted = self.wanted
            if isinstance(env, ParallelEnv):  # another class is for these
                wanted = f"env must be a WorldVectorEnv for {type(self).__name__}"
            raise ValueError(f"{wanted}, got {shown(env)}")
        super().__init__(env)

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return self._world_env.n_agents

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """What happens to a column whose episode has ended."""
        return self._world_env.autoreset_mode

    @property
    def topology(self) -> nx.DiGraph:
        """The graph of agents 0 … n−1."""
        return self._world_env.topology

    @property
    def edges(self) -> Edges:
        """The edges of `topology` as an array ``int64[E, 2]``."""
        return self._world_env.edges

    def optimum(self) -> Optimum:
        """Return what is known about the best expected episode return, mean over agents, whatever `reduce` is."""
        return self._world_env.optimum()

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Return measurements of the present states: arrays ``(B,)``, and ``(B, n)`` for what each agent has."""
        return self._world_env.metrics()

    def state(self) -> NDArray[Any]:
        """Return the full states, a fresh array ``(B, d)``."""
        return self._world_env.state()

    @property
    def _world_env(self) -> WorldVectorEnv:
        return cast(WorldVectorEnv, self.env.unwrapped)


class VectorGlobalReward(VectorRewardWrapper):
    """`GlobalReward` for a batch: rewards ``float64 (B, n)``, in each row the same number n times.

    ``infos["local_reward"]`` holds the agents' own rewards, ``(B, n)``. Arguments and errors are `GlobalReward`'s.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], reduce: str = "mean") -> None:
        super().__init__(env)
        self.reduce = cast(Reduce, check_choice("reduce", reduce, REDUCTIONS))

    def step(self, actions: NDArray[Any]) -> Batch:
        """As the wrapped environment's, with the team's reward for every agent."""
        observations, local, terminations, truncations, infos = self.env.step(actions)
        team = team_reward(local.T, self.reduce)
        rewards = np.repeat(team[:, None], local.shape[1], axis=1)
        return observations, rewards, terminations, truncations, {"local_reward": local, **infos}


class GlobalReward(RewardWrapper):
    """Give every agent the team's reward; ``infos[agent]["local_reward"]`` keeps its own.

    The team's reward of a step is the mean or the sum of the rewards of the agents that took part in it (those in
    the wrapped environment's reward dict, in its order), added as `crl_envs.core.team_reward` adds: bit for bit
    what a learner computes that is given the local rewards. Where the wrapped environment already reports a
    ``local_reward``, that one stays.

    A `WorldVectorEnv` is accepted too and gives a `VectorGlobalReward`.

    Args:
        env: Any ParallelEnv, or a `WorldVectorEnv`.
        reduce: ``"mean"``, or ``"sum"``, which is n times the mean: a learner then needs a smaller step size.

    Raises:
        ValueError: Another kind of environment, or an unknown `reduce`.
    """

    def __new__(cls, env: Any = None, reduce: str = "mean") -> Any:
        """Make a `VectorGlobalReward` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorGlobalReward(env, reduce)
        return super().__new__(cls)

    def __init__(self, env: Any, reduce: str = "mean") -> None:
        super().__init__(env)
        self.reduce = cast(Reduce, check_choice("reduce", reduce, REDUCTIONS))

    def step(self, actions: dict[Any, Any]) -> ByAgent:
        """As the wrapped environment's, with the team's reward as a ``float`` for every agent."""
        observations, local, terminations, truncations, infos = self.env.step(actions)
        if not local:
            return observations, local, terminations, truncations, infos
        team = float(team_reward(np.array(list(local.values()), np.float64), self.reduce))
        rewards = dict.fromkeys(local, team)
        return observations, rewards, terminations, truncations, with_own(infos, local)


def with_own(
    infos: Mapping[Any, Mapping[str, Any]], rewards: Mapping[Any, Any]
) -> dict[Any, dict[str, Any]]:
    """Return copies of the agents' infos, with their rewards as ``local_reward`` where they have none yet."""
    extended = {agent: dict(info) for agent, info in infos.items()}
    for agent, reward in rewards.items():
        extended.setdefault(agent, {}).setdefault("local_reward", reward)
    return extended
