"""The sections by name, as what ``crl-envs reproduce`` runs."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.bench.reproductions.bagnell.figure_2 import left, right
from crl_envs.bench.reproductions.section import Maker, run_sections

HEADING: Final = (
    "Learning from local and from global rewards: the bandit\n\nBagnell & Ng (2005), §3 and §5."
)

SECTIONS: Final[dict[str, Maker]] = {"fig2-left": left, "fig2-right": right}


def run(name: str, options: Options, watch: Watch) -> Outcome:
    """Make one section.

    Raises:
        ValueError: Options out of range, an unwritable folder, or a missing learner.
    """
    return run_sections(name, HEADING, {name: SECTIONS[name]}, options, watch)
