"""The base of policies that learn nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import Episode, Frame, Transition


class Policy(Learner):
    """A learner that doesn't learn: `learn` plays episodes and writes the history.

    A subclass has a `config_class` with a `seed`, and `choose`; see `Learner` for the vocabulary. Observations may be
    of any space.
    """

    def reads_rows(self) -> bool:
        """No: observations needn't make a table."""
        return False

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn nothing."""

    def end_episode(self, episode: Episode) -> None:
        """Nothing."""

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """None: nothing has been learnt."""
        return {}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Nothing."""
