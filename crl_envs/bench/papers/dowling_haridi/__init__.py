"""Dowling & Haridi (2008), load balancing with collaborative reinforcement learning: its figures, and beyond."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.figure import Figure
from crl_envs.bench.papers.dowling_haridi.arrivals import ARRIVALS
from crl_envs.bench.papers.dowling_haridi.beyond import FAILURES, IN_FLIGHT_FIGURE, LOSS, SCALE
from crl_envs.bench.papers.dowling_haridi.filling import FIGURE_6, FIGURE_11, FIGURE_12
from crl_envs.bench.papers.dowling_haridi.heatmap import HEATMAP
from crl_envs.bench.papers.dowling_haridi.section_5 import SECTION_5
from crl_envs.bench.papers.dowling_haridi.servers import FIGURE_13, FIGURES_7_TO_10
from crl_envs.bench.papers.dowling_haridi.variants import (
    ABLATION,
    ADVERTISING,
    SYSTEMS_OF_SECTION_4,
)

HEADING: Final = (
    "Load balancing with collaborative reinforcement learning\n\nDowling & Haridi (2008), §5–§6."
)
FIGURES: Final[dict[str, Figure]] = {
    "fig6": FIGURE_6,
    **FIGURES_7_TO_10,
    "fig11": FIGURE_11,
    "fig12": FIGURE_12,
    "fig13": FIGURE_13,
    "crl-section-5": SECTION_5,
    "crl-advertising": ADVERTISING,
    "crl-ablation": ABLATION,
    "crl-in-flight": IN_FLIGHT_FIGURE,
    "crl-arrivals": ARRIVALS,
    "crl-loss": LOSS,
    "crl-failures": FAILURES,
    "crl-scale": SCALE,
    "crl-heatmap": HEATMAP,
    "crl-related": SYSTEMS_OF_SECTION_4,
}
