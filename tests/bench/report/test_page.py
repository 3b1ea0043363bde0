"""The report of a sweep whose scores are known: what is in its files, and that they hold anything as text."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain, pairwise

import numpy as np
import pytest
from markdown_it import MarkdownIt

from crl_envs.bench.report import pictures, write
from crl_envs.bench.report.content import content
from crl_envs.bench.report.pictures import learning_curves, styles
from crl_envs.bench.report.write import (
    COLUMNS,
    as_csv,
    as_parquet,
    has_parquet,
    rows,
    text,
    write_report,
)
from crl_envs.bench.score.results import Settings, as_json, sweep_scores
from tests.bench.synthetic_sweep import (
    EXPERIMENTS,
    SIZES,
    TOPOLOGY,
    TRACEBACK,
    N,
    landmarks,
    record,
    records,
)

QUICK = Settings(resamples=40)
ENDS = landmarks()
MARKDOWN = MarkdownIt().enable(["table", "strikethrough"])
COMPLAINT = "runs/<i>x</i>.json was moved to set-aside: its `checksum` is wrong"
COMMAND = "crl-envs sweep planted-n --learners 'a&b'"
VOID = {"br", "hr", "img", "link", "meta", "path"}


class Page(HTMLParser):
    """The elements of a page, its text, and the rows of its tables."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.tables = [], [], [], []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data.strip()

    def named(self, name):
        return [value for attribute, value in self.attributes if attribute == name]

    def table(self, *header):
        """The first table whose header begins like that, by its name column."""
        for table in self.tables:
            if table and table[0][: len(header)] == list(header):
                at = header.index("learner")
                return {row[at]: row for row in table[1:]}
        raise AssertionError(f"no table has the header {header}")


