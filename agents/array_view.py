"""An environment as arrays ``[n, B]``, agents first and columns last: what the two views of one have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.encoding import ObservationEncoder
from crl_envs.core import WorldEnv, WorldVectorEnv
from crl_envs.core.arguments import shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.overrides import overridden
from crl_envs.core.topology import sorted_edges


class Frame(NamedTuple):
    """What the agents know when they choose their actions."""

    rows: NDArray[np.intp]  # [n, B], table row of the observation; 0 for agents that aren't there
    legal: NDArray[np.bool_] | None  # [n, B, A], never all False; None: everything is
    live: NDArray[np.bool_] | None  # [n, B], whether the agent's action will count; None: all do


class Transition(NamedTuple):
    """What came of a step, for the columns that took part in it (zeros for the others)."""

    rewards: NDArray[Any]  # [n, B], what the env gave
    local: NDArray[
        Any
    ]  # [n, B], the agents' own; the same object as `rewards` unless a wrapper differs
    team: TeamRewards | None  # None: the means of all n
    ended: NDArray[np.bool_] | None  # [B], whose episode ended with this step; None: nobody's
    frame: Frame


class TeamRewards(NamedTuple):
    """Means over the agents that took part in a step, where some didn't."""

    given: NDArray[np.float64]  # [B], of `Transition.rewards`
    local: NDArray[np.float64]  # [B], of `Transition.local`


class ArrayView(OwnsArrays, ABC):
    """Base of the two views.

    Attributes:
        env: The environment.
        agents: The agents' ids.
        n_agents: Number of agents n.
        num_envs: Number of columns B.
        n_rows: Rows of the largest agent's observation table, O; 1 without rows.
        n_actions: Actions of the agent that has most, A.
        running: ``bool[B]``, columns whose episode goes on.
        n_running: How many there are.
        infos: What the last reset or step said beside the rewards, in the env's own layout.
    """

    env: Any
    num_envs: int
    infos: dict[Any, Any]

    def __init__(
        self,
        observed: Sequence[tuple[Any, spaces.Space[Any]]],
        sizes: NDArray[np.integer],
        starts: NDArray[np.integer],
        rows: bool = True,
    ) -> None:
        self.agents = [agent for agent, _ in observed]
        self.n_agents = len(self.agents)
        self.encoder = ObservationEncoder(observed) if rows else None
        self.n_rows = self.encoder.n_rows if self.encoder else 1
        self._row_0 = np.zeros((self.n_agents, self.num_envs), np.intp)
        self.infos = {}
        self.n_actions = int(sizes.max())
        self.action_starts = starts[:, None] if starts.any() else None
        self._existing = np.arange(self.n_actions) < sizes[:, None, None]  # bool[n, 1, A]
        self._same_actions = bool(self._existing.all())
        self.running = np.zeros(self.num_envs, np.bool_)
        self.n_running = 0

    @abstractmethod
    def reset(self, seed: int | None = None) -> Frame:
        """Start an episode in every column; with a seed column b's is ``seed + b``."""

    @abstractmethod
    def step(self, actions: NDArray[np.integer]) -> Transition:
        """Let all agents act: ``[n, B]`` in [0, A), ignored where nobody lives."""

    @abstractmethod
    def neighbors(self) -> NDArray[np.int64]:
        """Pairs (agent, neighbour) of indices, both ways: ``int64[E, 2]``; after a reset.

        Raises:
            ValueError: The environment doesn't tell.
        """

    @abstractmethod
    def metrics(self) -> dict[str, NDArray[Any]]:
        """The environment's measurements of the present states, ``(B, …)``; empty where it has none."""

    def own_actions(self, actions: NDArray[np.integer]) -> NDArray[np.integer]:
        """Actions counted from the first of each agent's space instead of from 0: ``[n, B]``."""
        return actions if self.action_starts is None else actions + self.action_starts

    def frame_of_dict(
        self, observations: Mapping[Any, Any], masks: Mapping[Any, Any] | None = None
    ) -> Frame:
        """The frame of one column out of what some agents see.

        Raises:
            ValueError: An observation of an unknown agent or outside of its space, or a bad mask.
        """
        rows = self._rows_of_dict(observations)
        if not isinstance(masks, Mapping | None):
            raise ValueError(f"action_masks must be a dict as observations are, got {shown(masks)}")
        for what, given in (("observations", observations), ("action_masks", masks or {})):
            if strangers := set(given) - set(self.agents):
                raise ValueError(f"{what} must be of agents, got one of {shown(strangers.pop())}")
        stacked = self._stack_masks([masks.get(a) for a in self.agents]) if masks else None
        return Frame(rows, self._legal(stacked, 1), None)

    def frame_of_array(self, observations: Any, masks: Any = None) -> Frame:
        """The frame of all columns out of ``(B, n, …)`` and, where there are masks, ``(B, n, A)``.

        A view of one column takes any number of them: the same agents in B environments.

        Raises:
            ValueError: Wrong shape, or a value outside of its space.
        """
        n = self.n_agents
        array = np.asarray(observations)
        b = len(array) if self.num_envs == 1 and array.ndim else self.num_envs
        rows = self._rows_of_array(array, b)
        if masks is None:
            return Frame(rows, self._legal(None, b), None)
        legal = np.asarray(masks)
        if legal.shape != (b, n, self.n_actions):
            raise ValueError(
                f"action_masks must have shape {(b, n, self.n_actions)}, got {legal.shape}"
            )
        return Frame(rows, self._legal(legal.transpose(1, 0, 2) != 0, b), None)

    def _rows_of_dict(self, observations: Mapping[Any, Any]) -> NDArray[np.intp]:
        if self.encoder is None:
            return self._row_0
        return self.encoder.rows(self.encoder.flatten(observations))

    def _rows_of_array(self, array: NDArray[Any], b: int) -> NDArray[np.intp]:
        n = self.n_agents
        if self.encoder is None:
            return self._row_0 if b == self.num_envs else np.zeros((n, b), np.intp)
        components = self.encoder.n_components
        if array.shape[:2] != (b, n) or array.size != b * components:
            raise ValueError(
                f"observations must have shape ({b}, {n}, …) with {components // n} values an "
                f"agent, got {array.shape}"
            )
        joint = array if array.ndim == 2 else array.reshape(b, components)
        return self.encoder.rows(joint.T)

    def _stack_masks(self, masks: Sequence[Any]) -> NDArray[np.bool_]:
        """One mask (or None: all ones) an agent to ``bool[n, 1, A]``."""
        n, a = self.n_agents, self.n_actions
        if self._same_actions and all(isinstance(m, np.ndarray) and len(m) == a for m in masks):
            stacked: NDArray[np.bool_] = np.concatenate(masks).reshape(n, 1, a) != 0
            return stacked
        joint = np.ones((n, 1, a), np.bool_)
        for i, mask in enumerate(masks):
            if mask is not None:
                flat = np.ravel(mask)
                size = int(self._existing[i].sum())
                if flat.size != size:
                    raise ValueError(
                        f"action_mask of {self.agents[i]} must have {size} entries, got {flat.size}"
                    )
                joint[i, 0, :size] = flat != 0
        return joint

    def _legal(self, masks: NDArray[np.bool_] | None, b: int) -> NDArray[np.bool_] | None:
        """Masks ``[n, B, A]`` with the actions that an agent doesn't have taken out; None when all are True."""
        if masks is None:
            if self._same_actions:
                return None
            return np.broadcast_to(self._existing, (self.n_agents, b, self.n_actions))
        if not self._same_actions:
            masks = masks & self._existing
        if masks.all():
            return None
        possible = masks.any(axis=2)
        if not possible.all():
            agent = self.agents[int(np.argwhere(~possible)[0, 0])]
            raise ValueError(
                f"action_mask of {agent} must allow at least one action, got all zeros"
            )
        return masks


