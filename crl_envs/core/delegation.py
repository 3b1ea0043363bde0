"""What worlds say whose agents solve problems or hand them on: in infos in small letters, in arrays as numbers."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What an action does with the problem that an agent has at hand."""

    NOOP = 0
    LOCAL = 1
    DELEGATION = 2
    DISCOVERY = 3


class Dop(IntEnum):
    """What became of the discrete optimisation problem (a load, for instance) that an agent acted on."""

    NONE = 0
    SOLVED = 1
    DELEGATED = 2
    KEPT = 3
