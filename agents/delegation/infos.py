"""How learners see work that agents solve or hand on: the infos of an environment as arrays.

An environment in which agents on a graph hand on work says in ``infos[agent]``:

- ``action_kinds``: the kind of each action: ``"noop"``, ``"local"``, ``"delegation"`` or ``"discovery"``;
- ``neighbors``: who is behind each delegation action, in their order; None for nobody. Where it is missing, the
  successors in ``env.unwrapped.topology`` stand for it;
- ``action_mask``: without work only no-ops are legal;
- ``dop``: what became of the problem that the agent acted on in this step: ``"none"`` (it had none), ``"solved"``,
  ``"delegated"`` (it is on its way to the neighbour) or ``"kept"``;
- ``connection_cost`` (may be missing): the part of the reward that paid for a link;
- ``active`` (may be missing): False while an agent is down.

A vector env says the same in arrays ``(B, n, …)``: kinds and outcomes as the numbers of `crl_envs.core.delegation`,
neighbours as indices with −1 for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.view import Frame, Transition, View
from crl_envs.core.arguments import shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.delegation import Dop, Kind
from crl_envs.core.neighborhood import node_indices

ABSENT: Final = -1  # an action that this agent doesn't have
NOOP, LOCAL, DELEGATION, DISCOVERY = map(int, Kind)  # as numbers, which compiled code takes
NONE, SOLVED, DELEGATED, KEPT = map(int, Dop)
KINDS: Final = {kind.name.lower(): int(kind) for kind in Kind}
DOPS: Final = {dop.name.lower(): int(dop) for dop in Dop}


class Holders(NamedTuple):
    """Who has a problem at hand, of n agents in B columns."""

    legal: NDArray[np.bool_]  # bool[n, B, A]
    first: NDArray[np.integer]  # int[n, B], the first legal action
    holds: NDArray[np.bool_]  # bool[n, B], more than no-ops are legal, and the agent is there


def holders(frame: Frame, works: NDArray[np.bool_]) -> Holders:
    """Return who has a problem at hand in a frame.

    Args:
        frame: What the agents know.
        works: ``bool[n, A]``, the actions that do something with a problem.
    """
    legal = frame.legal
    if legal is None:
        legal = np.ones((*frame.rows.shape, works.shape[1]), np.bool_)
    holds = np.asarray((legal & works[:, None]).any(axis=2))
    if frame.live is not None:
        holds &= frame.live
    return Holders(legal, legal.argmax(axis=2), holds)


class Report(NamedTuple):
    """What the environment says of a step to the agents of one column."""

    dops: NDArray[np.int8]  # int8[n]
    links: NDArray[np.float64]  # float64[n], connection costs
    active: NDArray[np.uint8]  # uint8[n]


class WorkInfos(OwnsArrays):
    """Reads the infos of a view.

    Args:
        view: The environment.

    Attributes:
        kind: ``int8[n, A]``: the kinds of the actions; −1 for those that an agent doesn't have. After `begin`.
        slots: Most delegation actions of an agent, K.
        tells_costs: Whether the environment says what links cost.
        neighbors: ``int32[n, K]`` of each column: who is behind each slot, −1 for nobody, as last read.
    """

    kind: NDArray[np.int8]
    slots: int
    tells_costs: bool

    def __init__(self, view: View) -> None:
        self._view = view
        self._index = {agent: i for i, agent in enumerate(view.agents)}
        self._seen: list[Any] = [None] * view.n_agents
        self.neighbors: list[NDArray[np.int32]] = []
        self._fallback: NDArray[np.int32] | None = None

    def begin(self) -> None:
        """Read the kinds of action after a reset.

        Raises:
            ValueError: The infos lack something, or don't fit the actions.
        """
        self.kind = self._read_kinds()
        width = (self.kind == DELEGATION).sum(axis=1)
        self._width = width
        self.slots = int(width.max(initial=0))
        self._seen = [None] * self._view.n_agents
        if not self.neighbors:
            shape = (self._view.n_agents, self.slots)
            self.neighbors = [np.full(shape, -1, np.int32) for _ in range(self._view.num_envs)]
        if self._view.is_vector:
            self._need(self._view.infos, ("dop", "neighbors"), "infos")
            self.tells_costs = "connection_cost" in self._view.infos
            return
        infos = self._view.infos
        for agent in self._live():
            self._need(infos[agent], ("dop",), f"infos[{agent!r}]")
        self.tells_costs = all("connection_cost" in infos[agent] for agent in self._live())
        if not all("neighbors" in infos[agent] for agent in self._live()):
            self._fallback = self._successors(width)

    def report(self, b: int) -> Report:
        """Return what the environment said to the agents of column b after the last step."""
        infos, n = self._view.infos, self._view.n_agents
        if self._view.is_vector:
            dops = np.asarray(infos["dop"][b], np.int8)
            links = np.asarray(infos.get("connection_cost", np.zeros((b + 1, n)))[b], np.float64)
            active = np.asarray(infos.get("active", np.ones((b + 1, n)))[b], np.uint8)
            return Report(dops, links, active)
        dops, links, active = np.zeros(n, np.int8), np.zeros(n), np.zeros(n, np.uint8)
        for agent, info in infos.items():
            i = self._index[agent]
            active[i] = info.get("active", True)
            said = info.get("dop", "none")
            if said != "none":
                if said not in DOPS:
                    raise ValueError(
                        f"infos[{agent!r}]['dop'] must be one of {', '.join(DOPS)}, got {shown(said)}"
                    )
                dops[i] = DOPS[said]
                links[i] = info.get("connection_cost", 0.0)
        return Report(dops, links, active)

    def took_part(self, transition: Transition) -> list[int]:
        """Return the columns of a step."""
        running = self._view.running
        if transition.ended is not None:
            running = running | transition.ended
        return np.flatnonzero(running).tolist()

    def changed_neighbors(self, b: int) -> list[tuple[int, int, int, int]]:
        """Return where column b's neighbours differ from what the last call returned.

        Returns:
            (agent, slot, neighbour or −1, how many neighbours the agent has now) for each change.
        """
        view, known = self._view, self.neighbors[b]
        if not view.is_vector and self._fallback is None:
            changed = self._read_changed_rows(known)
            table = known.copy()
            for i, row in changed:
                table[i] = row
        elif self._fallback is not None:
            table = self._fallback
        else:
            table = view.infos["neighbors"][b]
        rows, slots = np.nonzero(known != table)
        if rows.size == 0:
            return []
        sizes = (table >= 0).sum(axis=1)
        known[:] = table
        return [
            (i, k, int(table[i, k]), int(sizes[i]))
            for i, k in zip(rows.tolist(), slots.tolist(), strict=True)
        ]

    def _read_changed_rows(self, known: NDArray[np.int32]) -> list[tuple[int, NDArray[np.int32]]]:
        changed = []
        for agent, info in self._view.infos.items():
            i = self._index[agent]
            given = info.get("neighbors", ())
            if given is self._seen[i]:
                continue
            self._seen[i] = given
            if len(given) > self._width[i]:
                raise ValueError(
                    f"infos[{agent!r}]['neighbors'] must have an entry for each delegation action, at most "
                    f"{self._width[i]}, got {len(given)}"
                )
            row = np.full(self.slots, -1, np.int32)
            for k, other in enumerate(given):
                if other is not None and other not in self._index:
                    raise ValueError(
                        f"infos[{agent!r}]['neighbors'] must hold ids of agents, got {shown(other)}"
                    )
                row[k] = -1 if other is None else self._index[other]
            changed.append((i, row))
        return changed

    def _live(self) -> list[Any]:
        return [agent for agent in self._view.agents if agent in self._view.infos]

    def _need(self, info: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        missing = [key for key in keys if key not in info]
        if missing:
            raise ValueError(
                f"env must tell in its infos how work is handed on: {where} lacks {', '.join(missing)} "
                "(see agents.delegation.infos)"
            )

    def _read_kinds(self) -> NDArray[np.int8]:
        view, infos = self._view, self._view.infos
        if view.is_vector:
            self._need(infos, ("action_kinds",), "infos")
            return np.array(infos["action_kinds"][0], np.int8)
        if not self._live():
            raise ValueError("env.reset() must give infos of the agents, got none")
        kind = np.full((view.n_agents, view.n_actions), ABSENT, np.int8)
        for agent in self._live():
            self._need(infos[agent], ("action_kinds",), f"infos[{agent!r}]")
            names = infos[agent]["action_kinds"]
            size = int(view.env.action_space(agent).n)
            if len(names) != size or any(name not in KINDS for name in names):
                raise ValueError(
                    f"infos[{agent!r}]['action_kinds'] must have one of {', '.join(KINDS)} for each of "
                    f"{size} actions, got {shown(names)}"
                )
            kind[self._index[agent], :size] = [KINDS[name] for name in names]
        return kind

    def _successors(self, width: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return ``int32[n, K]`` out of the topology."""
        view = self._view
        graph = getattr(view.env.unwrapped, "topology", None)
        if graph is None:
            raise ValueError(
                "env must tell who the neighbors are, in infos[agent]['neighbors'] or as "
                "env.unwrapped.topology, got neither"
            )
        index = node_indices(graph, view.agents)
        table = np.full((view.n_agents, self.slots), -1, np.int32)
        for node, i in index.items():
            others = list(graph.neighbors(node))
            if len(others) != width[i]:
                raise ValueError(
                    f"{view.agents[i]} must have as many delegation actions as successors in env.unwrapped.topology, "
                    f"got {width[i]} and {len(others)}"
                )
            table[i, : len(others)] = [index[j] for j in others]
        return table
