"""The parts without threads: curves, chart, table of numbers, choices, learners that suit."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crl_envs
from crl_envs.bench.learners import learner_spec
from crl_envs.core.optimum import Optimum
from crl_envs.explorer.chart import (
    DARK,
    chart_options,
    numbers_table,
    optimum_lines,
    progress_options,
)
from crl_envs.explorer.curve import WINDOW, Curve, thinned
from crl_envs.explorer.lane import Sight
from crl_envs.explorer.session import KeptCurve
from crl_envs.explorer.suitable import suitable_learners
from crl_envs.explorer.worlds import NOBODY, WORLDS, default_task, shown_choices
from crl_envs.registration import registered_ids


def curve_of(returns: list[float]) -> Curve:
    curve = Curve()
    for value in returns:
        curve.append(value)
    return curve


@given(st.lists(st.floats(-100, 100), max_size=120), st.integers(1, 50))
def test_points_of_a_curve(returns: list[float], most: int) -> None:
    points = curve_of(returns).points(most)
    assert len(points.episodes) == len(points.returns) == len(points.means) <= most
    assert points.episodes == sorted(set(points.episodes))
    assert points.episodes[-1:] == [len(returns)][: len(returns)]
    for episode, value, mean in zip(points.episodes, points.returns, points.means, strict=True):
        assert value == pytest.approx(returns[episode - 1], abs=1e-6)
        window = returns[max(episode - WINDOW, 0) : episode]
        assert mean == pytest.approx(np.mean(window), abs=1e-5)


def test_last_and_mean() -> None:
    assert (Curve().last, Curve().mean) == (None, None)
    curve = curve_of([float(k) for k in range(100)])
    assert (curve.last, curve.mean, len(curve)) == (99.0, 89.5, 100)


@given(st.integers(0, 1000), st.integers(1, 100))
def test_thinned_is_even_and_ends_at_the_end(count: int, most: int) -> None:
    chosen = thinned(range(count), most)
    assert len(chosen) <= most
    assert chosen[-1:] == list(range(count))[-1:]
    assert len(set(np.diff(chosen).tolist())) <= 1
    if count <= most:
        assert chosen == list(range(count))


def test_optimum_lines_say_what_they_are() -> None:
    exact = Optimum(17.8, "exact", "", 17.8)
    assert optimum_lines(exact) == {"optimum 17.8 (exact)": 17.8}
    wide = Optimum(10.0, "bound", "", 8.0)
    assert optimum_lines(wide) == {"optimum at most 10 (bound)": 10.0, "best known policy 8": 8.0}
    assert len(optimum_lines(Optimum(10.0, "bound", "", 9.9999))) == 1
    assert len(optimum_lines(Optimum(0.0, "bound", "", -math.inf))) == 1
    assert optimum_lines(None) == {}


def test_chart_tells_curves_apart_without_colours_and_is_plain_json() -> None:
    points = curve_of([1.0, 2.0, 3.0]).points(10)
    kept = [KeptCurve("a", points, []), KeptCurve("a", points, [])]
    optimum = Optimum(3.0, "exact", "", 3.0)
    options = chart_options({"a": points, "b": points}, kept, optimum, DARK)
    json.dumps(options, allow_nan=False)
    lines = {line["name"]: line for line in options["series"]}
    assert len(lines) == len(options["series"])
    shown = options["legend"]["data"]
    assert shown == ["earlier: a", "earlier: a (2)", "a", "b", "optimum 3 (exact)"]
    assert lines["a"]["data"] == [[1, 1.0], [2, 1.5], [3, 2.0]]
    assert lines["a (each episode)"]["data"] == [[1, 1.0], [2, 2.0], [3, 3.0]]
    dashes = [str(lines[name]["lineStyle"]["type"]) for name in ("earlier: a", "a", "b", shown[-1])]
    assert len(set(dashes)) == 4
    assert len({lines[name]["lineStyle"]["color"] for name in shown}) == len(shown)


def test_chart_within_an_episode() -> None:
    options = progress_options({"crl": [(20, 0.1), (40, 0.2)]}, [], DARK, "utilisation")
    assert [line["data"] for line in options["series"]] == [[[20, 0.1], [40, 0.2]]]
    assert "episode" in options["xAxis"]["name"]
    assert options["yAxis"]["name"] == "capacity used"


def test_table_of_numbers() -> None:
    sights = [
        Sight(3, 7, 1234567, -1.25, None, {"utilisation": 0.5, "timed_out": 0.0, "<b>": 2.0}),
        Sight(metrics={"utilisation": 1.0, "timed_out": 0.0, "<b>": 2.5}),
    ]
    table = numbers_table(["crl", "<i>"], sights, Optimum(0.0, "bound", "", -math.inf))
    for text in (
        "1,234,567",
        "-1.25",
        "50%",
        "100%",
        "–",
        "optimum (bound)",
        "&lt;b&gt;",
        "&lt;i&gt;",
    ):
        assert text in table
    assert "timed out" not in table  # nothing ever was
    assert "<i>" not in table


def test_all_shipped_worlds_are_there() -> None:
    shipped = {id for id in registered_ids() if id.startswith("crl/")}
    assert {world.id for world in WORLDS.values()} == shipped


@given(st.lists(st.floats(0, 1), max_size=80), st.floats(0, 1))
def test_when_a_curve_reached_a_goal(returns: list[float], goal: float) -> None:
    means = [np.mean(returns[k - WINDOW : k]) for k in range(WINDOW, len(returns) + 1)]
    there = [WINDOW + k for k, mean in enumerate(means) if mean >= goal + 1e-9]
    found = curve_of(returns).first_at(goal)
    assert found is None or WINDOW <= found <= len(returns)
    if there:
        assert found is not None and found <= there[0]
    if found is not None:
        assert means[found - WINDOW] >= goal - 1e-9


@pytest.mark.parametrize("key", WORLDS)
def test_the_default_task_is_a_comparison_that_runs(key: str) -> None:
    task = default_task(key)
    names = suitable_learners(key)
    assert {task.learner, task.rival} < set(names)
    assert task.make_env().possible_agents
    assert WORLDS[key].touches or WORLDS[key].untouched  # what can't be done is a sentence
    for choice in WORLDS[key].choices:  # whatever a slider's ends are, and each option, is allowed
        ends = choice.slider[:2] if choice.kind != "select" else choice.options
        for end in ends:
            if choice.learner is None:
                chosen = replace(task, values={choice.name: end})
                assert crl_envs.make(WORLDS[key].id, **chosen.arguments()) is not None


def test_learners_that_suit() -> None:
    """Against the worlds' own refusals, and without those that learn from batches."""
    found = {key: suitable_learners(key) for key in WORLDS}
    assert {"crl", "breadth-first", "ant-colony"} <= set(found["load_balancing"])
    assert {"local-means", "global-least-squares"} <= set(found["bandit"])
    for key, names in found.items():
        assert {"reinforce-local", "reinforce-global", "random"} <= set(names), key
        assert "reinforce" not in names  # it is reinforce-local
        assert not [name for name in names if name.startswith(("sb3", "benchmarl", "rllib"))]
    assert "crl" not in found["sysadmin"]
    assert "local-means" not in found["load_balancing"]


def test_only_what_means_something_is_shown() -> None:
    world = WORLDS["load_balancing"]
    crl = {choice.name for choice in shown_choices(world, ("random", "crl"))}
    others = {choice.name for choice in shown_choices(world, ("random", "breadth-first"))}
    assert crl - others == {"temperature"}


def test_labels_have_what_is_not_at_its_default() -> None:
    task = replace(default_task("load_balancing"), values={"temperature": 2.0, "capacity": 20})
    assert task.label("crl") == "crl, n 50, CRL's temperature T 2"
    assert task.label("random") == "random, n 50"
    assert replace(task, values={"n_agents": 20.0}).label("random") == "random, n 20"
    assert replace(task, values={"n_agents": None}).label("random") == "random, n ?"
    assert replace(task, rival=NOBODY).names == ("crl",)
    assert replace(task, rival="crl").names == ("crl",)
    assert learner_spec("crl").source == "crl"
