"""Traffic lights as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Unpack

import numpy as np
from gymnasium import spaces

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.traffic.form import Traffic, array_form
from crl_envs.traffic.problem import BINS, MOST_AGE, TrafficArguments, TrafficProblem


class TrafficWorld(KeepsOptimum, FormWorld[Traffic]):
    """Crossings that decide which pair of their approaches has green; the state is a `Traffic`.

    Args:
        *args: A `TrafficProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "traffic"
    finder = "crl_envs.traffic.optimum:find_optimum"
    _compiled = Compiled.at("crl_envs.traffic.numba_kernel:step", seconds=2.5)
    _axes = ((), (), (4,))

    def __init__(self, *args: Any, **arguments: Unpack[TrafficArguments]) -> None:
        self.problem = problem = TrafficProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n_agents, problem.horizon
        self.single_action_space = spaces.Discrete(2)
        self.backend = resolve_backend(problem.backend)
        self._streets = problem.ahead, problem.sources
        size = problem.capacity + 1
        dtype: Any = np.uint8
        sizes = {
            "binned": [2 * max(problem.lost_steps, 1), len(BINS), len(BINS)],
            "queues": [2, MOST_AGE + 1, *[size] * 4],
            "neighborhood": [2, MOST_AGE + 1, *[size] * 12],
        }
        self.single_observation_space = spaces.MultiDiscrete(sizes[problem.observe], dtype=dtype)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """The phases, their ages, then the queues by heading."""
        sizes = np.repeat([2, MOST_AGE + 1, *[self.problem.capacity + 1] * 4], self.n_agents)
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(sizes, dtype=dtype)

    @property
    def bytes_per_env(self) -> int:
        """About how many bytes a step takes for each environment; what limits the size of a batch."""
        return super().bytes_per_env + 100 * self.n_agents

    def _constants(self) -> tuple[Any, ...]:
        tables, problem = (*self.form.tables.values(),), self.problem
        return self._streets, tables, (problem.capacity, problem.lost_steps)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)
