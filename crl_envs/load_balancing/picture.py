"""Load balancing drawn: stored loads, queues, messages, and who has failed or joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.load_balancing.rules import (
    FIRST_DELEGATION,
    NEVER,
    Count,
    Outcome,
    State,
    neighbor_table,
)
from crl_envs.load_balancing.world import LoadBalancingWorld
from crl_envs.rendering.layout import Positions, ellipse, is_circulant, positions_of
from crl_envs.rendering.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, return_text
from crl_envs.rendering.scene import Curve, Glyph, Indices, Look, Quantity, Scene, Strand

_MOST_WITH_CAPACITY = 24  # agents whose capacity is written beside their loads
_MOST_RECKONED = 1000  # agents for whom the optimum is worked out


class Messages(NamedTuple):
    """Pairs (source, target) ``int64[·, 2]`` of agents.

    Attributes:
        arrived: Delegations of the last step whose load is in the target's queue.
        on_wire: Delegations under way.
        left: ``int64[·]``, the steps that each of those still takes.
        lost: Delegations of the last step that were lost; empty where the actions aren't known.
    """

    arrived: Indices
    on_wire: Indices
    left: NDArray[np.int64]
    lost: Indices


class LoadBalancingPicture(Picture[LoadBalancingWorld]):
    """The graph of agents."""

    def __init__(self, world: LoadBalancingWorld) -> None:
        super().__init__(world)
        rules = world.rules
        self._joins = rules.join_at != NEVER
        self._fails = rules.fail > 0
        self._loses = rules.loss > 0 or self._fails
        self._best = ""
        if world.n_agents <= _MOST_RECKONED:
            optimum = world.optimum()
            if optimum.kind == "exact":
                self._best = f" · optimum {optimum.value:.1f}"

    @property
    def title(self) -> str:
        problem = self.world.problem
        graph = " on a circulant graph" * (problem.topology == "grid")  # which is drawn as a ring
        return f"Load balancing, {problem.n} agents{graph}, {problem.cost_model} cost model"

    @property
    def quantity(self) -> Quantity:
        return Quantity("share of capacity used")

    @property
    def curves(self) -> tuple[Curve, ...]:
        used = (Curve("share of all capacity used", BLUE),)
        return (*used, Curve("share of agents active", ORANGE, "--")) if self._fails else used

    def look(self) -> Look:
        glyphs = [Glyph("agent", "o", None, GREY)]
        if self.world.servers:
            glyphs.append(Glyph("server", "s", None, GREY, size=1.15))
        if self._joins:
            glyphs += [
                Glyph("server that hasn't joined", "D", "none", GREY, size=0.9, style=":"),
                Glyph("server that has joined", "D", None, PURPLE, width=2.0, size=0.9),
            ]
        glyphs += [
            Glyph("entry of loads", "v", GREEN, WHITE, size=0.5, offset=(-0.5, 0.55)),
            Glyph("loads in its queue", "o", ORANGE, WHITE, size=0.52, offset=(0.55, 0.55)),
        ]
        if self._fails:
            glyphs.append(Glyph("has failed", "X", BLACK, WHITE, size=0.65, offset=(0.45, -0.45)))
        strands = [Strand("delegation, last step", BLUE)]
        if self.world.rules.delay:
            strands.append(Strand("message on the wire", BLUE, ":"))
        if self._loses:
            strands.append(Strand("message lost", VERMILLION, "--"))
        if self.world.problem.discovers:
            strands.append(Strand("discovered link", GREEN, "-.", arrow=False))
        written = "loads / capacity" if self._writes_capacity else "stored loads"
        return Look(
            positions=self._positions(),
            edges=self.world.edges,
            glyphs=tuple(glyphs),
            strands=tuple(strands),
            quantity=self.quantity,
            notes=(f"in an agent: {written}",),
        )

    def scene(self, moment: Moment) -> Scene:
        world, state = self.world, moment.state
        load, queue = state.load[:, 0], state.waiting[:, 0]
        plain = np.ones(world.n_agents, np.bool_)
        plain[[*world.servers, *range(world.rules.n_founders, world.n_agents)]] = False
        glyphs = [np.flatnonzero(plain)]
        if world.servers:
            glyphs.append(np.array(world.servers))
        if self._joins:
            joined = state.tally[Count.JOINED, 0] > 0
            joiner = np.array([world.rules.n_founders])
            glyphs += [joiner[:0], joiner] if joined else [joiner, joiner[:0]]
        queued = np.flatnonzero(queue)
        glyphs += [world.entries, queued]
        if self._fails:
            glyphs.append(self._failed(state))
        messages = self.messages(moment)
        strands = [messages.arrived]
        beads = None
        if world.rules.delay:
            strands.append(messages.on_wire)
            way = 1.0 - messages.left / (world.rules.delay + 1.0)
            beads = np.column_stack([messages.on_wire, way])
        if self._loses:
            strands.append(messages.lost)
        if world.problem.discovers:
            finder, slot = np.nonzero(state.found[:, :, 0] >= 0)
            strands.append(np.stack([finder, state.found[finder, slot, 0]], axis=1))
        share = self.values(moment)
        if self._writes_capacity:
            pairs = zip(load.tolist(), world.capacity.tolist(), strict=True)
            text = [f"{stored}/{room}" for stored, room in pairs]
        else:
            text = list(map(str, load.tolist()))
        return Scene(
            glyphs,
            strands,
            text=text,
            dark=share < 0.5,
            badges={i: str(queue[i]) for i in queued.tolist()},
            value=share,
            beads=beads,
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        # An agent without capacity counts as full.
        load, room = moment.state.load[:, 0], self.world.capacity
        return np.where(room > 0, load / np.maximum(room, 1), 1.0)

    def levels(self, moment: Moment) -> tuple[float, ...]:
        state, present = moment.state, self._present(moment.state)
        room = int(self.world.capacity[:present].sum())
        used = float(state.load[:, 0].sum()) / max(room, 1)
        active = float(state.active[:present, 0].mean())
        return (used, active) if self._fails else (used,)

    def status(self, moment: Moment) -> str:
        state = moment.state
        stored = int(state.load[:, 0].sum())
        room = int(self.world.capacity[: self._present(state)].sum())
        in_flight = int((state.at[:, 0] >= 0).sum())
        return (
            f"step {moment.step} · {return_text(moment)} (mean over agents){self._best} · "
            f"{stored} of {room} places taken, {in_flight} in flight"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        world, state = self.world, moment.state
        marks = [""] * world.n_agents
        for i in world.entries.tolist():
            marks[i] += "E"
        for i in world.servers:
            marks[i] += "S"
        if self._joins:
            marks[-1] = "J" if state.tally[Count.JOINED, 0] else "-"
        for i in self._failed(state).tolist():
            marks[i] += "F"
        return {
            "loads": list(map(str, state.load[:, 0].tolist())),
            "capacity": list(map(str, world.capacity.tolist())),
            "queue": list(map(str, state.waiting[:, 0].tolist())),
            "marks": marks,
        }

    def remarks(self, moment: Moment) -> list[str]:
        messages = self.messages(moment)
        lines = []
        if self.world.n_agents <= 99:
            meaning = ["E: entry"] + ["S: server"] * bool(self.world.servers)
            meaning += ["F: failed"] * self._fails
            meaning += ["-: server that hasn't joined, J: has joined"] * self._joins
            lines.append(", ".join(meaning))
        kinds = {
            "delegated": messages.arrived,
            "on the wire": messages.on_wire,
            "lost": messages.lost,
        }
        for name, pairs in kinds.items():
            if len(pairs):
                shown = ", ".join(f"{a} -> {b}" for a, b in pairs[:10].tolist())
                lines.append(f"{name}: {shown}{', …' if len(pairs) > 10 else ''}")
        return lines

    def reward_of(self, state: State) -> NDArray[np.float64]:
        # The state has the outcomes of the last step.
        nothing = np.zeros_like(state.outcome)
        return self.world.reward(state, nothing, state, None)[:, 0].astype(np.float64)  # type: ignore[arg-type]

    def messages(self, moment: Moment) -> Messages:
        """Return the messages of the last step and those under way."""
        state, n = moment.state, self.world.n_agents
        place = np.flatnonzero(state.at[:, 0] >= 0)
        target = state.at[place, 0].astype(np.int64)
        # A ticket is (ready · (n + 1) + source) · places + place, with source n for a load that entered.
        source = state.ticket[place, 0] // self.world.places % (n + 1)
        left = state.ready[place, 0] - state.tally[Count.TIME, 0]
        pairs = np.stack([source, target], axis=1)
        on_wire = (source < n) & (left > 0)
        arrived = (source < n) & (left == 0)
        arrived[arrived] &= state.outcome[source[arrived], 0] == Outcome.DELEGATED
        return Messages(pairs[arrived], pairs[on_wire], left[on_wire], self._lost(moment))

    def _lost(self, moment: Moment) -> Indices:
        if moment.action is None:
            return np.empty((0, 2), np.int64)
        agent = np.flatnonzero(moment.state.outcome[:, 0] == Outcome.MESSAGE_LOST)
        slot = moment.action[agent].astype(np.int64) - FIRST_DELEGATION
        targets = neighbor_table(self.world.rules, moment.state)[agent, slot, 0]
        return np.stack([agent, targets.astype(np.int64)], axis=1)

    def _failed(self, state: State) -> NDArray[np.int64]:
        return np.flatnonzero(state.active[: self._present(state), 0] == 0)

    def _present(self, state: State) -> int:
        """Return how many agents have joined: the first ones."""
        return self.world.rules.n_founders + int(state.tally[Count.JOINED, 0] > 0)

    @property
    def _writes_capacity(self) -> bool:
        return self.world.n_agents <= _MOST_WITH_CAPACITY

    def _positions(self) -> Positions:
        """On a ring the server that joins is in the middle."""
        founders = self.world.rules.n_founders
        edges = self.world.edges
        among = edges[(edges < founders).all(axis=1)]
        if founders < self.world.n_agents and among.size and is_circulant(among, founders):
            return np.concatenate([ellipse(founders), [[0.5, 0.5]]])
        return positions_of(edges, self.world.n_agents)
