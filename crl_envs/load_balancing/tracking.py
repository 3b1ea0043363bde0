"""Load balancing in arrays that are kept: a step costs what moves in it, however many agents look on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crl_envs.load_balancing.rules import NOOP, Outcome, State
from crl_envs.load_balancing.world import LoadBalancingWorld, among, with_load, with_queue


class _Kept:
    """An array that is blank but where it was written to last."""

    def __init__(self, array: NDArray[Any], blank: Any = 0) -> None:
        self._array, self._blank = array, blank
        self._last: Any = None

    def write(self, agent: NDArray[np.integer], b: NDArray[np.int64], entries: Any) -> NDArray[Any]:
        """Put entries ``[M, …]`` at M agents and columns, blank what was there before, and return the array."""
        if self._last is not None:
            self._array[self._last] = self._blank
        self._last = (agent, b) if self._array.ndim == 2 else (agent, slice(None), b)
        self._array[self._last] = entries
        return self._array


class TrackingWorld(LoadBalancingWorld):
    """The numbers of a `LoadBalancingWorld` in arrays of its own, which show the state that was asked for last.

    Its states all have the same number of columns. One environment needs it for itself: see ``copy=False`` of
    `crl_envs.make_vec`.
    """

    _kept: dict[str, _Kept]

    @classmethod
    def of(cls, world: LoadBalancingWorld) -> Self:
        """Return one with the parts of a world."""
        tracking = object.__new__(cls)
        vars(tracking).update(vars(world), _kept={}, _last=None)
        return tracking

    def observation(self, state: State) -> NDArray[np.float32]:
        """See `LoadBalancingWorld.observation`."""
        seen = self._without_loads(state)
        loads = self._keeping("loads", lambda: _Kept(seen[:, :2]))
        agent, b = with_queue(state)
        loads.write(agent, b, self._loads_seen(state, agent, b))
        return seen

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """See `LoadBalancingWorld.action_mask`."""
        agent, b = with_load(state)
        return self._keeping("mask", lambda: self._blank_mask(state)).write(
            agent, b, self._legal(state, agent, b)
        )

    def _is_small(self, state: State) -> bool:
        return False

    def _blank_mask(self, state: State) -> _Kept:
        mask = np.zeros((self.n_agents, self._n_actions, state.load.shape[1]), np.int8)
        mask[:, NOOP] = 1
        return _Kept(mask, mask[0, :, 0].copy())

    def _by_outcome(self, name: str, table: NDArray[Any], state: State) -> NDArray[Any]:
        where = among(state.outcome != int(Outcome.NONE))  # an enum would be an array of 64 bits
        kept = self._keeping(name, lambda: _Kept(np.zeros(state.outcome.shape, table.dtype)))
        return kept.write(*where, table[state.outcome[where]])

    def _keeping(self, name: str, make: Callable[[], _Kept]) -> _Kept:
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]
