"""What is known about the best joint action of a coordination game."""

from __future__ import annotations

from typing import Final

import numpy as np

from crl_envs.coordination_game.problem import UNIT, CoordinationGameProblem
from crl_envs.core.optimum import Optimum
from crl_envs.factored.coordination_graph import MOST_ENTRIES, CoordinationGraph

_MOST_AGENTS: Final = 3000  # whose order of elimination takes a moment


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
        means = problem.means.astype(np.float64)
        tables = np.broadcast_to(means, (games, *means.shape[1:]))
        turned = problem.pairs[:, 0] > problem.pairs[:, 1]
        tables = np.where(turned[:, None, None], tables.swapaxes(1, 2), tables)
        pairs, pair = np.unique(np.sort(problem.pairs, axis=1), axis=0, return_inverse=True)
        played = np.zeros((len(pairs), *means.shape[1:]))  # two games where edges go both ways
        np.add.at(played, pair.ravel(), tables)
        graph = CoordinationGraph(pairs, played, np.zeros((problem.n, problem.actions)))
        if problem.n * graph.entries <= MOST_ENTRIES:
            value = float(graph.eliminate().value[0]) * per_agent
            return Optimum(value, "exact", f"variable elimination, width {graph.width}", value)
    return Optimum(
        upper, "bound", "the largest payoff in each game; lower: one action for all", same
    )
