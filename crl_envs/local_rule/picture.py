"""One rule on a graph drawn, and consensus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.local_rule.consensus import ConsensusWorld
from crl_envs.local_rule.world import LocalRuleWorld
from crl_envs.rendering.picture import Moment
from crl_envs.rendering.states import StatesPicture


class LocalRulePicture(StatesPicture[LocalRuleWorld]):
    """The graph of agents under a rule."""

    def __init__(self, world: LocalRuleWorld) -> None:
        super().__init__(world)
        self.states, self.actions = world.rule.states, world.rule.actions
        self.topology = world.problem.topology

    @property
    def title(self) -> str:
        return f"{self.world.title}, {self.world.n_agents} agents"

    @property
    def level_range(self) -> tuple[float, float]:
        paid = self.world.problem.rows.reward
        return min(0.0, float(paid.min())), max(1.0, float(paid.max()))

    def state_of(self, moment: Moment) -> NDArray[np.integer]:
        state: NDArray[np.integer] = moment.state[:, 0]
        return state

    def done(self, action: NDArray[np.integer]) -> NDArray[np.integer]:
        return self.world.executed(action)


class ConsensusPicture(StatesPicture[ConsensusWorld]):
    """Voters in the colour of their votes."""

    states = ("votes 0", "votes 1")

    def __init__(self, world: ConsensusWorld) -> None:
        super().__init__(world)
        self.topology = world.problem.topology

    @property
    def title(self) -> str:
        return f"Consensus, {self.world.n_agents} voters"

    def state_of(self, moment: Moment) -> NDArray[np.integer]:
        vote: NDArray[np.integer] = moment.state.vote[:, 0]
        return vote

    def status(self, moment: Moment) -> str:
        return f"{super().status(moment)} · the majority was {int(moment.state.majority[0, 0])}"
