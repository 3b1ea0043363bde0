"""The arguments of wireless access, and what follows from them: who can send where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice, check_int, check_probability, keep
from crl_envs.core.backend import resolve_backend
from crl_envs.core.on_graph import OnGraph
from crl_envs.core.topology import Edges, sorted_edges

CORNERS: Final = (
    (-1, -1),
    (-1, 0),
    (0, -1),
    (0, 0),
)  # of a cell, as steps to the point's row and column
ACTIONS: Final = ("none", "above left", "above right", "below left", "below right")


@dataclass(frozen=True)
class AccessProblem(OnGraph):
    """Users in the cells of a square, and access points where four cells come together.

    Attributes:
        n_agents: Number of users n, 1 to 10,000,000. Default 9. They fill a lattice with ⌈√n⌉ columns (2 × 2 cells or
            more) row by row, the last row perhaps shorter. Its inner corners are access points: (K − 1)² for n = K².
        arrival_rate: Probability that a user gets a packet in a step, 0 to 1. Default 0.5.
        success_rate: Probability that a packet comes through where nobody else sends to the same point, 0 to 1.
            Default 1.
        deadline: Steps in which a packet can be sent before it is dropped, 1 to 7. Default 2.
        observe: ``"own"``, the packets of the user itself, or ``"neighborhood"``, also those of all who can send to
            a point that it can send to. Default ``"own"``.
        horizon: Steps of an episode T, 1 to 2^40. Default 20.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``: Numba where it is installed.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int = 9
    arrival_rate: float = 0.5
    success_rate: float = 1.0
    deadline: int = 2
    observe: str = "own"
    horizon: int = 20
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, check_int, "n_agents", low=1, high=10_000_000)
        for name in ("arrival_rate", "success_rate"):
            keep(self, check_probability, name)
        keep(self, check_int, "deadline", low=1, high=7)
        keep(self, check_choice, "observe", ("own", "neighborhood"))
        keep(self, check_int, "horizon", low=1, high=2**40)
        resolve_backend(self.backend)

    @property
    def n(self) -> int:
        """Number of users."""
        return self.n_agents

    @property
    def n_values(self) -> int:
        """Number of values of a queue: which of the packets with 1 … D steps left there are, as bits."""
        return 1 << self.deadline

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells, of which the last ones may be empty."""
        columns = max(2, isqrt(self.n_agents - 1) + 1)
        return max(2, -(-self.n_agents // columns)), columns

    @property
    def n_points(self) -> int:
        """Number of access points P."""
        rows, columns = self.shape
        return (rows - 1) * (columns - 1)

    @cached_property
    def points(self) -> NDArray[np.int32]:
        """``int32[n, 4]``: the access point at each of a user's `CORNERS`, −1 where there is none."""
        rows, columns = self.shape
        cell = np.divmod(np.arange(self.n_agents, dtype=np.int32), np.int32(columns))
        points = np.empty((self.n_agents, len(CORNERS)), np.int32)
        for k, (down, right) in enumerate(CORNERS):
            row, column = cell[0] + down, cell[1] + right
            there = (row >= 0) & (row < rows - 1) & (column >= 0) & (column < columns - 1)
            points[:, k] = np.where(there, row * (columns - 1) + column, -1)
        return points

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: pairs of users who can send to the same point, both ways: those in touching cells."""
        columns = self.shape[1]
        row, column = np.divmod(np.arange(self.n_agents), columns)
        pairs = []
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                other = (row + down) * columns + column + right
                beside = (column + right >= 0) & (column + right < columns)
                there = beside & (row + down >= 0) & (other < self.n_agents)
                pairs.append(np.stack([np.flatnonzero(there), other[there]]))
        return sorted_edges(*np.concatenate(pairs, axis=1))


class AccessArguments(TypedDict, total=False):
    """The fields of `AccessProblem` as keywords, for type checkers."""

    n_agents: int
    arrival_rate: float
    success_rate: float
    deadline: int
    observe: str
    horizon: int
    backend: str
