"""An upper bound on the optimum of a two-state rule on rings of every n: approximate linear programming on windows.

The value after t steps is approximated by V_t(s) = Σ_i w_t(s_i … s_{i+k−1}) with the same w_t around the ring (the
linear value functions of Guestrin, Koller, Parr & Venkataraman 2003, §4, for a finite horizon). Every V with
V_t(s) ≥ Σ_i R_i(s, a) + E[V_{t+1}(s') | s, a] for all s and a is an upper bound of the optimal value; the program finds
the one whose mean over starts is least.

The difference of the two sides is a sum over i of one local function f of the states and actions near agent i. On a
ring it is a closed walk in the de Bruijn graph whose edges are such windows, and no closed walk sums to more than zero
if a potential h has f(window) + h(its suffix) − h(its prefix) ≤ 0 on every edge, because h cancels around the ring.
These inequalities are what the program states (in place of Guestrin's variable elimination), so neither its size nor
its bound depends on n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_probability

WIDEST: Final = 5
LONGEST_VARYING: Final = 40

_FIRST_STEPS, _LAST_STEPS = 12, 24  # of a longer horizon; w_t stays the same between them
_ANYWHERE = 1e-3  # weight of starts with every machine up with probability ½
_MOST_ITERATIONS = 20_000


class RingRule(NamedTuple):
    """What agents with two states and two actions do on a ring.

    Attributes:
        up: ``float64[2, 2, M]``: P(state 1 next) by state, action and the sum of the signals of those that it feels.
        reward: ``float64[2, 2, M]``: what it earns, by the same.
        signal: ``int[2, 2]``: what it signals, by state and action.
        both_ways: Whether it feels both neighbours on the ring, or only the one before.
    """

    up: NDArray[np.float64]
    reward: NDArray[np.float64]
    signal: NDArray[np.integer]
    both_ways: bool

    @property
    def shows_actions(self) -> bool:
        """Whether what an agent does is felt at once."""
        return bool((self.signal[:, 0] != self.signal[:, 1]).any())


class WindowBound(NamedTuple):
    """A feasible point of the window program.

    V_t(s) = n Σ_{u ≥ t} gains[u] + Σ_i Σ_S weights[t, S] · Π_{j in S} s_{i+j}, where the set S has 0 and those j in
    1 … k − 1 whose bit j − 1 is set in its index. V_T = 0.

    Attributes:
        bound: Upper bound of the best expected episode return, mean over machines, for every ring of n ≥ max(k, 3): the
            mean of V_0 over starts, divided by n.
        gains: ``float64[T]``.
        weights: ``float64[T, 2^(k−1)]``.
    """

    bound: float
    gains: NDArray[np.float64]
    weights: NDArray[np.float64]


class Windows(NamedTuple):
    """All edges of the de Bruijn graph: the states and actions around machine i that its local function reads.

    Attributes:
        states: ``uint8[E, W]``: of machines i − 1 … i + k − 1, and i + k where the ring goes both ways.
        actions: ``uint8[E, ·]``: of machines i … i + k − 1, or of all those where actions are felt.
        reward: ``float64[E]``: machine i's.
        now: ``float64[E, 2^(k−1)]``: Π s over each set S of the window.
        later: ``float64[E, 2^(k−1)]``: the expectation of the same after one step.
        prefix, suffix: ``int64[E]``: the nodes that the edge leads from and to.
    """

    states: NDArray[np.uint8]
    actions: NDArray[np.uint8]
    reward: NDArray[np.float64]
    now: NDArray[np.float64]
    later: NDArray[np.float64]
    prefix: NDArray[np.int64]
    suffix: NDArray[np.int64]


class _Inequalities(NamedTuple):
    """Those of one step, a row for each window: reward + later @ w_{t+1} − now @ w_t + rise @ h_t ≤ gain_t.

    Attributes:
        reward, now, later: As in `Windows`, columns for classes of sets that share a weight.
        rise: Sparse, h(suffix) − h(prefix), columns for the free values of h.
        class_of: ``int64[2^(k−1)]``: each set's class.
    """

    reward: NDArray[np.float64]
    now: NDArray[np.float64]
    later: NDArray[np.float64]
    rise: Any
    class_of: NDArray[np.int64]


class _Stage(NamedTuple):
    """Steps with the same inequalities: which w is before them, which after (None: nothing), and how many they are."""

    before: int
    after: int | None
    steps: int


def window_bound(rule: RingRule, horizon: int, start_up: float, width: int = 4) -> WindowBound:
    """Solve the program with HiGHS (scipy) and repair the solution.

    The bound doesn't rest on the solver's tolerance. Its w and h are taken as given, the worst violation of each step's
    inequalities is computed anew, and each V_t is raised by the sum of those from t on; what is returned is the mean of
    that V_0, exact up to the rounding of floating-point sums (some 1e-14).

    The objective has a little weight on starts with every machine up with probability ½, so that V is also close where
    the given start doesn't lead; the bound is for the given start all the same.

    A horizon beyond `LONGEST_VARYING` has w_t of its own in the first 12 and the last 24 steps, and one w, with a gain
    per step, between them: fewer functions, so still a bound, and a program whose size no longer grows.

    Args:
        rule: Of all agents.
        horizon: Steps of an episode T.
        start_up: Probability of state 1 at the start.
        width: Window's width k in [1, 5]; the program has 2^(2k+1) inequalities a step on a ring one way, twice as
            many both ways, and twice as many again for each end where actions are felt.

    Raises:
        ValueError: An argument out of its range.
        RuntimeError: HiGHS found no optimum.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    check_int("horizon", horizon, low=1)
    check_probability("start_up", start_up)
    windows = ring_windows(rule, width)
    step = _mirrored(windows, width) if rule.both_ways else _plain(windows)
    stages = _stages(horizon)
    n_rows, n_classes = step.now.shape
    n_stages, n_weights = len(stages), 1 + max(stage.before for stage in stages)

    one_each = _selector(list(range(n_stages)), n_stages)
    before = _selector([stage.before for stage in stages], n_weights)
    after = _selector([stage.after for stage in stages], n_weights)
    inequalities = sparse.hstack(
        [
            sparse.kron(one_each, np.full((n_rows, 1), -1.0)),
            sparse.kron(after, step.later) - sparse.kron(before, step.now),
            sparse.kron(one_each, step.rise),
        ],
        format="csr",
    )
    rewards = np.tile(step.reward, n_stages)
    steps = np.array([stage.steps for stage in stages])
    start = np.bincount(step.class_of, start_up ** set_sizes(width))
    anywhere = np.bincount(step.class_of, 0.5 ** set_sizes(width))
    cost = np.zeros(inequalities.shape[1])
    cost[:n_stages] = steps
    cost[n_stages : n_stages + n_classes] = (1 - _ANYWHERE) * start + _ANYWHERE * anywhere

    solution = linprog(
        cost,
        A_ub=inequalities,
        b_ub=-rewards,
        bounds=(None, None),
        method="highs-ipm",  # an order of magnitude faster here than the simplex method
        options={"maxiter": _MOST_ITERATIONS},
    )
    if solution.status != 0:
        raise RuntimeError(f"HiGHS found no optimum of the window program: {solution.message}")
    point: NDArray[np.float64] = solution.x
    violation = (inequalities @ point + rewards).reshape(n_stages, n_rows).max(axis=1)
    gains = point[:n_stages] + np.maximum(violation, 0.0)
    weights = point[n_stages : n_stages + n_weights * n_classes].reshape(n_weights, n_classes)
    steps_of_weights = np.bincount([stage.before for stage in stages], steps).astype(np.int64)
    return WindowBound(
        float(steps @ gains + start @ weights[0]),
        np.repeat(gains, steps),
        np.repeat(weights[:, step.class_of], steps_of_weights, axis=0),
    )


