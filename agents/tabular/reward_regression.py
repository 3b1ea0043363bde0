"""The team's reward, taken apart by ridge regression into what each agent earns by observation and action.

    y_t  = Σ_i R_i(o_it, a_it) + noise
    w, μ = argmin Σ_t (y_t − Σ_i (μ + w[i, o_it, a_it]))² + λ ‖w‖²,       R̂_i(o, a) = μ + w[i, o, a]

over all steps so far. R̂_i is known up to a constant of agent i's own (all agents' constants sum to 0). Penalising μ as
well would pay agents for doing what they have done often: it isn't.

The Gram matrix is kept, and factorised for each solution (Cholesky), while there are at most 2048 indicators; above
that the steps are kept and conjugate gradients start from the last solution: at most 100 iterations, each through all
steps so far.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.triangular import solve_factorised
from crl_envs.core.copies import OwnsArrays

FloatArray = NDArray[np.float64]

_MOST_IN_GRAM: Final = 2048  # indicators
_MOST_BYTES: Final = 2_000_000_000
_ITERATIONS: Final = 100  # of conjugate gradients an episode
_TOLERANCE: Final = 1e-6  # of their residual, relative to the right-hand side
_SECONDS: Final = 1e-8  # for an agent in a step in an iteration, about
_BLOCK: Final = 32  # steps that are multiplied together
_LEAST_RIDGE: Final = 1e-8  # relative to the most frequent indicator


class Regression(OwnsArrays, ABC):
    """One column's ridge regression of the team's reward on the indicators of (agent, cell).

    A cell is an observation with an action: ``row · A + action``; the number of cells stands for an agent that isn't
    there.

    Args:
        n: Number of agents.
        cells: Number of cells of an agent, O · A.

    Attributes:
        steps: Steps so far.
        error: Running mean of the squared error with which the steps of an episode were predicted, before they were
            learnt from.
        kept: What Σ x xᵀ follows from.
    """

    kept: NDArray[Any]

    def __init__(self, n: int, cells: int) -> None:
        self.shape = n, cells
        self.steps = 0
        self.error = 0.0
        self.weights = np.zeros(n * cells)  # w
        self.mean = 0.0  # μ
        self.counts = np.zeros(n * cells)  # Σ x, for indicators x
        self.total_seen = np.zeros(n * cells)  # Σ k x, for k agents present
        self.total_reward = np.zeros(n * cells)  # Σ y x
        self.sums = np.zeros(2)  # Σ k² and Σ k y

    def estimates(self) -> FloatArray:
        """Return R̂: ``float64[n, cells]``."""
        return self.weights.reshape(self.shape) + self.mean

    def returns(self, seen: NDArray[np.integer]) -> FloatArray:
        """Return Ĝ: ``float64[n]`` out of the cells ``[T, n]`` of an episode."""
        return np.asarray(self._look_up(self.estimates(), seen).sum(axis=0))

    def add(self, seen: NDArray[np.integer], present: FloatArray, rewards: FloatArray) -> None:
        """Take in an episode.

        Args:
            seen: ``[T, n]``, cells.
            present: ``float64[T]``, number of agents present.
            rewards: ``float64[T]``, y.
        """
        if self.steps == 0:  # the mean is all that can be predicted
            self.mean = float(present @ rewards / (present @ present))
        missed = rewards - self._look_up(self.estimates(), seen).sum(axis=1)
        error = float(np.mean(missed**2))
        self.error = error if self.steps == 0 else (self.error + error) / 2
        self.steps += len(seen)
        self.sums += present @ present, present @ rewards
        self.counts += self._add_up(seen, np.ones(len(seen)))
        self.total_seen += self._add_up(seen, present)
        self.total_reward += self._add_up(seen, rewards)
        self._keep(seen)

    def solve(self, ridge: float) -> None:
        """Set w and μ to the minimum for λ = `ridge`, or more where rounding asks for it."""
        squares, cross = self.sums
        least = _LEAST_RIDGE * max(float(self.counts.max()), 1.0)
        # μ is eliminated: what is left is centred by the number of agents.
        right = self.total_reward - self.total_seen * (cross / squares)
        self.weights = self._minimise(right, max(ridge, least))
        self.mean = float((cross - self.total_seen @ self.weights) / squares)

    @abstractmethod
    def make_room(self, steps: int) -> None:
        """Have something in `kept` that has the shape for so many steps."""

    @abstractmethod
    def _keep(self, seen: NDArray[np.integer]) -> None:
        """Keep what Σ x xᵀ needs."""

    @abstractmethod
    def _minimise(self, right: FloatArray, ridge: float) -> FloatArray:
        """Return the solution of (Σ x xᵀ − (Σ k x)(Σ k x)ᵀ / Σ k² + λ) w = right."""

    def _places(self, seen: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return where cells ``[T, n]`` are in a flat ``[n, cells + 1]``, the last for who is absent."""
        n, cells = self.shape
        return seen + np.arange(0, n * (cells + 1), cells + 1)

    def _look_up(self, table: FloatArray, seen: NDArray[np.integer]) -> FloatArray:
        """Return the entries of a table ``[n, cells]`` for cells ``[T, n]``; 0 for who is absent."""
        padded = np.pad(table, ((0, 0), (0, 1)))
        return padded.ravel().take(self._places(seen))

    def _add_up(self, seen: NDArray[np.integer], values: FloatArray) -> FloatArray:
        """Return Σ_t values_t x_t: ``float64[n · cells]``."""
        n, cells = self.shape
        weights = np.repeat(values, n)
        sums = np.bincount(self._places(seen).ravel(), weights, minlength=n * (cells + 1))
        return np.asarray(sums.reshape(n, cells + 1)[:, :-1].ravel(), np.float64)


