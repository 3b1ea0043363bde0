"""Numbers of any size in error messages."""

from __future__ import annotations

import math


def about(number: int) -> str:
    """A whole number ≥ 0 to two digits; from 10^15 on only its order of magnitude."""
    return f"10^{int(math.log10(number))}" if number >= 10**15 else f"{number:.2g}"
