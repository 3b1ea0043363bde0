"""What is known about the best routing: a bound by distances and flows, and what shortest paths earn."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_mean
from crl_envs.core.stream import Purpose, Stream
from crl_envs.routing.problem import RoutingProblem
from crl_envs.routing.rules import PURPOSES, Keys, advance, begin, empty_state, paid

_MOST_FLOWS: Final = 40_000  # links × destinations that the program is solved for
_MOST_NODES: Final = 2000  # whose distances are worked out
_SEED: Final = 0x5EED


def find_optimum(problem: RoutingProblem) -> Optimum:
    """Return an upper bound on the return, mean over agents, and what shortest paths earn at least.

    A packet h links from its destination is under way for h transmissions that get through, each of which takes a step
    and gets through with 1 − loss. And no more are delivered in a step, on average, than `most_delivered` says. In a
    network whose links come and go one link may be all. Dropped packets count as if they waited, so that no return is
    better for them.
    """
    if problem.n == 1:
        return Optimum(0.0, "exact", "nothing enters", 0.0)
    parts = [] if problem.placed or problem.n > _MOST_NODES else ["distances"]
    share, reachable = under_way(problem)
    rate = most_delivered(problem) if parts else None
    if rate is None:
        rate = problem.load * reachable
    else:
        parts.append("flows by linear programming")
    upper = _bound(problem, share, rate)
    lower, how = shortest_paths(problem)
    return Optimum(upper, "bound", f"{' and '.join(parts) or 'one link'}; lower: {how}", lower)


def under_way(problem: RoutingProblem) -> tuple[NDArray[np.float64], float]:
    """Return the least share of packets that are under way at each age 0 … T, and the share that can arrive at all."""
    steps = np.zeros(problem.horizon + 1)
    if problem.placed or problem.n > _MOST_NODES:
        hops, count = np.array([1]), np.array([1.0])
    else:
        between = problem.hops[~np.eye(problem.n, dtype=np.bool_)]
        hops, count = np.unique(between, return_counts=True)
    weight = count / count.sum()
    never = float(weight[hops < 0].sum())
    hops, weight = hops[hops > 0], weight[hops > 0]
    done = np.zeros(
        (len(hops), int(hops.max(initial=0)) + 1)
    )  # P(k transmissions have got through)
    done[:, 0] = 1.0
    home = np.arange(done.shape[1]) >= hops[:, None]
    for age in range(problem.horizon + 1):
        left = float(weight @ np.where(home, 0.0, done).sum(axis=1))
        steps[age] = left
        if left < 1e-12:
            break
        through = np.where(home, 0.0, done) * (1.0 - problem.loss)
        done = done - through
        done[:, 1:] += through[:, :-1]
    return steps + never, 1.0 - never


def most_delivered(problem: RoutingProblem, all_alike: bool = False) -> float | None:
    """Return the most packets that flows deliver in a step, of those that enter; None for too large a program.

    The flow to each destination is kept at all other nodes, and what a node sends in all is at most 1 − loss. Without
    SciPy, None.

    Args:
        problem: The network.
        all_alike: Every source and destination alike, however much enters: the load up to which queues can be bounded.
    """
    n, edges = problem.n, problem.edges
    if not find_spec("scipy") or not 0 < edges.shape[0] * n <= _MOST_FLOWS:
        return None
    from scipy import sparse
    from scipy.optimize import linprog

    e, pairs = len(edges), n * (n - 1)
    source, target = edges.T
    flow = np.arange(e * n).reshape(e, n)  # by link and destination
    goal = np.broadcast_to(np.arange(n), (e, n))
    leaves = source[:, None] != goal  # what is at home stays
    arrives = leaves & (target[:, None] != goal)
    row = np.arange(n)[:, None] * n + np.arange(n)  # conservation at a node of a flow
    rows = [row[source][leaves], row[target][arrives]]
    columns = [flow[leaves], flow[arrives]]
    values = [np.ones(leaves.sum()), -np.ones(arrives.sum())]
    enters = row[~np.eye(n, dtype=np.bool_)]
    rows.append(enters)
    columns.append(np.full(pairs, e * n) if all_alike else e * n + np.arange(pairs))
    values.append(np.full(pairs, -1.0 / pairs) if all_alike else -np.ones(pairs))
    size = e * n + (1 if all_alike else pairs)
    kept = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(n * n, size),
    )
    sends = sparse.csr_array(
        (np.ones(leaves.sum()), (np.broadcast_to(source[:, None], (e, n))[leaves], flow[leaves])),
        shape=(n, size),
    )
    cost = np.zeros(size)
    cost[e * n :] = -1.0
    most = None if all_alike else problem.load / pairs
    high: list[Any] = [None] * (e * n) + [most] * (size - e * n)
    solved = linprog(
        cost,
        A_ub=sends,
        b_ub=np.full(n, 1.0 - problem.loss),
        A_eq=kept,
        b_eq=np.zeros(n * n),
        bounds=[(0, limit) for limit in high],
        method="highs",
    )
    return float(-solved.fun) if solved.status == 0 else None


def shortest_paths(problem: RoutingProblem) -> tuple[float, str]:
    """Return what shortest paths earn at least, and how that is known."""
    n, horizon = problem.n, problem.horizon
    columns = columns_for(n * 16, horizon)  # a step takes longer than that of others
    if not columns or problem.placed or n > _MOST_NODES or n * problem.queue_size * columns > 2**22:
        if problem.reward == "delay":
            return 0.0, "nothing is delivered"
        # All packets wait, and all that find no room wait until the end.
        every = problem.load * horizon * (horizon + 3) / 2
        return -every / (n * problem.queue_size), "nothing is delivered, on average"
    rules, hops = problem.rules, np.where(problem.hops < 0, n, problem.hops)
    theirs = np.where(rules.successors[..., None] >= 0, hops[rules.successors], n + 1)
    action = np.zeros((n, n), np.int64)
    if theirs.shape[1]:
        action = np.where(problem.hops > 0, 1 + theirs.argmin(axis=1), 0)
    stream = Stream(columns)
    stream.seed(_SEED)
    state, total = empty_state(rules, columns), np.zeros(columns)
    begin(rules, state, stream.keys(Purpose.INITIAL), _keys(stream))
    for _ in range(horizon):
        stream.advance()
        head = np.take_along_axis(state.goal, state.first[:, None].astype(np.int64), axis=1)[:, 0]
        advance(rules, state, action[np.arange(n)[:, None], head], _keys(stream))
        total += paid(rules, state).mean(axis=0, dtype=np.float64)
    return low_mean(total), f"shortest paths, simulated, less {ERRORS:g} standard errors"


def _keys(stream: Stream) -> Keys:
    return Keys(*(stream.keys(purpose) for purpose in PURPOSES))


def _bound(problem: RoutingProblem, share: NDArray[np.float64], rate: float) -> float:
    horizon, load = problem.horizon, problem.load
    if problem.reward == "delay":
        age = np.arange(1, horizon + 1)
        arrives = share[:-1] - share[1:]
        earned = load * float((arrives * (1.0 - age / horizon) * (horizon + 1 - age)).sum())
        return min(earned, rate * (horizon + 1)) / problem.n
    enough = load * np.cumsum(share)[1:]  # packets under way after each step
    crowd = (load - rate) * np.arange(2, horizon + 2)
    return -float(np.maximum(enough, crowd).sum()) / (problem.n * problem.queue_size)
