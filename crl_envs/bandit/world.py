"""The bandit: one state, one step, a hidden right action for every agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.bandit.problem import BanditArguments, BanditProblem
from crl_envs.core.backend import resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.topology import Edges
from crl_envs.core.world import World

if TYPE_CHECKING:
    from crl_envs.core.array_form import ArrayForm

State = NDArray[np.uint8]


class BanditWorld(World[State]):
    """The bandit as arrays. The state is ``uint8[1, B]``: 0 before the action, 1 after it.

    Args:
        *args: A `BanditProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.

    Raises:
        ValueError: An argument out of its range.
    """

    name = "bandit"
    horizon = None

    def __init__(self, *args: Any, **arguments: Unpack[BanditArguments]) -> None:
        self.problem = problem = BanditProblem(*args, **arguments)
        self.n_agents = problem.n_agents
        self.backend = resolve_backend(problem.backend)
        self.single_action_space = spaces.Discrete(2)
        self.single_observation_space = spaces.Discrete(1)
        self.single_state_space = spaces.MultiDiscrete([2], dtype=np.uint8)
        self._by_match = threshold(problem.success)

    @property
    def correct_action(self) -> NDArray[np.uint8]:
        """``uint8[n]``: each agent's right action; for checking learners, not for them to read."""
        return self.problem.correct_action

    @property
    def edges(self) -> Edges:
        """No edges: no agent influences another."""
        return np.empty((0, 2), np.int64)

    def initial(self, stream: Stream) -> State:
        """Return the state in which nobody has acted."""
        return np.zeros((1, stream.num_envs), np.uint8)

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Return the state in which all have acted."""
        return np.ones_like(state)

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """Draw 1 with probability `p_correct` for the right action, `p_wrong` for the wrong one, else 0."""
        right = (action == self.correct_action[:, None]).view(np.uint8)
        words = stream.words(Purpose.REWARD, self.n_agents)
        return np.asarray(words < self._by_match[right], np.float32)

    def observation(self, state: State) -> NDArray[np.uint8]:
        """Return the only one there is: ``uint8[n, B]`` zeros."""
        return np.zeros((self.n_agents, state.shape[1]), np.uint8)

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Return whether the one step is over."""
        return np.asarray(state[0], np.bool_)

    def state_array(self, state: State) -> State:
        """Return ``uint8[1, B]``: whether the agents have acted."""
        return state.copy()

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Return nothing: the state has no measurements."""
        return {}

    def array_form(self) -> ArrayForm:
        """Return the dynamics over any array namespace."""
        from crl_envs.bandit.array_form import array_form

        return array_form(self.problem)

    def optimum(self) -> Optimum:
        """Return the larger of the two probabilities."""
        return self.problem.optimum()
