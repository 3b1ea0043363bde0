"""Bagnell & Ng (2005), "On Local Rewards and Scaling Distributed Reinforcement Learning": its figures, and beyond."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.figure import Figure
from crl_envs.bench.papers.bagnell_ng.bar import BAR_PROBLEM
from crl_envs.bench.papers.bagnell_ng.figure_2 import FIGURE_2_LEFT, FIGURE_2_RIGHT
from crl_envs.bench.papers.bagnell_ng.figure_3 import FIGURE_3
from crl_envs.bench.papers.bagnell_ng.lock import EXPLORATION
from crl_envs.bench.papers.bagnell_ng.planning import FINITE_STATE_CONTROLLERS, PLANNER
from crl_envs.bench.papers.bagnell_ng.scaling import scaling
from crl_envs.bench.papers.bagnell_ng.theorem_3_1 import theorem_3_1
from crl_envs.bench.papers.bagnell_ng.theorem_4_3 import theorem_4_3
from crl_envs.bench.papers.bagnell_ng.variants import DECOMPOSED_REWARDS, own_against_local

HEADING: Final = "Learning from local and from global rewards\n\nBagnell & Ng (2005)."
FIGURES: Final[dict[str, Figure]] = {
    "fig2-left": FIGURE_2_LEFT,
    "fig2-right": FIGURE_2_RIGHT,
    "fig3": FIGURE_3,
    "theorem-3.1": theorem_3_1(),
    "theorem-4.3": theorem_4_3(),
    "scaling": scaling(),
    "decomposed": DECOMPOSED_REWARDS,
    "own-against-local": own_against_local(),
    "lock": EXPLORATION,
    "planner": PLANNER,
    "controllers": FINITE_STATE_CONTROLLERS,
    "bar": BAR_PROBLEM,
}
