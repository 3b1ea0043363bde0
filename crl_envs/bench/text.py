"""Numbers and tables as text; and text that isn't ours, as of a learner's exception, made fit for records and pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crl_envs.bench.score.statistics import Interval

DIGITS: Final = 9
NOTHING: Final = 1e-12


@dataclass(frozen=True)
class Table:
    """A table of text, for a report and for the terminal.

    Attributes:
        header: Names of the columns.
        rows: Cells, as many in each row as there are columns.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table in Markdown, the first column to the left and the others to the right."""
        align = [":--"] + ["--:"] * (len(self.header) - 1)
        lines = [self.header, align, *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float, digits: int = 3) -> str:
    """Return a number with that many decimals; "–" for one that is infinite or undefined."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def with_interval(interval: Interval, digits: int = 3) -> str:
    """Return ``value [low, high]``."""
    low, high = number(interval.low, digits), number(interval.high, digits)
    return f"{number(interval.value, digits)} [{low}, {high}]"


def plain(value: Any, rounds: bool = True) -> Any:
    """Return the value as what JSON can hold: intervals as objects, infinities and NaN as null.

    Args:
        value: Dicts, intervals, iterables, strings, numbers and None, one in the other.
        rounds: Whether floats get `DIGITS` significant digits, and 0 below `NOTHING`. Processors differ in the last
            digits of logarithms and sums, by less than 1e-12 of a score: what is computed is rounded, so that it is
            the same everywhere; what was measured needn't be.
    """
    if isinstance(value, Interval):
        return {key: plain(part, rounds) for key, part in value._asdict().items()}
    if isinstance(value, dict):
        return {str(key): plain(part, rounds) for key, part in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        return [plain(part, rounds) for part in value]
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    if not rounds:
        return value
    return 0.0 if abs(value) < NOTHING else float(f"{value:.{DIGITS}g}")


_LONGEST_REASON: Final = 500  # characters


def reason(error: str | None) -> str:
    """Return in one line why a run has failed: of a traceback the exception and all of its message, shortened."""
    lines = (error or "").strip().split("\n")
    frames = [k for k, line in enumerate(lines) if line.startswith("  File ")]
    if frames:
        after = lines[frames[-1] + 1 :]
        while len(after) > 1 and after[0].startswith("    "):  # code
            after = after[1:]
        lines = [" ".join(line.strip() for line in after)]
    text = lines[-1] if lines else ""
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


MOST: Final = 10_000  # characters


def printable(text: str, most: int = MOST) -> str:
    r"""Return a text's head and tail, with what isn't printable written as an escape: ``\x1b``, ``\udc80``.

    Lines stay lines and tabs stay tabs.
    """
    if len(text) <= most and len(shown := _escaped(text)) <= most:
        return shown
    half = (most - 50) // 2  # with the line between them no longer than `most`
    head, tail = _escaped(text[:half])[:half], _escaped(text[-half:])[-half:]
    return f"{head}\n… cut: {len(text):,} characters in all …\n{tail}"


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or c in "\n\t"
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
