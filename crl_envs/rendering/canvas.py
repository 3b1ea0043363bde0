"""The sheet that all pictures are drawn on: 900 × 600 pixels, whose unchanging part is drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from crl_envs.rendering.history import History
from crl_envs.rendering.palette import GREY, QUANTITY_MAP
from crl_envs.rendering.picture import Moment, Picture
from crl_envs.rendering.scene import Quantity

Frame = NDArray[np.uint8]  # uint8[600, 900, 3]

WIDTH: Final = 900
HEIGHT: Final = 600
_DPI: Final = 100

HEAT: Final = (0.065, 0.315, 0.655, 0.565)  # left, bottom, width, height in parts of the sheet
GRAPH: Final = (0.01, 0.275, 0.72, 0.615)
_BELOW: Final = (0.065, 0.085, 0.655, 0.15)
SIDE: Final = 0.745  # where the legends begin

_MOST_DOTS: Final = 60  # steps that are marked on the curves

_STYLE: Final = {
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
}


class Sheet:
    """Title, status line, main area, legend and curves over time; the same for graph scenes and heat maps.

    Args:
        picture: What a world says about its states.
        history: Of the renderer.
    """

    place: ClassVar[tuple[float, float, float, float]]  # of the main area

    def __init__(self, picture: Picture[Any], history: History) -> None:
        self.picture, self.history = picture, history
        with styled():
            self.figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI)
            self.canvas: Any = FigureCanvasAgg(self.figure)
            self.figure.text(0.02, 0.955, picture.title, size=12, weight="bold", va="center")
            self._moving: list[Artist] = []
            self._status = self.moving(self.figure.text(0.02, 0.915, "", va="center"))
            self.main = self.figure.add_axes(self.place)
            self._lines = self._curves()
        self._background: Any = None

    def moving(self, artist: Any) -> Any:
        """Have an artist drawn anew in each frame, in the order of these calls."""
        artist.set_animated(True)
        self._moving.append(artist)
        return artist

    def frame(self, moment: Moment) -> Frame:
        """Return the picture of a moment; what the subclass shows has been set."""
        self._status.set_text(self.picture.status(moment))
        for line, level in zip(self._lines, self.history.levels, strict=True):
            line.set_ydata(level)
        if self._background is None:
            with styled():
                self.canvas.draw()
            self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._background)
        renderer = self.canvas.get_renderer()
        for artist in self._moving:
            artist.draw(renderer)
        return _as_frame(np.asarray(self.canvas.buffer_rgba()))

    def legend(self, handles: Sequence[Artist], top: float) -> None:
        """A legend beside the main area, whose upper edge is at `top`."""
        self.figure.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(SIDE, top),
            borderaxespad=0.0,
            handlelength=2.4,
            labelspacing=0.75,
        )

    def colour_bar(
        self, quantity: Quantity, place: tuple[float, float, float, float]
    ) -> ScalarMappable:
        """Return a bar of cividis, upright where the place is; what maps values to colours."""
        colours = ScalarMappable(Normalize(quantity.low, quantity.high), QUANTITY_MAP)
        lies = place[2] * WIDTH > place[3] * HEIGHT
        bar = self.figure.colorbar(
            colours,
            cax=self.figure.add_axes(place),
            orientation="horizontal" if lies else "vertical",
        )
        bar.set_label(quantity.label)
        return colours

    def _curves(self) -> list[Line2D]:
        axes = self.figure.add_axes(_BELOW)
        low, high = self.picture.level_range
        margin = 0.05 * (high - low)
        axes.set_ylim(low - margin, high + margin)
        axes.set_yticks([low, (low + high) / 2, high])
        axes.grid(axis="y", alpha=0.3, lw=0.6)
        place_in_time(axes, self.history, self.picture.unit)
        x = steps_of(self.history)
        nothing = np.full(x.size, np.nan)
        dot = "." if x.size <= _MOST_DOTS else ""
        lines = [
            axes.plot(x, nothing, color=c.colour, ls=c.style, lw=1.6, marker=dot, ms=4)[0]
            for c in self.picture.curves
        ]
        handles = [
            Line2D([], [], color=c.colour, ls=c.style, lw=1.6, label=c.label)
            for c in self.picture.curves
        ]
        self.legend(handles, _BELOW[1] + _BELOW[3])
        return [self.moving(line) for line in lines]


def _as_frame(rgba: NDArray[np.uint8]) -> Frame:
    frame = np.empty((*rgba.shape[:2], 3), np.uint8)
    for channel in range(3):  # three times faster than copying all at once
        frame[..., channel] = rgba[..., channel]
    return frame


def styled() -> AbstractContextManager[None]:
    """Matplotlib's own settings and this package's, whatever the user's are."""
    return style.context(["default", _STYLE])


def steps_of(history: History) -> NDArray[np.int64]:
    """Return ``int64[width]``: the step of each column; with a history that rolls ≤ 0, the present one being 0."""
    return np.arange(history.width) - (history.width - 1 if history.rolls else 0)


def place_in_time(axes: Axes, history: History, unit: str) -> None:
    """Set the limits and the label of a time axis."""
    steps = steps_of(history)
    axes.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    axes.set_xlabel(f"{unit}s before the last one" if history.rolls else unit, labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(color=GREY)