def ring_windows(rule: RingRule, width: int) -> Windows:
    """Return every window of a ring, with what its first agent earns, what it is worth and what it will be worth.

    Raises:
        ValueError: `width` isn't an integer in [1, 5].
    """
    k = check_int("width", width, low=1, high=WIDEST)
    reach = k + 1 + rule.both_ways
    acting = reach if rule.shows_actions else k
    code = np.arange(2 ** (reach + acting))[:, None]
    states = (code >> np.arange(reach) & 1).astype(np.uint8)
    actions = (code >> np.arange(reach, reach + acting) & 1).astype(np.uint8)
    own, done = states[:, 1 : k + 1], actions[:, 1 : k + 1] if rule.shows_actions else actions
    signals = rule.signal[states, actions if rule.shows_actions else 0].astype(np.int64)
    felt = signals[:, :k] + (signals[:, 2:] if rule.both_ways else 0)
    up = rule.up[own, done, felt]
    return Windows(
        states,
        actions,
        rule.reward[own[:, 0], done[:, 0], felt[:, 0]],
        _products(own.astype(np.float64)),
        _products(up),
        _node(states[:, :-1], actions[:, :-1]),
        _node(states[:, 1:], actions[:, 1:]),
    )


def set_sizes(width: int) -> NDArray[np.int64]:
    """Return ``int64[2^(k−1)]``: the number of machines in each set S."""
    return np.array([1 + index.bit_count() for index in range(2 ** (width - 1))])


