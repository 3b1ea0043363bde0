"""The arguments of firefighting, and what follows from them: whose houses are where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice, check_each, check_int, check_probability, keep
from crl_envs.core.backend import resolve_backend
from crl_envs.core.topology import Edges, sorted_edges, torus_height

LEVELS: Final = 3  # 0, 1, 2


@dataclass(frozen=True)
class FirefightingProblem:
    """Firefighters and the houses between them.

    Attributes:
        n_agents: Number of firefighters n, 1 to 10,000,000. Default 4.
        layout: ``"row"``: n + 1 houses in a row, agent i between houses i and i + 1; ``"grid"``: agents on a lattice,
            each between the four houses at its corners. Default ``"row"``.
        observe: ``"flames"``, whether there are flames at the house where one has fought, or ``"levels"``, the levels
            of one's own houses. Default ``"flames"``.
        alone_rate: Probability that one fighter lowers the level of a house by 1 while a neighbouring house burns, 0 to
            1; while none burns it is sure. Default 0.6.
        catch_rate: Probability that the level of a house that nobody fights rises while a neighbouring one burns, 0 to
            1. Default 0.8.
        grow_rate: The same for a burning house while no neighbouring one burns, 0 to 1. Default 0.4.
        flame_rates: Probabilities of seeing flames at levels 0, 1 and 2. Default (0.2, 0.5, 0.8).
        horizon: Steps of an episode T, 1 to 2^40. Default 10.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int = 4
    layout: str = "row"
    observe: str = "flames"
    alone_rate: float = 0.6
    catch_rate: float = 0.8
    grow_rate: float = 0.4
    flame_rates: tuple[float, float, float] = (0.2, 0.5, 0.8)
    horizon: int = 10
    backend: str = "auto"

    layouts: ClassVar[tuple[str, ...]] = ("row", "grid")

    def __post_init__(self) -> None:
        keep(self, check_int, "n_agents", low=1, high=10_000_000)
        keep(self, check_choice, "layout", self.layouts)
        keep(self, check_choice, "observe", ("flames", "levels"))
        for name in ("alone_rate", "catch_rate", "grow_rate"):
            keep(self, check_probability, name)
        keep(self, check_each, "flame_rates", check_probability)
        object.__setattr__(self, "flame_rates", tuple(self.flame_rates))
        if len(self.flame_rates) != LEVELS:
            raise ValueError(f"flame_rates must be {LEVELS} numbers, got {len(self.flame_rates)}")
        keep(self, check_int, "horizon", low=1, high=2**40)
        resolve_backend(self.backend)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of agents."""
        rows = 1 if self.layout == "row" else torus_height(self.n_agents)
        return rows, self.n_agents // rows

    @property
    def house_shape(self) -> tuple[int, int]:
        """Rows and columns of houses."""
        rows, columns = self.shape
        return (1 if self.layout == "row" else rows + 1), columns + 1

    @property
    def n_houses(self) -> int:
        """Number of houses H."""
        rows, columns = self.house_shape
        return rows * columns

    @cached_property
    def houses(self) -> NDArray[np.int64]:
        """``int64[n, A]``: the house that each action of each agent is for, from the left and above."""
        columns = self.shape[1]
        width = columns + 1
        row, column = np.divmod(np.arange(self.n_agents), columns)
        corner = row * width + column
        offsets = [0, 1] if self.layout == "row" else [0, 1, width, width + 1]
        houses: NDArray[np.int64] = corner[:, None] + np.array(offsets)
        return houses

    @cached_property
    def around(self) -> NDArray[np.int64]:
        """``int64[k, H]``: the neighbouring houses of each house, H standing for none; k is 2 or 4."""
        rows, columns = self.house_shape
        number = np.pad(
            np.arange(self.n_houses).reshape(rows, columns), 1, constant_values=self.n_houses
        )
        sides = [number[1:-1, :-2], number[1:-1, 2:]]
        if self.layout == "grid":
            sides += [number[:-2, 1:-1], number[2:, 1:-1]]
        return np.stack([side.ravel() for side in sides])

    @property
    def fire_chances(self) -> NDArray[np.float64]:
        """P(level changes), ``float64[2 · 3 · 3]``, by burning neighbour, fighters (2: or more) and level.

        With fighters the level falls by 1, and to 0 with two; without it rises by 1.
        """
        table = np.zeros((2, 3, LEVELS))
        table[0, 0] = 0.0, self.grow_rate, 0.0
        table[1, 0] = self.catch_rate, self.catch_rate, 0.0
        table[0, 1], table[1, 1] = 1.0, self.alone_rate
        table[:, 2] = 1.0
        return table.ravel()

    @cached_property
    def fighters(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each house the agents that may fight it, n for nobody, and by which action: both ``int64[A, H]``."""
        n, a = self.houses.shape
        who = np.full((a, self.n_houses), n)
        how = np.zeros((a, self.n_houses), np.int64)
        for action in range(a):
            who[action, self.houses[:, action]] = np.arange(n)
            how[action] = action
        return who, how

    @cached_property
    def shares(self) -> NDArray[np.float32]:
        """``float32[n, A]``: one divided by the number of agents that a house belongs to."""
        owners = np.bincount(self.houses.ravel(), minlength=self.n_houses)
        return (1.0 / owners)[self.houses].astype(np.float32)

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: pairs of agents that share a house, both ways."""
        who = self.fighters[0]
        pairs = [np.stack([a, b]) for k, a in enumerate(who) for m, b in enumerate(who) if k != m]
        source, target = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), np.int64)
        there = (source < self.n_agents) & (target < self.n_agents)
        return sorted_edges(source[there], target[there])


class FirefightingArguments(TypedDict, total=False):
    """The fields of `FirefightingProblem` as keywords, for type checkers."""

    n_agents: int
    layout: str
    observe: str
    alone_rate: float
    catch_rate: float
    grow_rate: float
    flame_rates: tuple[float, float, float]
    horizon: int
    backend: str
