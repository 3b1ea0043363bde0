"""What is known about the best use of the access points: exact for few users."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.access.form import array_form
from crl_envs.access.problem import AccessProblem
from crl_envs.core.joint_value import is_quick, joint_value
from crl_envs.core.optimum import Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.factored import joint_states

_MOST_MATCHED: Final = 400_000  # user-steps, of about a microsecond each
_FEWEST_COLUMNS: Final = 8


def find_optimum(problem: AccessProblem) -> Optimum:
    """Return the exact value of a central schedule, for few users and at most millions of steps; else a bound.

    The bound is the linear program of flows from users to points. Below it is what a central matching in each step
    reaches, simulated, or for very many users what they reach who each have a point of their own.
    """
    size = 2 * problem.n_agents * problem.deadline + problem.n_points * np.log2(5)
    if is_quick(size, problem.horizon):
        value = exact_value(problem)
        return Optimum(value, "exact", "value iteration over the users' packets", value)
    lower, how = matching_return(problem)
    value = problem.horizon * flow_bound(problem)
    return Optimum(value, "bound", f"linear program of flows; lower: {how}", min(lower, value))


def flow_bound(problem: AccessProblem) -> float:
    """Return an upper bound of the throughput, in packets a user and step.

    It is the value of the linear program: maximise the sum of all flows from users to their points, such that a user's
    isn't more than the packets that come through if it is always alone, p (1 − (1 − q)^D) and q, nor a point's more
    than q. Its value is all that users have, or all that points take; no smaller part of the lattice is scarcer.
    """
    p, q = problem.arrival_rate, problem.success_rate
    user = min(q, p * (1 - (1 - q) ** problem.deadline))
    return min(user, q * problem.n_points / problem.n_agents)


def matching_return(problem: AccessProblem) -> tuple[float, str]:
    """Return what is reached at least, and how that is known."""
    n, horizon = problem.n_agents, problem.horizon
    columns = min(columns_for(n, horizon), _MOST_MATCHED // (n * horizon))
    if columns >= _FEWEST_COLUMNS:
        low = low_return(
            array_form(problem), n, horizon, lambda air: matching(problem, air.queue), columns
        )
        return low, f"a central matching in each step, simulated, less {ERRORS:g} standard errors"
    share = problem.n_points / n * problem.arrival_rate * problem.success_rate
    return horizon * share, "all send below right, where nobody else does"


def matching(problem: AccessProblem, queue: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return actions ``int64[n, B]`` without collisions: as many send as can, and of them most whose packet is urgent.

    Users are added in the order of their oldest packets, each where augmenting paths make room for it without taking
    it from those before: what is matched in that way has the greatest weight, whatever the weights, as long as they
    fall in that order (matroids of transversals).
    """
    points = [[int(p) for p in own if p >= 0] for own in problem.points]
    action = np.zeros(queue.shape, np.int64)
    oldest = queue & -queue.astype(np.int16)  # bit of the packet that is sent
    for b in range(queue.shape[1]):
        having = np.flatnonzero(queue[:, b])
        order = having[np.argsort(oldest[having, b], kind="stable")]
        owner: dict[int, int] = {}
        held: dict[int, int] = {}
        for user in order.tolist():
            _augment(points, owner, held, user)
        for user, point in held.items():
            action[user, b] = 1 + int(np.flatnonzero(problem.points[user] == point)[0])
    return action


def _augment(
    points: list[list[int]], owner: dict[int, int], held: dict[int, int], user: int
) -> None:
    """Give a user a point, if others can move on so that each has one."""
    wanted_by: dict[int, int] = {}
    looking = [user]
    for who in looking:
        for point in points[who]:
            if point in wanted_by:
                continue
            wanted_by[point] = who
            if point in owner:
                looking.append(owner[point])
                continue
            free: int | None = point
            while free is not None:  # the user has had none
                mover = wanted_by[free]
                left = held.get(mover)
                owner[free], held[mover] = mover, free
                free = left
            return


def schedules(problem: AccessProblem) -> list[tuple[int, ...]]:
    """Return all sets of users who can send in one step without collisions, each in ascending order."""
    near: list[list[Any]] = [[None] for _ in range(problem.n_points)]
    for user, own in enumerate(problem.points.tolist()):
        for point in own:
            if point >= 0:
                near[point].append(user)
    found = set()
    for joint in product(*near):
        senders = sorted(user for user in joint if user is not None)
        if len(set(senders)) == len(senders):
            found.add(tuple(senders))
    return sorted(found)


def exact_value(problem: AccessProblem) -> float:
    """Return the best expected return, mean over users, of a schedule that sees all packets and the step."""
    n, p, q = problem.n_agents, problem.arrival_rate, problem.success_rate
    newest = problem.deadline - 1
    queue = joint_states(n, problem.n_values).astype(np.int64)
    value = np.arange(problem.n_values)[None, :, None]
    every, paid = [], []
    for senders in schedules(problem):
        through = q * (np.isin(np.arange(n), senders)[:, None] & (queue > 0))
        parts = sum(
            (chance * rate)[:, None] * (value == ((left >> 1) | packet << newest)[:, None])
            for chance, left in ((through, queue & (queue - 1)), (1 - through, queue))
            for packet, rate in ((0, 1 - p), (1, p))
        )
        every.append(parts)
        paid.append(through.mean(axis=0))
    first = np.zeros(problem.n_values)
    first[0], first[1 << newest] = 1 - p, p
    return joint_value(np.array(paid), every, [first] * n, problem.horizon)
