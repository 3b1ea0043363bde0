"""A colour and a marker for each learner, the same in every picture and table of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from crl_envs.bench.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GREY)
# Eight, which has no divisor in common with the seven colours: 56 learners have 56 pairs of colour and marker.
MARKERS: Final = "osDvPX<>"

# In a box of 8 × 8 around (0, 0).
_SHAPES: Final = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-3.5-3.5h7v7h-7z",
    "D": "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    "v": "M-4.5-3.5h9L0 4z",
    "P": "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "X": "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0z",
    "<": "M3.5-4.5v9L-4 0z",
    ">": "M-3.5-4.5v9L4 0z",
}


@dataclass(frozen=True)
class Style:
    """How a learner is drawn.

    Attributes:
        colour: As ``#rrggbb``.
        marker: Matplotlib's name of the marker.
        is_global: Of a learner that is given the global reward: its line is dashed and its marker hollow.
    """

    colour: str
    marker: str
    is_global: bool = False

    @property
    def drawn(self) -> dict[str, Any]:
        """Arguments of Matplotlib's `plot` and `errorbar`."""
        return {
            "color": self.colour,
            "linestyle": "--" if self.is_global else "-",
            "marker": self.marker,
            "markerfacecolor": "white" if self.is_global else self.colour,
        }

    @property
    def swatch(self) -> str:
        """The line with its marker as an SVG element, 34 × 12 pixels."""
        dashes, fill = ("5 3", "#fff") if self.is_global else ("", self.colour)
        return (
            '<svg class="swatch" width="34" height="12" viewBox="-17 -6 34 12" aria-hidden="true">'
            f'<path d="M-17 0h34" stroke="{self.colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
            f'<path d="{_SHAPES[self.marker]}" fill="{fill}" stroke="{self.colour}"/></svg>'
        )


def styles(learners: Iterable[str]) -> dict[str, Style]:
    """A style for each learner, by the order of their names.

    ``x-global`` has the colour and the marker of ``x-local`` or ``x``, so that the two are found together.
    """
    names = sorted(set(learners))
    families = {family: k for k, family in enumerate(dict.fromkeys(map(_family, names)))}
    return {
        name: Style(COLOURS[k % 7], MARKERS[k % 8], name.endswith("-global"))
        for name in names
        for k in [families[_family(name)]]
    }


def _family(learner: str) -> str:
    return learner.removesuffix("-global").removesuffix("-local")