def written(folder, runs, experiments=EXPERIMENTS, title="A <b>sweep</b>", complaints=()):
    scores = sweep_scores(experiments, ENDS, runs, QUICK)
    path = write_report(folder, title, scores, runs, complaints, COMMAND)
    return scores, Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sweep():
    return records(seeds=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def report(sweep, folder):
    return written(folder, sweep, complaints=[COMPLAINT])


def test_the_page_needs_nothing_else(report):
    _, page = report
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    sources = page.named("src") + page.named("href")
    assert len([source for source in sources if source.startswith("data:image/png;base64,")]) == 10
    targets = {source[1:] for source in sources if source.startswith("#")}
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert targets <= set(page.named("id"))
    assert "planted-n@1" in targets
    assert "url(" not in page.text
    assert all(page.named("alt"))


def test_everybody_and_everything_unfinished_is_named(report, sweep):
    scores, page = report
    for entry in scores["leaderboard"]:
        assert entry["learner"] in page.text
    unfinished = [run for run in sweep if run.status != "done"]
    assert {run.status for run in unfinished} == {"running", "failed", "timeout", "out of memory"}
    for run in unfinished:
        assert str(run.id) in page.text
    assert "1 running, 1 timeout, 1 out of memory, 2 failed." in page.text
    assert "crl-envs resume " in page.text


def test_the_verdicts_are_there(report):
    scores, page = report
    for found in scores["experiments"].values():
        for sentence in found["verdict"]:
            assert sentence in page.text


def test_anything_is_shown_as_text(report):
    _, page = report
    assert not {"i", "script"} & set(page.tags)
    assert page.text.count("A <b>sweep</b>") == 2  # title and heading
    assert TRACEBACK in page.text
    assert COMPLAINT in page.text
    assert COMMAND in page.text


def shown(interval):
    return "{value:.2f} [{low:.2f}, {high:.2f}]".format(**interval).replace("-0.00", "0.00")


def test_the_leaderboards_numbers_are_those_of_the_scores(report):
    scores, page = report
    header = ("", "learner", "IQM", "optimality gap", "exponent", "solved up to", "arrived", "runs")
    board = page.table(*header)
    for entry in scores["leaderboard"]:
        of = entry["experiments"]["planted-n@1"]
        if of is None:
            assert entry["learner"] not in board
            continue
        row = board[entry["learner"]]
        assert row[0] == str(of["rank"])
        assert row[2:4] == [shown(of["iqm"]), shown(of["optimality_gap"])]
        assert row[6:] == [f"{of['arrived']:.0%}", str(of["runs"])]
    local = next(e for e in scores["leaderboard"] if e["learner"] == "local")["experiments"]
    assert board["local"][4:6] == [shown(local["planted-n@1"]["exponent"]), "128"]
    assert board["random"][4:6] == ["– △ all", "–"]
    overview = page.table("learner", "mean IQM", "planted-n@1", "planted-topology@2")
    of = local["planted-n@1"]
    assert overview["local"][2:] == [f"{of['iqm']['value']:.2f} ({of['rank']} of 5)", "–"]


def test_the_numbers_by_value_are_those_of_the_scores(report):
    scores, page = report
    learners = scores["experiments"]["planted-n@1"]["summary"]["learners"]
    tables = [table for table in page.tables if table[0][:2] == ["learner", "n = 8"]]
    samples, finals = ({row[0]: row[1:] for row in table[1:]} for table in tables)
    for name, learner in learners.items():
        for n, cell, final in zip(SIZES, samples[name], finals[name], strict=True):
            of = learner["values"].get(str(n))
            if of is None:
                assert (cell, final) == ("–", "–")
            elif of["samples"]["runs"]["value"] is None:
                assert cell == "> 20,000"
            else:
                assert cell.split(" ")[0] == f"{of['samples']['runs']['value']:,.0f}"
                assert final == shown(of["score"])


def test_who_beats_whom_is_that_of_the_scores(report):
    scores, page = report
    (matrix,) = (t for t in page.tables if t[0] == ["", "1", "2", "3", "4", "5"])
    names = [row[0].split(" ", 1)[1] for row in matrix[1:]]
    for entry in scores["experiments"]["planted-n@1"]["summary"]["improvement"]:
        row, column = names.index(entry["first"]), names.index(entry["second"])
        p = entry["probability"]["value"]
        assert matrix[1 + row][1 + column] == f"{100 * p:.0f}"
        assert matrix[1 + column][1 + row] == f"{100 * (1 - p):.0f}"


def test_a_table_has_every_run(report, sweep):
    scores, page = report
    (table,) = (t for t in page.tables if len(t) > 60 and t[0][0] == "value")
    cells = {(row[0], row[1], row[2]): row for row in table[1:] if len(row) == 8}
    runs = [run for run in sweep if run.id.experiment == "planted-n"]
    assert len(cells) == len(runs)
    for run in runs:
        row = cells[str(run.id.value), run.id.learner, str(run.id.seed)]
        assert row[3:5] == [run.status, str(len(run.evaluations))]
        of = scores["experiments"]["planted-n@1"]["runs"].get(str(run.id))
        if of is not None:
            assert float(row[5]) == pytest.approx(of["score"], abs=0.0051)
        assert float(row[7]) == 2.0 + run.id.seed


def test_every_file_is_the_same_for_the_same_runs_in_any_order(report, folder, sweep, tmp_path):
    assert (folder / "scores.json").read_text(encoding="utf-8") == as_json(report[0])
    shuffled = [sweep[k] for k in np.random.default_rng(0).permutation(len(sweep))]
    written(tmp_path, shuffled, complaints=[COMPLAINT])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for path in files:
        there = (tmp_path / path).read_bytes().replace(bytes(tmp_path), b"DIR")
        assert there == (folder / path).read_bytes().replace(bytes(folder), b"DIR"), path


def test_a_row_for_each_evaluation(sweep, report):
    found = rows(report[0], sweep)
    assert len(found) == sum(len(run.evaluations) for run in sweep)
    (first,) = (r for r in found if r["run"].endswith("0016/global/seed=01") and r["budget"] == 50)
    assert (first["experiment"], first["version"], first["knob"]) == ("planted-n", 1, "n")
    assert (first["value"], first["learner"], first["seed"]) == ("16", "global", 1)
    assert first["agent_steps"] == 800
    assert first["score"] == pytest.approx((first["global_return"] - 2) / 10)
    assert first["run_seconds"] == 3.0
    assert first["illegal_actions"] is None


def test_csv_reads_back(sweep, report, folder):
    found = rows(report[0], sweep)
    content = (folder / "runs.csv").read_text(encoding="utf-8")
    assert content == as_csv(found)
    assert [parsed(row) for row in csv.DictReader(io.StringIO(content))] == found


def parsed(row):
    kinds = {"string": str, "double": float}
    return {
        name: None if text == "" else kinds.get(COLUMNS[name], int)(text)
        for name, text in row.items()
    }


@pytest.mark.skipif(not has_parquet(), reason="needs pyarrow")
def test_parquet_is_the_csv(folder):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / "runs.parquet")
    assert {field.name: str(field.type) for field in table.schema} == COLUMNS
    content = (folder / "runs.csv").read_text(encoding="utf-8")
    assert table.to_pylist() == [parsed(row) for row in csv.DictReader(io.StringIO(content))]


