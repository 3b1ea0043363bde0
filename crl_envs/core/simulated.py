"""What a policy earns at least, by simulation of an array form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.stream import Purpose, Stream

ERRORS: Final = 4.0  # standard errors by which a simulated return is lowered
_SEED: Final = 0x5EED
_MOST_STEPS: Final = 40_000_000  # agent-steps of all policies
_MOST_TURNS: Final = (
    400_000  # steps of all policies, whatever the number of episodes: up to a minute
)
_COLUMNS: Final = 256


def columns_for(n: int, horizon: int, policies: int = 1) -> int:
    """Return how many episodes of each policy can be simulated in a minute; 0 for fewer than two."""
    if horizon * policies > _MOST_TURNS:
        return 0
    columns = min(_COLUMNS, _MOST_STEPS // (n * horizon * policies))
    return columns if columns >= 2 else 0


def low_return(
    form: ArrayForm,
    n: int,
    horizon: int,
    act: Callable[[Any], NDArray[np.integer]],
    columns: int,
) -> float:
    """Return the mean return of episodes, less `ERRORS` standard errors.

    Args:
        form: The dynamics.
        n: Number of agents.
        horizon: Steps.
        act: From a state to actions ``[n, columns]``.
        columns: Number of episodes, at least 2.
    """
    stream, lanes = Stream(columns), form.lanes or n
    stream.seed(_SEED)
    words = {Purpose.INITIAL: stream.words(Purpose.INITIAL, lanes)}
    state, total = form.initial(np, form.tables, words), np.zeros(columns)
    for _ in range(horizon):
        stream.advance()
        words = {purpose: stream.words(purpose, lanes) for purpose in form.purposes}
        state, reward = form.step(np, form.tables, state, act(state), words)
        total += reward.mean(axis=0, dtype=np.float64)
    return float(total.mean() - ERRORS * total.std(ddof=1) / columns**0.5)
