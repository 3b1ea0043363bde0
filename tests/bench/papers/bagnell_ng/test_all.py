"""All of Bagnell & Ng (2005) in one report."""

from __future__ import annotations

import csv
import io

import pytest

from crl_envs.bench.figure import Extent, Figure, Section
from crl_envs.bench.papers import REPRODUCTIONS, bagnell_ng
from crl_envs.bench.papers.bagnell_ng.figure_3 import FIGURE_3
from crl_envs.bench.text import Table
from tests.bench.papers.reproduced import recordings, reproduced

WHOLE = "bagnell-ng"


def test_each_section_is_a_reproduction_and_the_other_way_round():
    here = bagnell_ng.__name__
    made_here = {name for name, entry in REPRODUCTIONS.items() if entry.paper == here}
    assert made_here == {*bagnell_ng.FIGURES, WHOLE}
    assert list(REPRODUCTIONS[WHOLE].figures()) == list(bagnell_ng.FIGURES)


def test_the_whole_report_has_all_sections(tmp_path, monkeypatch):
    def figure(name):
        section = Section(
            name, "claimed", f"found {name}", Table(("a",), [("1",)]), "", b"", "a\n1\n", {"a": 1}
        )
        return Figure(lambda extent: {}, lambda extent, found: section)

    monkeypatch.setattr(bagnell_ng, "FIGURES", {name: figure(name) for name in ("one", "two")})
    reproduced(WHOLE, tmp_path, seeds=2)
    text = (tmp_path / "report.md").read_text()
    assert text.index("## one") < text.index("## two")
    assert (tmp_path / "two.csv").exists()


def test_figure_3_as_a_section_is_the_figure():
    extent = Extent(2, 0, iterations=25)
    section = FIGURE_3.view(extent, recordings(FIGURE_3, extent))
    rows = list(csv.DictReader(io.StringIO(section.csv)))
    assert {(row["n"], row["credit"]) for row in rows} == {
        (n, credit) for n in ("10", "20") for credit in ("local", "global")
    }
    assert section.picture.startswith(b"\x89PNG")
    assert "iterations to" in section.verdict


def test_lengths_of_their_own(tmp_path):
    with pytest.raises(ValueError, match="--iterations doesn't go with bagnell-ng"):
        reproduced(WHOLE, tmp_path, iterations=3)
