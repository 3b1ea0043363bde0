"""The load-balancing reproductions: what is measured from runs, and what is said about it."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import crl_envs
from agents import CRL
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.figure import Extent, Figure, csv_text
from crl_envs.bench.papers import REPRODUCTIONS, dowling_haridi
from crl_envs.bench.papers.dowling_haridi import (
    ABLATION,
    ADVERTISING,
    FIGURES,
    SECTION_5,
    SYSTEMS_OF_SECTION_4,
    filling,
    variants,
)
from crl_envs.bench.papers.dowling_haridi import section_5 as section_module
from crl_envs.bench.papers.dowling_haridi.filling import (
    EqualTime,
    equal_time,
    equalisation_verdict,
    knee,
    knee_verdict,
    pace,
    sharpness,
    spread,
    spread_at,
)
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    GRADIENT,
    NEXT,
    RANDOM,
    Run,
    runs_of,
)
from crl_envs.bench.papers.dowling_haridi.servers import (
    DRAWN,
    WAYS,
    added_verdict,
    at_the_floor,
    clock_until,
    gap_verdict,
    quartiles,
    server_marks,
    spike,
    waits_until,
)
from crl_envs.bench.papers.dowling_haridi.variants import (
    CHANGES,
    RETURN,
    SETTINGS,
    STRATEGIES,
    Change,
    ablation_verdict,
    advertising_verdict,
)
from crl_envs.bench.score.statistics import Interval
from crl_envs.bench.sweep import carry_out
from tests.bench.papers.reproduced import recordings, reproduced, section

SMALL = {"n_agents": 10, "capacity": 4, "server_capacity": 9}


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
    (run,) = runs_of({0: [GRADIENT.run(3, SMALL, every=7).make()]})[0]
    env = crl_envs.make("crl/load_balancing-v0", cost_model="gradient", **SMALL)
    learner = CRL(env, seed=3).learn(total_episodes=1)
    assert run.length == learner.history[0]["steps"] == run.steps[-1]
    assert (np.diff(run.steps[:-1]) == 7).all()
    assert run.stored[0] == 0
    assert run.stored[-1] == env.unwrapped.capacity.sum()
    assert run.finished
    assert set(learner.history[0]) - {"load"} == set(run.last)


def test_runs_of_a_figure_are_found_by_their_keys(tmp_path, monkeypatch):
    """In the order of their seeds; a policy that draws nothing is run once for all of them."""
    policies = (DISCRETE, RANDOM, DP)
    seen = {}

    def cases(extent):
        return {p.label: p.runs(extent, env=SMALL) for p in policies}

    def view(extent, found):
        seen.update(runs_of(found))
        return section(FIGURES["fig10"], 2)

    monkeypatch.setitem(dowling_haridi.FIGURES, "fig6", Figure(cases, view))
    found = reproduced("fig6", tmp_path, seeds=3, first_seed=4)
    alone = runs_of(recordings(Figure(cases, view), Extent(3, 4)))
    lengths = {label: [run.length for run in runs] for label, runs in alone.items()}
    assert {label: [run.length for run in runs] for label, runs in seen.items()} == lengths
    assert len(set(lengths[RANDOM.label])) == 3
    assert len(found.records) == 3 + 3 + 1
    assert carry_out(tmp_path, LocalEngine(1)) == []


def test_figures_share_the_runs_that_they_have_in_common():
    extent = Extent(2, 0)
    ids = {
        name: {case.id for cases in figure.cases(extent).values() for case in cases}
        for name, figure in FIGURES.items()
    }
    assert ids["fig6"] == ids["fig11"]
    assert ids["fig8"] < ids["fig6"]
    assert not ids["fig6"] & ids["fig12"]


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
    names = (RANDOM, DISCRETE, GRADIENT, DP)
    half = {
        p.label: Interval(x, x - 1, x + 1) for p, x in zip(names, (25, 45, 39, 47), strict=True)
    }
    times = {
        p.label: EqualTime(Interval(x, x - 1, x + 1), Interval(0, 0, 0), 0.9)
        for p, x in zip(names, (10, 2, 1.7, 1.7), strict=True)
    }
    over_time, at_half = equalisation_verdict(times, half).split("At 50 % stored")
    assert "the claim holds" in over_time
    assert over_time.count("more even than random") == 3
    assert "it doesn't hold" in at_half
    assert at_half.count("less even than random") == 3


def test_equal_time_counts_a_run_that_has_ended_as_it_is():
    """One agent is full from the start, the other is filled half way through, or never."""
    half = filling.LENGTH // 2
    ended = made_run([0, half - 10, half], [[4, 0], [4, 0], [4, 4]], [4, 4])
    never = made_run([0, filling.LENGTH], [[4, 0], [4, 0]], [4, 4])
    found = equal_time([ended] * 2, [never] * 2)
    assert found.mean.value == pytest.approx(25, abs=0.02)
    assert found.early.value == 50
    assert found.below == pytest.approx(0.5, abs=1e-3)


def test_the_pace_is_steps_a_load():
    run = made_run([0, 90, 95, 107, 115], [[0], [90], [95], [98], [100]], [100])
    found = pace([run] * 2)
    assert found["90%–92%"].value == pytest.approx(1)
    assert found["95%–100%"].value == pytest.approx(4)


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
        ([10, 11, 12, 13], [20, 40, 60, 80], "slower and varying more holds"),
        ([20, 40, 60, 80], [10, 11, 12, 13], "does not hold"),
        ([10, 20, 30, 40], [25, 26, 27, 28], "does not hold"),
    ],
)
def test_the_added_servers_verdict_follows_the_numbers(discrete, gradient, said):
    waits = {
        (way, p.label): np.array(values, float)
        for way in (next(iter(WAYS)), DRAWN)
        for p, values in ((DISCRETE, discrete), (NEXT, gradient))
    }
    spikes = {(DRAWN, NEXT.label): (116.0, 3.0)}
    verdict = added_verdict(waits, waits, waits, spikes)
    assert verdict.count(said) == 4
    assert "116 steps a load before, 3.0 after" in verdict


def test_the_spike_is_steps_a_load_before_and_after_the_server_is_found():
    """Founders of 100: the last 5 take 50 steps; the server's loads 1 to 50 take 98."""
    load = [[0, 0], [95, 0], [100, 0], [100, 1], [100, 50]]
    run = made_run([0, 200, 250, 300, 398], load, [100, 100])
    assert spike([run] * 2) == (10.0, 2.0)
    assert clock_until([run], 50).tolist() == [398]
    unfound = made_run([0, 200, 250], load[:3], [100, 100])
    assert math.isnan(spike([unfound])[1])


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
    assert ablation_verdict(steps).count("nothing") == 2
    steps[CHANGES[3].name, DISCRETE.label] = Interval(200, 190, 210)
    steps[CHANGES[4].name, DISCRETE.label] = Interval(112, 80, 140)
    said = ablation_verdict(steps)
    assert f"{CHANGES[3].name} (× 2.00)" in said
    assert CHANGES[4].name not in said
    said = ablation_verdict(steps, {(CHANGES[3].name, DISCRETE.label)})
    assert f"{CHANGES[3].name} (≥ × 2.00)" in said


