"""What the optimum of a ring depends on, and which problems are rings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from crl_envs.core.arguments import check_choice, check_int, check_probability
from crl_envs.core.topology import Adjacency, ring
from crl_envs.sysadmin.dynamics import BINARY, RING_DYNAMICS
from crl_envs.sysadmin.problem import SysadminProblem


@dataclass(frozen=True)
class RingProblem:
    """A ring of machines as far as its optimum goes: neither labels nor observations nor backends.

    Attributes:
        dynamics: One of `crl_envs.sysadmin.dynamics.RING_DYNAMICS`.
        n_agents: Number of machines.
        horizon: Steps of an episode T.
        start_up: Probability of starting up.
    """

    dynamics: str
    n_agents: int
    horizon: int = 20
    start_up: float = 0.5

    @property
    def both_ways(self) -> bool:
        """Whether both neighbours on the ring are parents, or only the one before."""
        return not BINARY[self.dynamics].one_way

    def whole(self) -> SysadminProblem:
        """Return the problem with this ring, its machines numbered around it.

        Raises:
            ValueError: An argument out of its range.
        """
        return SysadminProblem(**asdict(self))


def checked_problem(dynamics: str, n_agents: int, horizon: int, start_up: float) -> RingProblem:
    """Return the problem of these arguments.

    Raises:
        ValueError: One of them out of its range.
    """
    return RingProblem(
        check_choice("dynamics", dynamics, RING_DYNAMICS),
        check_int("n_agents", n_agents, low=1),
        check_int("horizon", horizon, low=1),
        check_probability("start_up", start_up),
    )


def ring_problem(problem: SysadminProblem) -> RingProblem | None:
    """Return the ring if a binary problem's graph is that of its dynamics, however numbered; else None."""
    ring = RingProblem(problem.dynamics, problem.n, problem.horizon, problem.start_up)
    return ring if _is_ring(problem, ring.both_ways) else None


def _is_ring(problem: SysadminProblem, both_ways: bool) -> bool:
    n = problem.n
    if n == 1:
        return True
    if np.array_equal(problem.edges, ring(n)) if both_ways else problem.is_directed_ring:
        return True
    each_has_two = n > 2 and bool((problem.neighbors.degree == 2).all())
    parents = bool((problem.parents.degree == 1 + both_ways).all())
    return each_has_two and parents and _walk_around(problem.neighbors) == n


def _walk_around(neighbors: Adjacency) -> int:
    """Count the steps back to machine 0 where every machine has two neighbours."""
    pairs = neighbors.indices.reshape(-1, 2).tolist()
    before, at, steps = 0, pairs[0][0], 1
    while at != 0:
        before, at, steps = at, sum(pairs[at]) - before, steps + 1
    return steps
