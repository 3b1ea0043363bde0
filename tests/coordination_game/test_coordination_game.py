"""Coordination games: payoffs, noise, optimum by brute force, views."""

from __future__ import annotations

from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.coordination_game import CoordinationGameProblem
from crl_envs.coordination_game.problem import CLIMBING, COINS, UNIT
from tests.views import assert_verbs_agree, assert_views_agree

CASES: list[dict[str, Any]] = [
    {"n_agents": 1},
    {"n_agents": 2, "noise": 3.0, "horizon": 4},
    {"n_agents": 20, "topology": "star", "observe": "neighborhood", "relabel": True, "horizon": 3},
    {"n_agents": 6, "payoffs": "stochastic-climbing", "topology": "grid", "horizon": 5},
    {"n_agents": 7, "payoffs": "random", "n_actions": 5, "topology": "tree", "horizon": 2},
]


@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_one_stream_three_views(kwargs: dict[str, Any]) -> None:
    played = assert_views_agree("crl/coordination_game-v0", kwargs, 90, num_envs=3, seed=5)
    assert played.episodes >= 3 * 15
    assert_verbs_agree(crl_envs.make_vec("crl/coordination_game-v0", 1, **kwargs).world)


def payoffs_of(actions: Any, **kwargs: Any) -> Any:
    """Rewards ``[B, n]`` of joint actions ``[B, n]``."""
    actions = np.atleast_2d(actions)
    vec = crl_envs.make_vec(
        "crl/coordination_game-v0", len(actions), n_agents=actions.shape[1], **kwargs
    )
    vec.reset(seed=1)
    return vec.step(actions)[1]


def test_climbing_on_a_pair() -> None:
    every = np.array(list(product(range(3), repeat=2)))
    paid = payoffs_of(every)
    assert np.array_equal(paid[:, 0], paid[:, 1])
    assert paid.sum(axis=1).reshape(3, 3).tolist() == [list(row) for row in CLIMBING]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 7), own=st.booleans())
def test_rewards_are_halves_of_all_games(seed: int, n: int, own: bool) -> None:
    graph = nx.gnp_random_graph(n, 0.6, seed=seed)
    rng = np.random.default_rng(seed)
    table: Any = rng.integers(-50, 50, (4, 4)) / 8 if own else "random"
    arguments = {"topology": graph, "payoffs": table, "n_actions": 4, "instance_seed": seed}
    problem = CoordinationGameProblem(**arguments)
    actions = rng.integers(0, 4, (5, n))
    paid = payoffs_of(actions, **arguments)
    expected = np.zeros((5, n))
    for e, (i, j) in enumerate(sorted(map(sorted, graph.edges))):
        means = problem.means[0 if own else e] * UNIT
        for agent in (i, j):
            expected[:, agent] += means[actions[:, i], actions[:, j]] / 2
    assert np.array_equal(paid, expected.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    topology=st.sampled_from(["ring", "grid", "star", "tree", "random", "torus"]),
    payoffs=st.sampled_from(["random", "climbing", "penalty", "stochastic-climbing"]),
    relabel=st.booleans(),
)
def test_optimum_by_brute_force(seed: int, topology: str, payoffs: str, relabel: bool) -> None:
    arguments = {"topology": topology, "payoffs": payoffs, "instance_seed": seed}
    env = crl_envs.make("crl/coordination_game-v0", n_agents=6, relabel=relabel, **arguments)
    assert env.optimum().kind == "exact"
    every = np.array(list(product(range(3), repeat=6)))
    if payoffs == "stochastic-climbing":
        arguments["payoffs"] = "climbing"  # the same means
    best = payoffs_of(every, relabel=relabel, **arguments).mean(axis=1).max()
    assert env.optimum().value == pytest.approx(best, abs=1e-5)


def test_a_bound_holds_both_ends() -> None:
    wide = crl_envs.make(
        "crl/coordination_game-v0", payoffs="random", n_agents=900, topology="grid"
    ).optimum()
    assert wide.kind == "bound"
    narrow = crl_envs.make(
        "crl/coordination_game-v0", payoffs="random", n_agents=100, topology="grid"
    ).optimum()
    assert narrow.kind == "exact"
    assert wide.lower < wide.value


def test_noise_has_its_mean_and_spread() -> None:
    """20,000 draws; false alarm below 1e-4 each."""
    paid = payoffs_of(np.zeros((20_000, 2), int), noise=5.0)
    assert np.array_equal(paid[:, 0], paid[:, 1])
    total = paid.sum(axis=1, dtype=np.float64)
    assert abs(total.mean() - 11) < 4 * 5 / 20_000**0.5
    assert abs(total.std() - 5) < 4 * 5 / 40_000**0.5 + 0.02


def test_coins_leave_the_climbing_games_means() -> None:
    for i, j in product(range(3), repeat=2):
        paid = payoffs_of(np.tile([i, j], (64, 1)), payoffs="stochastic-climbing").sum(axis=1)
        mean, coin = CLIMBING[i][j], COINS[i][j]
        assert set(paid.tolist()) == {mean - coin, mean + coin}


def test_what_was_done_is_seen() -> None:
    env = crl_envs.make(
        "crl/coordination_game-v0", n_agents=4, observe="neighborhood", horizon=2, relabel=True
    )
    seen, infos = env.reset(seed=0)
    assert all((row == 3).all() for row in seen.values())
    actions = dict(zip(env.agents, (0, 1, 2, 0), strict=True))
    seen, *_ = env.step(actions)
    for agent, row in seen.items():
        assert row.tolist() == [actions[a] for a in (agent, *infos[agent]["neighbors"])]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"payoffs": "chess"}, "payoffs"),
        ({"payoffs": [[1, 2]]}, "square table"),
        ({"payoffs": [[float("nan")]]}, "square table"),
        ({"payoffs": [[1e9]]}, "square table"),
        ({"noise": -1}, "noise"),
        ({"penalty": 5}, "penalty"),
        ({"n_actions": 17}, "n_actions"),
        ({"payoffs": "random", "n_actions": 7, "relabel": True}, "relabel must be False"),
        ({"observe": "own"}, "observe"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make("crl/coordination_game-v0", **arguments)
