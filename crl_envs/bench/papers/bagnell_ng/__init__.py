"""Bagnell & Ng (2005), "On Local Rewards and Scaling Distributed Reinforcement Learning": its figures, and beyond."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.figure import Figure
from crl_envs.bench.papers.bagnell_ng.figure_3 import FIGURE_3

HEADING: Final = "Learning from local and from global rewards\n\nBagnell & Ng (2005)."
FIGURES: Final[dict[str, Figure]] = {
    "fig3": FIGURE_3,
}
