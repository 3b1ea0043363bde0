"""The bar problem's arguments, its payoff and its optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_real, keep
from crl_envs.core.backend import resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.topology import Edges


@dataclass(frozen=True)
class BarProblem:
    """n agents who each choose the night on which they go to a bar, best with `capacity` guests.

    Attributes:
        n_agents: Number of agents n, 1 to 1,000,000. Default 168.
        n_nights: Nights K, 2 to 30. Default 7.
        capacity: Guests c at which a night is at its best, 0.01 to 100. Default 6.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int = 168
    n_nights: int = 7
    capacity: float = 6.0
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, check_int, "n_agents", low=1, high=1_000_000)
        keep(self, check_int, "n_nights", low=2, high=30)
        keep(self, check_real, "capacity", low=0.01, high=100.0)
        resolve_backend(self.backend)

    @property
    def edges(self) -> Edges:
        """None: ``int64[0, 2]``."""
        return np.empty((0, 2), np.int64)

    def share(self, guests: Any) -> NDArray[np.float64]:
        """Return exp(−x / c), what each of x guests of a night gets of its worth x exp(−x / c)."""
        return np.exp(-np.asarray(guests, np.float64) / self.capacity)

    def best_attendance(self) -> NDArray[np.int64]:
        """Return how many guests each night has at the optimum, descending: ``int64[K]``, by dynamic programming.

        A night's worth is convex beyond 2 c guests: of two nights with more than 2 c + 2 the larger one loses less by
        taking a guest than the smaller one gains. So there is an optimum in which all nights but one have at most so
        many, and the program goes over these, night by night and by how many agents are left.
        """
        k, n = self.n_nights, self.n_agents
        most = min(n, int(2 * self.capacity) + 2)
        taken = np.arange(min(n, (k - 1) * most) + 1)  # by all but one night
        worth = np.arange(most + 1) * self.share(np.arange(most + 1))
        best = np.where(taken == 0, 0.0, -np.inf)
        choices = []
        for _ in range(k - 1):
            tried = np.full((most + 1, taken.size), -np.inf)
            for x in range(most + 1):
                tried[x, x:] = best[: taken.size - x] + worth[x]
            choices.append(tried.argmax(axis=0))
            best = tried.max(axis=0)
        rest = n - taken
        left = int((best + rest * self.share(rest)).argmax())
        nights = [n - left]
        for choice in reversed(choices):
            nights.append(int(choice[left]))
            left -= nights[-1]
        return np.sort(np.array(nights, np.int64))[::-1]

    def optimum(self) -> Optimum:
        """Return the best G, divided by n."""
        nights = self.best_attendance()
        best = float((nights * self.share(nights)).sum() / self.n_agents)
        return Optimum(best, "exact", "dynamic programming over the nights", best)


class BarArguments(TypedDict, total=False):
    """The fields of `BarProblem` as keywords, for type checkers."""

    n_agents: int
    n_nights: int
    capacity: float
    backend: str
