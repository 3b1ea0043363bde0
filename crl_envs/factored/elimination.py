"""Variable elimination: the maximum of a sum of tables that depend on few variables each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from heapq import heapify, heappop, heappush
from itertools import accumulate
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.backend import Compiled


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


class Plan:
    """Variable elimination of factors with the same scopes again and again: `maximise`, compiled where Numba is.

    Args:
        scopes: The factors' variables, which are numbered 0 … V − 1; each is in one scope at least.
        first: Where each factor's numbers begin in what `maximise` takes.
        strides: For each factor, how far a step of each of its variables leads there.
        sizes: How many values each variable has.
        order: From `elimination_order`, of these scopes.
    """

    def __init__(
        self,
        scopes: Sequence[tuple[int, ...]],
        first: Sequence[int],
        strides: Sequence[tuple[int, ...]],
        sizes: Sequence[int],
        order: Sequence[Elimination],
    ) -> None:
        self._given = list(zip(scopes, first, strides, strict=True))
        self._sizes, self._order = tuple(sizes), list(order)
        self._lengths = [math.prod(sizes[v] for v in others) for _, others in order]
        self._arrays: tuple[Any, ...] | None = None

    def maximise(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the maximum of the factors' sum in each column, and the values of the variables that reach it.

        Args:
            values: ``float64[M, B]``, all factors' numbers.

        Returns:
            ``float64[B]`` and ``int64[V, B]``.
        """
        columns = values.shape[1]
        digits = np.empty((len(self._sizes), columns), np.int64)
        compiled = _ELIMINATE.ready() if max(self._sizes) <= 256 else None
        if compiled is not None:
            if self._arrays is None:
                self._arrays = self._as_arrays(len(values))
            made = np.empty((sum(self._lengths), columns))
            choices = np.empty((len(made), columns), np.uint8)
            every = np.concatenate([values, made])
            return compiled(*self._arrays, every, choices, digits), digits
        begun = perf_counter()
        row, column = values.strides
        factors = (
            Factor(
                scope,
                np.lib.stride_tricks.as_strided(
                    values[at:],
                    (columns, *(self._sizes[v] for v in scope)),
                    (column, *(row * step for step in steps)),
                ),
            )
            for scope, at, steps in self._given
        )
        value, best = maximise(factors, self._order)
        for variable, chosen in best.items():
            digits[variable] = chosen
        _ELIMINATE.waited(perf_counter() - begun)
        return np.broadcast_to(value, columns), digits

    def _as_arrays(self, length: int) -> tuple[Any, ...]:
        """Return what `numba_solvers.eliminate` is to know, where so many numbers are given."""
        turn = {variable: k for k, (variable, _) in enumerate(self._order)}
        ends = list(accumulate(self._lengths, initial=length))
        factors = list(self._given)
        buckets: list[list[int]] = [[] for _ in range(len(self._order) + 1)]
        for f, (scope, _, _) in enumerate(factors):
            buckets[min(turn[v] for v in scope)].append(f)
        strides: list[list[int]] = []
        for k, (variable, others) in enumerate(self._order):
            for f in buckets[k]:
                moved = dict(zip(factors[f][0], factors[f][2], strict=True))
                strides.append([moved.get(v, 0) for v in (variable, *others)])
            sizes = [self._sizes[v] for v in others]
            last = tuple(math.prod(sizes[w + 1 :]) for w in range(len(sizes)))
            buckets[min((turn[v] for v in others), default=len(self._order))].append(len(factors))
            factors.append((others, ends[k], last))
        steps = (
            [variable for variable, _ in self._order],
            [0, *accumulate(len(others) for _, others in self._order)],
            [v for _, others in self._order for v in others],
            [0, *accumulate(map(len, buckets))],
            [f for bucket in buckets for f in bucket],
            [end - length for end in ends[:-1]],
        )
        moves = (
            [at for _, at, _ in factors],
            [step for steps in strides for step in steps],
            [0, *accumulate(map(len, strides))],
        )
        return (
            np.array(self._sizes, np.int64),
            *(tuple(np.array(part, np.int64) for part in parts) for parts in (steps, moves)),
        )


_ELIMINATE: Final = Compiled.at("crl_envs.factored.numba_solvers:eliminate", seconds=2.0)


def _aligned(factor: Factor, scope: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the factor's table with one axis for each variable of a larger scope."""
    present = [v for v in scope if v in factor.scope]
    table = factor.table.transpose(0, *(1 + factor.scope.index(v) for v in present))
    sizes = dict(zip(present, table.shape[1:], strict=True))
    return table.reshape(len(table), *(sizes.get(v, 1) for v in scope))


def _log_size(scope: Iterable[int], sizes: Sequence[int]) -> float:
    return sum(math.log(sizes[v]) for v in scope)
