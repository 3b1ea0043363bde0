"""Traffic lights as arrays."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.traffic.form import Traffic, array_form
from crl_envs.traffic.problem import BINS, MOST_AGE, TrafficArguments, TrafficProblem


class TrafficWorld(FormWorld[Traffic]):
    """Crossings that decide which pair of their approaches has green; the state is a `Traffic`.

    Args:
        *args: A `TrafficProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "traffic"

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

    def step(
        self, state: Traffic, action: NDArray[np.integer], stream: Stream
    ) -> tuple[Traffic, NDArray[np.float32]]:
        """Do `transition` and `reward` together, compiled where Numba is."""
        self.check(state, action, stream)
        if state.age.shape != action.shape or state.queue.shape != (4, *action.shape):
            raise ValueError(
                f"state must have ages of shape {action.shape} and queues of {(4, *action.shape)}, "
                f"got {state.age.shape} and {state.queue.shape}"
            )
        kernel = _COMPILED.ready() if self.backend == "numba" else None
        if kernel is None:
            begun = perf_counter()
            stepped = super().step(state, action, stream)
            _COMPILED.waited(perf_counter() - begun)
            return stepped
        following = Traffic(*(np.empty_like(field, order="C") for field in state))
        reward = np.empty(action.shape, np.float32)
        kernel(
            tuple(map(np.ascontiguousarray, state)),
            np.ascontiguousarray(action, np.uint8),
            np.stack([stream.keys(purpose) for purpose in self.form.purposes]),
            self._streets,
            (*self.form.tables.values(),),
            (self.problem.capacity, self.problem.lost_steps),
            tuple(following),
            reward,
        )
        return following, reward

    def optimum(self) -> Optimum:
        """Return what `crl_envs.traffic.optimum` finds."""
        return self._optimum

    @cached_property
    def _optimum(self) -> Optimum:
        from crl_envs.traffic.optimum import find_optimum

        return find_optimum(self.problem)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)


def _load_compiled() -> Any:
    from crl_envs.traffic import numba_kernel

    return numba_kernel.step


_COMPILED: Final = Compiled(
    None, _load_compiled, str(Path(__file__).with_name("numba_kernel.py")), "step", seconds=7.0
)
