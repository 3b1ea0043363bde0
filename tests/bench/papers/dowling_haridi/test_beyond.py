"""The sections beyond the paper: what they measure of runs, and what they say about it."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest

from crl_envs.bench.papers.dowling_haridi import (
    ARRIVALS,
    DYNAMIC_FIGURE,
    FAILURES,
    HEATMAP,
    IN_FLIGHT_FIGURE,
    LOSS,
    SCALE,
    arrivals,
    beyond,
    dynamic,
    heatmap,
)
from crl_envs.bench.papers.dowling_haridi.arrivals import steady
from crl_envs.bench.papers.dowling_haridi.levels import (
    POLICIES,
    RIVALS,
    cell,
    growth,
    measured,
    order,
    relative,
    slowdowns,
    standings,
    steps_of,
)
from crl_envs.bench.papers.dowling_haridi.runs import (
    ALL_CHOICES,
    DISCRETE,
    DP,
    DYNAMIC,
    FAST_FORGETTING,
    GRADIENT,
    RANDOM,
    SLOW_MEMORY,
    TWO_CHOICES,
    Run,
)
from crl_envs.bench.text import plain
from tests.bench.papers.reproduced import section as made


def about(mean, cut=0):
    """Four runs around a mean, the last ones cut off."""
    return measured([0.9 * mean, mean, mean, 1.1 * mean], [k < 4 - cut for k in range(4)])


def curve(*means, cut=()):
    return {level: about(mean, level in cut) for level, mean in enumerate(means)}


def made_run(steps, load, capacity, left=0, **kept):
    steps, load = np.array(steps), np.array(load, np.int32)
    nothing = np.zeros(len(steps), np.int64)
    last = {"steps": steps[-1], "remaining": left, "backlog": 0, "queued": 0, "on_wire": 0}
    columns = {"in_flight": nothing, "waiting": nothing, "departed": nothing}
    more = {name: np.array(kept.pop(name, column)) for name, column in columns.items()}
    return Run(
        steps=steps,
        load=load,
        values=np.empty(0),
        capacity=np.array(capacity),
        last={**last, **kept},
        **more,
    )


def lengths(*steps, left=0):
    return [made_run([0, n], [[0], [5 - left]], [5], left) for n in steps]


# What is measured


def test_a_cell_has_the_interval_of_runs_that_all_finished():
    # t(0.975, 3) = 3.182; std of (90, 100, 100, 110) is 8.165
    assert cell(about(100.0)) == "100 [88, 114]"
    assert cell(about(1.0), 2, "× ") == "× 1.00 [0.88, 1.14]"


def test_a_cell_of_runs_that_were_cut_off_is_a_lower_bound():
    assert cell(about(100.0, cut=1)) == "≥ 100 (1 of 4 cut off)"
    assert cell(about(1.0, cut=4), 2, "× ") == "≥ × 1.00 (4 of 4 cut off)"


def test_runs_that_leave_loads_behind_are_cut_off():
    found = steps_of([*lengths(10, 12), *lengths(50, left=2)], [10.0, 12.0, 10.0])
    assert found.values.tolist() == [1.0, 1.0, 5.0]
    assert (found.cut, found.runs) == (1, 3)


def test_relative_steps_need_both_runs_finished():
    base = [*lengths(10, 20), *lengths(40, left=1)]
    found = relative([*lengths(20), *lengths(60, left=3), *lengths(40)], base)
    assert found.values.tolist() == [2.0, 3.0, 1.0]
    assert found.finished.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (about(100), about(200), -1),
        (about(200), about(100), 1),
        (about(100), about(100), 0),
        (about(100), about(200, cut=4), -1),  # at least twice as many
        (about(200), about(100, cut=1), 0),  # theirs may be anything above
        (about(100, cut=1), about(200), 0),
        (about(200, cut=2), about(100), 1),
        (about(100, cut=4), about(200, cut=4), 0),
    ],
)
def test_order_of_two_policies(mine, theirs, expected):
    assert order(mine, theirs) == expected


def test_order_compares_run_by_run():
    graphs = np.array([10.0, 100.0, 1000.0])
    done = [True] * 3
    assert order(measured(graphs, done), measured(1.2 * graphs, done)) == -1
    assert order(measured(graphs, done), measured(graphs[::-1], done)) == 0


def test_little_gives_the_time_until_stored():
    # From step 10 on: a load arrives at every step, each is stored 3 steps later and stays.
    steps = np.arange(0, 51, 10)
    stored = np.maximum(steps - 3, 0)
    run = made_run(
        steps,
        stored[:, None],
        [100],
        in_flight=[0, 2, 2, 2, 2, 2],
        waiting=[0, 1, 1, 1, 1, 1],
        messages_sent=100,
        loads_in=50,
    )
    found = steady(run, warm_up=10)
    assert found.time == pytest.approx(3.0)
    assert found.stored == pytest.approx(1.0)
    assert (found.in_flight, found.waiting, found.delegations) == (2.0, 1.0, 2.0)


def test_what_departs_was_stored_and_what_piles_up_was_not():
    run = made_run(
        [0, 10, 20],
        [[0], [5], [5]],
        [5],
        departed=[0, 0, 5],
        waiting=[0, 0, 5],
        messages_sent=0,
        loads_in=15,
    )
    found = steady(run, warm_up=10)
    assert found.stored == pytest.approx(0.5)
    assert arrivals.time_of([found, found]).cut == 2
    assert "2 of 2 not steady" in arrivals.time_cell(arrivals.time_of([found, found]))


def test_failures_are_as_frequent_as_the_share_needs():
    env = beyond.failing(0.2)
    assert env["fail_rate"] / (env["fail_rate"] + env["return_rate"]) == pytest.approx(0.2)
    assert beyond.failing(0.0)["fail_rate"] == 0


def test_offered_load_is_arrivals_times_stay():
    env = arrivals.arriving(0.8)
    assert env["arrival_rate"] / env["departure_rate"] == pytest.approx(0.8 * 1360)


# What is said


def test_standings_say_where():
    found = {
        DISCRETE.label: curve(100, 100, 100),
        TWO_CHOICES.label: curve(200, 100, 50),
        ALL_CHOICES.label: curve(50, 50, 50),
        RANDOM.label: {0: about(999.0)},
    }
    said = standings(found, DISCRETE, RIVALS, ("fewer", "more"))
    assert said == (
        "CRL-discrete against two choices: fewer at 0, more at 2, no clear difference at 1 (× 0.50–2.00); "
        "against shortest queue: more throughout (× 2.00); against random: fewer throughout (× 0.10)."
    )
    found[RANDOM.label] = {0: about(999.0, cut=1)}  # how many times as many isn't known
    assert standings(found, DISCRETE, (RANDOM,), ("fewer", "more")).endswith("fewer throughout.")
    found[RANDOM.label] = {9: about(999.0)}
    assert standings(found, DISCRETE, (RANDOM,), ("fewer", "more")).endswith(": not played.")


def test_slowdowns_go_from_the_most_to_the_least():
    found = {"a": curve(100, 300), "b": curve(10, 11), "c": curve(10, 20)}
    assert slowdowns(found, "It") == "It slows a × 3.00, c × 2.00, b × 1.10."
    found["b"] = curve(10, 50, cut=(1,))
    assert slowdowns(found, "It") == "It slows b ≥ × 5.00, a × 3.00, c × 2.00."
    found["b"] = curve(10, 50, cut=(0,))
    assert math.isnan(growth(found["b"])[0])
    assert slowdowns(found, "It") == "It slows a × 3.00, c × 2.00, b unknown."


@pytest.mark.parametrize(("mine", "word"), [(50, "fewer steps"), (400, "more steps")])
def test_verdicts_follow_the_numbers(mine, word):
    rivals = {p.label: curve(100, 200) for p in RIVALS}
    found = {DISCRETE.label: curve(mine, mine), GRADIENT.label: curve(mine, 9 * mine), **rivals}
    both = {**found, FAST_FORGETTING.label: curve(100, 200)}
    failing = beyond.failures_verdict(both, both)
    assert failing.count("no clear difference throughout") == 3
    assert "slows CRL-gradient × 9.00, two choices × 2.00" in failing
    for said in (
        failing,
        beyond.loss_verdict(found, {"links": found, "bus": {DISCRETE.label: curve(1, 2)}}),
        beyond.in_flight_verdict(found, found),
        beyond.scale_verdict(found),
    ):
        assert said.count(f"{word} throughout") == 3


def test_the_fewest_messages_are_those_of_runs_that_finished():
    steps = {p.label: curve(100, 100) for p in (DISCRETE, *RIVALS)}
    counts = {**steps, DISCRETE.label: curve(10, 10, cut=(1,)), RANDOM.label: curve(50, 50)}
    assert beyond.in_flight_verdict(steps, counts).endswith("the fewest: random.")


def test_arrivals_verdict_follows_the_numbers():
    labels = [p.label for p in (DISCRETE, SLOW_MEMORY, *RIVALS)]
    times = {label: {0.5: about(10), 0.9: about(20)} for label in labels}
    assert arrivals.arrivals_verdict(times).endswith("All keep up with 90 %.")
    times[RANDOM.label] = {0.5: about(10, cut=4), 0.9: about(90, cut=4)}
    times[DISCRETE.label] = {0.5: about(5), 0.9: about(40, cut=2)}
    said = arrivals.arrivals_verdict(times)
    assert "two choices: stores loads sooner at 50 %, later at 90 %" in said
    assert "random: stores loads sooner throughout" in said  # over the same steps
    assert said.endswith("The first not to keep up: random at 50 %, then CRL-discrete at 90 %.")


def test_scale_says_what_was_cut_off_and_not_run():
    found = {50: about(40.0), 100: about(60.0, cut=1)}
    assert beyond.cell_at(found, 100) == "≥ 60.00 (1 of 4 cut off)"
    assert beyond.cell_at(found, 5000) == "not run"
    ratios = {p.label: {50: about(1.0)} for p in (DISCRETE, TWO_CHOICES, ALL_CHOICES)}
    said = beyond.scale_verdict({**ratios, RANDOM.label: found})
    assert "random 40.00 with 50 agents and ≥ 60.00 with 100" in said
    assert not beyond.plays(RANDOM, 5000)
    assert beyond.plays(DISCRETE, 5000)


# The heat map


def test_agents_are_ordered_by_hops_then_by_index():
    assert heatmap.agent_order(np.array([0, 2, 1, 2, 1])).tolist() == [0, 2, 4, 1, 3]


def test_percent_over_time_is_of_the_latest_sample():
    run = made_run([0, 4, 8], [[0, 0], [1, 0], [1, 10]], [2, 10])
    shares = heatmap.percent_over_time(run, 9)
    assert shares[0].tolist() == [0] * 4 + [50] * 5
    assert shares[1].tolist() == [0] * 8 + [100]


def test_marks_of_a_heat_map():
    run = made_run([0, 1, 2, 3], [[0, 0, 0], [2, 0, 0], [2, 2, 0], [2, 2, 4]], [2, 2, 4])
    assert heatmap.at_share(run, 0.5) == 2
    assert heatmap.at_share(run, 2.0) == 3
    assert heatmap.agents_in_use(run, 0.5) == heatmap.full_agents(run, 0.5) == 2
    assert heatmap.first_on(run, (2,)) == 1.0
    assert heatmap.first_on(run, (0, 2)) == 0.25
    assert heatmap.first_on(made_run([0, 1], [[0, 0], [1, 0]], [1, 1]), (1,)) == math.inf


def test_heat_map_verdict_follows_the_numbers():
    found = {
        p.label: {"agents_in_use": 10.0 * k, "servers": 0.1 * k}
        for k, p in enumerate((DISCRETE, GRADIENT, DP, RANDOM), start=1)
    }
    found[GRADIENT.label]["servers"] = math.inf
    said = heatmap.verdict(found, 50)
    assert "the fewest: CRL-discrete. A server" in said
    assert "CRL-discrete 10 %, CRL-gradient never" in said
    found[RANDOM.label]["agents_in_use"] = 10.0
    assert "the fewest: CRL-discrete and random." in heatmap.verdict(found, 50)


# Whole sections, made small


def check(section, policies):
    lines = list(csv.DictReader(io.StringIO(section.csv)))
    assert {line["policy"] for line in lines} == policies
    assert not any(None in line or None in line.values() for line in lines)
    assert {len(row) for row in section.table.rows} == {len(section.table.header)}
    assert section.picture.startswith(b"\x89PNG\r\n")
    json.dumps(plain(dict(section.numbers)), allow_nan=False)
    assert section.verdict.endswith((".", "%"))


def test_in_flight_in_small(monkeypatch):
    monkeypatch.setattr(beyond, "IN_FLIGHT", (1, 20))
    section = made(IN_FLIGHT_FIGURE, 2)
    check(section, {p.label for p in POLICIES})
    steps = section.numbers["steps"]
    for p in POLICIES:
        assert steps[p.label]["1"]["mean"].value > steps[p.label]["20"]["mean"].value >= 1360
    # an advertisement for each delegation
    assert section.table.rows[0][3] == section.table.rows[0][4]


def test_runs_cut_off_are_marked(monkeypatch):
    monkeypatch.setattr(beyond, "LOSSES", (0.0, 0.5))
    monkeypatch.setattr(beyond, "MOST_STEPS", 30_000)
    section = made(LOSS, 2)
    check(section, {p.label for p in POLICIES})
    cells = {row[0]: row[1:] for row in section.table.rows}
    assert cells["delegations, random"] == [
        "≥ 30000 (2 of 2 cut off)",
        "≥ × 1.00 (2 of 2 cut off)",
        "≥ 30000 (2 of 2 cut off)",
    ]
    assert "≥" not in "".join(cells["advertisements, CRL-discrete"])
    assert "against random: fewer steps throughout" in section.verdict


def test_failures_in_small(monkeypatch):
    monkeypatch.setattr(beyond, "DOWN", (0.0, 0.3))
    section = made(FAILURES, 2)
    check(section, {FAST_FORGETTING.label, *(p.label for p in POLICIES)})
    for line in csv.DictReader(io.StringIO(section.csv)):
        asks = line["policy"] in (TWO_CHOICES.label, ALL_CHOICES.label)
        assert (int(line["lost"]) > 0) == (line["down"] == "0.3" and not asks)
    assert all(by["0.3"]["mean"].value > 1 for by in section.numbers["slower"].values())


def test_arrivals_in_small(monkeypatch):
    monkeypatch.setattr(arrivals, "OFFERED", (0.5, 0.8))
    monkeypatch.setattr(arrivals, "HORIZON", 2000)
    monkeypatch.setattr(arrivals, "WARM_UP", 400)
    section = made(ARRIVALS, 2)
    check(section, {SLOW_MEMORY.label, *(p.label for p in POLICIES)})
    for line in csv.DictReader(io.StringIO(section.csv)):
        assert float(line["time"]) >= 1
        assert 0.9 < float(line["stored"]) < 1.1


def test_the_dynamic_preset_in_small(monkeypatch):
    kinds = {"filling": (1, 2, 3, 4), "down": (0.3,), "offered": (0.5,), "lost": (0.3,)}
    monkeypatch.setattr(dynamic, "KINDS", kinds)
    section = made(DYNAMIC_FIGURE, 2)
    check(section, {p.label for p in dynamic.SHOWN})
    steps, messages = section.numbers["steps"], section.numbers["messages_per_load"]
    filled = steps["filling"]
    for label in (DYNAMIC.label, DISCRETE.label, TWO_CHOICES.label):
        assert filled[label].keys() == messages["filling"][label].keys() == set("1234")
        assert (
            min(one["mean"].value for one in filled[label].values()) > 6700
        )  # the fewest possible
        # Steps are delegations and stores, and each delegation is answered.
        if label != TWO_CHOICES.label:
            expected = 2 * (filled[label]["1"]["mean"].value / 1360 - 1)
            assert messages["filling"][label]["1"]["mean"].value == pytest.approx(
                expected, rel=0.02
            )
    assert (
        filled[DISCRETE.label]["2"]["mean"].value > 1.5 * filled[DYNAMIC.label]["2"]["mean"].value
    )
    assert "seeds 200 to 201" in section.notes


def test_scale_in_small(monkeypatch):
    monkeypatch.setattr(beyond, "SIZES", (50, 80))
    monkeypatch.setattr(beyond, "MANY", 80)
    monkeypatch.setattr(beyond, "FEW_RUNS", 2)
    monkeypatch.setattr(beyond, "RANDOM_UP_TO", 50)
    section = made(SCALE, 3)
    check(section, {p.label for p in beyond.POLICIES})
    assert section.table.rows[-1][2] == "not run"
    assert "only 2 with n = 80" in section.notes
    lines = list(csv.DictReader(io.StringIO(section.csv)))
    assert len(lines) == 5 * 3 + 4 * 2
    assert all(int(line["steps"]) >= int(line["fewest"]) for line in lines)
    assert len(set(section.numbers["fewest_steps"][50])) > 1  # several graphs


def test_heat_map_of_runs():
    section = made(HEATMAP, 2)
    check(section, {p.label for p in heatmap.POLICIES})
    steps = {label: values["steps"] for label, values in section.numbers["runs"].items()}
    assert min(steps, key=steps.get) == DP.label
    assert steps[DP.label] == 6700
