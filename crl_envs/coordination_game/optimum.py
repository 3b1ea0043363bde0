"""What is known about the best joint action of a coordination game."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from crl_envs.coordination_game.problem import UNIT, CoordinationGameProblem
from crl_envs.core.optimum import Optimum
from crl_envs.factored.elimination import Elimination, Factor, elimination_order, maximise

_MOST_AGENTS: Final = 3000  # whose order of elimination takes a moment
_MOST_ENTRIES: Final = 2**26  # of all tables


def find_optimum(problem: CoordinationGameProblem) -> Optimum:
    """Return the best mean return: exact where one action is best for all games, or by variable elimination; a bound.

    The bound gives each game its largest payoff; `lower` is what the best action of all at once earns.
    """
    games, per_agent = len(problem.pairs), UNIT * problem.horizon / problem.n
    repeat = games if len(problem.means) == 1 else 1
    upper = (
        repeat * int(problem.means.max(axis=(1, 2), initial=-(2**31)).sum()) * per_agent
        if games
        else 0.0
    )
    same = (
        repeat * int(np.diagonal(problem.means, axis1=1, axis2=2).sum(axis=0).max()) * per_agent
        if games
        else 0.0
    )
    if same == upper:
        return Optimum(upper, "exact", "one action is the best in all games", upper)
    if problem.n <= _MOST_AGENTS:
        scopes, sizes = problem.pairs.tolist(), [problem.actions] * problem.n
        orders = [elimination_order(scopes, sizes, as_numbered) for as_numbered in (False, True)]
        width, order = min(((_width(order), order) for order in orders), key=lambda both: both[0])
        if math.log2(problem.n) + (width + 1) * math.log2(problem.actions) <= math.log2(
            _MOST_ENTRIES
        ):
            tables = np.broadcast_to(problem.means, (games, *problem.means.shape[1:]))
            factors = [
                Factor((i, j), table[None].astype(np.float64))
                for (i, j), table in zip(problem.pairs.tolist(), tables, strict=True)
            ]
            value = float(maximise(factors, order)[0][0]) * per_agent
            return Optimum(value, "exact", f"variable elimination, width {width}", value)
    return Optimum(
        upper, "bound", "the largest payoff in each game; lower: one action for all", same
    )


def _width(order: list[Elimination]) -> int:
    return max((len(others) for _, others in order), default=0)
