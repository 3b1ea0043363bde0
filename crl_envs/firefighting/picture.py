"""Firefighting drawn: what burns how much, and where each agent fought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crl_envs.firefighting.world import FirefightingWorld
from crl_envs.rendering.palette import BLACK, BLUE, ORANGE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene, Strand

_IN_A_LINE = 12  # houses of a row
_COLOURS = ("#F2F2F2", ORANGE, VERMILLION)


class FirefightingPicture(Picture[FirefightingWorld]):
    """Houses by their levels, and the agents between them."""

    @property
    def title(self) -> str:
        return (
            f"Firefighting, {self.world.n_agents} agents and {self.world.problem.n_houses} houses"
        )

    @property
    def quantity(self) -> Quantity:
        return Quantity("mean level of the agent's houses", 0.0, 2.0)

    @property
    def curves(self) -> tuple[Curve, ...]:
        return Curve("share of houses that burn", VERMILLION), Curve("mean reward", BLACK, "--")

    @property
    def level_range(self) -> tuple[float, float]:
        problem = self.world.problem
        return -2.0 * problem.n_houses / problem.n_agents, 1.0

    def look(self) -> Look:
        problem = self.world.problem
        n, houses = problem.n_agents, problem.houses
        at = self._house_positions()
        agents = at[houses].mean(axis=1)
        if problem.layout == "row":
            agents = at[houses[:, 0]] + np.array([0.5, -0.45]) * self._cell
        edges = np.stack([np.repeat(np.arange(n), houses.shape[1]), n + houses.ravel()], axis=1)
        names = ("no fire", "level 1", "level 2")
        return Look(
            positions=np.concatenate([agents, at]),
            edges=np.concatenate([edges, edges[:, ::-1]]),
            glyphs=(
                Glyph("agent", "o", BLUE, WHITE),
                *(
                    Glyph(f"house, {k}", "s", c, BLACK, size=0.9)
                    for k, c in zip(names, _COLOURS, strict=True)
                ),
            ),
            strands=(Strand("fought there, last step", BLUE),),
            notes=("in an agent: its last reward", "in a house: its level"),
            numbered=n,
        )

    def scene(self, moment: Moment) -> Scene:
        problem, n = self.world.problem, self.world.n_agents
        level = moment.state.level[:, 0]
        paid = [""] * n if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        fought = np.empty((0, 2), np.int64)
        if moment.action is not None:
            chosen = problem.houses[np.arange(n), moment.action]
            fought = np.stack([np.arange(n), n + chosen], axis=1)
        return Scene(
            (np.arange(n), *(n + np.flatnonzero(level == k) for k in range(3))),
            strands=(fought,),
            text=[*paid, *map(str, level.tolist())],
            dark=np.concatenate([np.ones(n, np.bool_), level == 2]),
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = moment.state.level[self.world.problem.houses, 0].mean(axis=1)
        return mean

    def levels(self, moment: Moment) -> tuple[float, ...]:
        mean = np.nan if moment.reward is None else float(moment.reward.mean())
        return float((moment.state.level > 0).mean()), mean

    def status(self, moment: Moment) -> str:
        level = moment.state.level[:, 0]
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over agents) · "
            f"{int((level > 0).sum())} of {level.size} houses burn"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        problem, n = self.world.problem, self.world.n_agents
        blank = ["-"] * n
        seen = [("none", "FLAMES", "-")[f] for f in moment.state.flames[:, 0].tolist()]
        own = ["/".join(map(str, row)) for row in moment.state.level[problem.houses, 0].tolist()]
        fought = blank
        if moment.action is not None:
            fought = [str(h) for h in problem.houses[np.arange(n), moment.action].tolist()]
        paid = blank if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        return {"levels of its houses": own, "fought at house": fought, "saw": seen, "reward": paid}

    @property
    def _cell(self) -> NDArray[np.float64]:
        """Distance between neighbouring houses, both ways, in the unit square."""
        rows, columns = self.world.problem.house_shape
        if self.world.problem.layout == "row":
            rows, columns = -(-columns // _IN_A_LINE), min(columns, _IN_A_LINE)
        return np.array([1.0 / max(columns, 2), 1.0 / max(rows, 2)])

    def _house_positions(self) -> NDArray[np.float64]:
        width = self.world.problem.house_shape[1]
        if self.world.problem.layout == "row":
            width = min(width, _IN_A_LINE)
        row, column = np.divmod(np.arange(self.world.problem.n_houses), width)
        middle = np.stack([column + 0.5, -row - 0.5], axis=1)
        at: NDArray[np.float64] = middle * self._cell + np.array([0.0, 1.0])
        return at
