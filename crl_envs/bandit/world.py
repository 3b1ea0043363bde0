"""The bandit: one state, one step, a hidden right action for every agent."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.bandit.array_form import array_form
from crl_envs.bandit.problem import BanditArguments, BanditProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream

State = NDArray[np.uint8]


class BanditWorld(FormWorld[State]):
    """The bandit as arrays. The state is ``uint8[1, B]``: 0 before the action, 1 after it.

    Args:
        *args: A `BanditProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.

    Raises:
        ValueError: An argument out of its range.
    """

    problem: BanditProblem
    name = "bandit"
    horizon = None

    def __init__(self, *args: Any, **arguments: Unpack[BanditArguments]) -> None:
        self.problem = problem = BanditProblem(*args, **arguments)
        self.n_agents = problem.n_agents
        self.backend = resolve_backend(problem.backend)
        self.single_action_space = spaces.Discrete(2)
        self.single_observation_space = spaces.Discrete(1)
        self.single_state_space = spaces.MultiDiscrete([2], dtype=np.uint8)

    @property
    def correct_action(self) -> NDArray[np.uint8]:
        """``uint8[n]``: each agent's right action; for checking learners, not for them to read."""
        return self.problem.correct_action

    def initial(self, stream: Stream) -> State:
        """Return the state in which nobody has acted."""
        return np.zeros((1, stream.num_envs), np.uint8)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)

    def optimum(self) -> Optimum:
        """Return the larger of the two probabilities."""
        return self.problem.optimum()
