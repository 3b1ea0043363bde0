"""All of Bagnell & Ng (2005) in one report."""

from __future__ import annotations

import csv
import io

import pytest

from crl_envs.bench.reproductions import REPRODUCTIONS, Options, find_reproduction
from crl_envs.bench.reproductions.bagnell import catalog
from crl_envs.bench.reproductions.bagnell.figure_3 import figure_3
from crl_envs.bench.reproductions.section import Plan, Section
from crl_envs.bench.tables import Table


def quiet(*told):
    pass


def test_each_section_is_a_reproduction_and_the_other_way_round():
    made_here = {name for name, entry in REPRODUCTIONS.items() if entry.module == catalog.__name__}
    assert made_here == {*catalog.SECTIONS, catalog.WHOLE} - {"fig3"}
    assert "fig3" in REPRODUCTIONS


def test_the_whole_report_has_all_sections(tmp_path, monkeypatch):
    def maker(name):
        return lambda plan, watch: Section(
            name, "claimed", f"found {name}", Table(("a",), [("1",)]), "", b"", "a\n1\n", {"a": 1}
        )

    monkeypatch.setattr(catalog, "SECTIONS", {name: maker(name) for name in ("one", "two")})
    outcome = find_reproduction(catalog.WHOLE).run(Options(tmp_path, seeds=2), quiet)
    text = outcome.report.read_text()
    assert text.index("## one") < text.index("## two")
    assert (tmp_path / "two.csv").exists()


def test_figure_3_as_a_section_is_the_figure():
    section = figure_3(Plan(2, 0), quiet, iterations=25)
    rows = list(csv.DictReader(io.StringIO(section.csv)))
    assert {(row["n"], row["credit"]) for row in rows} == {
        (n, credit) for n in ("10", "20") for credit in ("local", "global")
    }
    assert section.picture.startswith(b"\x89PNG")
    assert "iterations to" in section.verdict


def test_lengths_of_their_own(tmp_path):
    with pytest.raises(ValueError, match="--iterations doesn't go with bagnell-ng"):
        find_reproduction(catalog.WHOLE).run(Options(tmp_path, iterations=3), quiet)