def measure(env: Any) -> dict[str, Any]:
    """``env.unwrapped.metrics()``; empty where there is none."""
    metrics = getattr(env.unwrapped, "metrics", None)
    measured: dict[str, Any] = metrics() if callable(metrics) else {}
    return measured


def topology_pairs(env: Any, agents: list[Any]) -> NDArray[np.int64]:
    """Pairs (agent, neighbour) of indices out of ``env.unwrapped.topology``: ``int64[E, 2]``, both ways.

    Raises:
        ValueError: As `topology_edges`.
    """
    return pairs_both_ways(topology_edges(env, agents))


def topology_edges(env: Any, agents: list[Any]) -> NDArray[np.int64]:
    """Edges of ``env.unwrapped.topology`` as indices of agents: ``int64[E, 2]``, each as it is there.

    A shipped environment has them as an array beside the graph, which saves making the graph.

    Raises:
        ValueError: There is no topology, or its nodes are neither 0 … n−1 nor the agents' ids.
    """
    base = env.unwrapped
    if isinstance(base, WorldEnv | WorldVectorEnv) and not overridden(base):
        return base.edges
    graph = getattr(base, "topology", None)
    if graph is None:
        raise ValueError(
            "the learner needs to know the agents' neighbors: env must have "
            "infos[agent]['neighbors'] or env.unwrapped.topology, got neither"
        )
    nodes = set(graph.nodes)
    if nodes == set(agents):
        index: dict[Any, int] = {agent: i for i, agent in enumerate(agents)}
    elif nodes == set(range(len(agents))):
        index = {i: i for i in range(len(agents))}
    else:
        raise ValueError(
            f"env.unwrapped.topology must have the nodes 0 … {len(agents) - 1} or the agents' ids, "
            f"got {graph}"
        )
    pairs = [(index[a], index[b]) for a, b in graph.edges()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def pairs_both_ways(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each pair of ``int64[E, 2]`` and its reverse, sorted, without repeats and without self-loops."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return sorted_edges(both[:, 0], both[:, 1])
