"""The bar problem drawn: who went where, and what the week was worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.bar.world import BarWorld
from crl_envs.rendering.layout import lattice
from crl_envs.rendering.palette import BLUE, GREY, ORANGE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene


class BarPicture(Picture[BarWorld]):
    """Agents on a lattice with the number of their night, which was crowded or not."""

    remembers: ClassVar[bool] = True
    unit: ClassVar[str] = "week"

    @property
    def title(self) -> str:
        return f"Bar, {self.world.n_agents} agents, {self.world.problem.n_nights} nights"

    @property
    def quantity(self) -> Quantity:
        return Quantity("own reward")

    @property
    def curves(self) -> tuple[Curve, ...]:
        return Curve("G, share of the optimum", BLUE), Curve("mean reward", ORANGE, "--")

    def look(self) -> Look:
        return Look(
            positions=lattice(self.world.n_agents),
            edges=np.empty((0, 2), np.int64),
            glyphs=(
                Glyph("on a night with room", "o", BLUE, WHITE),
                Glyph("on a crowded night", "s", VERMILLION, WHITE, size=0.9),
                Glyph("at home", "o", "none", GREY),
            ),
            notes=("in an agent: its night",),
        )

    def scene(self, moment: Moment) -> Scene:
        home = np.ones(self.world.n_agents, np.bool_)
        if moment.action is None:
            nobody = np.empty(0, np.int64)
            return Scene((nobody, nobody, np.flatnonzero(home)))
        guests = self._guests(moment.action)[moment.action]
        home = moment.action == 0
        crowded = ~home & (guests > self.world.problem.capacity)
        return Scene(
            (
                np.flatnonzero(~home & ~crowded),
                np.flatnonzero(crowded),
                np.flatnonzero(home),
            ),
            text=[str(night) if night else "" for night in moment.action.tolist()],
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        if moment.reward is None:
            return np.full(self.world.n_agents, np.nan)
        return np.asarray(moment.reward, np.float64)

    def levels(self, moment: Moment) -> tuple[float, ...]:
        if moment.reward is None:
            return np.nan, np.nan
        mean = float(moment.reward.mean())
        return mean / self.world.optimum().value, mean

    def status(self, moment: Moment) -> str:
        n = self.world.n_agents
        best = f"optimum {n * self.world.optimum().value:.2f}"
        if moment.reward is None:
            return f"week {moment.episode}: nobody has gone yet · {best}"
        return f"week {moment.episode} · G {n * float(moment.reward.mean()):.2f} · {best}"

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        if moment.action is None or moment.reward is None:
            blank = ["-"] * self.world.n_agents
            return {"night": blank, "guests": blank, "reward": blank}
        guests = self._guests(moment.action)[moment.action]
        return {
            "night": list(map(str, moment.action.tolist())),
            "guests": list(map(str, guests.tolist())),
            "reward": [short(r) for r in moment.reward.tolist()],
        }

    def _guests(self, action: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return each action's number of agents, 0 for staying at home."""
        counts = np.bincount(action, minlength=1 + self.world.problem.n_nights)
        counts[0] = 0
        return counts