class GramRegression(Regression):
    """Keeps Σ x xᵀ, whole numbers, and factorises it; memory F² for F = n · cells, time T F² + F³ / 3 an episode."""

    def __init__(self, n: int, cells: int) -> None:
        super().__init__(n, cells)
        self.kept = np.zeros((n * cells, n * cells))  # Σ x xᵀ

    def make_room(self, steps: int) -> None:
        """Do nothing: the shape is always the same."""

    def _keep(self, seen: NDArray[np.integer]) -> None:
        n, cells = self.shape
        design = np.zeros((len(seen), n, cells + 1))
        np.put_along_axis(design, seen[:, :, None].astype(np.intp), 1.0, axis=2)
        present = design[:, :, :-1].reshape(len(seen), n * cells)
        self.kept += present.T @ present

    def _minimise(self, right: FloatArray, ridge: float) -> FloatArray:
        gram = self.kept - np.outer(self.total_seen, self.total_seen / self.sums[0])
        gram[np.diag_indices_from(gram)] += ridge
        return solve_factorised(np.asarray(np.linalg.cholesky(gram), np.float64), right)


class RowRegression(Regression):
    """Keeps the cells of all steps, n bytes each, and takes conjugate gradients from the last solution."""

    def __init__(self, n: int, cells: int) -> None:
        super().__init__(n, cells)
        self.kept = np.zeros((0, n), np.min_scalar_type(cells))  # [steps, n]

    def make_room(self, steps: int) -> None:
        """Fill it with zeros."""
        self.kept = np.zeros((steps, self.shape[0]), self.kept.dtype)

    def _keep(self, seen: NDArray[np.integer]) -> None:
        self.kept = np.concatenate([self.kept, seen])

    def _minimise(self, right: FloatArray, ridge: float) -> FloatArray:
        scale = 1.0 / (self.counts + ridge)  # Jacobi's preconditioner
        weights = self.weights
        residual = right - self._times(weights, ridge)
        direction = np.zeros_like(weights)
        goal, last = _TOLERANCE**2 * float(right @ right), 1.0
        for _ in range(_ITERATIONS):
            if residual @ residual <= goal:
                break
            scaled = scale * residual
            size = float(residual @ scaled)
            direction = scaled + size / last * direction
            image = self._times(direction, ridge)
            step = size / float(direction @ image)
            weights = weights + step * direction
            residual = residual - step * image
            last = size
        return weights

    def _times(self, weights: FloatArray, ridge: float) -> FloatArray:
        """Return (Σ x xᵀ − (Σ k x)(Σ k x)ᵀ / Σ k² + λ) w, step by step without the matrix."""
        product: FloatArray = ridge * weights
        product = product - self.total_seen * (self.total_seen @ weights / self.sums[0])
        table = weights.reshape(self.shape)
        for start in range(0, len(self.kept), _BLOCK):
            seen = self.kept[start : start + _BLOCK]
            product = product + self._add_up(seen, self._look_up(table, seen).sum(axis=1))
        return product


