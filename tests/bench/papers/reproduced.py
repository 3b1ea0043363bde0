"""Figures made in the tests: with the engine into a folder, or in this process."""

from __future__ import annotations

from pathlib import Path

from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.figure import Extent, Figure, Recordings, Section
from crl_envs.bench.plan import reproduction_plan
from crl_envs.bench.report.figures import Drawn, drawn, write_figures
from crl_envs.bench.sweep import begin, carry_out


def reproduced(name: str, out: Path, seeds: int = 10, workers: int = 2, **options: int) -> Drawn:
    """As ``crl-envs reproduce`` does."""
    begin(out, reproduction_plan(name, seeds, **options))
    assert carry_out(out, LocalEngine(workers)) == []
    found = drawn(out)
    assert write_figures(out, found) == out / "report.md"
    return found


def recordings(figure: Figure, extent: Extent) -> Recordings:
    """What a figure's runs record, made one after the other."""
    return {key: [case.make() for case in cases] for key, cases in figure.cases(extent).items()}


def section(figure: Figure, seeds: int, seed: int = 0) -> Section:
    """What a figure shows, of runs made in this process."""
    extent = Extent(seeds, seed)
    return figure.view(extent, recordings(figure, extent))
