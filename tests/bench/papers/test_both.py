"""Both papers in one report."""

from __future__ import annotations

from pathlib import Path

import pytest

from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.papers import REPRODUCTIONS, both
from crl_envs.bench.papers.bagnell_ng.figure_3 import FIGURE_3
from crl_envs.bench.papers.dowling_haridi.servers import FIGURES_7_TO_10
from crl_envs.bench.plan import reproduction_plan
from crl_envs.bench.report.figures import drawn
from crl_envs.bench.store import Store
from crl_envs.bench.sweep import begin, carry_out
from tests.bench.papers.reproduced import reproduced

pytestmark = pytest.mark.xdist_group("sweeps")  # they use all cores themselves


def test_its_figures_are_all_figures_of_both_papers() -> None:
    papers = [REPRODUCTIONS[name].figures() for name in ("bagnell-ng", "load-balancing")]
    assert list(REPRODUCTIONS["all"].figures()) == [name for figures in papers for name in figures]
    singles = [name for name in REPRODUCTIONS if list(REPRODUCTIONS[name].figures()) == [name]]
    assert sorted(singles) == sorted(REPRODUCTIONS["all"].figures())


def test_its_runs_are_those_of_the_two_reports() -> None:
    """Under the same ids, each once, with the arguments that they have there."""
    plans = [reproduction_plan(name, 2) for name in ("all", "bagnell-ng", "load-balancing")]
    every, *papers = ({id: case.facts() for id, case in plan.cases().items()} for plan in plans)
    assert every == papers[0] | papers[1]
    assert len(every) == len(papers[0]) + len(papers[1])


def test_stopped_after_one_paper_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A section of each paper: the report names what waits, and runs that are there stay."""
    of_first, of_second = {"fig3": FIGURE_3}, {"fig10": FIGURES_7_TO_10["fig10"]}
    monkeypatch.setattr(both, "FIGURES", of_second)
    begin(tmp_path, reproduction_plan("all", 2))
    assert carry_out(tmp_path, LocalEngine(1)) == []
    before = {str(r.id): r for r in Store(tmp_path).records()[0]}

    monkeypatch.setattr(both, "FIGURES", {**of_first, **of_second})
    assert drawn(tmp_path).waiting == ("fig3",)
    found = reproduced("all", tmp_path, seeds=2, workers=1)
    assert found.waiting == ()
    after = {str(r.id): r for r in Store(tmp_path).records()[0]}
    assert len(after) > len(before)
    assert all(after[id] == record for id, record in before.items())  # not run twice
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text.startswith("# Both papers\n")
    assert text.index("## ") < text.index("## Figure 10")
    assert (tmp_path / "fig3.png").exists()
    assert (tmp_path / "fig10.png").exists()


def test_lengths_are_the_papers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--iterations doesn't go with all"):
        reproduced("all", tmp_path, iterations=3)
