"""What is known about the best policy of one rule on a graph: exact where it is small, two ends of it elsewhere."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.joint_value import is_quick, joint_value
from crl_envs.core.optimum import LONGEST, Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.core.topology import directed_ring, ring
from crl_envs.factored import joint_states
from crl_envs.factored.window_policy import RADIUS, greedy_table, simulate
from crl_envs.factored.window_program import RingRule, window_bound
from crl_envs.local_rule.form import array_form
from crl_envs.local_rule.problem import RuleOnGraph

_MOST_TABLES: Final = 64
_MOST_SIMULATED: Final = 200_000  # agent-steps of an episode, of which there are at least a hundred
_WIDTH: Final = 3  # of windows; wider ones cost more than they bring


def find_optimum(problem: RuleOnGraph) -> Optimum:
    """Return the exact value of few agents, by value iteration over their joint states; else a bound.

    On rings of two states and two actions the bound is the window program's (`crl_envs.factored.window_program`), which
    comes near the optimum. Elsewhere it lets each agent choose, beside its action, what it feels; it is loose by what
    it costs the agents to give each other what they want. Below it is the best of the policies that act by the own
    state, the same for all, if there are few; simulated, and lowered by four standard errors. Beyond
    100,000 steps nothing is worked out: the ends are the largest and the least reward in each step.
    """
    n, s, a = problem.n, problem.rule.n_states, problem.rule.n_actions
    if is_quick(n * (2 * np.log2(s) + np.log2(a)), problem.horizon):
        value = exact_value(problem)
        return Optimum(value, "exact", "value iteration over joint states", value)
    if problem.horizon > LONGEST:
        least, most = (problem.horizon * float(f(problem.rows.reward)) for f in (np.min, np.max))
        return Optimum(most, "bound", "the largest reward in each step; lower: the least", least)
    upper, how = relaxed_value(problem), "each agent chooses what it feels, too"
    lower, table = best_own_table(problem)
    below = "" if table is None else f"actions {table.tolist()} by own state, simulated"
    if (rule := ring_rule(problem)) is not None:
        start_up = float(problem.rule.start[1])
        with suppress(ImportError, RuntimeError):  # no scipy, or no solution
            found = window_bound(rule, problem.horizon, start_up, _WIDTH)
            if found.bound < upper:
                upper, how = found.bound, f"linear program over functions of {_WIDTH} agents"
            if n * problem.horizon <= _MOST_SIMULATED:
                greedy = greedy_table(rule, found.weights, beyond=round(start_up))
                for policy, name in (
                    (_on_windows(table, problem.horizon), below),
                    (greedy, f"greedy in its solution on windows of {2 * RADIUS + 1}, simulated"),
                ):
                    seen = simulate(rule, n, start_up, policy, found.weights)
                    least = min(seen.mean - ERRORS * seen.standard_error, upper)
                    if least > lower:
                        lower, below = least, name
    if below:
        how += f"; lower: {below}, less {ERRORS:g} standard errors"
    return Optimum(upper, "bound", how, min(lower, upper))  # but for the rounding of sums


def _on_windows(table: NDArray[np.int64] | None, horizon: int) -> NDArray[np.uint8]:
    """Return a table by own state as one by a window of three."""
    own = np.arange(8) >> 1 & 1
    chosen = own * 0 if table is None else table[own]
    return np.tile(chosen.astype(np.uint8), (horizon, 1))


def ring_rule(problem: RuleOnGraph) -> RingRule | None:
    """Return the rule of a ring of two states and two actions; None for other problems."""
    n, rule = problem.n, problem.rule
    both_ways = np.array_equal(problem.edges, ring(n))
    is_ring = both_ways or np.array_equal(problem.edges, directed_ring(n))
    if rule.signal.shape != (2, 2) or n < _WIDTH + 2 or not is_ring:
        return None
    tables = rule.tables(1 + both_ways)
    return RingRule(tables.transition[..., 1], _as_paid(tables.reward), rule.signal, both_ways)


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
        paid = _as_paid(tables.reward)
        felt = _sums(np.unique(rule.signal), degree)
        value = np.zeros(rule.n_states)
        for _ in range(problem.horizon):
            worth = paid[:, :, felt] + tables.transition[:, :, felt] @ value
            value = worth.max(axis=(1, 2))
        total += count * float(rule.start @ value)
    return total / problem.n


def best_own_table(problem: RuleOnGraph) -> tuple[float, NDArray[np.int64] | None]:
    """Return what the best table by own state earns at least, and the table.

    Where there are too many to be simulated: the least reward in all steps, and None.
    """
    rule, n, horizon = problem.rule, problem.n, problem.horizon
    s, a = rule.n_states, rule.n_actions
    best: tuple[float, NDArray[np.int64] | None] = horizon * float(problem.rows.reward.min()), None
    columns = columns_for(n, horizon, a**s) if a**s <= _MOST_TABLES else 0
    if not columns:
        return best
    form = array_form(problem)
    back = None if problem.orders is None else np.argsort(problem.orders, axis=1)
    for choice in product(range(a), repeat=s):
        table = np.array(choice)

        def act(state: Any, table: NDArray[np.int64] = table) -> NDArray[np.int64]:
            done = table[state]
            return done if back is None else np.take_along_axis(back, done, axis=1)

        best = max(best, (low_return(form, n, horizon, act, columns), table), key=lambda b: b[0])
    return best


def _as_paid(reward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rewards as the world pays them, rounded to ``float32``."""
    return reward.astype(np.float32).astype(np.float64)


def _sums(values: NDArray[np.uint8], count: int) -> list[int]:
    """Return all sums of so many of the values, ascending."""
    reached = {0}
    for _ in range(count):
        reached = {r + v for r in reached for v in values.tolist()}
    return sorted(reached)
