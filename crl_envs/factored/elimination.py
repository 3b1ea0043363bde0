"""Variable elimination: the maximum of a sum of tables that depend on few variables each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Factor(NamedTuple):
    """A function of a few variables, one for each of B columns."""

    scope: tuple[int, ...]
    table: NDArray[np.float64]  # float64[B, size of the first variable, …]


class Elimination(NamedTuple):
    """One variable's turn."""

    variable: int
    others: tuple[int, ...]  # that occur together with it when its turn comes


def elimination_order(
    scopes: Iterable[Sequence[int]], sizes: Sequence[int], as_numbered: bool = False
) -> list[Elimination]:
    """Return an order in which to eliminate all variables of some scopes: smallest table first, greedily.

    Args:
        scopes: Variables that occur together.
        sizes: How many values each variable has.
        as_numbered: Whether to eliminate them in the order of their numbers instead, which for a lattice that is
            numbered row by row is as good as can be.
    """
    near: dict[int, set[int]] = {}
    for scope in scopes:
        for v in scope:
            near.setdefault(v, set()).update(scope)

    def cost(v: int) -> float:
        return 0.0 if as_numbered else _log_size(near[v], sizes)

    place = {v: v if as_numbered else k for k, v in enumerate(near)}
    left = [(cost(v), place[v], v) for v in near]  # also what a variable cost before
    heapify(left)
    order = []
    while left:
        known, _, v = heappop(left)
        if v not in near or known != cost(v):
            continue
        others = near.pop(v) - {v}
        order.append(Elimination(v, tuple(sorted(others))))
        for w in others:
            near[w] |= others
            near[w].discard(v)
            heappush(left, (cost(w), place[w], w))
    return order


def maximise(
    factors: Iterable[Factor], order: Iterable[Elimination]
) -> tuple[NDArray[np.float64], dict[int, NDArray[np.int64]]]:
    """Return the maximum of the factors' sum in each column, and values of the variables that reach it.

    Args:
        factors: Of B columns each, or of one that stands for all.
        order: From `elimination_order`, of the factors' scopes.

    Returns:
        ``float64[B]`` and, for each variable, ``int64[B]`` (``int64[1]`` where it is the same in all columns).
    """
    order = list(order)
    turn = {variable: k for k, (variable, _) in enumerate(order)}
    buckets: list[list[Factor]] = [[] for _ in range(len(order) + 1)]  # the last: of no variable

    def put(factor: Factor) -> None:
        buckets[min((turn[v] for v in factor.scope), default=len(order))].append(factor)

    for factor in factors:
        put(factor)
    decisions = []
    for (variable, others), bucket in zip(order, buckets, strict=False):
        total = reduce(np.add, (_aligned(f, (variable, *others)) for f in bucket))
        put(Factor(others, total.max(axis=1)))
        decisions.append((variable, others, total.argmax(axis=1)))
    value = reduce(np.add, (f.table for f in buckets[-1]))
    best: dict[int, NDArray[np.int64]] = {}
    for variable, others, choice in reversed(decisions):
        best[variable] = choice[(np.arange(len(choice)), *(best[w] for w in others))]
    return value, best


def _aligned(factor: Factor, scope: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the factor's table with one axis for each variable of a larger scope."""
    present = [v for v in scope if v in factor.scope]
    table = factor.table.transpose(0, *(1 + factor.scope.index(v) for v in present))
    sizes = dict(zip(present, table.shape[1:], strict=True))
    return table.reshape(len(table), *(sizes.get(v, 1) for v in scope))


def _log_size(scope: Iterable[int], sizes: Sequence[int]) -> float:
    return sum(math.log(sizes[v]) for v in scope)
