"""Wireless access as arrays."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.access.form import Air, array_form
from crl_envs.access.problem import ACTIONS, AccessArguments, AccessProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream


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

    def step(
        self, state: Air, action: NDArray[np.integer], stream: Stream
    ) -> tuple[Air, NDArray[np.float32]]:
        """Do `transition` and `reward` together, compiled where Numba is."""
        self.check(state, action, stream)
        if state.queue.shape != action.shape:
            raise ValueError(
                f"state must have queues of shape {action.shape}, got {state.queue.shape}"
            )
        kernel = _COMPILED.ready() if self.backend == "numba" else None
        if kernel is None:
            begun = perf_counter()
            stepped = super().step(state, action, stream)
            _COMPILED.waited(perf_counter() - begun)
            return stepped
        following = Air(*(np.empty(action.shape, np.uint8) for _ in state))
        reward = np.empty(action.shape, np.float32)
        kernel(
            tuple(map(np.ascontiguousarray, state)),
            np.ascontiguousarray(action, np.uint8),
            np.stack([stream.keys(purpose) for purpose in self.form.purposes]),
            self._sent_to,
            self.problem.n_points,
            (*self.form.tables.values(),),
            self.problem.deadline - 1,
            tuple(following),
            reward,
        )
        return following, reward

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


def _load_compiled() -> Any:
    from crl_envs.access import numba_kernel

    return numba_kernel.step


_COMPILED: Final = Compiled(
    None, _load_compiled, str(Path(__file__).with_name("numba_kernel.py")), "step", seconds=3.0
)
