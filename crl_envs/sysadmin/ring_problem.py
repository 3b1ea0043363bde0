"""What the optimum of a ring depends on, and which worlds are rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crl_envs.core.arguments import check_choice, check_int, check_probability
from crl_envs.core.topology import Adjacency, ring
from crl_envs.sysadmin.dynamics import BINARY_DYNAMICS

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld


@dataclass(frozen=True)
class RingProblem:
    """A ring of machines as far as its optimum goes: neither labels nor observations nor backends.

    Attributes:
        dynamics: One of `crl_envs.sysadmin.dynamics.BINARY_DYNAMICS`.
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
        return self.dynamics != "ring"

    def world(self, **others: Any) -> SysadminWorld:
        """The world of this problem, its machines numbered around the ring.

        Raises:
            ValueError: An argument out of its range.
        """
        from crl_envs.sysadmin.world import SysadminWorld

        return SysadminWorld(
            n_agents=self.n_agents,
            dynamics=self.dynamics,
            topology="ring",
            horizon=self.horizon,
            start_up=self.start_up,
            **others,
        )


def checked_problem(dynamics: str, n_agents: int, horizon: int, start_up: float) -> RingProblem:
    """The problem of these arguments.

    Raises:
        ValueError: One of them out of its range.
    """
    return RingProblem(
        check_choice("dynamics", dynamics, BINARY_DYNAMICS),
        check_int("n_agents", n_agents, low=1),
        check_int("horizon", horizon, low=1),
        check_probability("start_up", start_up),
    )


def ring_problem(world: SysadminWorld) -> RingProblem | None:
    """The world's problem if its graph is the ring of its dynamics, however the machines are numbered; else None."""
    problem = RingProblem(world.dynamics, world.n_agents, world.horizon, world.start_up)
    return problem if _is_ring(world, problem.both_ways) else None


def _is_ring(world: SysadminWorld, both_ways: bool) -> bool:
    n = world.n_agents
    if n == 1:
        return True
    if np.array_equal(world.edges, ring(n)) if both_ways else world.is_directed_ring:
        return True
    each_has_two = n > 2 and bool((world.neighbors.degree == 2).all())
    parents = bool((world.parents.degree == 1 + both_ways).all())
    return each_has_two and parents and _walk_around(world.neighbors) == n


def _walk_around(neighbors: Adjacency) -> int:
    """Steps back to machine 0 where every machine has two neighbours."""
    pairs = neighbors.indices.reshape(-1, 2).tolist()
    before, at, steps = 0, pairs[0][0], 1
    while at != 0:
        before, at, steps = at, sum(pairs[at]) - before, steps + 1
    return steps
