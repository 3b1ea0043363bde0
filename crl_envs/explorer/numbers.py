"""The numbers of a session as a table in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from crl_envs.core.optimum import Optimum
from crl_envs.explorer.chart import LANES
from crl_envs.explorer.curve import WINDOW
from crl_envs.explorer.lane import Sight

_NOTHING: Final = "–"
_READABLE: Final = {
    "up": "machines up",
    "loads_in": "loads in",
    "timed_out": "timed out",
    "on_wire": "on the wire",
    "utilisation": "capacity used",
    "messages_sent": "messages sent",
    "messages_lost": "messages lost",
    "equalisation": "spread of use (%)",
}
_SHARES: Final = ("up", "utilisation")
_SELDOM: Final = ("on_wire", "departed", "timed_out", "backlog", "messages_lost")


def numbers_table(names: Sequence[str], sights: Sequence[Sight], optimum: Optimum | None) -> str:
    """A table with a column for each learner; what is 0 for all and seldom isn't is left out."""
    rows: list[tuple[str, str, list[str]]] = [
        ("episodes", "episodes", [f"{s.episodes:,}" for s in sights]),
        ("step", "step of the episode", [f"{s.step:,}" for s in sights]),
        ("env_steps", "steps in all", [f"{s.env_steps:,}" for s in sights]),
        ("last_return", "last return", [_number(s.last_return) for s in sights]),
        ("mean_return", f"mean of the last {WINDOW}", [_number(s.mean_return) for s in sights]),
    ]
    if optimum is not None:
        kind = "optimum" if optimum.kind == "exact" else f"optimum ({optimum.kind})"
        rows.append(("optimum", kind, [_number(optimum.value)] * len(sights)))
    metrics = dict.fromkeys(key for sight in sights for key in sight.metrics)
    for key in metrics:
        values = [sight.metrics.get(key) for sight in sights]
        if key in _SELDOM and not any(values):
            continue
        rows.append((key, _READABLE.get(key, key), [_metric(key, value) for value in values]))
    head = "".join(
        f'<th scope="col"><span class="ex-key" style="border-top: 3px {dash} {color}"></span>'
        f"{escape(name)}</th>"
        for name, (color, dash) in zip(names, LANES, strict=False)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(title)}</th>'
        + "".join(
            f'<td data-number="{escape(key)}" data-lane="{lane}">{escape(cell)}</td>'
            for lane, cell in enumerate(cells)
        )
        + "</tr>"
        for key, title, cells in rows
    )
    return f'<table class="ex-numbers"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'


def _number(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _metric(key: str, value: float | None) -> str:
    if value is None:
        return _NOTHING
    if key in _SHARES:
        return f"{value:.0%}"
    return f"{value:,.0f}" if value.is_integer() else f"{value:.3g}"
