"""Dec-POMDPs drawn: who saw what and did what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crl_envs.decpomdp.world import DecPOMDPWorld
from crl_envs.rendering.palette import BLACK
from crl_envs.rendering.picture import Moment, short
from crl_envs.rendering.scene import Curve
from crl_envs.rendering.states import StatesPicture


class TeamPicture(StatesPicture[DecPOMDPWorld]):
    """Agents in the colour of what they saw last."""

    topology = "complete"

    def __init__(self, world: DecPOMDPWorld) -> None:
        super().__init__(world)
        self.model = world.problem.process
        kinds = max(self.model.n_observations)
        named = next(names for names in self.model.observations if len(names) == kinds)
        self.states = (*named, "nothing yet")
        if len(set(self.model.actions)) == 1:
            first, *others = self.model.actions[0]
            self.actions = (first, others[0] if len(others) == 1 else f"not {first}")

    @property
    def title(self) -> str:
        return f"{self.world.problem.title}, {self.world.n_agents} agents"

    @property
    def curves(self) -> tuple[Curve, ...]:
        return (Curve("mean reward", BLACK, "--"),)

    @property
    def level_range(self) -> tuple[float, float]:
        paid = self.model.reward / self.model.n_agents
        return min(0.0, float(paid.min())), max(1.0, float(paid.max()))

    def state_of(self, moment: Moment) -> NDArray[np.integer]:
        seen: NDArray[np.integer] = moment.state.seen[:, 0]
        return seen

    def status(self, moment: Moment) -> str:
        state = self.model.states[int(moment.state.world[0, 0])]
        return f"{super().status(moment).rpartition(' · ')[0]} · state: {state}"

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        blank = ["-"] * self.world.n_agents
        saw = [
            names[k] if k < len(names) else "-"
            for names, k in zip(
                self.model.observations, self.state_of(moment).tolist(), strict=True
            )
        ]
        did: Sequence[str] = blank
        if moment.action is not None:
            did = [
                names[a]
                for names, a in zip(self.model.actions, moment.action.tolist(), strict=True)
            ]
        paid = blank if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        return {"did": did, "saw": saw, "reward": paid}
