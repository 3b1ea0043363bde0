"""The arguments of traffic lights, and what follows from them: which crossing is behind which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_choice,
    check_each,
    check_int,
    check_probability,
    check_size,
    keep,
    shown,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.topology import Edges, sorted_edges, torus_height

HEADINGS: Final = ("north", "east", "south", "west")  # opposite ones are two apart
STEPS: Final = ((-1, 0), (0, 1), (1, 0), (0, -1))  # rows and columns of a step that way
LEFT: Final = 3  # quarter turns clockwise
RIGHT: Final = 1
MOST_AGE: Final = 15  # steps; a phase that has been kept for longer is as old
BINS: Final = (0, 1, 3, 5, 8)  # least vehicles of each bin of a pair's queues
_BYTES: Final = 200  # of an agent, with what a step makes


@dataclass(frozen=True)
class TrafficProblem:
    """Crossings on a lattice, each with four approaches and one traffic light.

    Attributes:
        n_agents: Number of crossings n, 1 to 10,000,000, on a lattice of the most nearly square sides whose product
            is n: L × L for square numbers, one street for primes. Default 100.
        boundary: ``"torus"``: streets are closed and vehicles appear at every approach; ``"open"``: they come and go
            at the border. Default ``"torus"``.
        observe: ``"binned"``, the phase and the vehicles of both pairs in a few bins; ``"queues"``, the phase, its age
            and the four queues; ``"neighborhood"``, the same with the queues before and behind. Default ``"binned"``.
        arrival_rate: λ, the probability that a vehicle arrives at an approach in a step, 0 to 1. Default 0.06.
        turns: Probabilities of going straight on, left and right, which add up to 1. Default (0.6, 0.2, 0.2).
        leave_rate: Probability that a vehicle which crosses leaves, 0 to 1. Default None: 0.2 on the torus, 0 where
            the border is open.
        capacity: C, vehicles that a queue holds, 1 to 100. Default 10.
        lost_steps: Steps without green for anybody whenever the phase changes, the step of the change included, 0 to
            15. Default 1.
        horizon: Steps of an episode T, 1 to 2^40. Default 100.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same results. Default ``"auto"``.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int = 100
    boundary: str = "torus"
    observe: str = "binned"
    arrival_rate: float = 0.06
    turns: tuple[float, float, float] = (0.6, 0.2, 0.2)
    leave_rate: float | None = None
    capacity: int = 10
    lost_steps: int = 1
    horizon: int = 100
    backend: str = "auto"

    boundaries: ClassVar[tuple[str, ...]] = ("torus", "open")
    sights: ClassVar[tuple[str, ...]] = ("binned", "queues", "neighborhood")

    def __post_init__(self) -> None:
        keep(self, check_int, "n_agents", low=1, high=10_000_000)
        keep(self, check_size, "n_agents", _BYTES)
        keep(self, check_choice, "boundary", self.boundaries)
        keep(self, check_choice, "observe", self.sights)
        keep(self, check_probability, "arrival_rate")
        keep(self, check_each, "turns", check_probability)
        object.__setattr__(self, "turns", tuple(self.turns))
        if len(self.turns) != 3 or abs(sum(self.turns) - 1) > 1e-9:
            raise ValueError(f"turns must be 3 numbers that add up to 1, got {shown(self.turns)}")
        if self.leave_rate is not None:
            keep(self, check_probability, "leave_rate")
        keep(self, check_int, "capacity", low=1, high=100)
        keep(self, check_int, "lost_steps", low=0, high=MOST_AGE)
        keep(self, check_int, "horizon", low=1, high=2**40)
        resolve_backend(self.backend)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of crossings."""
        rows = torus_height(self.n_agents)
        return rows, self.n_agents // rows

    @property
    def leaving(self) -> float:
        """Probability that a vehicle which crosses leaves, wherever it is."""
        if self.leave_rate is None:
            return 0.2 if self.boundary == "torus" else 0.0
        return self.leave_rate

    @property
    def turn_limits(self) -> NDArray[np.float64]:
        """``float64[3]``: probabilities of leaving; of that or going straight on; of these or turning left."""
        straight, left, _ = self.turns
        stays = 1 - self.leaving
        limits: NDArray[np.float64] = np.cumsum([self.leaving, stays * straight, stays * left])
        return limits.clip(max=1.0)

    @cached_property
    def ahead(self) -> NDArray[np.int64]:
        """``int64[4, n]``: by heading, the crossing that comes next; n beyond an open border."""
        (rows, columns), (row, column) = (
            self.shape,
            np.divmod(np.arange(self.n_agents), self.shape[1]),
        )
        places = []
        for down, right in STEPS:
            r, c = row + down, column + right
            place = r % rows * columns + c % columns
            if self.boundary == "open":
                inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
                place = np.where(inside, place, self.n_agents)
            places.append(place)
        return np.stack(places)

    @property
    def behind(self) -> NDArray[np.int64]:
        """``int64[4, n]``: by heading, the crossing that vehicles come from; n beyond an open border."""
        return np.roll(self.ahead, 2, axis=0)

    @property
    def sources(self) -> NDArray[np.bool_]:
        """``bool[4, n]``: the approaches at which vehicles arrive."""
        outside: NDArray[np.bool_] = self.behind == self.n_agents
        return outside if self.boundary == "open" else np.ones_like(outside)

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: pairs of crossings with a street between them, both ways."""
        source = np.tile(np.arange(self.n_agents), 4)
        target = self.ahead.ravel()
        there = (target < self.n_agents) & (target != source)
        return sorted_edges(source[there], target[there])


class TrafficArguments(TypedDict, total=False):
    """The fields of `TrafficProblem` as keywords, for type checkers."""

    n_agents: int
    boundary: str
    observe: str
    arrival_rate: float
    turns: tuple[float, float, float]
    leave_rate: float | None
    capacity: int
    lost_steps: int
    horizon: int
    backend: str
