"""Approximate linear programming: an upper bound on the optimum of a factored MDP, and a policy that goes with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about, check_int
from crl_envs.core.topology import Adjacency, neighbors_of
from crl_envs.factored.elimination import Elimination, Factor, elimination_order, maximise
from crl_envs.factored.model import FactoredMDP

if TYPE_CHECKING:
    from scipy import sparse

_LARGEST_TABLE: Final = 2**14
_MOST_ROWS: Final = 500_000
_MOST_GROUPS: Final = 20_000
_RELEVANCE: Final = 1e-4  # of all states, beside the start's
_ROUNDING: Final = 1e-10  # relative

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """What approximate linear programming found.

    Attributes:
        value: No joint policy's utility is higher.
        policy: Acts greedily with respect to the approximate values. Its utility is not known: `evaluate` or
            `simulate` tells.
        slack: The part of `value` that makes up for constraints which the solver left violated within its tolerance.
        rows: Constraints of the linear program.
        columns: Its variables.
    """

    value: float
    policy: GreedyPolicy
    slack: float
    rows: int
    columns: int


def approximate_linear_program(model: FactoredMDP, *, window: int = 2) -> Bound:
    """Bound the utility of all joint policies by a value function that is a sum over small groups of agents.

    Guestrin, Koller, Parr & Venkataraman (2003, "Efficient Solution Algorithms for Factored MDPs"), with the joint
    actions of Guestrin, Koller & Parr (2001, "Multiagent Planning with Factored MDPs"), for a finite horizon: with
    V_t(s) = Σ_c w_{t,c}(s_c), one table for each connected group c of `window` agents, minimise E[V_0(start)] subject
    to

        V_t(s) ≥ R(s, a) + E[V_{t+1}(s') | s, a]   for all s, a and t < T,   V_T = 0.

    Every solution of the constraints is an upper bound of the optimal values. Their exponential number is written as
    a small one by eliminating one state or action after the other, each time with a new variable of the program for
    each entry of the table that arises. HiGHS solves it. Then the largest violation of each step is found by the same
    elimination in numbers and added (and 10⁻¹⁰ for rounding), so the bound doesn't rest on the solver's tolerance.
    The objective also has 10⁻⁴ times each E[V_t] in uniformly drawn states: where many solutions have the same
    E[V_0(start)], the one with the lowest values elsewhere gives the better policy.

    Args:
        model: The model. The tables grow exponentially with the treewidth of its graph, which is 2 for a ring.
        window: Agents of a group; one of n or more makes the bound exact on a connected graph. The bound falls with
            it; time and memory rise steeply.

    Raises:
        ValueError: A bad argument, or a program that is too large.
    """
    window = check_int("window", window, low=1)
    n, s, a, horizon = model.n_agents, model.n_states, model.n_actions, model.horizon
    groups = _groups(neighbors_of(model.edges, n), window)
    sizes = [s] * n + [a] * n
    scopes = [_scope(model, agents) for agents in groups]
    order = elimination_order(scopes, sizes)
    _refuse_large(model, order, sizes, window)
    terms = _terms(model, groups)
    weights, rows, columns = _solve(model, terms, _compile(terms, order, sizes))
    slack = 0.0
    for step in range(horizon):
        worst, _ = maximise((t.excess(weights[step], weights[step + 1]) for t in terms), order)
        slack += float(worst[0])
    value = (float(_expected(model.start, terms) @ weights[0]) + slack) / n
    policy = GreedyPolicy(model.n_actions, tuple(terms), weights)
    return Bound(value + _ROUNDING * (1 + abs(value)), policy, slack / n, rows, columns)


@dataclass(frozen=True, eq=False)
class GreedyPolicy:
    """Maximises reward and approximate value of the next joint state, by elimination of the agents' actions.

    Attributes:
        n_actions: |A|.
        terms: The value function's basis and the rewards.
        weights: ``float64[T + 1, H]``, the weights of H basis functions at each step.
    """

    n_actions: int
    terms: tuple[Term, ...]
    weights: Floats

    def act(self, states: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
        """Return actions ``uint8[n, B]`` in joint states ``uint8[n, B]`` at step 0 … T − 1."""
        factors = [t.given(states, self.weights[step + 1]) for t in self.terms]
        sizes = [self.n_actions] * len(states)
        _, best = maximise(factors, elimination_order((f.scope for f in factors), sizes))
        actions = np.empty(states.shape, np.uint8)
        for agent, action in best.items():
            actions[agent] = action
        return actions


@dataclass(frozen=True, eq=False)
class Term:
    """What a group of agents D adds to R(s, a) + E[V_{t+1}(s')] − V_t(s): a function of few states and actions.

    The basis functions of D are 1{s_j = v_j for all j in D}, for all v without a 0. Those of all subsets of a group
    span all functions of the group's states, without redundance.

    Attributes:
        agents: D; the constant function is that of the empty group.
        inputs: The agents on whose states the next states of D depend.
        columns: Where the weights of D lie.
        now: ``float64[|S|^inputs, 1, K]``, the basis functions.
        ahead: ``float64[|S|^inputs, |A|^D, K]``, their expectations at the next step.
        reward: ``float64[|S|^inputs, |A|^D]``, the local reward where D is a single agent, else 0.
        scope: Variables of the function: i is the state of agent i, n + i its action.
        shape: Their sizes.
    """

    agents: tuple[int, ...]
    inputs: tuple[int, ...]
    columns: slice
    now: Floats
    ahead: Floats
    reward: Floats
    scope: tuple[int, ...]
    shape: tuple[int, ...]

    def excess(self, weights: Floats, following: Floats) -> Factor:
        """Return its part of R + E[V_{t+1}] − V_t as one column."""
        table = (
            self.reward + self.ahead @ following[self.columns] - self.now @ weights[self.columns]
        )
        return Factor(self.scope, table.reshape(1, *self.shape))

    def given(self, states: NDArray[np.uint8], following: Floats) -> Factor:
        """Return its part of R + E[V_{t+1}] as a function of actions, in joint states ``uint8[n, B]``."""
        shape = self.shape[: len(self.inputs)]
        row = np.zeros(states.shape[1], np.int64)
        for agent, size in zip(self.inputs, shape, strict=True):
            row = row * size + states[agent]
        table = self.reward + self.ahead @ following[self.columns]
        return Factor(self.agents, table[row].reshape(-1, *self.shape[len(self.inputs) :]))


class _Constraints(NamedTuple):
    """A w_t + B w_{t+1} + C u_t ≤ b, which says R + E[V_{t+1}] ≤ V_t."""

    now: sparse.csr_matrix
    following: sparse.csr_matrix
    tables: sparse.csr_matrix
    limit: Floats


def _groups(neighbors: Adjacency, window: int) -> list[tuple[int, ...]]:
    """Return all subsets of the connected groups of at most `window` agents, small ones first."""
    indptr, indices = neighbors
    near = [set(row.tolist()) for row in np.split(indices, indptr[1:-1])]
    found = {frozenset([i]) for i in range(len(near))}
    newest = found
    for _ in range(min(window, len(near)) - 1):
        newest = {c | {j} for c in newest for i in c for j in near[i] - c}
        found |= newest
        if len(found) > _MOST_GROUPS:
            raise ValueError(
                f"window must leave at most {_MOST_GROUPS} connected groups of agents, got {window}, "
                f"which makes at least {len(found)}; use a smaller window or a sparser graph"
            )
    subsets = {d for c in found for k in range(len(c) + 1) for d in combinations(sorted(c), k)}
    return sorted(subsets, key=lambda d: (len(d), d))


def _inputs(model: FactoredMDP, agents: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({int(j) for i in agents for j in model.scopes.of(i)}))


def _scope(model: FactoredMDP, agents: Sequence[int]) -> tuple[int, ...]:
    """Return the variables on which the expectation of a group's next states depends."""
    return (*_inputs(model, agents), *(model.n_agents + i for i in agents))


def _refuse_large(
    model: FactoredMDP, order: list[Elimination], sizes: Sequence[int], window: int
) -> None:
    tables = [sizes[v] * math.prod(sizes[w] for w in others) for v, others in order]
    rows = model.horizon * (sum(tables) + 1)
    if max(tables) > _LARGEST_TABLE or rows > _MOST_ROWS:
        raise ValueError(
            f"model is too large for approximate_linear_program with window={window}: eliminating states and actions "
            f"makes tables of up to {about(max(tables))} entries (at most {_LARGEST_TABLE} are allowed) and a program "
            f"of {about(rows)} rows (at most {_MOST_ROWS}); use a smaller window, a sparser graph or fewer steps"
        )


def _terms(model: FactoredMDP, groups: list[tuple[int, ...]]) -> list[Term]:
    terms = []
    first = 0
    for agents in groups:
        term = _term(model, agents, first)
        first = term.columns.stop
        terms.append(term)
    return terms


def _term(model: FactoredMDP, agents: tuple[int, ...], first: int) -> Term:
    s, a = model.n_states, model.n_actions
    inputs = _inputs(model, agents)
    states = np.indices((s,) * len(inputs)).reshape(len(inputs), s ** len(inputs))
    actions = np.indices((a,) * len(agents)).reshape(len(agents), a ** len(agents))
    now, ahead = np.ones((states.shape[1], 1, 1)), np.ones((states.shape[1], actions.shape[1], 1))
    for j, action in zip(agents, actions, strict=True):
        scope = model.scopes.of(j)
        digits = states[[inputs.index(k) for k in scope]]
        entry = model.scopes.first[j] + s ** np.arange(len(scope)) @ digits
        chance = model.transition[entry[:, None], action, 1:]
        ahead = (ahead[..., :, None] * chance[..., None, :]).reshape(*ahead.shape[:2], -1)
        own = np.eye(s)[digits[0], None, 1:]
        now = (now[..., :, None] * own[..., None, :]).reshape(len(now), 1, -1)
    reward = np.zeros(ahead.shape[:2])
    if len(agents) == 1:
        reward += model.reward[agents[0], digits[0]]
    return Term(
        agents,
        inputs,
        slice(first, first + ahead.shape[2]),
        now,
        ahead,
        reward,
        _scope(model, agents),
        (s,) * len(inputs) + (a,) * len(agents),
    )


def _compile(terms: list[Term], order: list[Elimination], sizes: Sequence[int]) -> _Constraints:
    """Return the constraints of one step, without the exponential number of joint states and actions.

    Eliminating a variable v from the functions f in which it occurs makes a table u of the other variables in them,
    with u ≥ Σ f for all values of v.
    """
    from scipy import sparse

    n_weights = terms[-1].columns.stop
    starts = np.cumsum([0, *(math.prod(sizes[w] for w in e.others) for e in order)])
    width = 2 * n_weights + int(starts[-1])
    # A function's entries are rows of [w_t, w_{t+1}, u_t, 1].
    left = [(t.scope, _rows_of_term(t, n_weights, width)) for t in terms]
    blocks = []
    for (variable, others), start, end in zip(order, starts[:-1], starts[1:], strict=True):
        scope = (variable, *others)
        values = np.indices([sizes[v] for v in scope]).reshape(len(scope), -1)
        table = _unit_rows(2 * n_weights + np.arange(start, end), width)
        total = -sparse.vstack([table] * sizes[variable], format="csr")
        for inner, rows in left:
            if variable in inner:
                picked = np.ravel_multi_index(
                    [values[scope.index(v)] for v in inner], [sizes[v] for v in inner]
                )
                total = total + rows[picked]
        left = [(inner, rows) for inner, rows in left if variable not in inner]
        left.append((others, table))
        blocks.append(total)
    blocks.append(sum(rows for _, rows in left))
    all_rows = sparse.vstack(blocks, format="csc")
    return _Constraints(
        all_rows[:, :n_weights],
        all_rows[:, n_weights : 2 * n_weights],
        all_rows[:, 2 * n_weights : -1],
        -all_rows[:, -1].toarray().ravel(),
    )


def _rows_of_term(term: Term, n_weights: int, width: int) -> sparse.csr_matrix:
    from scipy import sparse

    states, actions, k = term.ahead.shape
    rows = np.zeros((states * actions, 2 * k + 1))
    rows[:, :k] = -np.broadcast_to(term.now, term.ahead.shape).reshape(len(rows), k)
    rows[:, k:-1] = term.ahead.reshape(len(rows), k)
    rows[:, -1] = term.reward.ravel()
    first = term.columns.start
    columns = [*range(first, first + k), *range(n_weights + first, n_weights + first + k), width]
    row, column = rows.nonzero()
    return sparse.csr_matrix(
        (rows[row, column], (row, np.array(columns)[column])), (len(rows), width + 1)
    )


def _unit_rows(columns: NDArray[np.int64], width: int) -> sparse.csr_matrix:
    from scipy import sparse

    m = len(columns)
    return sparse.csr_matrix((np.ones(m), (np.arange(m), columns)), (m, width + 1))


def _solve(model: FactoredMDP, terms: list[Term], step: _Constraints) -> tuple[Floats, int, int]:
    """Return the weights ``float64[T + 1, H]`` of the best solution, and the program's numbers of rows and columns."""
    from scipy import optimize, sparse

    horizon, n_weights = model.horizon, step.now.shape[1]
    each = sparse.identity(horizon)
    weights = sparse.kron(each, step.now) + sparse.kron(sparse.eye(horizon, k=1), step.following)
    constraints = sparse.hstack([weights, sparse.kron(each, step.tables)], format="csc")
    cost = np.zeros(constraints.shape[1])
    uniform = np.full(model.start.shape, 1 / model.n_states)
    cost[: horizon * n_weights] = _RELEVANCE * np.tile(_expected(uniform, terms), horizon)
    cost[:n_weights] += _expected(model.start, terms)
    solved = optimize.linprog(
        cost,
        constraints,
        np.tile(step.limit, horizon),
        bounds=(None, None),
        method="highs-ipm",  # the simplex takes 60 times as long on a ring of 8
    )
    if solved.x is None:
        raise RuntimeError(f"HiGHS found no solution of the linear program: {solved.message}")
    found = np.zeros((horizon + 1, n_weights))
    found[:horizon] = solved.x[: horizon * n_weights].reshape(horizon, n_weights)
    return found, *constraints.shape


def _expected(chances: Floats, terms: list[Term]) -> Floats:
    """Expectations ``float64[H]`` of the basis functions where agents' states are independent: ``float64[n, S]``."""
    expected = []
    for term in terms:
        chance = np.ones(1)
        for j in term.agents:
            chance = (chance[:, None] * chances[j, 1:]).ravel()
        expected.append(chance)
    return np.concatenate(expected)
