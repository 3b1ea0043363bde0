"""Coordination games drawn: who did what, and what it earned."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.coordination_game.problem import UNIT
from crl_envs.coordination_game.world import CoordinationGameWorld
from crl_envs.core.on_graph import executed
from crl_envs.rendering.palette import BLACK
from crl_envs.rendering.picture import Moment
from crl_envs.rendering.scene import Curve
from crl_envs.rendering.states import StatesPicture


class CoordinationGamePicture(StatesPicture[CoordinationGameWorld]):
    """Agents in the colour of what they did last."""

    remembers: ClassVar[bool] = True
    unit: ClassVar[str] = "trial"

    def __init__(self, world: CoordinationGameWorld) -> None:
        super().__init__(world)
        self.topology = world.problem.topology
        count = world.problem.actions
        self.states = (*(f"did {a}" for a in range(count)), "did nothing yet")

    @property
    def title(self) -> str:
        return f"Coordination game, {self.world.n_agents} agents"

    @property
    def curves(self) -> tuple[Curve, ...]:
        return (Curve("mean reward", BLACK, "--"),)

    @property
    def level_range(self) -> tuple[float, float]:
        problem = self.world.problem
        games = 2 * len(problem.pairs) / max(problem.n, 1) * UNIT / 2
        paid = problem.means * games
        return min(0.0, float(paid.min())), max(1.0, float(paid.max()))

    def state_of(self, moment: Moment) -> NDArray[np.integer]:
        state: NDArray[np.integer] = moment.state[:, 0].astype(np.int64)
        acted = state < self.world.problem.actions
        return np.where(acted, self.done(np.where(acted, state, 0)[:, None])[:, 0], state)

    def done(self, action: NDArray[np.integer]) -> NDArray[np.integer]:
        done: NDArray[np.integer] = executed(np, action, self.world.problem.orders)
        return done
