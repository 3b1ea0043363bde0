"""What the reproduction of Figure 3 is made of: its constants, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from crl_envs.bench.intervals import (
    FloatArray,
    Interval,
)

ENV_ID: Final = "crl/sysadmin-v0"
LEARNER: Final = "reinforce"
SIZES: Final = (10, 20)
CREDITS: Final = ("local", "global")
ITERATIONS: Final = 500

POINTS: Final = (0, 50, 100, 200, 500)  # iterations in the table
WINDOW: Final = 10  # iterations on each side that a point of the table averages over
SHARE: Final = 0.8  # of the gain, for the number of iterations to it
PERCENT: Final = f"{100 * SHARE:.0f} %"
RANDOM_EPISODES: Final = 10_000

# Reward a step at POINTS, from two independent implementations that preceded this package.
PROTOTYPES: Final[Mapping[tuple[int, str], tuple[float, ...]]] = {
    (10, "local"): (0.437, 0.809, 0.862, 0.879, 0.886),
    (10, "global"): (0.437, 0.646, 0.750, 0.835, 0.874),
    (20, "local"): (0.438, 0.813, 0.863, 0.879, 0.885),
    (20, "global"): (0.438, 0.585, 0.673, 0.768, 0.847),
}


class Configuration(NamedTuple):
    """One curve of the figure."""

    n_agents: int
    credit: str

    def __str__(self) -> str:
        return f"n={self.n_agents} {self.credit}"


@dataclass(frozen=True)
class Landmarks:
    """Rewards a step between which the curves lie, for one number of agents.

    Attributes:
        random: Of uniformly random actions, simulated.
        known: Of the best known policy.
        best: The optimum, or an upper bound of it.
        kind: ``"exact"`` when `best` is the optimum itself, else ``"bound"`` or ``"estimate"``.
        method: How `best` and `known` were found.
    """

    random: float
    known: float
    best: float
    kind: str
    method: str

    @property
    def level(self) -> float:
        """The reward a step at `SHARE` of the gain from random to the best known policy."""
        return self.random + SHARE * (self.known - self.random)


@dataclass(frozen=True)
class Point:
    """One number of the table: the mean over seeds of each seed's mean over a few iterations."""

    iteration: int
    first: int
    last: int
    reward: Interval
    prototype: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether the prototypes' value is inside the interval; None without one."""
        return None if self.prototype is None else self.prototype in self.reward


class Findings(NamedTuple):
    """All that is measured."""

    curves: dict[Configuration, FloatArray]  # float64[seeds, iterations + 1]
    landmarks: dict[int, Landmarks]
    points: dict[Configuration, list[Point]]
    iterations_to: dict[Configuration, Interval]
    ratio: dict[int, Interval]  # global to local
    seconds: dict[str, float]
