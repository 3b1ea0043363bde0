"""Firefighting: its rules one by one, its optimum by brute force, its views."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.firefighting import FirefightingProblem, FirefightingWorld, optimum
from crl_envs.firefighting.form import Fire
from tests.views import assert_verbs_agree, assert_views_agree

CASES: list[dict[str, Any]] = [
    {"n_agents": 1},
    {"n_agents": 3, "observe": "levels", "horizon": 4},
    {"n_agents": 6, "layout": "grid"},
    {"n_agents": 5, "layout": "grid", "observe": "levels", "flame_rates": (0, 0.5, 1)},
]


@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_one_stream_three_views(kwargs: dict[str, Any]) -> None:
    played = assert_views_agree("crl/firefighting-v0", kwargs, 150, num_envs=3, seed=5)
    assert played.episodes >= 3 * 13
    assert_verbs_agree(crl_envs.make_vec("crl/firefighting-v0", 1, **kwargs).world)


def after(levels: list[int], houses: list[int], columns: int = 4000, **kwargs: Any) -> Any:
    """Levels ``[columns, H]`` after agents have fought at these houses, with rewards and flames."""
    world = FirefightingWorld(len(houses), **kwargs)
    action = np.argmax(world.problem.houses == np.array(houses)[:, None], axis=1)
    assert (world.problem.houses[np.arange(len(houses)), action] == houses).all()
    level = np.repeat(np.array(levels, np.uint8)[:, None], columns, axis=1)
    stream = Stream(columns)
    stream.seed(0)
    state = Fire(level, np.zeros((len(houses), columns), np.uint8))
    moved, paid = world.step(state, np.repeat(action[:, None], columns, axis=1), stream)
    return moved.level.T.astype(int), paid.T, moved.flames.T


def test_two_put_a_fire_out() -> None:
    level, _, _ = after([2, 2, 2], [1, 1])
    assert (level[:, 1] == 0).all()


def test_one_lowers_a_lonely_fire_for_sure() -> None:
    level, _, _ = after([0, 2, 0], [1, 2])
    assert (level[:, 1] == 1).all()


@pytest.mark.parametrize(
    ("levels", "house", "change", "rate"),
    [
        ([1, 2, 0], 1, -1, 0.6),
        ([0, 1, 0], 0, 0, None),
        ([2, 0, 0], 1, 1, 0.8),
        ([0, 1, 0], 1, 1, 0.4),
    ],
)
def test_rates(levels: list[int], house: int, change: int, rate: float | None) -> None:
    """Of 4,000 draws; false alarm below 1e-4 each."""
    fought = [1, 2] if rate == 0.6 else [0, 2]
    level, _, _ = after(levels, fought)
    changed = (level[:, house] == levels[house] + change).mean()
    expected = 1.0 if rate is None else rate
    assert abs(changed - expected) <= 4 * (expected * (1 - expected) / 4000) ** 0.5


def test_flames_are_seen_where_one_fought() -> None:
    level, _, flames = after([2, 2, 2, 2], [1, 2, 2], catch_rate=0.0, grow_rate=0.0, alone_rate=0.0)
    for agent, house in enumerate([1, 2, 2]):
        for value, rate in enumerate((0.2, 0.5, 0.8)):
            there = flames[level[:, house] == value, agent]
            if there.size:
                assert abs(there.mean() - rate) < 4 * (rate * (1 - rate) / there.size) ** 0.5


@pytest.mark.parametrize("layout", ["row", "grid"])
@pytest.mark.parametrize("n", [1, 4, 6, 7])
def test_rewards_add_up_to_the_levels(layout: str, n: int) -> None:
    problem = FirefightingProblem(n, layout)
    fought = problem.houses[:, 0].tolist()
    levels = np.random.default_rng(0).integers(0, 3, problem.n_houses).tolist()
    level, paid, _ = after(levels, fought, columns=50, layout=layout)
    assert np.allclose(paid.sum(axis=1), -level.sum(axis=1))
    assert not np.signbit(paid[paid == 0]).any()


def test_each_house_has_its_owners() -> None:
    """Corners one, sides two, the middle four; whoever shares a house is a neighbour."""
    problem = FirefightingProblem(9, "grid")
    assert np.bincount(problem.houses.ravel()).reshape(4, 4).tolist() == [
        [1, 2, 2, 1],
        [2, 4, 4, 2],
        [2, 4, 4, 2],
        [1, 2, 2, 1],
    ]
    sharing = {
        (i, j)
        for i, j in product(range(9), repeat=2)
        if i != j and set(problem.houses[i]) & set(problem.houses[j])
    }
    assert set(map(tuple, problem.edges.tolist())) == sharing


@pytest.mark.parametrize("layout", ["row", "grid"])
def test_optimum_by_brute_force(layout: str) -> None:
    """Two steps, all levels, in plain Python from the description."""
    problem = FirefightingProblem(1 if layout == "grid" else 2, layout, horizon=2)
    n, count = problem.n_agents, problem.n_houses
    neighbours = {h: [o for o in problem.around[:, h].tolist() if o < count] for h in range(count)}

    def outcomes(levels: tuple[int, ...], fought: list[int]) -> list[dict[int, float]]:
        made = []
        for h, level in enumerate(levels):
            near, fighters = any(levels[o] for o in neighbours[h]), fought.count(h)
            if fighters > 1:
                made.append({0: 1.0})
                continue
            to = max(level - 1, 0) if fighters else min(level + 1, 2)
            rate = (0.6 if near else 1.0) if fighters else (0.8 if near else 0.4 * (level > 0))
            chances = {to: rate}
            chances[level] = chances.get(level, 0.0) + 1 - rate
            made.append(chances)
        return made

    def worth(levels: tuple[int, ...], left: int) -> float:
        if not left:
            return 0.0
        best = -np.inf
        for joint in product(range(problem.houses.shape[1]), repeat=n):
            parts = outcomes(levels, [int(problem.houses[i, a]) for i, a in enumerate(joint)])
            value = 0.0
            for moved in product(*(part.items() for part in parts)):
                chance = float(np.prod([c for _, c in moved]))
                if chance:
                    now = tuple(level for level, _ in moved)
                    value += chance * (-sum(now) / n + worth(now, left - 1))
            best = max(best, value)
        return best

    starts = list(product(range(3), repeat=count))
    value = sum(worth(levels, 2) for levels in starts) / len(starts)
    assert optimum.value_of(problem, np.arange(problem.n_houses)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("n", "part"), [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (4, 1), (4, 2), (4, 3)]
)
def test_cut_houses_cost_no_more(n: int, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the more the smaller the parts are; one part is exact."""
    monkeypatch.setattr(optimum, "PART", part)
    problem = FirefightingProblem(n)
    exact, cut = optimum.value_of(problem, np.arange(n + 1)), optimum.cut_value(problem)
    assert cut == pytest.approx(exact) if n + 1 == part else exact < cut < 0


