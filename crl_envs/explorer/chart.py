"""The learning curves as options of ECharts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crl_envs.bench.plotting import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from crl_envs.core.optimum import Optimum
from crl_envs.explorer.curve import WINDOW, Points
from crl_envs.explorer.session import KeptCurve

LANES: Final = ((BLUE, "solid"), (VERMILLION, "dashed"))  # differ without colours, too
CAPTION: Final = f"Thin: the return of each episode. Thick: the mean of the last {WINDOW}."
_KEPT: Final = (GREEN, PURPLE, ORANGE, SKY)
_FEW: Final = 25  # points that get a mark each
_RAW: Final = " (each episode)"
_ONE_ROW: Final = 55  # letters in a legend's row on a narrow page
_APART: Final = 1e-3  # of the value: ends of a bound that are shown as two


@dataclass(frozen=True)
class Ink:
    """Colours of what isn't a curve.

    Attributes:
        text: Of axes and legend.
        grid: Of the lines behind the curves.
    """

    text: str
    grid: str


LIGHT: Final = Ink("#333333", "#dddddd")
DARK: Final = Ink("#dddddd", "#444444")


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
    series: list[dict[str, Any]] = []
    for kept_curve, color in zip(kept, _KEPT, strict=False):
        name = _distinct(f"earlier: {kept_curve.label}", series)
        points = kept_curve.points
        series.append(_line(name, points.episodes, points.means, color, "dotted", 2))
    for (label, points), (color, dash) in zip(curves.items(), LANES, strict=False):
        raw = _line(f"{label}{_RAW}", points.episodes, points.returns, color, "solid", 1)
        raw |= {"symbol": "none", "silent": True}
        raw["lineStyle"]["opacity"] = 0.35
        series += [raw, _line(label, points.episodes, points.means, color, dash, 2.5)]
    ends = [p.episodes[-1] for p in (*curves.values(), *(k.points for k in kept)) if p.episodes]
    for (name, value), gaps in zip(optimum_lines(optimum).items(), ([8, 4], [2, 4]), strict=False):
        series.append(_level(name, value, max(ends, default=1), ink.text, gaps))
    x_axis = {"name": "episodes", "min": 1 if ends and max(ends) > 1 else 0, "max": max([*ends, 2])}
    y_axis = {"name": f"return, mean over {agents}", "scale": True}
    return _options(series, x_axis, y_axis, ink)


def progress_options(
    progress: Mapping[str, Sequence[tuple[int, float]]],
    kept: Sequence[KeptCurve],
    ink: Ink,
) -> dict[str, Any]:
    """The same for what comes about within an episode: (step, share of all capacity used), by label."""
    series: list[dict[str, Any]] = []
    for curve, color in zip(kept, _KEPT, strict=False):
        name = _distinct(f"earlier: {curve.label}", series)
        series.append(_line(name, *_unzipped(curve.progress), color, "dotted", 2))
    for (label, points), (color, dash) in zip(progress.items(), LANES, strict=False):
        series.append(_line(label, *_unzipped(points), color, dash, 2.5))
    y_axis = {"name": "share of capacity used", "min": 0, "max": 1}
    return _options(series, {"name": "steps of the episode", "min": 0}, y_axis, ink)


def _options(
    series: list[dict[str, Any]], x_axis: dict[str, Any], y_axis: dict[str, Any], ink: Ink
) -> dict[str, Any]:
    named = [line["name"] for line in series if not line["name"].endswith(_RAW)]
    text = {"color": ink.text}
    axis = {
        "axisLabel": {**text, "hideOverlap": True},
        "nameTextStyle": text,
        "axisLine": {"lineStyle": text},
    }
    grid = {"splitLine": {"lineStyle": {"color": ink.grid}}}
    return {
        "animation": False,
        "aria": {"enabled": True},
        "grid": {
            "left": 64,
            "right": 24,
            "top": 30 if len("".join(named)) < _ONE_ROW else 52,
            "bottom": 38,
        },
        "legend": {"data": named, "top": 0, "textStyle": text, "itemWidth": 32},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "nameLocation": "middle",
            "nameGap": 26,
            **x_axis,
            **axis,
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "nameLocation": "middle",
            "nameGap": 48,
            **y_axis,
            **axis,
            **grid,
        },
        "series": series,
    }


def _line(
    name: str,
    x: Sequence[float],
    y: Sequence[float],
    color: str,
    dash: str,
    width: float,
) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "data": list(map(list, zip(x, y, strict=True))),
        "symbol": "circle" if len(y) <= _FEW else "none",
        "symbolSize": 6,
        "itemStyle": {"color": color},
        "lineStyle": {"color": color, "type": dash, "width": width},
    }


def _level(name: str, value: float, end: int, color: str, dash: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "data": [[0, value], [max(end, 2), value]],
        "symbol": "none",
        "itemStyle": {"color": color},
        "lineStyle": {"color": color, "type": dash, "width": 1.5},
        "silent": True,
    }


def _unzipped(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _distinct(name: str, series: list[dict[str, Any]]) -> str:
    taken = {line["name"] for line in series}
    return next(
        candidate
        for k in range(len(taken) + 1)
        if (candidate := name if k == 0 else f"{name} ({k + 1})") not in taken
    )
