"""Wireless access as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Unpack

import numpy as np
from gymnasium import spaces

from crl_envs.access.form import Air, array_form
from crl_envs.access.problem import ACTIONS, AccessArguments, AccessProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import KeepsOptimum


class AccessWorld(KeepsOptimum, FormWorld[Air]):
    """Users whose packets collide where two send to the same access point; the state is an `Air`.

    Args:
        *args: An `AccessProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "access"
    finder = "crl_envs.access.optimum:find_optimum"
    _compiled = Compiled.at("crl_envs.access.numba_kernel:step", seconds=2.0)
    _axes = ((), ())

    def __init__(self, *args: Any, **arguments: Unpack[AccessArguments]) -> None:
        self.problem = problem = AccessProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n_agents, problem.horizon
        self.backend = resolve_backend(problem.backend)
        nowhere = np.int32(problem.n_points)
        self._sent_to = np.pad(problem.points, ((0, 0), (1, 0)), constant_values=-1)
        self._sent_to[self._sent_to < 0] = nowhere
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

    def _constants(self) -> tuple[Any, ...]:
        tables, problem = (*self.form.tables.values(),), self.problem
        return self._sent_to, problem.n_points, tables, problem.deadline - 1

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)
