"""Sparse cooperative Q: its updates by hand, the games whose answer is known, columns, checkpoints, bad input."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from agents import SparseCooperativeQ

WAYS: list[dict[str, Any]] = [
    {},
    {"update": "agent"},
    {"solver": "elimination"},
    {"update": "agent", "solver": "elimination"},
    {"decomposition": "agents"},
]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda w: "-".join(w.values()) or "edges")
PATH = nx.path_graph(4)


def best_of(value: Any, n: int) -> list[int]:
    """The joint action of n agents with two actions whose value is largest."""
    return list(max(product((0, 1), repeat=n), key=value))


@every_way
def test_update_by_hand(way: dict[str, Any]) -> None:
    """Four agents in a line, where every search is exact; in plain Python with dicts."""
    env = crl_envs.make("crl/epidemic-v0", topology=PATH, horizon=8)
    learner = SparseCooperativeQ(env, rate=0.3, discount=0.8, iterations=20, seed=3, **way)
    near = {i: sorted(PATH[i]) for i in range(4)}
    by_edges = learner.config.decomposition == "edges"
    q: dict[Any, float] = {}

    def edge(s: Any, a: Any, i: int, j: int) -> tuple[int, ...]:
        return (i, j, s[i], s[j], a[i], a[j])

    def own(s: Any, a: Any, i: int) -> float:
        if by_edges:
            keys = [edge(s, a, min(i, j), max(i, j)) for j in near[i]]
            return sum(q.get(key, 0.0) for key in keys) / 2
        return q.get((i, s[i], a[i], *(a[j] for j in near[i])), 0.0)

    observe = learner.observe

    def check(frame: Any, actions: Any, transition: Any) -> None:
        s, s2, a = (x[:, 0].tolist() for x in (frame.rows, transition.frame.rows, actions))
        r = transition.rewards[:, 0].astype(float)
        g = 0.0 if transition.ended is not None and transition.ended[0] else 0.8
        best = best_of(lambda joint: sum(own(s2, joint, i) for i in range(4)), 4)
        found = learner.plan(transition.frame.rows)[:, 0].tolist()
        total = [sum(own(s2, joint, i) for i in range(4)) for joint in (best, found)]
        assert total[0] == pytest.approx(total[1])  # there may be several
        errors = [r[k] + g * own(s2, found, k) - own(s, a, k) for k in range(4)]
        changes: dict[Any, float] = {}
        if by_edges:
            for i, j in PATH.edges:
                key, then = edge(s, a, i, j), edge(s2, found, i, j)
                if learner.config.update == "agent":
                    changes[key] = sum(errors[k] / len(near[k]) for k in (i, j))
                else:
                    shares = sum(r[k] / len(near[k]) for k in (i, j))
                    changes[key] = shares + g * q.get(then, 0.0) - q.get(key, 0.0)
        else:
            for k in range(4):
                changes[k, s[k], a[k], *(a[j] for j in near[k])] = errors[k]
        for key, change in changes.items():
            q[key] = q.get(key, 0.0) + 0.3 * change
        observe(frame, actions, transition)

    learner.observe = check  # type: ignore[method-assign]
    learner.learn(total_episodes=12)
    assert np.count_nonzero(learner.q) == sum(value != 0 for value in q.values())
    assert learner.q.sum() == pytest.approx(sum(q.values()))


@every_way
def test_it_climbs(way: dict[str, Any]) -> None:
    """Two players, hidden orders: all of 40 runs end at 11 (5.5 for each) when everything is tried often enough."""
    given: dict[str, Any] = {"n_agents": 2, "relabel": True}
    vec = crl_envs.make_vec("crl/coordination_game-v0", 40, **given)
    learner = SparseCooperativeQ(vec, discount=0.0, initial_q=20.0, exploration=0.0, seed=0, **way)
    learner.learn(total_episodes=100)
    assert all(entry["global_return"].min() == 5.5 for entry in learner.history[-10:])


def test_messages_are_counted() -> None:
    """Of elimination one table up and one action down an agent and step; of max-plus two an edge and round."""
    env = crl_envs.make("crl/coordination_game-v0", n_agents=6)
    learnt = SparseCooperativeQ(env, solver="elimination", seed=0).learn(total_episodes=3)
    assert [entry["messages"] for entry in learnt.history] == [12, 12, 12]
    learnt = SparseCooperativeQ(env, iterations=3, seed=0).learn(total_episodes=3)
    assert all(entry["messages"] in (12, 24, 36) for entry in learnt.history)
    env = crl_envs.make("crl/epidemic-v0", n_agents=4, horizon=5)
    learnt = SparseCooperativeQ(env, solver="elimination", seed=0).learn(total_episodes=2)
    assert [entry["messages"] for entry in learnt.history] == [40, 40]


def test_messages_of_acting_are_not_the_episodes() -> None:
    def learn(looks: bool) -> Any:
        env = crl_envs.make("crl/epidemic-v0", n_agents=4, horizon=5)
        seen = dict.fromkeys(env.possible_agents, 0)

        def look(learner: Any) -> None:
            if looks:
                learner.act(seen)

        learner = SparseCooperativeQ(env, seed=0)
        return learner.learn(total_episodes=3, callback=look, step_callback=look)

    assert learn(True).history == learn(False).history


def test_messages_of_an_interrupted_episode_are_forgotten() -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    env = crl_envs.make("crl/epidemic-v0", n_agents=4, horizon=5)
    learner = SparseCooperativeQ(env, solver="elimination", seed=0)
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1, step_callback=interrupt)
    assert learner.learn(total_episodes=1).history[0]["messages"] == 40


@every_way
def test_a_column_is_a_learner_of_its_own(way: dict[str, Any]) -> None:
    def learn(columns: int, seed: int) -> Any:
        vec = crl_envs.make_vec("crl/epidemic-v0", columns, n_agents=9, horizon=5)
        return SparseCooperativeQ(vec, seed=seed, **way).learn(total_episodes=6)

    several, alone = learn(3, 5), learn(1, 7)
    assert np.array_equal(several.q[..., 2], alone.q[..., 0])
    assert several.history[-1]["messages"][2] == alone.history[-1]["messages"][0]


def test_checkpoints_go_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    def env() -> Any:
        return crl_envs.make_vec("crl/epidemic-v0", 2, n_agents=4, horizon=5)

    vec, whole = env(), SparseCooperativeQ(env(), seed=1).learn(total_episodes=9)
    SparseCooperativeQ(vec, seed=1).learn(total_episodes=4).save(tmp_path / "half")
    again = SparseCooperativeQ.load(tmp_path / "half", vec).learn(total_episodes=5)
    assert np.array_equal(whole.q, again.q)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SparseCooperativeQ(game(), update="pair"), "update"),
        (lambda: SparseCooperativeQ(game(), solver="guess"), "solver"),
        (lambda: SparseCooperativeQ(game(), iterations=0), "iterations"),
        (
            lambda: SparseCooperativeQ(game(n_agents=40, topology="star"), decomposition="agents"),
            "degree",
        ),
        (lambda: SparseCooperativeQ(game(topology=nx.empty_graph(3))), "edge at every agent"),
        (
            lambda: SparseCooperativeQ(crl_envs.make("crl/load_balancing-v0")).learn(
                total_episodes=1
            ),
            "legal|table",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def game(**arguments: Any) -> Any:
    return crl_envs.make("crl/coordination_game-v0", **arguments)
