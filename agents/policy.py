"""The base of policies that learn nothing."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.learner import Callback, Learner
from agents.view import Episode, Frame, Transition, runs_compiled

UNIFORM: Final = 0  # values of `Rule.kind`
SHORTEST_QUEUE: Final = 1


class Rule(NamedTuple):
    """A policy as `agents.delegation.policies_compiled` reads it."""

    kind: int
    choices: int = 0  # neighbours that are asked, −1 for all
    eager: bool = False


class Policy(Learner):
    """A learner that doesn't learn: `learn` plays episodes and writes the history.

    A subclass has a `config_class` with a `seed`, and `choose`; see `Learner` for the vocabulary. Observations may be
    of any space.
    """

    def reads_rows(self) -> bool:
        """No: observations needn't make a table."""
        return False

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Nothing."""

    def end_episode(self, episode: Episode) -> None:
        """Nothing."""

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """None: nothing has been learnt."""
        return {}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Nothing."""

    def rule(self) -> Rule | None:
        """What compiled code needs to choose as `choose` does; None where there is no such code."""
        return None

    def count_polls(self, polls: NDArray[np.int64]) -> None:
        """Take in ``int64[B]``, the questions and answers of compiled steps."""

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """Act until the episode has ended; compiled, where that can be."""
        rule = self.rule() if runs_compiled(self) else None
        if rule is None:
            super().play(frame, episode, step_callback, every)
        else:
            from agents.delegation.policies_compiled import play

            play(self, rule, self._stream, episode, step_callback, every)
