"""What is known about the best policy of one rule on a graph: exact where it is small, two ends of it elsewhere."""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.joint_value import joint_value
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Purpose, Stream
from crl_envs.factored import joint_states
from crl_envs.local_rule.form import array_form
from crl_envs.local_rule.problem import RuleOnGraph

_MOST_PRODUCTS: Final = 2**24  # joint states × joint actions × joint next states
_MOST_STEPS: Final = 40_000_000  # agent-steps of all simulations
_MOST_TABLES: Final = 64
_COLUMNS: Final = 256
_SEED: Final = 0x5EED
_ERRORS: Final = 4.0  # standard errors by which a simulated return is lowered


def find_optimum(problem: RuleOnGraph) -> Optimum:
    """Return the exact value of few agents, by value iteration over their joint states; else a bound.

    The bound lets each agent choose, beside its action, what it feels. It is loose by what it costs the agents to give
    each other what they want. Below it is the best of the policies that act by the own state, the same for all, if
    there are few; simulated, and lowered by four standard errors.
    """
    n, s, a = problem.n, problem.rule.n_states, problem.rule.n_actions
    if n * (2 * np.log2(s) + np.log2(a)) <= np.log2(_MOST_PRODUCTS):
        value = exact_value(problem)
        return Optimum(value, "exact", "value iteration over joint states", value)
    upper = relaxed_value(problem)
    lower, table = best_own_table(problem)
    how = "each agent chooses what it feels, too"
    if table is not None:
        how += f"; lower: actions {table.tolist()} by own state, simulated, less {_ERRORS:g} standard errors"
    return Optimum(upper, "bound", how, lower)


def exact_value(problem: RuleOnGraph) -> float:
    """Return the best expected return, mean over agents, of policies that see all agents and the step."""
    rule, rows, n = problem.rule, problem.rows, problem.n
    states, actions = joint_states(n, rule.n_states), joint_states(n, rule.n_actions)
    one = np.ones((1, rows.chances.shape[1]))
    reached = np.concatenate([one, rows.chances, 0 * one])
    by_next = reached[:-1] - reached[1:]  # [S, R]
    sources, targets = problem.edges.T
    own = states.astype(np.int64) * rule.n_actions
    every = []
    for joint in actions.T:
        emitted = rule.signal[states, joint[:, None]].astype(np.int64)
        felt = np.zeros_like(emitted)
        np.add.at(felt, targets, emitted[sources])
        every.append((own + joint[:, None]) * rows.widths[:, None] + felt + rows.offsets[:, None])
    paid = rows.reward.astype(np.float64)[np.array(every)].mean(axis=1)
    parts = ((by_next[:, row] for row in rows_of) for rows_of in every)
    return joint_value(paid, parts, [rule.start] * n, problem.horizon)


def relaxed_value(problem: RuleOnGraph) -> float:
    """Return an upper bound: the mean over agents of the best return of one that chooses what it feels as well."""
    rule, total = problem.rule, 0.0
    degrees, counts = np.unique(problem.parents.degree, return_counts=True)
    for degree, count in zip(degrees.tolist(), counts.tolist(), strict=True):
        tables = rule.tables(degree)
        felt = _sums(np.unique(rule.signal), degree)
        value = np.zeros(rule.n_states)
        for _ in range(problem.horizon):
            worth = tables.reward[:, :, felt] + tables.transition[:, :, felt] @ value
            value = worth.max(axis=(1, 2))
        total += count * float(rule.start @ value)
    return total / problem.n


def best_own_table(problem: RuleOnGraph) -> tuple[float, NDArray[np.int64] | None]:
    """Return what the best table by own state earns at least, and the table; −inf and None if there are too many."""
    rule, n = problem.rule, problem.n
    s, a = rule.n_states, rule.n_actions
    columns = (
        min(_COLUMNS, _MOST_STEPS // (n * problem.horizon * a**s)) if a**s <= _MOST_TABLES else 0
    )
    if columns < 2:
        return -np.inf, None
    form = array_form(problem)
    best: tuple[float, NDArray[np.int64] | None] = -np.inf, None
    back = None if problem.orders is None else np.argsort(problem.orders, axis=1)
    for choice in product(range(a), repeat=s):
        table, stream = np.array(choice), Stream(columns)
        stream.seed(_SEED)
        words = {Purpose.INITIAL: stream.words(Purpose.INITIAL, n)}
        state, total = form.initial(np, form.tables, words), np.zeros(columns)
        for _ in range(problem.horizon):
            stream.advance()
            action = table[state]
            if back is not None:
                action = np.take_along_axis(back, action, axis=1)
            words = {Purpose.TRANSITION: stream.words(Purpose.TRANSITION, n)}
            state, reward = form.step(np, form.tables, state, action, words)
            total += reward.mean(axis=0, dtype=np.float64)
        error = total.std(ddof=1) / columns**0.5
        if (low := float(total.mean() - _ERRORS * error)) > best[0]:
            best = low, table
    return best


def _sums(values: NDArray[np.uint8], count: int) -> list[int]:
    """Return all sums of so many of the values, ascending."""
    reached = {0}
    for _ in range(count):
        reached = {r + v for r in reached for v in values.tolist()}
    return sorted(reached)
