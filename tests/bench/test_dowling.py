"""The load-balancing reproductions: what is measured from runs, and what is said about it."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

import crl_envs
from agents import CRL
from crl_envs.bench.intervals import Interval
from crl_envs.bench.reproductions import REPRODUCTIONS, Options, find_reproduction
from crl_envs.bench.reproductions.dowling import ablation as ablation_module
from crl_envs.bench.reproductions.dowling import advertising as advertising_module
from crl_envs.bench.reproductions.dowling import related as related_module
from crl_envs.bench.reproductions.dowling.ablation import CHANGES, Change
from crl_envs.bench.reproductions.dowling.added_server import (
    WAYS,
    quartiles,
    waits_until,
)
from crl_envs.bench.reproductions.dowling.added_server import verdict as added_verdict
from crl_envs.bench.reproductions.dowling.advertising import RETURN, SETTINGS, STRATEGIES
from crl_envs.bench.reproductions.dowling.advertising import verdict as advertising_verdict
from crl_envs.bench.reproductions.dowling.catalog import SECTIONS
from crl_envs.bench.reproductions.dowling.equalisation import spread, spread_at
from crl_envs.bench.reproductions.dowling.equalisation import verdict as equal_verdict
from crl_envs.bench.reproductions.dowling.filling import knee, knee_verdict, sharpness
from crl_envs.bench.reproductions.dowling.play import Run, Task, play, play_table, seeds_of
from crl_envs.bench.reproductions.dowling.servers import gap_verdict, server_marks
from crl_envs.bench.reproductions.dowling.setting import DISCRETE, DP, GRADIENT, RANDOM
from crl_envs.bench.reproductions.section import Plan, csv_text, run_sections

SMALL = {"n_agents": 10, "capacity": 4, "server_capacity": 9}


def quiet(what, done, total):
    pass


def made_run(steps, load, capacity, left=0):
    """A run out of its samples."""
    load = np.array(load, np.int32)
    nothing = np.zeros(len(steps), np.int64)
    last = {"steps": steps[-1], "remaining": left, "backlog": 0, "queued": 0, "on_wire": 0}
    return Run(
        np.array(steps),
        load,
        nothing,
        nothing,
        nothing,
        np.empty(0),
        np.array(capacity),
        last,
    )


def test_a_played_run_is_the_learners_run_seen_at_intervals():
    run = play(Task(GRADIENT, 3, env=SMALL, every=7))
    env = crl_envs.make("crl/load_balancing-v0", cost_model="gradient", **SMALL)
    learner = CRL(env, seed=3).learn(total_episodes=1)
    assert run.length == learner.history[0]["steps"] == run.steps[-1]
    assert (np.diff(run.steps[:-1]) == 7).all()
    assert run.stored[0] == 0
    assert run.stored[-1] == env.unwrapped.capacity.sum()
    assert run.finished
    assert set(learner.history[0]) - {"load"} == set(run.last)


def test_parallel_runs_come_back_in_order():
    played = play_table(
        {"a": seeds_of(DISCRETE, 0, 3, env=SMALL), "b": seeds_of(RANDOM, 5, 2, env=SMALL)},
        quiet,
        "test",
    )
    alone = [play(Task(DISCRETE, s, env=SMALL)).length for s in range(3)]
    assert [run.length for run in played["a"]] == alone
    assert [run.length for run in played["b"]] == [
        play(Task(RANDOM, s, env=SMALL)).length for s in (5, 6)
    ]


def test_when_a_number_of_loads_was_stored():
    run = made_run([0, 10, 20, 40], [[0, 0], [4, 0], [4, 0], [4, 6]], [4, 8])
    assert run.when(2) == 5
    assert run.when(4) == 10
    assert run.when(7) == 30
    assert run.when(11) == np.inf


def test_the_knee_is_where_the_steps_a_load_grow():
    """100 loads, one step each until 95 % and four steps each after."""
    steps = [0, 90, 95, 107, 115]
    runs = [made_run(steps, [[0], [90], [95], [98], [100]], [100])] * 3
    spans = knee(runs)
    assert [span.value for span in spans.values()] == [5, 12]
    assert sharpness(spans) == pytest.approx(4)
    assert "slows down sharply" in knee_verdict({"x": spans})
    even = knee([made_run([0, 100], [[0], [100]], [100])] * 3)
    assert sharpness(even) == pytest.approx(1)
    assert "doesn't slow down" in knee_verdict({"x": even})


def test_equalisation_is_the_spread_of_percentages():
    run = made_run([0, 1, 2], [[0, 0], [1, 0], [2, 8]], [2, 8])
    np.testing.assert_allclose(spread(run), [0, 25, 0])
    assert spread_at([run] * 2, 0.1).value == pytest.approx(25)


def test_the_equalisation_verdict_follows_the_numbers():
    tight = {
        label: Interval(x, x - 1, x + 1) for label, x in zip("rdgp", (25, 45, 39, 47), strict=True)
    }
    names = dict(zip("rdgp", (RANDOM, DISCRETE, GRADIENT, DP), strict=True))
    said = equal_verdict({names[k].label: v for k, v in tight.items()})
    assert said.endswith("the claim did not reproduce.")
    said = equal_verdict({p.label: Interval(10, 9, 11) for p in names.values()})
    assert said.endswith("the claim holds.")


def test_waiting_starts_when_the_founders_are_full():
    full = made_run([0, 5, 9, 14], [[0, 0], [3, 0], [3, 1], [3, 4]], [3, 4])
    never = made_run([0, 5, 9], [[0, 0], [3, 0], [3, 0]], [3, 4], left=4)
    early = made_run([0, 5], [[0, 0], [2, 0]], [3, 4], left=5)
    assert waits_until([full, never, early], 1).tolist() == [4, np.inf, np.inf]
    assert waits_until([full], 4).tolist() == [9]
    assert quartiles(np.array([1.0, 2, 3, np.inf])) == (1, 2, 3)
    assert quartiles(np.array([1.0, np.inf, np.inf])) == (1, np.inf, np.inf)


@pytest.mark.parametrize(
    ("discrete", "gradient", "said"),
    [
        ([10, 11, 12, 13], [20, 40, 60, 80], "slower and varies more reproduced"),
        ([20, 40, 60, 80], [10, 11, 12, 13], "did not reproduce"),
        ([10, 20, 30, 40], [25, 26, 27, 28], "did not reproduce"),
    ],
)
def test_the_added_servers_verdict_follows_the_numbers(discrete, gradient, said):
    way = next(iter(WAYS))
    waits = {
        (way, DISCRETE.label): np.array(discrete, float),
        (way, GRADIENT.label): np.array(gradient, float),
    }
    assert said in added_verdict(waits)


def test_the_advertising_verdict_names_what_is_clearly_faster():
    keys = [
        (s, p.label, name) for s in SETTINGS for p in (DISCRETE, GRADIENT) for name in STRATEGIES
    ]
    same = {key: Interval(100, 90, 110) for key in keys}
    assert advertising_verdict(same, same).count("nothing is clearly faster") == 4
    key = ("grid", GRADIENT.label, "broadcast")
    sent = {k: Interval(10, 10, 10) for k in keys} | {key: Interval(40, 40, 40)}
    said = advertising_verdict(same | {key: Interval(50, 45, 55)}, sent)
    assert f"grid, {GRADIENT.label}: broadcast saves 50% of the steps for × 4.0 messages" in said
    assert RETURN in STRATEGIES


def test_the_ablation_verdict_names_what_changes_much():
    steps = {
        (c.name, p.label): Interval(100, 95, 105) for c in CHANGES for p in (DISCRETE, GRADIENT)
    }
    assert ablation_module.verdict(steps).count("nothing") == 2
    steps[CHANGES[3].name, DISCRETE.label] = Interval(200, 190, 210)
    steps[CHANGES[4].name, DISCRETE.label] = Interval(112, 80, 140)
    said = ablation_module.verdict(steps)
    assert f"{CHANGES[3].name} (× 2.00)" in said
    assert CHANGES[4].name not in said
    said = ablation_module.verdict(steps, {(CHANGES[3].name, DISCRETE.label)})
    assert f"{CHANGES[3].name} (≥ × 2.00)" in said


def test_every_change_is_one_and_has_a_name_of_its_own():
    assert CHANGES[0].name == "defaults"
    assert len({change.name for change in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize(("late", "said"), [(-195, "reach"), (-120, "come near"), (-20, "don't")])
def test_the_verdict_on_advertised_values(late, said):
    assert f"{said} " in gap_verdict({"early": -5.0, "last 5 %": late})


def test_when_servers_are_found_and_full():
    load = np.zeros((4, 50))
    load[1:, 47] = [2, 100, 200]
    run = made_run([0, 10, 20, 30], load, np.full(50, 200))
    assert [mark.value for mark in server_marks([run] * 2, 47)] == [10, 20, 30]
    assert server_marks([run] * 2, 48)[0].value == np.inf


def test_csv_has_a_line_for_each_row():
    assert csv_text(("a", "b"), [(1, 0.123456789), ("x", 2)]) == "a,b\n1,0.123457\nx,2\n"


@pytest.mark.parametrize("name", ["fig8", "fig10"])
def test_a_figure_leaves_its_four_files(name, tmp_path):
    outcome = find_reproduction(name).run(Options(tmp_path, seeds=2), quiet)
    assert outcome.report.read_text().startswith("# Load balancing")
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text())))
    assert {"run", "step", "load_47", "load_48"} == set(rows[0])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["found"][name]["verdict"] == outcome.verdict
    assert f"crl-envs reproduce {name} --seeds 2" in summary["command"]


def test_small_sections_go_through_from_runs_to_files(tmp_path, monkeypatch):
    """Advertising and ablation, with few variants: their pictures need all of their keys."""
    monkeypatch.setattr(
        advertising_module, "SETTINGS", {"small": SMALL, "more": {**SMALL, "max_in_flight": 3}}
    )
    monkeypatch.setattr(
        ablation_module, "CHANGES", (Change("none"), Change("T", {"temperature": 2.0}, SMALL))
    )
    monkeypatch.setattr(ablation_module, "MOST_STEPS", 3000)
    makers = {"a": advertising_module.advertising, "b": ablation_module.ablation}
    outcome = run_sections("both", "Two", makers, Options(tmp_path, seeds=2), quiet)
    report = outcome.report.read_text()
    assert "≥ 3000" in report  # the default size doesn't end within so few steps
    assert outcome.verdict == "2 sections"
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".csv", ".json", ".md"}


@pytest.mark.parametrize(
    "options", [{"seeds": 1}, {"iterations": 5}, {"seed": -1}, {"seeds": True}]
)
def test_bad_options_are_refused_before_anything_is_played(options, tmp_path):
    with pytest.raises(ValueError, match="|".join([*options, "reproduce", "iterations"])):
        find_reproduction("fig6").run(Options(tmp_path / "out", **options), quiet)
    assert not (tmp_path / "out").exists()


def test_every_section_is_a_reproduction():
    made_here = {name for name, entry in REPRODUCTIONS.items() if ".dowling." in entry.module}
    assert made_here == {*SECTIONS, "load-balancing"}


def test_the_systems_of_section_4_go_through_and_are_ranked(monkeypatch):
    small = {"small": SMALL, "line": {**SMALL, "out_degree": 1}}
    monkeypatch.setattr(related_module, "TOPOLOGIES", small)
    section = related_module.related(Plan(2, 0), quiet)
    assert section.verdict.index("CRL-discrete") < section.verdict.index("random")
    assert section.picture.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(section.csv)))
    assert len(rows) == 2 * 2 * len(related_module.POLICIES)
    assert all(row["finished"] == "1" for row in rows)
