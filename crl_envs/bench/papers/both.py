"""Both papers in one report: the sections of `bagnell_ng`, then those of `dowling_haridi`."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.figure import Figure
from crl_envs.bench.papers import bagnell_ng, dowling_haridi

HEADING: Final = (
    "Both papers\n\nBagnell & Ng (2005), on local and global rewards, up to the bar problem; from Figure 6 on Dowling "
    "& Haridi (2008), on load balancing with collaborative reinforcement learning."
)
FIGURES: Final[dict[str, Figure]] = {**bagnell_ng.FIGURES, **dowling_haridi.FIGURES}
