"""The sections by name, as what ``crl-envs reproduce`` runs."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.reproductions import Options, Outcome, Watch
from crl_envs.bench.reproductions.dowling.ablation import ablation
from crl_envs.bench.reproductions.dowling.added_server import fig13
from crl_envs.bench.reproductions.dowling.advertising import advertising
from crl_envs.bench.reproductions.dowling.arrivals import arrivals
from crl_envs.bench.reproductions.dowling.equalisation import fig11
from crl_envs.bench.reproductions.dowling.failures import failures
from crl_envs.bench.reproductions.dowling.filling import fig6, fig12
from crl_envs.bench.reproductions.dowling.heatmap import heatmap
from crl_envs.bench.reproductions.dowling.in_flight import in_flight
from crl_envs.bench.reproductions.dowling.loss import loss
from crl_envs.bench.reproductions.dowling.related import related
from crl_envs.bench.reproductions.dowling.scale import scale
from crl_envs.bench.reproductions.dowling.servers import MAKERS
from crl_envs.bench.reproductions.section import Maker, run_sections

HEADING: Final = (
    "Load balancing with collaborative reinforcement learning\n\nDowling & Haridi (2008), §5–§6."
)

SECTIONS: Final[dict[str, Maker]] = {
    "fig6": fig6,
    **MAKERS,
    "fig11": fig11,
    "fig12": fig12,
    "fig13": fig13,
    "crl-advertising": advertising,
    "crl-ablation": ablation,
    "crl-in-flight": in_flight,
    "crl-arrivals": arrivals,
    "crl-loss": loss,
    "crl-failures": failures,
    "crl-scale": scale,
    "crl-heatmap": heatmap,
    "crl-related": related,
}


def run(name: str, options: Options, watch: Watch) -> Outcome:
    """Make one section, or all for ``load-balancing``.

    Raises:
        ValueError: Options out of range, an unwritable folder, or a missing learner.
    """
    makers = SECTIONS if name == "load-balancing" else {name: SECTIONS[name]}
    return run_sections(name, HEADING, makers, options, watch)
