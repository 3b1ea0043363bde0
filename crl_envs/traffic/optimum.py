"""What is known about the best traffic lights: how many vehicles wait at least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import LONGEST, Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.traffic.form import Traffic, array_form
from crl_envs.traffic.problem import TrafficProblem

_HYSTERESES: Final = (1, 2, 4)
_STILL: Final = 1e-12  # vehicles


def find_optimum(problem: TrafficProblem) -> Optimum:
    """Return a bound by the vehicles that wait at least, and what the longest pair of queues earns, simulated.

    Where there are too many crossings to simulate them in a moment, `lower` is what full queues cost.
    """
    value = 0.0 - least_waiting(problem) / (4 * problem.capacity)
    lower, how = longest_pair(problem)
    return Optimum(value, "bound", f"a vehicle waits for a step at least; lower: {how}", lower)


def least_waiting(problem: TrafficProblem) -> float:
    """Return a bound below the expected vehicles at a crossing, mean over crossings, summed over the steps.

    With x vehicles at a crossing at most m = min(x, 2) of them cross in a step, each of which leaves with probability ℓ
    (or, where the border is open, at most all); a vehicle arrives with probability λ at each approach, a in sum, and is
    turned away if C are there, which are the x before the step and those that have entered a queue, (1 − ℓ) m. So

        x' ≥ x − ℓ m + a − λ (x + (1 − ℓ) m) / C.

    That is convex in x, so that it holds for the means.
    """
    leaves = 1.0 if problem.boundary == "open" else problem.leaving
    rate, capacity = problem.arrival_rate, problem.capacity
    arrivals = rate * float(problem.sources.sum()) / problem.n_agents

    def least(x: float) -> float:
        crossing = min(x, 2.0)
        turned_away = rate * (x + (1 - leaves) * crossing) / capacity
        return max(x - leaves * crossing + arrivals - turned_away, 0.0)

    total, x = 0.0, 0.0
    for t in range(problem.horizon):
        before, x = x, min(least(x), least(max(x, 2.0)))  # it may fall until 2, and never after
        total += x
        if abs(x - before) < _STILL or t >= LONGEST:  # x never falls
            return total + (problem.horizon - 1 - t) * min(x, before)
    return total


def longest_pair(problem: TrafficProblem) -> tuple[float, str]:
    """Return what green for the longer pair of queues earns at least, by the best of some hystereses."""
    n, horizon = problem.n_agents, problem.horizon
    for tried in (_HYSTERESES, _HYSTERESES[:1]):
        if columns := columns_for(n, horizon, max(len(tried), 2)):
            form = array_form(problem)
            low = max(low_return(form, n, horizon, _rule(h), columns) for h in tried)
            how = f"simulated, less {ERRORS:g} standard errors"
            return low, f"green for the longer pair of queues, {how}"
    return -float(horizon), "all queues full"


def _rule(hysteresis: int) -> Callable[[Any], NDArray[np.integer]]:
    def act(state: Traffic) -> NDArray[np.integer]:
        pairs = state.queue[:2].astype(np.int64) + state.queue[2:]
        ahead = np.where(state.phase == 0, pairs[1] - pairs[0], pairs[0] - pairs[1])
        chosen: NDArray[np.integer] = np.where(ahead > hysteresis, 1 - state.phase, state.phase)
        return chosen

    return act
