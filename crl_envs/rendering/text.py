"""The mode ``ansi``: plain text, a table of the agents or, of many, of blocks of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from crl_envs.rendering.history import bin_starts
from crl_envs.rendering.picture import Moment, Picture

_PER_LINE: Final = 20  # agents, fewer where cells are wide
_WIDEST: Final = 130
_MOST_IN_TABLE: Final = 99
_BLOCKS: Final = 20
_BAR: Final = 40


def as_text(picture: Picture[Any], moment: Moment) -> str:
    """Title, status, remarks, and the agents."""
    n = picture.world.n_agents
    body = _table(picture, moment) if n <= _MOST_IN_TABLE else _blocks(picture, moment)
    return (
        "\n".join([picture.title, picture.status(moment), *picture.remarks(moment), *body]) + "\n"
    )


def _table(picture: Picture[Any], moment: Moment) -> list[str]:
    n = picture.world.n_agents
    rows = {"agent": [str(i) for i in range(n)], **picture.table(moment)}
    wide = max(map(len, rows))
    cell = max(len(entry) for row in rows.values() for entry in row)
    lines = []
    step = max(1, min(_PER_LINE, (_WIDEST - wide - 1) // (cell + 1)))
    for start in range(0, n, step):
        if start:
            lines.append("")
        for name, row in rows.items():
            cells = " ".join(entry.rjust(cell) for entry in row[start : start + step])
            lines.append(f"{name.ljust(wide)}  {cells}".rstrip())
    return lines


def _blocks(picture: Picture[Any], moment: Moment) -> list[str]:
    """Return a line for each block of agents: its mean, and a bar of that length."""
    n, quantity = picture.world.n_agents, picture.quantity
    values = picture.values(moment)
    starts = bin_starts(n, min(_BLOCKS, n))
    sizes = np.diff(np.append(starts, n))
    means = np.add.reduceat(values, starts) / sizes
    share = (means - quantity.low) / (quantity.high - quantity.low)
    wide = len(str(n - 1))
    lines = [f"{quantity.label}, mean of each block of agents:"]
    for start, size, mean, part in zip(starts, sizes, means, share, strict=True):
        bar = ("#" * int(np.clip(np.nan_to_num(part) * _BAR + 0.5, 0, _BAR))).ljust(_BAR, ".")
        level = "   nan" if np.isnan(mean) else f"{mean:6.3f}"
        lines.append(f"{start:{wide}d} - {start + size - 1:{wide}d} {level} {bar}")
    return lines