@pytest.mark.skipif(not has_parquet(), reason="needs pyarrow")
def test_parquet_of_no_rows_has_the_columns():
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(as_parquet([])))
    assert table.num_rows == 0
    assert table.column_names == list(COLUMNS)


def test_the_markdown_says_the_same_and_its_pictures_are_there(report, folder):
    content = (folder / "report.md").read_text(encoding="utf-8")
    page = Page(f"<main>{MARKDOWN.render(content)}</main>")
    assert not {"script", "i"} & set(page.tags)
    assert "A <b>sweep</b>" in page.text
    assert COMPLAINT in page.text
    assert TRACEBACK.splitlines()[-1] in page.text
    assert COMMAND in page.text
    linked = set(page.named("src"))
    assert linked == {f"report/{path.name}" for path in (folder / "report").iterdir()}
    html = report[1]
    header = ("", "learner", "IQM", "optimality gap")
    assert page.table(*header) == html.table(*header)


@pytest.mark.parametrize(
    "anything", ["a|b", "*a* _b_ `c`", "# a", "<b>&amp;", "[a](b)", "a\\*", "1 + 1 ~~2~~", "a $ b"]
)
def test_text_in_markdown_stays_text(anything):
    page = Page(f"<main>{MARKDOWN.render('x ' + text(anything))}</main>")
    assert page.text.strip() == f"x {anything}"
    assert page.tags == ["main", "p"]


