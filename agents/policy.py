"""The base of policies that learn nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import Frame, Transition


class Policy(Learner):
    """A learner that doesn't learn: `learn` plays episodes and writes the history.

    A subclass has a `config_class` with a `seed`, and `choose`; see `Learner` for the vocabulary. Observations may be
    of any space.
    """

    learnt = ()

    def reads_rows(self) -> bool:
        """Return False: observations needn't make a table."""
        return False

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn nothing."""