_STORED: Final = {  # of each regression, in a checkpoint
    "steps": np.int64,
    "error": np.float64,
    "mean": np.float64,
    "weights": np.float64,
    "sums": np.float64,
    "counts": np.float64,
    "total_seen": np.float64,
    "total_reward": np.float64,
}


def pack(regressions: list[Regression]) -> dict[str, NDArray[Any]]:
    """Return all that regressions hold, columns first; what they keep is in one array, end to end."""
    arrays: dict[str, NDArray[Any]] = {
        name: np.array([getattr(each, name) for each in regressions], dtype)
        for name, dtype in _STORED.items()
    }
    return {**arrays, "kept": np.concatenate([each.kept for each in regressions])}


def make_rooms(regressions: list[Regression], steps: NDArray[Any], kept: NDArray[Any]) -> None:
    """Have something in all `kept` that has the shapes of what `pack` gave.

    Raises:
        ValueError: What was kept isn't of so many steps.
    """
    by_step = any(isinstance(each, RowRegression) for each in regressions)
    if steps.shape != (len(regressions),) or (by_step and steps.sum() != len(kept)):
        raise ValueError(f"kept has {len(kept)} rows for {steps.tolist()} steps")
    for each, count in zip(regressions, steps.tolist(), strict=True):
        each.make_room(count)


def unpack(regressions: list[Regression], arrays: dict[str, NDArray[Any]]) -> None:
    """Go on from what `pack` gave; what is kept has the present shapes."""
    for each in regressions:
        if isinstance(each, RowRegression) and arrays["kept"].max(initial=0) > each.shape[1]:
            raise ValueError("kept has cells that aren't there")
    ends = np.cumsum([len(each.kept) for each in regressions])
    parts = np.split(arrays["kept"], ends[:-1])
    for b, (each, part) in enumerate(zip(regressions, parts, strict=True)):
        for name in _STORED:
            value = arrays[name][b]
            setattr(each, name, value.copy() if value.ndim else value.item())
        each.kept = part.copy()


def make_regressions(n: int, cells: int, columns: int) -> list[Regression]:
    """Return a regression for each column, of the kind that the number of indicators n · cells asks for.

    Raises:
        ValueError: They would take too much memory by the time that every agent can be estimated.
    """
    indicators = n * cells
    kind: type[Regression] = GramRegression
    needed, what, time = 8 * indicators**2 * columns, "a matrix for each column", ""
    if indicators > _MOST_IN_GRAM:
        kind, what = RowRegression, "as many steps as there are indicators"
        needed = np.min_scalar_type(cells).itemsize * n * indicators * columns
        seconds = _SECONDS * indicators * n * columns * _ITERATIONS
        time = f", and some {seconds:,.0f} s an episode by then"
    if needed > _MOST_BYTES:
        raise ValueError(
            f"env has {indicators:,} indicators ({n:,} agents × {cells} observations with actions) × {columns} "
            f"columns: {what} would take {needed / 1e9:,.0f} GB of at most {_MOST_BYTES / 1e9:.0f} GB{time}; take "
            "fewer columns or agents, Reinforce with credit='local' where local rewards can be seen, or with "
            "credit='global'"
        )
    return [kind(n, cells) for _ in range(columns)]
