"""The sections by name, as what ``crl-envs reproduce`` runs."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.bench.reproductions.bagnell.decomposed import decomposed
from crl_envs.bench.reproductions.bagnell.figure_2 import left, right
from crl_envs.bench.reproductions.bagnell.figure_3 import figure_3
from crl_envs.bench.reproductions.bagnell.own_against_local import own_against_local
from crl_envs.bench.reproductions.bagnell.scaling import scaling
from crl_envs.bench.reproductions.bagnell.theorem_3_1 import theorem_3_1
from crl_envs.bench.reproductions.bagnell.theorem_4_3 import theorem_4_3
from crl_envs.bench.reproductions.section import Maker, run_sections

HEADING: Final = "Learning from local and from global rewards\n\nBagnell & Ng (2005)."
WHOLE: Final = "bagnell-ng"

SECTIONS: Final[dict[str, Maker]] = {
    "fig2-left": left,
    "fig2-right": right,
    "fig3": figure_3,  # by itself it has a runner of its own
    "theorem-3.1": theorem_3_1,
    "theorem-4.3": theorem_4_3,
    "scaling": scaling,
    "decomposed": decomposed,
    "own-against-local": own_against_local,
}


def run(name: str, options: Options, watch: Watch) -> Outcome:
    """Make one section, or all for ``bagnell-ng``.

    Raises:
        ValueError: Options out of range, an unwritable folder, or a missing learner.
    """
    makers = SECTIONS if name == WHOLE else {name: SECTIONS[name]}
    return run_sections(name, HEADING, makers, options, watch)