def _products(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products over each set S of the columns, ``float64[E, k]`` to ``float64[E, 2^(k−1)]``."""
    products = factors[:, :1]
    for column in factors.T[1:]:
        products = np.concatenate([products, products * column[:, None]], axis=1)
    return products


def _plain(windows: Windows) -> _Inequalities:
    """A row for each window; node 0 has potential 0."""
    classes = np.arange(windows.now.shape[1])
    rise = _rise(windows.prefix, windows.suffix)[:, 1:]
    return _Inequalities(windows.reward, windows.now, windows.later, rise, classes)


def _mirrored(windows: Windows, width: int) -> _Inequalities:
    """Return half of the rows, for a ring that goes both ways and so is its own mirror image.

    The mean of a feasible (w, h) and its reflection, in which h changes sign, is feasible and as good. So sets that
    mirror each other share a weight, a node's potential is minus its reflection's, and each local function, averaged
    with its reflection, needs one of the two inequalities.
    """
    from scipy import sparse

    reflection = _node(windows.states[:, ::-1], windows.actions[:, ::-1])
    kept = np.arange(len(reflection)) <= reflection
    _, class_of = np.unique(
        np.minimum(np.arange(2 ** (width - 1)), _reflected_sets(width)), return_inverse=True
    )
    merge = np.eye(class_of.max() + 1)[class_of]

    n_nodes = int(windows.prefix.max()) + 1
    other = np.empty(n_nodes, np.int64)
    other[windows.prefix] = windows.suffix[reflection]
    node = np.flatnonzero(other != np.arange(n_nodes))
    owners, column = np.unique(np.minimum(node, other[node]), return_inverse=True)
    sign = np.where(node < other[node], 1.0, -1.0)
    odd = sparse.csr_array((sign, (node, column)), shape=(n_nodes, len(owners)))

    def even(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x[kept] + x[reflection[kept]]) / 2

    return _Inequalities(
        even(windows.reward),
        even(windows.now @ merge),
        even(windows.later @ merge),
        _rise(windows.prefix[kept], windows.suffix[kept]) @ odd,
        class_of,
    )


def _rise(prefix: NDArray[np.int64], suffix: NDArray[np.int64]) -> Any:
    from scipy import sparse

    row = np.arange(len(prefix))
    signs = np.repeat([1.0, -1.0], len(prefix))
    columns = np.concatenate([suffix, prefix])
    return sparse.csr_array((signs, (np.tile(row, 2), columns)))


def _reflected_sets(width: int) -> NDArray[np.int64]:
    """Return ``int64[2^(k−1)]``: the index of each set read backwards."""
    reflected = np.empty(2 ** (width - 1), np.int64)
    for index in range(len(reflected)):
        places = [0] + [j for j in range(1, width) if index >> (j - 1) & 1]
        reflected[index] = sum(1 << (places[-1] - j - 1) for j in places[:-1])
    return reflected


def _node(states: NDArray[np.uint8], actions: NDArray[np.uint8]) -> NDArray[np.int64]:
    bits = np.concatenate([states, actions], axis=1).astype(np.int64)
    return bits @ (1 << np.arange(bits.shape[1]))


def _stages(horizon: int) -> list[_Stage]:
    """Return the steps of an episode, those that share a w and its inequalities put together."""
    if horizon <= LONGEST_VARYING:
        return [_Stage(t, t + 1 if t + 1 < horizon else None, 1) for t in range(horizon)]
    between = horizon - _FIRST_STEPS - _LAST_STEPS
    stages = _stages(_FIRST_STEPS + _LAST_STEPS)
    return [
        *stages[:_FIRST_STEPS],
        _Stage(_FIRST_STEPS, _FIRST_STEPS, between),
        *stages[_FIRST_STEPS:],
    ]


def _selector(chosen: Sequence[int | None], size: int) -> Any:
    """Return a sparse matrix whose row i has a 1 in column ``chosen[i]``, or nothing."""
    from scipy import sparse

    rows = [i for i, c in enumerate(chosen) if c is not None]
    columns = [c for c in chosen if c is not None]
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(chosen), size))
