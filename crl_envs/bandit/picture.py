"""The bandit drawn: who was right, and what it paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.bandit.world import BanditWorld
from crl_envs.rendering.layout import lattice
from crl_envs.rendering.palette import BLUE, GREY, ORANGE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene


class BanditPicture(Picture[BanditWorld]):
    """Agents on a lattice, right or wrong in their last trial: the picture shows what the agents can't see."""

    remembers: ClassVar[bool] = True
    unit: ClassVar[str] = "trial"

    @property
    def title(self) -> str:
        return f"Bandit, {self.world.n_agents} agents"

    @property
    def quantity(self) -> Quantity:
        return Quantity("right (1) or wrong (0) action taken")

    @property
    def curves(self) -> tuple[Curve, ...]:
        return Curve("share of agents right", BLUE), Curve("mean reward", ORANGE, "--")

    def look(self) -> Look:
        return Look(
            positions=lattice(self.world.n_agents),
            edges=np.empty((0, 2), np.int64),
            glyphs=(
                Glyph("took its right action", "o", BLUE, WHITE),
                Glyph("took the wrong action", "s", VERMILLION, WHITE, size=0.9),
                Glyph("hasn't acted yet", "o", "none", GREY),
            ),
            notes=("in an agent: its reward",),
        )

    def scene(self, moment: Moment) -> Scene:
        n = self.world.n_agents
        if moment.action is None or moment.reward is None:
            nobody = np.empty(0, np.int64)
            return Scene((nobody, nobody, np.arange(n)))
        right = self._right(moment.action)
        return Scene(
            (np.flatnonzero(right), np.flatnonzero(~right), np.empty(0, np.int64)),
            text=[short(r) for r in moment.reward.tolist()],
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        if moment.action is None:
            return np.full(self.world.n_agents, np.nan)
        return self._right(moment.action).astype(np.float64)

    def levels(self, moment: Moment) -> tuple[float, ...]:
        if moment.action is None or moment.reward is None:
            return np.nan, np.nan
        return float(self._right(moment.action).mean()), float(moment.reward.mean())

    def status(self, moment: Moment) -> str:
        best = f"optimum {self.world.optimum().value:.2f}"
        if moment.action is None or moment.reward is None:
            return f"trial {moment.episode}: nobody has acted yet · {best}"
        right = int(self._right(moment.action).sum())
        return (
            f"trial {moment.episode} · return {moment.reward.mean():.2f} (mean over agents) · {best} · "
            f"{right} of {self.world.n_agents} right"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        correct = self.world.correct_action.tolist()
        if moment.action is None or moment.reward is None:
            blank = ["-"] * len(correct)
            return {"right action": list(map(str, correct)), "action": blank, "reward": blank}
        return {
            "right action": list(map(str, correct)),
            "action": list(map(str, moment.action.tolist())),
            "reward": [short(r) for r in moment.reward.tolist()],
        }

    def _right(self, action: NDArray[np.integer]) -> NDArray[np.bool_]:
        return np.asarray(action == self.world.correct_action)
