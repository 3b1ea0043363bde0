"""The learning curve: the return of every episode, its moving mean, and when that reached a goal."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 20  # episodes of the moving mean

FloatArray = NDArray[np.float64]
Point = TypeVar("Point")


@dataclass(frozen=True)
class Points:
    """A curve as it is drawn.

    Attributes:
        episodes: Numbers of the episodes, from 1, ascending.
        returns: Return of each of them, mean over agents.
        means: Mean return of each and the up to `WINDOW` − 1 episodes before it.
    """

    episodes: list[int]
    returns: list[float]
    means: list[float]


class Curve:
    """The return of every episode, mean over agents. One thread may append while others read."""

    def __init__(self) -> None:
        self._returns = array("d")

    def __len__(self) -> int:
        return len(self._returns)

    def append(self, value: float) -> None:
        """Add an episode's return."""
        self._returns.append(value)

    @property
    def returns(self) -> list[float]:
        """All of them."""
        return self._returns.tolist()

    @property
    def last(self) -> float | None:
        """The latest return."""
        return self._returns[-1] if self._returns else None

    @property
    def mean(self) -> float | None:
        """The mean of the last `WINDOW` returns."""
        return float(np.mean(self._returns[-WINDOW:])) if self._returns else None

    def points(self, most: int) -> Points:
        """At most `most` points, evenly spread; the last episode is always among them."""
        returns, means = self._with_means()
        chosen = np.array(thinned(range(returns.size), most), np.int64)
        return Points(
            (chosen + 1).tolist(),
            returns[chosen].round(6).tolist(),
            means[chosen].round(6).tolist(),
        )

    def first_at(self, goal: float) -> int | None:
        """The first episode after which the mean of the last `WINDOW` was at least `goal`; None: not yet."""
        _, means = self._with_means()
        there = np.flatnonzero(means[WINDOW - 1 :] >= goal)
        return WINDOW + int(there[0]) if there.size else None

    def _with_means(self) -> tuple[FloatArray, FloatArray]:
        returns = np.array(self._returns[:])  # of a copy: what is read can't grow meanwhile
        sums = np.concatenate([[0.0], np.cumsum(returns)])
        ends = np.arange(1, returns.size + 1)
        starts = np.maximum(ends - WINDOW, 0)
        return returns, (sums[ends] - sums[starts]) / (ends - starts)


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` of them, evenly spread; the last is always among them."""
    stride = max(-(-len(points) // most), 1)
    return list(points[::-1][::stride])[::-1]
