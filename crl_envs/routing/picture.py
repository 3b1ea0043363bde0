"""Routing drawn: queues, links, and where packets went and are bound for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crl_envs.rendering.layout import Positions, lattice, positions_of
from crl_envs.rendering.palette import BLUE, GREEN, GREY, ORANGE, PALE, VERMILLION
from crl_envs.rendering.picture import Moment, Picture, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Indices, Look, Quantity, Scene, Strand
from crl_envs.routing.rules import LEVELS, SIDE, Count, Outcome, State, linked
from crl_envs.routing.world import RoutingWorld

_SENT = {
    Outcome.FORWARDED: Strand("forwarded, last step", BLUE),
    Outcome.DELIVERED: Strand("delivered", GREEN),
    Outcome.LOST: Strand("lost in transmission", VERMILLION, "--"),
    Outcome.DROPPED: Strand("dropped at a full queue", ORANGE, ":"),
}


class RoutingPicture(Picture[RoutingWorld]):
    """The network, its nodes where they are."""

    @property
    def title(self) -> str:
        problem = self.world.problem
        network = {None: "a network", "irregular_grid": "the irregular grid"}.get(
            problem.named, f"topology {problem.named!r}"
        )
        return f"Routing, {problem.n} nodes, {network}, load {problem.load:g}"

    @property
    def quantity(self) -> Quantity:
        return Quantity("log₂ of 1 + packets in the queue", 0.0, float(LEVELS - 1))

    @property
    def curves(self) -> tuple[Curve, ...]:
        return (
            Curve("share of the packets delivered", BLUE),
            Curve("share dropped", VERMILLION, "--"),
        )

    def look(self) -> Look:
        places = self.world.rules.places
        link = (Strand("link", PALE, arrow=False),) if places else ()
        return Look(
            positions=self._positions(),
            edges=np.empty((0, 2), np.int64) if places else self.world.edges,
            glyphs=(Glyph("node", "o", None, GREY),),
            strands=(*link, *_SENT.values()),
            quantity=self.quantity,
            notes=(
                f"in a node: {'its number' if places else 'packets in its queue'}",
                "→ 7: its first is for node 7",
            ),
            numbered=0 if places else None,
        )

    def scene(self, moment: Moment) -> Scene:
        state, n = moment.state, self.world.n_agents
        queue = state.length[:, 0]
        goals = self._goals(state)
        strands = [self.sent(moment, outcome) for outcome in _SENT]
        positions = None
        if self.world.rules.places:
            i, k = np.nonzero(linked(self.world.rules, state)[..., 0])
            ends = np.stack([i, self.world.rules.successors[i, k]], axis=1)
            strands.insert(0, ends[ends[:, 0] < ends[:, 1]])
            positions = state.place[:, :, 0] / SIDE
        value = self.values(moment)
        return Scene(
            (np.arange(n),),
            strands,
            text=[
                str(i) if positions is not None else str(q or "")
                for i, q in enumerate(queue.tolist())
            ],
            dark=value < (LEVELS - 1) / 2,
            badges={i: f"→{goals[i]}" for i in np.flatnonzero(queue).tolist()},
            value=value,
            positions=positions,
        )

    def sent(self, moment: Moment, outcome: Outcome) -> Indices:
        """Return who sent to whom with this outcome, ``int64[·, 2]``; nobody where actions aren't known."""
        if moment.action is None:
            return np.empty((0, 2), np.int64)
        i = np.flatnonzero((moment.state.outcome[:, 0] == outcome) & (moment.action > 0))
        slot = moment.action[i].astype(np.int64) - 1
        return np.stack([i, self.world.rules.successors[i, slot].astype(np.int64)], axis=1)

    def values(self, moment: Moment) -> NDArray[np.float64]:
        return np.asarray(np.minimum(np.log2(1.0 + moment.state.length[:, 0]), LEVELS - 1.0))

    def levels(self, moment: Moment) -> tuple[float, ...]:
        count = moment.state.tally[:, 0]
        arrived = int(count[Count.ARRIVED])
        if not arrived:
            return np.nan, np.nan
        return float(count[Count.DELIVERED] / arrived), float(count[Count.DROPPED] / arrived)

    def status(self, moment: Moment) -> str:
        count = moment.state.tally[:, 0].tolist()
        delay = count[Count.DELAY] / max(count[Count.DELIVERED], 1)
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over agents) · "
            f"{count[Count.DELIVERED]} of {count[Count.ARRIVED]} packets delivered, {delay:.1f} steps each"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        state, n = moment.state, self.world.n_agents
        did = [
            outcome.name.lower() if outcome else "-"
            for outcome in map(Outcome, state.outcome[:, 0].tolist())
        ]
        paid = ["-"] * n if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        goals = [str(goal) if goal < n else "-" for goal in self._goals(state).tolist()]
        queue = list(map(str, state.length[:, 0].tolist()))
        return {"queue": queue, "bound for": goals, "last step": did, "reward": paid}

    def _goals(self, state: State) -> NDArray[np.int64]:
        """Return the destinations of the heads, n for none."""
        n = self.world.n_agents
        head = state.goal[np.arange(n), state.first[:, 0], 0]
        return np.where(state.length[:, 0] > 0, head, n)

    def _positions(self) -> Positions:
        problem = self.world.problem
        if problem.placed or problem.named == "irregular_grid":
            return lattice(problem.n)
        return positions_of(self.world.edges, problem.n)
