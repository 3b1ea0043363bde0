"""What has been seen of the last steps: a column of binned values and a few levels for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.copies import OwnsArrays

MOST_ROWS = 200
MOST_COLUMNS = 200


class History(OwnsArrays):
    """The last steps, one column each; blank (NaN) where nothing was seen.

    Args:
        n: Number of agents.
        levels: Number of levels.
        horizon: Length of an episode where it is known and short: the columns are then the steps 0 … T.
            Otherwise they are the last `MOST_COLUMNS` steps, the newest in the last one.
        rows: Most rows; agents next to each other share one, as equally as may be.

    Attributes:
        rolls: Whether columns are the last steps rather than those of the episode.
        width: Number of columns.
        starts: ``int64[R]``, the first agent of each row.
    """

    def __init__(self, n: int, levels: int, horizon: int | None, rows: int = MOST_ROWS) -> None:
        self.rolls = horizon is None or horizon >= MOST_COLUMNS
        self.width = MOST_COLUMNS if horizon is None or self.rolls else horizon + 1
        self.starts = bin_starts(n, min(rows, n))
        self._sizes = np.diff(np.append(self.starts, n))
        self._values = np.full((self.starts.size, self.width), np.nan, np.float32)
        self._levels = np.full((levels, self.width), np.nan)
        self._newest = -1

    def clear(self) -> None:
        """Forget everything."""
        self._values[:] = np.nan
        self._levels[:] = np.nan
        self._newest = -1

    def note(self, values: NDArray[np.float64] | None, levels: tuple[float, ...]) -> None:
        """Add a step: ``float64[n]`` values (None for none) and the levels."""
        self.skip(1)
        at = self._newest % self.width
        if values is not None:
            self._values[:, at] = np.add.reduceat(values, self.starts) / self._sizes
        self._levels[:, at] = levels

    def skip(self, steps: int) -> None:
        """Leave steps blank."""
        blank = np.arange(self._newest + 1, self._newest + 1 + min(steps, self.width)) % self.width
        if steps > self.width:
            blank = np.arange(self.width)
        self._values[:, blank] = np.nan
        self._levels[:, blank] = np.nan
        self._newest += steps

    @property
    def values(self) -> NDArray[np.float32]:
        """``float32[R, width]``, in the order of time."""
        return self._values[:, self._order]

    @property
    def levels(self) -> NDArray[np.float64]:
        """``float64[levels, width]``, in the order of time."""
        return self._levels[:, self._order]

    @property
    def _order(self) -> NDArray[np.int64]:
        return (np.arange(self.width) + (self._newest + 1) * self.rolls) % self.width


def bin_starts(n: int, rows: int) -> NDArray[np.int64]:
    """Return ``int64[rows]``: where to cut n agents into rows whose sizes differ by at most 1."""
    return np.arange(rows, dtype=np.int64) * n // rows
