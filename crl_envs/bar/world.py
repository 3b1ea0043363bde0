"""The bar problem as arrays."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.bar.array_form import array_form
from crl_envs.bar.problem import BarArguments, BarProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream

State = NDArray[np.int32]


class BarWorld(FormWorld[State]):
    """The bar problem. The state is ``int32[1 + K, B]``: 1 when the week is over, then each night's guests.

    Action 0, to stay at home, is illegal for everybody; it is what an agent does that `DifferenceReward` leaves out.

    Args:
        *args: A `BarProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.

    Raises:
        ValueError: An argument out of its range.
    """

    problem: BarProblem
    name = "bar"
    horizon = None

    def __init__(self, *args: Any, **arguments: Unpack[BarArguments]) -> None:
        self.problem = problem = BarProblem(*args, **arguments)
        self.n_agents = problem.n_agents
        self.backend = resolve_backend(problem.backend)
        self.single_action_space = spaces.Discrete(1 + problem.n_nights)
        self.single_observation_space = spaces.Discrete(1)
        dtype: Any = np.int32
        high = [1] + [self.n_agents] * problem.n_nights
        self.single_state_space = spaces.MultiDiscrete(np.array(high) + 1, dtype=dtype)
        self.seal()

    def initial(self, stream: Stream) -> State:
        """Return the state before the week."""
        return np.zeros((1 + self.problem.n_nights, stream.num_envs), np.int32)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)

    def optimum(self) -> Optimum:
        """Return the best G by dynamic programming, divided by n."""
        return self.problem.optimum()
