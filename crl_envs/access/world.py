"""Wireless access as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Unpack

import numpy as np
from gymnasium import spaces

from crl_envs.access.form import Air, array_form
from crl_envs.access.problem import ACTIONS, AccessArguments, AccessProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import Optimum


class AccessWorld(FormWorld[Air]):
    """Users whose packets collide where two send to the same access point; the state is an `Air`.

    Args:
        *args: An `AccessProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "access"

    def __init__(self, *args: Any, **arguments: Unpack[AccessArguments]) -> None:
        self.problem = problem = AccessProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n_agents, problem.horizon
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self.single_observation_space = problem.observation_space(problem.n_values)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """The users' queues, then what came of their last sending."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(
            np.repeat([self.problem.n_values, 3], self.n_agents), dtype=dtype
        )

    def optimum(self) -> Optimum:
        """Return what `crl_envs.access.optimum` finds."""
        return self._optimum

    @cached_property
    def _optimum(self) -> Optimum:
        from crl_envs.access.optimum import find_optimum

        return find_optimum(self.problem)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)