@pytest.mark.parametrize("layout", ["row", "grid"])
def test_a_plan_is_better_than_fighting_where_it_burns_most(layout: str) -> None:
    """By the levels expected after one step, which no agent alone lowers by going elsewhere."""
    problem = FirefightingProblem(6, layout)
    h = problem.n_houses
    levels = np.random.default_rng(0).integers(0, 3, (h, 8)).astype(np.uint8)
    plans = optimum.plan_ahead(problem, levels)
    near = (np.pad(levels > 0, ((0, 1), (0, 0)))[problem.around]).any(axis=0)
    costs = []
    for b, level in enumerate(levels.T.astype(int)):

        def cost(joint: Any, b: int = b, level: Any = level) -> float:
            many = np.bincount(problem.houses[np.arange(6), joint], minlength=h).clip(max=2)
            to = np.where(many == 2, 0, np.where(many, np.maximum(level - 1, 0), level + 1))
            rate = problem.fire_chances[9 * near[:, b] + 3 * many + level]
            return float((rate * to.clip(max=2) + (1 - rate) * level).sum())

        plan = plans[:, b]
        for i, a in product(range(6), range(problem.houses.shape[1])):
            assert cost(plan) <= cost(np.where(np.arange(6) == i, a, plan)) + 1e-9
        costs.append((cost(plan), cost(level[problem.houses].argmax(axis=1))))
    assert np.mean(costs, axis=0)[0] < np.mean(costs, axis=0)[1] - 0.1


def test_both_ends_of_a_row() -> None:
    ends = [FirefightingWorld(n).optimum() for n in (5, 9, 10, 14, 50)]
    assert all(end.kind == "bound" and end.lower < end.value < 0 for end in ends)
    assert all(end.value - end.lower < 0.75 for end in ends)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_agents": 0}, "n_agents"),
        ({"layout": "hexagon"}, "layout"),
        ({"observe": "all"}, "observe"),
        ({"catch_rate": 2}, "catch_rate"),
        ({"flame_rates": (0.1, 0.2)}, "flame_rates must be 3 numbers"),
        ({"flame_rates": 0.5}, "flame_rates"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make("crl/firefighting-v0", **arguments)
