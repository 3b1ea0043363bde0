"""The one exception of the conformance checks, and how they quote the values they saw."""

from __future__ import annotations

from typing import Any

import numpy as np

_LONGEST_QUOTE = 200


class ConformanceError(AssertionError):
    """An environment breaks the contract.

    The message reads `[check] where: fault`. The same parts are attributes, for reports by machine.

    Args:
        message: What is wrong: what was seen and what is expected.
        check: Name of the check that failed, such as `"alias"`; empty where there is none.
        agent: The agent concerned, or None where the fault is not one agent's.
        episode: Number of the episode within the check, from 0.
        step: 0 for what `reset` returned, t for what the t-th `step` returned.
    """

    def __init__(
        self,
        message: str,
        *,
        check: str = "",
        agent: Any = None,
        episode: int | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message)
        self.check = check
        self.agent = agent
        self.episode = episode
        self.step = step


def fault(
    check: str,
    what: str,
    *,
    agent: Any = None,
    episode: int | None = None,
    step: int | None = None,
) -> ConformanceError:
    """Return the error to raise when `check` fails, its message put together from the parts."""
    where = [] if agent is None else [f"agent {agent!r}"]
    if episode is not None:
        where.append(f"episode {episode}")
    if step is not None:
        where.append("reset" if step == 0 else f"step {step}")
    place = ", ".join(where) + ": " if where else ""
    return ConformanceError(
        f"[{check}] {place}{what}", check=check, agent=agent, episode=episode, step=step
    )


def quote(value: Any) -> str:
    """Return `value` with its type, short enough for a message."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=12, edgeitems=3).replace("\n", "")
        return f"array {_shorten(text)} of dtype {value.dtype} and shape {value.shape}"
    return f"{_shorten(repr(value))} ({type(value).__name__})"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
