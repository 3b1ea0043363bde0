"""Firefighting as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Unpack

import numpy as np
from gymnasium import spaces

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.firefighting.form import Fire, array_form
from crl_envs.firefighting.problem import LEVELS, FirefightingArguments, FirefightingProblem


class FirefightingWorld(KeepsOptimum, FormWorld[Fire]):
    """Houses that burn and agents who fight the fire at one of theirs; the state is a `Fire`.

    Args:
        *args: A `FirefightingProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "firefighting"
    finder = "crl_envs.firefighting.optimum:find_optimum"

    def __init__(self, *args: Any, **arguments: Unpack[FirefightingArguments]) -> None:
        self.problem = problem = FirefightingProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n_agents, problem.horizon
        count = problem.houses.shape[1]
        self.single_action_space = spaces.Discrete(count)
        dtype: Any = np.uint8
        self.single_observation_space = (
            spaces.Discrete(3)
            if problem.observe == "flames"
            else spaces.MultiDiscrete([LEVELS] * count, dtype=dtype)
        )
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """The houses' levels, then the agents' flames."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(
            np.full(self.problem.n_houses + self.n_agents, LEVELS), dtype=dtype
        )

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)
