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
_WANTED_STEPS: Final = 40_000_000  # agent-steps of all policies
_MOST_STEPS: Final = 160_000_000  # the same, where there would be too few episodes
_MOST_TURNS: Final = (
    400_000  # steps of all policies, whatever the number of episodes: up to a minute
)
_COLUMNS: Final = 256
_FEWEST: Final = 8  # of fewer episodes, four standard errors would too often be too few


def columns_for(n: int, horizon: int, policies: int = 1) -> int:
    """Return how many episodes of each policy can be simulated in a minute, at least 8; 0 for none."""
    turns = horizon * policies
    if turns > _MOST_TURNS or _FEWEST * n * turns > _MOST_STEPS:
        return 0
    return max(_FEWEST, min(_COLUMNS, _WANTED_STEPS // (n * turns)))


def low_mean(returns: NDArray[np.float64]) -> float:
    """Return the mean of the returns of B ≥ 8 episodes, ``float64[B]``, less `ERRORS` standard errors.

    Where returns are normal it is above the expectation with probability 3e-5 (very many episodes) to 3e-3 (8).
    """
    return float(returns.mean() - ERRORS * returns.std(ddof=1) / len(returns) ** 0.5)


def low_return(
    form: ArrayForm,
    n: int,
    horizon: int,
    act: Callable[[Any], NDArray[np.integer]],
    columns: int,
) -> float:
    """Return the `low_mean` of simulated episodes.

    Args:
        form: The dynamics.
        n: Number of agents.
        horizon: Steps.
        act: From a state to actions ``[n, columns]``.
        columns: Number of episodes.
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
    return low_mean(total)
