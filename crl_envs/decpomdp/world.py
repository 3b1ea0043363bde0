"""Dec-POMDPs as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.decpomdp.form import Team, array_form, unseen
from crl_envs.decpomdp.problem import (
    BroadcastProblem,
    DecPOMDPProblem,
    TeamProblem,
    TigerProblem,
)


class DecPOMDPWorld(KeepsOptimum, FormWorld[Team]):
    """A team whose members see different things; the state is a `Team`.

    Args:
        problem: What they do.

    Attributes:
        problem: The same.
    """

    name = "dec_pomdp"
    finder = "crl_envs.decpomdp.optimum:find_optimum"
    horizon: int
    problem: TeamProblem

    def __init__(self, problem: TeamProblem) -> None:
        self.problem, model = problem, problem.process
        self.name = problem.kind  # type: ignore[misc]
        self.n_agents, self.horizon = model.n_agents, problem.horizon
        self.single_action_space = spaces.Discrete(max(model.n_actions))
        self.single_observation_space = spaces.Discrete(1 + unseen(problem))
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """The world's state, then what each agent saw last."""
        count = self.problem.process.n_states
        dtype: Any = np.uint8 if count <= 256 else np.uint16
        return spaces.MultiDiscrete(
            [count, *[1 + unseen(self.problem)] * self.n_agents], dtype=dtype
        )

    def action_mask(self, state: Team) -> NDArray[np.int8] | None:
        """Return the legal actions ``int8[n, A, B]``, or None where all agents have as many."""
        masks = self.form.action_mask
        return None if masks is None else np.array(masks(np, state))

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)


def make_world(*args: Any, **arguments: Any) -> DecPOMDPWorld:
    """Return the world of a `DecPOMDPProblem`'s fields."""
    return DecPOMDPWorld(DecPOMDPProblem(*args, **arguments))


def make_tiger(*args: Any, **arguments: Any) -> DecPOMDPWorld:
    """Return the world of a `TigerProblem`'s fields."""
    return DecPOMDPWorld(TigerProblem(*args, **arguments))


def make_broadcast(*args: Any, **arguments: Any) -> DecPOMDPWorld:
    """Return the world of a `BroadcastProblem`'s fields."""
    return DecPOMDPWorld(BroadcastProblem(*args, **arguments))