def test_a_folder_without_runs(tmp_path):
    scores, page = written(tmp_path, [])
    assert "There are no runs here yet." in page.text
    assert COMMAND in page.text
    assert json.loads((tmp_path / "scores.json").read_text()) == scores
    assert (tmp_path / "runs.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert not list((tmp_path / "report").iterdir())


def test_runs_that_have_only_begun(tmp_path):
    runs = [record(N, 8, "local", seed, 300.0, "running", 0) for seed in range(50)]
    _, page = written(tmp_path, runs)
    assert "50 running." in page.text
    assert "All 50 of them" in page.text
    assert page.text.count("planted-n@1/n=0008/local/seed=49") == 1


def test_one_experiment_with_one_seed_has_no_intervals_of_means(tmp_path):
    runs = [record(N, n, "local", 0, 300.0) for n in (8, 16)]
    scores, page = written(tmp_path, runs)
    assert "mean IQM" not in page.text
    assert "Who beats whom" not in page.text
    assert "(one seed: no interval)" in page.table("", "learner")["local"][4]
    assert "Caution, one seed: no interval" in page.text
    tables = [table for table in page.tables if table[0][:2] == ["learner", "n = 8"]]
    score = scores["experiments"]["planted-n@1"]["summary"]["learners"]["local"]["values"]["8"]
    assert tables[1][1][1] == f"{score['score']['value']:.2f}"


def test_a_report_replaces_the_last_one_with_its_pictures(tmp_path):
    written(tmp_path, [record(N, n, "local", 0, 300.0) for n in (8, 16)])
    assert (tmp_path / "report/planted-n@1-curves-16.png").exists()
    written(tmp_path, [record(N, 8, "local", 0, 300.0)])
    assert not (tmp_path / "report/planted-n@1-curves-16.png").exists()
    assert (tmp_path / "report/planted-n@1-curves-8.png").exists()


def test_without_pyarrow_there_is_no_parquet_and_nothing_else_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "has_parquet", lambda: False)
    written(tmp_path, [record(N, 8, "local", 0, 300.0)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report",
        "report.html",
        "report.md",
        "runs.csv",
        "scores.json",
    ]


def test_provenance_may_be_missing_and_may_differ(tmp_path):
    runs = [record(N, 8, "local", seed, 300.0) for seed in range(3)]
    runs[0] = replace(runs[0], provenance={})
    runs[1] = replace(runs[1], provenance={"versions": {"numpy": "1.26.4"}, "git_commit": None})
    _, page = written(tmp_path, runs)
    assert "1.26.4 (1 run), 2.4.6 (1 run)" in page.text


def test_learning_curves_keep_what_a_run_had_reached():
    tau = 300.0
    runs = [record(N, 8, "x", seed, tau) for seed in range(2)]
    runs.append(record(N, 8, "x", 2, tau, "failed", 5, "gone"))
    runs.append(record(N, 8, "x", 3, tau, "failed", 0, "gone"))
    runs.append(record(N, 8, "x", 4, tau, "running", 5))
    scores = sweep_scores([N], ENDS, runs, QUICK)
    curve = learning_curves(scores, "planted-n@1", runs)["8"]["x"]
    assert curve.budgets.tolist() == list(N.budgets(8))
    assert curve.scores.shape == (4, 20)
    assert (curve.scores[2, 4:] == curve.scores[2, 4]).all()
    assert (curve.scores[3] == 0).all()
    final = [scores["experiments"]["planted-n@1"]["runs"][str(run.id)]["score"] for run in runs[:4]]
    assert curve.scores[:, -1].tolist() == pytest.approx(final, rel=1e-8)


def drawn(monkeypatch, draw, *arguments):
    """The axes of a picture."""
    monkeypatch.setattr(pictures, "as_png", lambda figure: figure)
    return draw(*arguments).axes[0]


def test_the_scaling_picture_shows_medians_censored_runs_and_references(monkeypatch, report):
    found = report[0]["experiments"]["planted-n@1"]
    look = styles(found["summary"]["learners"])
    axes = drawn(monkeypatch, pictures.samples, found, look)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    open_ones = [line for line in axes.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert {y for line in open_ones for y in line.get_ydata()} == {20_000.0}
    (random,) = (line for line in open_ones if line.get_color() == look["random"].colour)
    np.testing.assert_allclose(random.get_xdata(), SIZES[:4], rtol=0.1)
    (bound,) = (line for line in axes.lines if line.get_label().startswith("lower bound"))
    np.testing.assert_allclose(bound.get_xdata(), SIZES)
    np.testing.assert_allclose(bound.get_ydata(), [4 * n / math.log(n) for n in SIZES])
    values = found["summary"]["learners"]["local"]["values"]
    medians = [of["samples"]["runs"]["value"] for of in values.values()]
    marker = look["local"].marker
    assert any(
        line.get_marker() == marker and list(line.get_ydata()) == medians for line in axes.lines
    )


@pytest.mark.parametrize("draw", [pictures.samples, pictures.scores, pictures.profiles])
@pytest.mark.parametrize("count", [3, 6, 7, 14])
def test_no_panel_has_more_lines_than_can_be_followed_and_each_is_named(
    monkeypatch, report, draw, count
):
    """Every learner is named once, in its colour, with its twin in the same panel."""
    names = [f"x{k // 2}-{('local', 'global')[k % 2]}" for k in range(count)]
    runs = [record(N, n, name, k, 300.0) for n in (8, 16) for name in names for k in range(2)]
    found = sweep_scores([N], landmarks([N]), runs, QUICK)["experiments"]["planted-n@1"]
    monkeypatch.setattr(pictures, "as_png", lambda figure: figure)
    look = styles(names)
    panels = draw(found, look).axes
    named = [[text.get_text() for text in panel.texts] for panel in panels]
    assert sorted(chain(*named)) == sorted(names)
    assert max(map(len, named)) <= pictures.MOST_LINES
    assert len(panels) == math.ceil(count / pictures.MOST_LINES)
    for panel, here in zip(panels, named, strict=True):
        assert [text.get_color() for text in panel.texts] == [look[name].colour for name in here]
        heights = sorted(text.get_position()[1] for text in panel.texts)
        assert all(b - a > 0.03 for a, b in pairwise(heights))
    for k in range(count // 2):
        assert any({f"x{k}-local", f"x{k}-global"} <= set(here) for here in named)


@pytest.mark.parametrize("draw", [pictures.samples, pictures.scores, pictures.profiles])
def test_pictures_of_one_seed_say_that_there_is_no_interval(monkeypatch, report, draw):
    runs = [record(N, n, "local", 0, 300.0) for n in (8, 16)]
    one = sweep_scores(EXPERIMENTS, ENDS, runs, QUICK)
    for scores, title in ((one, "one seed: no interval"), (report[0], "")):
        found = scores["experiments"]["planted-n@1"]
        axes = drawn(monkeypatch, draw, found, styles(found["summary"]["learners"]))
        assert axes.get_title(loc="right") == title


def test_names_stand_beside_each_other_without_lines(monkeypatch, report):
    found = report[0]["experiments"]["planted-topology@2"]
    assert pictures.samples(found, styles(found["summary"]["learners"])) is None
    axes = drawn(monkeypatch, pictures.scores, found, styles(found["summary"]["learners"]))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(TOPOLOGY.values)
    learners = [line for line in axes.lines if line.get_marker() in "osDvPX<>"]
    assert len(learners) == 3
    assert {line.get_linestyle() for line in learners} == {"None"}
    places = np.array([line.get_xdata() for line in learners])
    assert (np.abs(places - np.arange(3)) < 0.5).all()
    assert len(np.unique(places)) == 9


def test_noise_that_begins_at_zero_has_evenly_spaced_places(monkeypatch):
    noise = replace(
        N,
        knob="noise",
        values=(0.0, 0.5, 3.0),
        quick=(0.0,),
        analysis=replace(N.analysis, scaling=False, references=lambda values: []),
    )
    runs = [record(noise, value, "x", 0, 300.0) for value in noise.values]
    ends = landmarks([noise])
    found = sweep_scores([noise], ends, runs, QUICK)["experiments"]["planted-n@1"]
    axes = drawn(monkeypatch, pictures.samples, found, styles(["x"]))
    assert axes.get_xticks().tolist() == [0, 1, 2]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.0", "0.5", "3.0"]


def test_fifty_learners_can_be_told_apart_and_keep_their_looks():
    names = [f"learner-{k:02d}" for k in range(56)]
    look = styles(names)
    assert len({(style.colour, style.marker) for style in look.values()}) == 56
    assert look == styles(reversed(names))
    assert look == styles(names * 2)


def test_the_global_reward_is_dashed_in_the_colour_of_the_local_one():
    look = styles(["ppo", "ppo-global", "reinforce-local", "reinforce-global", "reinforce-own"])
    for local in ("ppo", "reinforce-local"):
        twin = look[local.removesuffix("-local") + "-global"]
        assert (twin.colour, twin.marker) == (look[local].colour, look[local].marker)
        assert (twin.drawn["linestyle"], look[local].drawn["linestyle"]) == ("--", "-")
        assert twin.swatch != look[local].swatch
    assert len({(style.colour, style.marker) for style in look.values()}) == 3


@pytest.mark.parametrize(
    ("never", "expected"),
    [
        ((), ""),
        ((128,), " △ 128"),
        ((32, 64, 128), " △ ≥ 32"),
        ((16, 128), " △ 16, 128"),
        (SIZES, " △ all"),
    ],
)
def test_a_triangle_names_what_an_exponent_leaves_out(never, expected):
    runs = [record(N, n, "x", 0, math.inf if n in never else 300.0) for n in SIZES]
    scores = sweep_scores([N], ENDS, runs, QUICK)
    (row,) = content("", scores, runs, [], "", "").sections[0].board.rows
    assert row[4].partition(" △")[1:] == (expected[:2], expected[2:])


def test_learners_that_all_failed_at_once_and_an_optimum_without_a_lower_bound(tmp_path):
    runs = [record(N, n, "x", seed, 300.0, "failed", 0, "") for n in (8, 16) for seed in (0, 1)]
    runs.append(record(N, 8, "y", 0, 300.0))
    ends = {task: replace(found, lower=-math.inf) for task, found in ENDS.items()}
    scores = sweep_scores([N], ends, runs, QUICK)
    path = write_report(tmp_path, "", scores, runs, [], COMMAND)
    page = Page(path.read_text(encoding="utf-8"))
    assert "4 failed." in page.text
    assert page.table("", "learner")["x"][2] == "0.00 [0.00, 0.00]"
