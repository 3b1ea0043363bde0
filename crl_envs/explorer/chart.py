"""The learning curves as options of ECharts, and the numbers as a table in HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, count
from statistics import mean
from typing import Any, Final

from crl_envs.core.optimum import Optimum
from crl_envs.explorer.curve import WINDOW, Points
from crl_envs.explorer.lane import Sight
from crl_envs.explorer.samples import Sample
from crl_envs.explorer.session import KeptCurve
from crl_envs.rendering.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION

LANES: Final = ((BLUE, "solid"), (VERMILLION, "dashed"))  # differ without colours, too
CAPTION: Final = f"Thin: the return of each episode. Thick: the mean of the last {WINDOW}."
_KEPT: Final = (GREEN, PURPLE, ORANGE, SKY)
_FEW: Final = 25  # points that get a mark each
_RAW: Final = " (each episode)"
_ONE_ROW: Final = 55  # letters in a legend's row on a narrow page
_APART: Final = 1e-3  # of the value: ends of a bound that are shown as two
_UNTOUCHED: Final = {"symbol": "none", "silent": True}
_NOTHING: Final = "–"
_CROSS: Final = "M0 1L1 0L4 3L7 0L8 1L5 4L8 7L7 8L4 5L1 8L0 7L3 4Z"
_READABLE: Final = {
    "up": "machines up",
    "loads_in": "loads in",
    "timed_out": "timed out",
    "on_wire": "on the wire",
    "utilisation": "capacity used",
    "messages_sent": "messages sent",
    "messages_lost": "messages lost",
    "delivery_share": "packets delivered",
    "equalisation": "spread of use (%)",
}
_SHARES: Final = ("up", "utilisation", "delivery_share")
_SELDOM: Final = ("on_wire", "departed", "timed_out", "backlog", "messages_lost")

Pair = tuple[int, float]  # an episode or a step, and the value there


@dataclass(frozen=True)
class Ink:
    """Colours of what isn't a curve.

    Attributes:
        text: Of axes and legend.
        grid: Of the lines behind the curves.
        card: Of the background.
    """

    text: str
    grid: str
    card: str


LIGHT: Final = Ink("#333333", "#dddddd", "#ffffff")
DARK: Final = Ink("#dddddd", "#444444", "#202326")


def optimum_lines(optimum: Optimum | None) -> dict[str, float]:
    """The horizontal lines of a known optimum, by what they are called."""
    if optimum is None:
        return {}
    value = f"{optimum.value:.4g}"
    if optimum.kind == "exact":
        return {f"optimum {value} (exact)": optimum.value}
    lines = {f"optimum at most {value} ({optimum.kind})": optimum.value}
    gap = optimum.value - optimum.lower
    if math.isfinite(gap) and gap > _APART * abs(optimum.value):
        lines[f"best known policy {optimum.lower:.4g}"] = optimum.lower
    return lines


def chart_options(
    curves: Mapping[str, Points],
    kept: Sequence[KeptCurve],
    optimum: Optimum | None,
    ink: Ink,
    agents: str = "agents",
) -> dict[str, Any]:
    """Options for `nicegui.ui.echart`.

    Args:
        curves: Of the learners at work, by label: returns thin, moving means thick.
        kept: Of earlier runs: moving means only.
        optimum: Its lines end where the longest curve does.
        ink: Colours.
        agents: What the world calls them.
    """
    series = _earlier(kept, lambda curve: _means(curve.points))
    for (label, points), (color, dash) in zip(curves.items(), LANES, strict=False):
        each = zip(points.episodes, points.returns, strict=True)
        raw = _line(f"{label}{_RAW}", each, color, "solid", 1) | _UNTOUCHED
        raw["lineStyle"]["opacity"] = 0.35
        series += [raw, _line(label, _means(points), color, dash, 2.5)]
    ends = [p.episodes[-1] for p in (*curves.values(), *(k.points for k in kept)) if p.episodes]
    first = 1 if ends and max(ends) > 1 else 0
    last = max([*ends, 2])
    for (name, value), gaps in zip(optimum_lines(optimum).items(), ([8, 4], [2, 4]), strict=False):
        level = [(0, value), (last, value)]
        series.append(_line(name, level, ink.text, gaps, 1.5) | _UNTOUCHED)
    x_axis = {"name": "episodes", "min": first, "max": last}
    y_axis = {"name": f"return, mean over {agents}", "scale": True}
    return _options(series, x_axis, y_axis, ink)


def progress_options(
    progress: Mapping[str, Sequence[tuple[int, float]]],
    kept: Sequence[KeptCurve],
    ink: Ink,
    metric: str,
) -> dict[str, Any]:
    """The same for what comes about within an episode: (step, that metric), by label."""
    series = _earlier(kept, lambda curve: curve.progress)
    for (label, points), (color, dash) in zip(progress.items(), LANES, strict=False):
        series.append(_line(label, points, color, dash, 2.5))
    y_axis = {"name": _READABLE[metric], "min": 0, "max": 1}
    return _options(series, {"name": "steps of the episode", "min": 0}, y_axis, ink)


def samples_options(samples: Sequence[Sample], first: Sequence[str], ink: Ink) -> dict[str, Any]:
    """The same for how many episodes learners needed, against n, both on logarithmic axes.

    Args:
        samples: Of one setting. Filled: reached; hollow triangles: not yet; crosses: the world was touched by hand.
        first: Learners with the colours of the lanes; others get further ones.
        ink: Colours.
    """
    names = list(dict.fromkeys((*first, *(sample.learner for sample in samples))))
    styles = (*LANES, *((color, "dotted") for color in _KEPT))
    series = []
    for name, (color, dash) in zip(names, styles, strict=False):
        own = [sample for sample in samples if sample.learner == name]
        sizes = sorted({sample.size for sample in own if sample.reached and not sample.touched})
        means = [
            (n, mean(s.episodes for s in own if s.size == n and s.reached and not s.touched))
            for n in sizes
        ]
        line = _line(name, means, color, dash, 1.5)
        line["symbol"] = "none"
        marks = {**_line(name, [], color, dash, 0), "type": "scatter", "symbolSize": 10}
        marks["data"] = [_mark(sample, color, ink) for sample in own]
        series += [line, marks]
    log = {"type": "log", "logBase": 10, "scale": True, "splitLine": {"show": False}}
    x_axis = {"name": "n", **log, "min": 1, "max": 100}
    y_axis = {"name": "episodes needed", **log, "min": 10, "splitLine": {"show": True}}
    y_axis["splitLine"] = {"lineStyle": {"color": ink.grid}}
    return _options(series, x_axis, y_axis, ink) | {"tooltip": {"trigger": "item"}}


def _mark(sample: Sample, color: str, ink: Ink) -> dict[str, Any]:
    solid = sample.reached and not sample.touched
    return {
        "value": [sample.size, sample.episodes],
        "symbol": "path://" + _CROSS if sample.touched else "circle" if solid else "triangle",
        "itemStyle": {
            "color": color if solid or sample.touched else ink.card,
            "borderColor": color,
            "borderWidth": 2 if not sample.touched else 0,
        },
    }


def _options(
    series: list[dict[str, Any]], x_axis: dict[str, Any], y_axis: dict[str, Any], ink: Ink
) -> dict[str, Any]:
    named = list(dict.fromkeys(s["name"] for s in series if not s["name"].endswith(_RAW)))
    text = {"color": ink.text}
    axis = {
        "type": "value",
        "nameLocation": "middle",
        "axisLabel": {**text, "hideOverlap": True},
        "nameTextStyle": text,
        "axisLine": {"lineStyle": text},
    }
    top = 30 if len("".join(named)) < _ONE_ROW else 52
    return {
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 64, "right": 24, "top": top, "bottom": 38},
        "legend": {"data": named, "top": 0, "textStyle": text, "itemWidth": 32},
        "tooltip": {"trigger": "axis"},
        "xAxis": {**axis, "nameGap": 26, "splitLine": {"show": False}, **x_axis},
        "yAxis": {**axis, "nameGap": 48, "splitLine": {"lineStyle": {"color": ink.grid}}, **y_axis},
        "series": series,
    }


def _earlier(
    kept: Sequence[KeptCurve], points: Callable[[KeptCurve], Iterable[Pair]]
) -> list[dict[str, Any]]:
    """Return a dotted line for each curve of an earlier run, no two of the same name."""
    lines: dict[str, dict[str, Any]] = {}
    for curve, color in zip(kept, _KEPT, strict=False):
        name = f"earlier: {curve.label}"
        names = chain([name], (f"{name} ({k})" for k in count(2)))
        free = next(candidate for candidate in names if candidate not in lines)
        lines[free] = _line(free, points(curve), color, "dotted", 2)
    return list(lines.values())


def _means(points: Points) -> Iterable[Pair]:
    return zip(points.episodes, points.means, strict=True)


def _line(
    name: str, points: Iterable[Pair], color: str, dash: str | list[int], width: float
) -> dict[str, Any]:
    data = list(map(list, points))
    return {
        "name": name,
        "type": "line",
        "data": data,
        "symbol": "circle" if len(data) <= _FEW else "none",
        "symbolSize": 6,
        "itemStyle": {"color": color},
        "lineStyle": {"color": color, "type": dash, "width": width},
    }


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
    if any(sight.touched for sight in sights):
        rows.append(("touched", "touched by hand", [f"{s.touched:,}" for s in sights]))
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
