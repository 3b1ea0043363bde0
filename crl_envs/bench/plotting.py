"""Figures without a display, in colours that colour-blind readers tell apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from crl_envs.bench.score.intervals import FloatArray, Interval, t_band
from crl_envs.rendering.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "STYLE",
    "VERMILLION",
    "as_png",
    "band",
    "intervals",
    "new_figure",
    "single_figure",
]

STYLE: Final = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 1.0,
    "lines.linewidth": 1.2,
}


def new_figure(panels: int, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure on Agg, whatever backend is configured, with that many panels side by side."""
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.6 * panels, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, sharey=sharey, squeeze=False)
    return figure, list(axes[0])


def single_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of one panel of that size in inches."""
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
    return figure, axes


def band(
    axes: Axes, samples: FloatArray, positions: FloatArray | None = None, **style: Any
) -> None:
    """Draw the mean over rows of ``float64[k, m]`` as a line, with its 95 % interval as a shade.

    Args:
        axes: Where to draw.
        samples: One row a run.
        positions: ``float64[m]``, where the columns lie; 0 … m − 1 by default.
        **style: Of the line.
    """
    mean, half = t_band(samples)
    if positions is None:
        positions = np.arange(samples.shape[1], dtype=np.float64)
    axes.fill_between(positions, mean - half, mean + half, color=style["color"], alpha=0.2, lw=0)
    axes.plot(positions, mean, **style)


def intervals(axes: Axes, positions: Any, found: Sequence[Interval], **style: Any) -> None:
    """Draw values with their intervals; what is infinite is left out."""
    ends = np.array([tuple(x) for x in found])
    middle, low, high = np.where(np.isfinite(ends), ends, np.nan).T
    axes.errorbar(positions, middle, [middle - low, high - middle], **style)


def as_png(figure: Figure) -> bytes:
    """Return the picture's bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(buffer, format="png", dpi=140)
    return buffer.getvalue()
