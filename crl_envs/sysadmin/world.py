"""Binary SYSADMIN: every machine is up (1) or down (0)."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.core.overrides import overridden
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.world import freeze
from crl_envs.sysadmin.dynamics import REBOOT_COST, up_probability
from crl_envs.sysadmin.layout import State, SysadminLayout

_FLOAT: Final = np.dtype(np.float32)  # NumPy takes a dtype sooner than a type


class SysadminWorld(SysadminLayout):
    """Dynamics ``ring``, ``ring-bidirectional`` and ``ippc2011``; see `crl_envs.sysadmin.SysadminEnv`.

    The state is ``uint8[n, B]``, 1 for up.
    """

    n_values = 2

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.dynamics == "status-load":
            raise ValueError("dynamics='status-load' is StatusLoadWorld's")
        self._reboot_cost = np.float32(REBOOT_COST[self.dynamics])
        self._fused_ring = self.is_directed_ring and self._reboot_cost == 0

    def initial(self, stream: Stream) -> State:
        """Each machine up with probability `start_up`."""
        return self._start_words(stream).view(np.uint8)

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Every machine's next state given its own, its parents' and its reboot."""
        self.check(state, action, stream)
        return self._next_state(state, self.executed(action), stream)[0]

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """Up and not rebooting: 1, else 0; in ``ippc2011`` up − 0.75 · reboot."""
        return self._pay(state, self.executed(action))

    def step(
        self, state: State, action: NDArray[np.integer], stream: Stream
    ) -> tuple[State, NDArray[np.float32]]:
        """`transition` and `reward` in one pass over memory where the kernel does both."""
        if self._has_own_parts:
            return super().step(state, action, stream)
        self.check(state, action, stream)
        reboot = self.executed(action)
        next_state, reward = self._next_state(state, reboot, stream)
        return next_state, self._pay(state, reboot) if reward is None else reward

    @cached_property
    def _has_own_parts(self) -> bool:
        return not {"transition", "reward"}.isdisjoint(overridden(self))

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """``up``: ``float64[B]``, the share of machines that are up."""
        return {"up": state.mean(axis=0, dtype=np.float64)}

    def optimum(self) -> Optimum:
        """Exact by value iteration for small n, a bound beyond; see `crl_envs.sysadmin.optimum`."""
        return self._optimum

    @cached_property
    def _optimum(self) -> Optimum:
        from crl_envs.sysadmin.optimum import find_optimum

        return find_optimum(self)

    @cached_property
    def up_probabilities(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """P(up next) of all machines in one table, and where each machine's part begins.

        Returns:
            ``float64[·]`` and ``int64[n]``: entry ``offset[i] + own · (degree_i + 1) + parents up`` is machine i's.
        """
        degrees, kind = np.unique(self.parents.degree, return_inverse=True)
        parts = [up_probability(self.dynamics, int(degree)).ravel() for degree in degrees]
        begins = np.cumsum([0] + [part.size for part in parts[:-1]])
        table = np.concatenate(parts), begins[kind].astype(np.int64)
        freeze(table)
        return table

    @cached_property
    def _thresholds(self) -> NDArray[np.uint32]:
        return threshold(self.up_probabilities[0]).astype(np.uint32)

    def _next_state(
        self, state: State, reboot: State, stream: Stream
    ) -> tuple[State, NDArray[np.float32] | None]:
        keys = stream.keys(Purpose.TRANSITION)
        next_state = np.empty_like(state)
        if self._fused_ring:
            reward = np.empty(state.shape, _FLOAT)
            self._kernel.step_ring(state, reboot, keys, self._thresholds, next_state, reward)
            return next_state, reward
        _, offsets = self.up_probabilities
        indptr, indices = self.parents
        self._kernel.step_graph(
            state, reboot, keys, indptr, indices, offsets, self._thresholds, next_state
        )
        return next_state, None

    def _pay(self, state: State, reboot: State) -> NDArray[np.float32]:
        if self._reboot_cost:
            return state - self._reboot_cost * reboot
        return np.greater(state, reboot).astype(np.float32)