def test_every_change_is_one_and_has_a_name_of_its_own():
    assert CHANGES[0].name == "defaults"
    assert len({change.name for change in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize(("late", "said"), [(-195, "reach"), (-120, "come near"), (-20, "don't")])
def test_the_verdict_on_advertised_values(late, said):
    assert f"{said} " in gap_verdict("x", {"early": -5.0, "last 5 %": late})


def test_who_is_at_the_floor_when_nearly_all_is_full():
    """Two of three agents have room at 98 %, one of them is worth MinQ."""
    run = made_run([0, 1, 2], [[0, 0, 0], [97, 49, 49], [98, 49, 50]], [99, 50, 50])
    values = np.array([[-200.0] * 3, [-200.0, -5.0, -200.0]])
    assert at_the_floor([replace(run, values=values)]) == 0.5


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
    outcome = reproduced(name, tmp_path, seeds=2)
    assert (tmp_path / "report.md").read_text().startswith("# Load balancing")
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text())))
    assert {"run", "step", "load_47", "load_48"} == set(rows[0])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["found"][name]["verdict"] == outcome.verdict
    assert f"crl-envs reproduce {name} --seeds 2" in summary["command"]


def test_small_sections_go_through_from_runs_to_files(tmp_path, monkeypatch):
    """Advertising and ablation, with few variants: their pictures need all of their keys."""
    monkeypatch.setattr(
        variants, "SETTINGS", {"small": SMALL, "more": {**SMALL, "max_in_flight": 3}}
    )
    monkeypatch.setattr(
        variants, "CHANGES", (Change("none"), Change("T", {"temperature": 2.0}, SMALL))
    )
    monkeypatch.setattr(variants, "MOST_STEPS", 3000)
    monkeypatch.setattr(dowling_haridi, "FIGURES", {"a": ADVERTISING, "b": ABLATION})
    outcome = reproduced("load-balancing", tmp_path, seeds=2)
    report = (tmp_path / "report.md").read_text()
    assert "≥ 3000" in report  # the default size doesn't end within so few steps
    assert outcome.verdict == "2 sections"
    names = {path.name for path in tmp_path.iterdir() if path.suffix and path.is_file()}
    assert names == {
        *("a.png", "a.csv", "b.png", "b.csv"),
        *("summary.json", "sweep.json", "report.md"),
    }


@pytest.mark.parametrize(
    "options", [{"seeds": 1}, {"iterations": 5}, {"first_seed": -1}, {"seeds": True}]
)
def test_bad_options_are_refused_before_anything_is_played(options, tmp_path):
    with pytest.raises(ValueError, match=r"seed|--iterations doesn't go with fig6"):
        reproduced("fig6", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_every_section_is_a_reproduction():
    here = dowling_haridi.__name__
    made_here = {name for name, entry in REPRODUCTIONS.items() if entry.paper == here}
    assert made_here == {*FIGURES, "load-balancing"}
    assert list(REPRODUCTIONS["load-balancing"].figures()) == list(FIGURES)


def test_the_systems_of_section_4_go_through_and_are_ranked(monkeypatch):
    small = {"small": SMALL, "line": {**SMALL, "out_degree": 1}}
    monkeypatch.setattr(variants, "TOPOLOGIES", small)
    made = section(SYSTEMS_OF_SECTION_4, 2)
    assert made.verdict.index("CRL-discrete") < made.verdict.index("random")
    assert made.picture.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert len(rows) == 2 * 2 * len(variants.SYSTEMS)
    assert all(row["finished"] == "1" for row in rows)


def test_section_5_goes_through_and_says_what_is_not_stored(monkeypatch):
    small = {
        "one state": Change("states", env=SMALL),
        "connected": Change(
            "states", {"states": "observation", "connected_states": True}, {**SMALL, "n_loads": 20}
        ),
        "too many loads": Change("none", env={**SMALL, "n_loads": 90}),
    }
    monkeypatch.setattr(section_module, "MEANS", small)
    monkeypatch.setattr(section_module, "MOST_STEPS", 1500)
    made = section(SECTION_5, 2)
    assert "too many loads 50 loads by step 20,000" in made.verdict
    assert "connected ×" in made.verdict
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert [row["finished"] for row in rows] == [*"1111" * 2, *"0000"]
    assert made.picture.startswith(b"\x89PNG")
