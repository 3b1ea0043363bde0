"""SYSADMIN with three status and three load values for each machine (Guestrin, Koller & Parr 2001)."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.sysadmin.layout import State, SysadminLayout

GOOD, FAULTY, DEAD = 0, 1, 2
IDLE, LOADED, SUCCESS = 0, 1, 2

P_FAULTY: Final = 0.4
P_FAULTY_BONUS: Final = 0.2
P_DEAD: Final = 0.1
P_DEAD_BONUS: Final = 0.5
P_LOAD: Final = 0.6
P_DONE_GOOD: Final = 0.9
P_DONE_FAULTY: Final = 0.6


class StatusLoadWorld(SysadminLayout):
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

    def initial(self, stream: Stream) -> State:
        """Each machine good with probability `start_up`, else faulty; all idle."""
        good = self._start_words(stream)
        return np.where(good, 3 * GOOD + IDLE, 3 * FAULTY + IDLE).astype(np.uint8)

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Every machine's next status and load."""
        self.check(state, action, stream)
        risk, offsets = self._risk
        indptr, indices = self.parents
        next_state = np.empty_like(state)
        self._kernel.step_status_load(
            state,
            self.executed(action),
            stream.keys(Purpose.TRANSITION),
            stream.keys(Purpose.LOAD),
            indptr,
            indices,
            offsets,
            risk,
            _PROGRESS,
            next_state,
        )
        return next_state

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """1 where the load is a success."""
        return np.asarray(state % 3 == SUCCESS, np.float32)

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Shares ``float64[B]`` of machines that are good, faulty, dead and loaded."""
        status, load = state // 3, state % 3
        return {
            "good": (status == GOOD).mean(axis=0),
            "faulty": (status == FAULTY).mean(axis=0),
            "dead": (status == DEAD).mean(axis=0),
            "loaded": (load == LOADED).mean(axis=0),
        }

    def optimum(self) -> Optimum:
        """An upper bound: the best cycle idle, loaded, success with a good machine throughout."""
        step = np.zeros((4, 4))  # of the values of idle, loaded, success, and of the constant 1
        step[IDLE, [IDLE, LOADED]] = 1 - P_LOAD, P_LOAD
        step[LOADED, [LOADED, SUCCESS]] = 1 - P_DONE_GOOD, P_DONE_GOOD
        step[SUCCESS, [IDLE, 3]] = 1
        step[3, 3] = 1
        value = float(np.linalg.matrix_power(step, self.horizon)[IDLE, 3])
        return Optimum(value, "bound", "upper: machines that never fail; lower: 0", 0.0)

    @cached_property
    def _risk(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Thresholds of the event that the status gets one worse, and where each machine's begin.

        Returns:
            ``uint32[·]`` and ``int64[n]``: entry ``offset[i] + status · (degree_i + 1) + parents in a worse status`` is
            machine i's; the parents in a worse status are those not good for a good machine, dead for a faulty one.
        """
        degrees, kind = np.unique(self.parents.degree, return_inverse=True)
        parts = [risk(int(degree)).ravel() for degree in degrees]
        begins = np.cumsum([0] + [part.size for part in parts[:-1]])
        return threshold(np.concatenate(parts)).astype(np.uint32), begins[kind].astype(np.int64)


def risk(degree: int) -> NDArray[np.float64]:
    """P(the status gets one worse) of a machine that isn't rebooted.

    Returns:
        ``float64[3, degree + 1]``, by its status and the number of parents in a worse status.
    """
    share = np.arange(degree + 1) / max(degree, 1)
    good, faulty = P_FAULTY + P_FAULTY_BONUS * share, P_DEAD + P_DEAD_BONUS * share
    return np.stack([good, faulty, np.zeros(degree + 1)])


PROGRESS: Final = np.array([P_LOAD, P_DONE_GOOD, 0.0, P_LOAD, P_DONE_FAULTY, 0.0, 0.0, 0.0, 0.0])
"""By state: the probability that an idle machine gets a load and a loaded one completes it."""

_PROGRESS: Final = threshold(PROGRESS).astype(np.uint32)
