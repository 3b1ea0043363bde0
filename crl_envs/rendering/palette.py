"""Colours that colour-blind readers tell apart: Okabe & Ito's palette, and cividis for quantities."""

from __future__ import annotations

from typing import Final

BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
GREY: Final = "#6E6E6E"

BLACK: Final = "#000000"
WHITE: Final = "#FFFFFF"
PALE: Final = "#D9D9D9"  # what is there, and not what is to be looked at

QUANTITY_MAP: Final = "cividis"
