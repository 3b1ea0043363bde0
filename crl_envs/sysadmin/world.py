"""SYSADMIN as arrays: what its worlds share, the binary one, and the one of status and load."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar, Final, Unpack, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import is_word
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.named import named
from crl_envs.core.optimum import KeepsOptimum, Optimum
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.topology import Adjacency
from crl_envs.core.world import check_actions
from crl_envs.sysadmin.array_form import array_form
from crl_envs.sysadmin.dynamics import (
    BINARY,
    IDLE,
    LOADED,
    P_DONE_GOOD,
    P_LOAD,
    PROGRESS,
    STATUS_LOAD,
    SUCCESS,
    UP_AND_LEFT_ALONE,
    reward,
    risk,
)
from crl_envs.sysadmin.numpy_kernel import step_ring
from crl_envs.sysadmin.problem import SysadminArguments, SysadminProblem

State = NDArray[np.uint8]

_BYTE: Final = np.dtype(np.uint8)  # NumPy takes a dtype sooner than a type
_FLOAT: Final = np.dtype(np.float32)
_N_ACTIONS = 2
_KERNELS: Final = "crl_envs.sysadmin.numba_kernel:"
_RING: Final = Compiled.at(f"{_KERNELS}step_ring", seconds=1.5, plain=step_ring)


class MachinesWorld(FormWorld[State]):
    """Base of the SYSADMIN worlds: machines on a graph, each with a small discrete state ``uint8[n, B]``.

    Args:
        *args: A `SysadminProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
        n_values: Number of states of one machine.
        parents: For each machine, those that influence it.
        swap: ``uint8[n, 1]``, 1 where the hidden relabelling exchanges the two actions; None without it.

    Raises:
        ValueError: An argument out of its range.
    """

    name = "sysadmin"
    n_values: ClassVar[int]
    horizon: int
    problem: SysadminProblem

    def __init__(self, *args: Any, **arguments: Unpack[SysadminArguments]) -> None:
        self.problem = problem = SysadminProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n, problem.horizon
        self.backend = resolve_backend(problem.backend)
        self.parents, self.swap = problem.parents, problem.swap
        self._paid = reward(problem.dynamics).ravel().astype(_FLOAT)
        self.single_action_space = spaces.Discrete(_N_ACTIONS)
        self.single_observation_space = problem.observation_space(self.n_values)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """Every machine's state."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(np.full(self.n_agents, self.n_values), dtype=dtype)

    @property
    def neighbors(self) -> Adjacency:
        """For each machine, those that share an edge with it, ascending."""
        return self.problem.neighbors

    def executed(self, action: NDArray[np.integer]) -> State:
        """Return what is done (1 reboots) when the agents choose `action`: differs under `relabel`."""
        chosen = cast(State, action if action.dtype is _BYTE else action.astype(_BYTE))
        return chosen if self.swap is None else chosen ^ self.swap

    def observation(self, state: State) -> State:
        """Return own states ``uint8[n, B]``, or own and neighbours' ``uint8[n, 1 + k, B]``."""
        return state.copy() if self.problem.observed is None else super().observation(state)

    def check(
        self, state: State, action: NDArray[np.integer], stream: Stream, each: bool = True
    ) -> None:
        """Refuse actions and streams that don't fit the world and the state; with `each`, actions out of range."""
        if len(state) != self.n_agents:  # sooner than what all worlds share
            raise ValueError(f"state must have {self.n_agents} rows, got {len(state)}")
        check_actions(action, state.shape, _N_ACTIONS if each else None, stream)

    def _run(
        self, kernel: Any, state: State, action: NDArray[np.integer], stream: Stream
    ) -> tuple[State, NDArray[np.float32]]:
        reboot, following = self.executed(action), np.empty_like(state)
        keys = [stream.keys(purpose) for purpose in self.form.purposes]
        kernel(state, reboot, *keys, *self.parents, *self._limits, following)
        return following, self._pay(state, reboot)

    def _pay(self, state: State, reboot: State) -> NDArray[np.float32]:
        return self._paid.take(2 * state + reboot, mode="wrap")  # sooner than to check each index

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)

    @property
    @abstractmethod
    def _limits(self) -> tuple[NDArray[Any], ...]:
        """Where each machine's chances begin, ``int64[n]``, and the words below which their events happen."""


class SysadminWorld(KeepsOptimum, MachinesWorld):
    """Binary dynamics, where a machine is up or down; see `crl_envs.sysadmin.SysadminEnv`.

    The state is ``uint8[n, B]``, 1 for up.
    """

    problem: SysadminProblem
    n_values = 2
    finder = "crl_envs.sysadmin.optimum.find:find_optimum"
    compiled: ClassVar[Compiled[Any]] = Compiled.at(f"{_KERNELS}play", seconds=9.0)  # see `play`
    _compiled = Compiled.at(f"{_KERNELS}step_graph", seconds=1.5)

    def __init__(self, *args: Any, **arguments: Unpack[SysadminArguments]) -> None:
        super().__init__(*args, **arguments)
        dynamics = self.problem.dynamics
        if dynamics == STATUS_LOAD:
            raise ValueError("dynamics='status-load' is StatusLoadWorld's")
        self._pays_up_alone = BINARY[dynamics].reward == UP_AND_LEFT_ALONE
        self._fused_ring = self.problem.is_directed_ring and self._pays_up_alone

    @property
    def can_play(self) -> bool:  # type: ignore[override]
        """Whether `play` is for it: agents observe their own machines, and Numba is there."""
        return self.backend == "numba" and self.problem.observe == "own"

    def play(
        self,
        state: State,
        limits: NDArray[np.uint64],
        seeds: NDArray[np.uint64],
        clocks: NDArray[np.uint64],
        steps: int,
        seen: tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        """Play several steps by a table of policies in compiled code, as a loop over `step` would; needs Numba.

        Args:
            state: Changed in place.
            limits: ``uint64[n·2·B, 1]``: entry (2i + s)·B + b is the word from which agent i of column b takes action 1
                when its machine is in state s; words are the policy's stream's, for `Purpose.ACTION`. With
                ``uint64[n·2, 1]`` all columns have the same.
            seeds: ``uint64[2, B]``, the world's stream's and the policy's.
            clocks: The same of clocks.
            steps: How many.
            seen: Added to: ``uint32[n·2·B, 2]``, how often each entry took which action (``[0, 2]``: not wanted);
                ``float64[n, B]``, rewards; ``float64[B]``, mean rewards.
        """
        offsets, up = self._limits
        counts, rewards, team = seen
        n, b = state.shape
        by_state, visits = limits.reshape(n, 2, -1), counts.reshape(len(counts) // (2 * b), 2, b, 2)
        swap = np.zeros((self.n_agents, 1), np.uint8) if self.swap is None else self.swap
        fixed = (self._fused_ring, (*self.parents, offsets), up)
        named(f"{_KERNELS}play")(
            state, by_state, swap, self._paid, seeds, clocks, steps, *fixed, (visits, rewards, team)
        )

    @property
    def up_probabilities(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """P(up next) of all machines, as `SysadminProblem.up_probabilities` has it."""
        return self.problem.up_probabilities

    @cached_property
    def _limits(self) -> tuple[NDArray[Any], ...]:
        chances, offsets = self.up_probabilities
        return offsets, threshold(chances).astype(np.uint32)

    def _stepped(
        self, state: State, action: NDArray[np.integer], stream: Stream
    ) -> tuple[State, NDArray[np.float32]]:
        if not self._fused_ring:
            return super()._stepped(state, action, stream)
        following, reward = np.empty(state.shape, _BYTE), np.empty(state.shape, _FLOAT)
        keys, (_, up) = stream.keys(Purpose.TRANSITION), self._limits
        self._kernel_of(_RING)(state, self.executed(action), keys, up, following, reward)
        return following, reward

    def _pay(self, state: State, reboot: State) -> NDArray[np.float32]:
        if self._pays_up_alone:  # sooner than to look it up
            return np.greater(state, reboot).astype(_FLOAT)
        return super()._pay(state, reboot)


class StatusLoadWorld(MachinesWorld):
    """Dynamics ``status-load``: the reward is a completed job.

    A machine's state is ``3 · status + load`` (``uint8[n, B]``), status good 0, faulty 1, dead 2, load idle 0,
    loaded 1, success 2. Without a reboot, with f the share of parents that are not good and d the share that are dead:

    - good → faulty with .4 + .2 f, faulty → dead with .1 + .5 d, dead stays dead;
    - idle → loaded with .6 (not when dead), loaded → success with .9 when good and .6 when faulty, lost when
      dead, success → idle.

    A reboot makes the machine good and idle. The reward is 1 in a step that starts in success, whatever the action.
    The base rates are those that public implementations of the problem use; the shares are this project's reading
    of "a dead machine raises its neighbours' risk".
    """

    n_values = 9
    _compiled = Compiled.at(f"{_KERNELS}step_status_load", seconds=2.0)

    def optimum(self) -> Optimum:
        """Return an upper bound: the best cycle idle, loaded, success with a good machine throughout."""
        step = np.zeros((4, 4))  # of the values of idle, loaded, success, and of the constant 1
        step[IDLE, [IDLE, LOADED]] = 1 - P_LOAD, P_LOAD
        step[LOADED, [LOADED, SUCCESS]] = 1 - P_DONE_GOOD, P_DONE_GOOD
        step[SUCCESS, [IDLE, 3]] = 1
        step[3, 3] = 1
        value = float(np.linalg.matrix_power(step, self.horizon)[IDLE, 3])
        return Optimum(value, "bound", "upper: machines that never fail; lower: 0", 0.0)

    @cached_property
    def _limits(self) -> tuple[NDArray[Any], ...]:
        chances, offsets = self.problem.by_degree(risk)
        return offsets, *(threshold(p).astype(np.uint32) for p in (chances, PROGRESS))


def make_world(*args: Any, **arguments: Unpack[SysadminArguments]) -> MachinesWorld:
    """Return the world of the given arguments (see `SysadminProblem`)."""
    if is_word(arguments.get("dynamics"), STATUS_LOAD):
        return StatusLoadWorld(*args, **arguments)
    return SysadminWorld(*args, **arguments)
