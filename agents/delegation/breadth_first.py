"""Filling agents breadth first: the policy "DP" of Dowling & Haridi (2008, §6.1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from agents.delegation.load_policy import HERE, LoadPolicy, Loads
from crl_envs.core.arguments import check_seed, keep
from crl_envs.core.topology import sources_of

_FAR: Final = 2**62


@dataclass(frozen=True)
class BreadthFirstConfig:
    """Settings of `BreadthFirst`.

    Attributes:
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes; the policy draws nothing.

    Raises:
        ValueError: A value out of its range.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_seed, "seed")


class BreadthFirst(LoadPolicy):
    """Each load goes on a shortest path to the nearest agent that has room (Dowling & Haridi 2008, §6.1, "DP").

    It knows the whole graph and all loads. With one load in flight, one entry and nothing that fails or leaves it takes
    exactly ``env.unwrapped.optimal_steps()`` steps, on any graph: agents nearer to the entry are full before a load
    goes further, and on the way to the nearest room nobody has any. Of several nearest it takes the first slot's.

    Loads under way reserve no room: with several in flight some find an agent full and go on from there. Agents that
    are down are neither routed to nor through. Where no agent with room can be reached the load is stored at home,
    which fails and is tried again; with more loads than room in reach the episode lasts until it is truncated.

        BreadthFirst(env).learn(total_episodes=1).history[-1]["steps"]

    Args:
        env: See `LoadPolicy`.
        **config: Fields of `BreadthFirstConfig`.

    Raises:
        ValueError: As `LoadPolicy`.
    """

    config_class = BreadthFirstConfig
    config: BreadthFirstConfig

    def begin_episode(self) -> None:
        """See `LoadPolicy.begin_episode`; nothing is known about the ways yet."""
        super().begin_episode()
        self._maps: list[_Map | None] = [None] * self.view.num_envs

    def neighbors_changed(self, b: int) -> None:
        """Forget the ways: the neighbours are others."""
        self._maps[b] = None

    def route(self, b: int, i: int, loads: Loads, open_slots: list[int], word: int | None) -> int:
        """Return the first of the slots that lead nearest to room; see `LoadPolicy.route`."""
        if loads.stored[i] < self.capacity[i]:
            return HERE
        hops, neighbors = self._hops_to_room(b, loads), self.work.neighbors[b][i].tolist()
        slot = min(open_slots, key=lambda k: hops[neighbors[k]], default=HERE)
        return slot if slot != HERE and hops[neighbors[slot]] < _FAR else HERE

    def _hops_to_room(self, b: int, loads: Loads) -> list[int]:
        """Return each agent's hops to the nearest with room; kept until room or activity changes."""
        active = loads.active > 0
        has_room = active & (loads.stored < self.capacity)
        known = self._maps[b]
        sources = self._sources(b) if known is None else known.sources
        key = has_room.tobytes() + active.tobytes()
        if known is None or known.key != key:
            goals = np.flatnonzero(has_room).tolist()
            known = self._maps[b] = _Map(key, sources, hops_to(goals, sources, active.tolist()))
        return known.hops

    def _sources(self, b: int) -> list[list[int]]:
        """Return for each agent who has a slot that leads to it."""
        table = self.work.neighbors[b]
        rows, slots = np.nonzero(table >= 0)
        targets = table[rows, slots].astype(np.int64)
        into = sources_of(np.stack([rows, targets], axis=1), self.view.n_agents)
        return [part.tolist() for part in np.split(into.indices, into.indptr[1:-1])]


class _Map(NamedTuple):
    """The ways of one column."""

    key: bytes  # who had room, and who was active
    sources: list[list[int]]
    hops: list[int]


def hops_to(goals: list[int], sources: list[list[int]], passable: list[bool]) -> list[int]:
    """Return how many edges a shortest path to the nearest goal has, by breadth-first search against the edges.

    Args:
        goals: Agents.
        sources: For each agent, those with an edge to it.
        passable: Whether an agent may be on a path.

    Returns:
        One number an agent, 2⁶² where no path leads to a goal.
    """
    hops = [_FAR] * len(sources)
    for goal in goals:
        hops[goal] = 0
    frontier = deque(goals)
    while frontier:
        j = frontier.popleft()
        for i in sources[j]:
            if hops[i] == _FAR and passable[i]:
                hops[i] = hops[j] + 1
                frontier.append(i)
    return hops
