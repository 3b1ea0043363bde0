"""Traffic lights drawn: who has green at each crossing, and how many vehicles wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.rendering.palette import BLUE, GREEN, GREY, ORANGE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene, Strand
from crl_envs.traffic.problem import HEADINGS, STEPS
from crl_envs.traffic.world import TrafficWorld

_APART: Final = 0.33  # of an approach from its crossing, in sides of a block


class TrafficPicture(Picture[TrafficWorld]):
    """Crossings on their lattice, each with the queues at its four approaches.

    Position i is crossing i, and n + h · n + i those at crossing i who are heading for h and wait on its opposite side.
    """

    @property
    def title(self) -> str:
        return f"Traffic lights, {self.world.n_agents} crossings"

    @property
    def quantity(self) -> Quantity:
        return Quantity("vehicles that wait at a crossing", 0.0, 4.0 * self.world.problem.capacity)

    @property
    def curves(self) -> tuple[Curve, ...]:
        return (
            Curve("queues, share that is full", BLUE),
            Curve("arrivals turned away", VERMILLION),
        )

    def look(self) -> Look:
        problem, n = self.world.problem, self.world.n_agents
        rows, columns = problem.shape
        row, column = np.divmod(np.arange(n), columns)
        block = np.array([1.0 / columns, 1.0 / rows])
        middle = np.stack([column + 0.5, rows - row - 0.5], axis=1)
        ways = np.array([[right, -down] for down, right in STEPS])
        places = [middle, *(middle - _APART * way for way in ways)]
        approach = n + np.arange(4 * n).reshape(4, n)
        # Those who come towards a crossing, and those behind the next one who do: the ends of a street between two.
        facing = n + np.arange(4)[:, None] * n + problem.ahead % n
        inside = np.abs(places[0][problem.ahead % n] - middle).sum(axis=2) < 1.5
        inside &= problem.ahead < n
        streets = np.concatenate(
            [
                np.stack([np.tile(np.arange(n), 4), approach.ravel()], axis=1),
                np.stack([approach[(np.arange(4) + 2) % 4], facing], axis=2)[inside],
            ]
        )
        return Look(
            positions=np.concatenate(places) * block,
            edges=np.concatenate([streets, streets[:, ::-1]]),
            glyphs=(
                Glyph("crossing", "s", WHITE, GREY, size=0.45),
                Glyph("queue with green", "o", None, GREEN, width=3.0),
                Glyph("queue at red", "o", None, VERMILLION, width=3.0),
                Glyph("not yet green, a lost step", "o", None, ORANGE, width=3.0),
            ),
            strands=(Strand("has green", GREEN),),
            quantity=Quantity("vehicles in a queue", 0.0, float(problem.capacity)),
            notes=("in a queue: its vehicles", "on the side they come from"),
            numbered=n,
        )

    def scene(self, moment: Moment) -> Scene:
        n, state = self.world.n_agents, moment.state
        queue, phase = state.queue[:, :, 0], state.phase[:, 0]
        chosen = np.arange(4)[:, None] % 2 == phase
        goes = chosen & (state.age[:, 0] >= self.world.problem.lost_steps)
        approach = n + np.arange(4 * n).reshape(4, n)
        through = np.stack([approach, np.roll(approach, 2, axis=0)], axis=2)[goes]
        vehicles = queue.ravel().astype(np.float64)
        return Scene(
            (np.arange(n), approach[goes], approach[~chosen], approach[chosen & ~goes]),
            strands=(through,),
            text=[""] * n + [str(v) for v in queue.ravel().tolist()],
            dark=np.concatenate(
                [np.zeros(n, np.bool_), vehicles < self.world.problem.capacity / 2]
            ),
            value=np.concatenate([np.zeros(n), vehicles]),
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        waiting: NDArray[np.float64] = moment.state.queue[:, :, 0].sum(axis=0, dtype=np.float64)
        return waiting

    def levels(self, moment: Moment) -> tuple[float, ...]:
        metrics = self.world.metrics(moment.state)
        share = metrics["queue"][0] / (4 * self.world.problem.capacity)
        return float(share), float(metrics["turned_away"][0])

    def status(self, moment: Moment) -> str:
        _, arrived, left, turned_away = moment.state.counts[:, 0].tolist()
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over agents) · "
            f"{arrived - left - turned_away} vehicles wait, {left} have left"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        state, n = moment.state, self.world.n_agents
        green = [("north, south", "east, west")[p] for p in state.phase[:, 0].tolist()]
        queues = zip(HEADINGS, state.queue[:, :, 0].tolist(), strict=True)
        paid = ["-"] * n
        if moment.reward is not None:
            paid = [short(r) for r in moment.reward.tolist()]
        ages = [str(a) for a in state.age[:, 0].tolist()]
        waiting = {f"waiting, {heading}": list(map(str, row)) for heading, row in queues}
        return {"green": green, "for steps": ages, **waiting, "reward": paid}
