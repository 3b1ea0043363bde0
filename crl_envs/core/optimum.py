"""What is known about the best policy of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

from crl_envs.core.named import named

LONGEST: Final = 100_000  # steps that are gone through one by one, where each takes next to nothing


@dataclass(frozen=True)
class Optimum:
    """The best expected episode return, mean over agents and summed over the horizon.

    Attributes:
        value: The optimum itself (`exact`), an upper bound of it (`bound`) or a guess (`estimate`).
        kind: ``"exact"``, ``"bound"`` or ``"estimate"``.
        method: How the value was found, in a few words.
        lower: The return that the best known policy reaches; equal to `value` when that is exact, −inf when no policy's
            return is known. Where it was simulated, `method` says how it is kept below the policy's true return.
    """

    value: float
    kind: Literal["exact", "bound", "estimate"]
    method: str
    lower: float


class KeepsOptimum:
    """Mixin of worlds whose optimum a function of their `problem` finds, which is called when it is asked for, once.

    Attributes:
        finder: The function, ``"module:function"``.
    """

    problem: Any
    finder: ClassVar[str]

    def optimum(self) -> Optimum:
        """Return what `finder` finds."""
        return self._optimum

    @cached_property
    def _optimum(self) -> Optimum:
        found: Optimum = named(self.finder)(self.problem)
        return found
