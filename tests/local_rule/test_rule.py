"""Rules as values: checked, compared, saved and loaded; and the worlds that are made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.core.backend import HEAD_START
from crl_envs.core.topology import sources_of
from crl_envs.factored import value_iteration
from crl_envs.factored.window_policy import greedy_table, simulate, window_codes
from crl_envs.factored.window_program import window_bound
from crl_envs.local_rule import LocalRule
from crl_envs.local_rule.optimum import best_own_table, exact_value, relaxed_value, ring_rule
from crl_envs.local_rule.problem import LocalRuleProblem
from crl_envs.sysadmin import dynamics
from tests.views import (
    BACKENDS,
    assert_backends_agree,
    assert_verbs_agree,
    assert_views_agree,
)

LOPSIDED = nx.DiGraph([(0, 1), (0, 2), (1, 2), (3, 2), (2, 4), (4, 5)])


def sysadmin_rule(name: str, degrees: Iterable[int]) -> LocalRule:
    """SYSADMIN's binary dynamics as a rule."""
    return LocalRule(
        dynamics.SIGNAL,
        {d: dynamics.transition(name, d) for d in degrees},
        np.array(dynamics.BINARY[name].reward)[:, :, None],
        [0.5, 0.5],
        ("down", "up"),
        ("wait", "reboot"),
    )


def random_rule(
    seed: int, s: int = 3, a: int = 2, k: int = 2, degree: int = 4, by_state: bool = False
) -> LocalRule:
    """Any rule, with a few certain and impossible events in it."""
    rng = np.random.default_rng(seed)
    m = k * degree + 1
    chances = rng.dirichlet(np.full(s, 0.4), (s, a, m))
    chances[rng.random((s, a, m)) < 0.2] = np.eye(s)[0]
    signal = rng.integers(0, k + 1, (s, 1 if by_state else a)) + np.zeros((s, a), int)
    reward = rng.integers(-8, 9, (s, a, 1 if by_state else m)) / 4
    return LocalRule(signal, chances, reward, rng.dirichlet(np.ones(s)))


@pytest.mark.parametrize("suffix", ["npz", "json"])
@pytest.mark.parametrize(
    "rule", [random_rule(0), sysadmin_rule("ring", [0, 1, 3])], ids=["any", "by degree"]
)
def test_saved_rules_come_back(rule: LocalRule, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rule.{suffix}"
    rule.save(path)
    assert LocalRule.load(path) == rule
    assert crl_envs.make("crl/local_rule-v0", rule=str(path), topology=LOPSIDED).world.rule == rule


def test_rules_differ_by_any_table() -> None:
    rule = random_rule(1)
    tables = {n: getattr(rule, n) for n in ("signal", "transition", "reward", "start")}
    assert LocalRule(**tables) == rule != "a rule"
    for name, change in (
        ("signal", 1 - (rule.signal > 0)),
        ("transition", rule.transition[-1][:, :, ::-1]),
        ("reward", rule.reward[-1] + 1),
        ("start", rule.start[::-1]),
    ):
        assert LocalRule(**{**tables, name: change}) != rule
    assert LocalRule(**tables, states=("a", "b", "c")) != rule


GOOD: dict[str, Any] = {
    "signal": [[0, 0], [1, 0]],
    "transition": np.full((2, 2, 3, 2), 0.5),
    "reward": np.zeros((2, 2, 1)),
    "start": [0.5, 0.5],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signal": [0, 1]}, "signal must have 2 dimensions"),
        ({"signal": [[0, 0.5], [1, 0]]}, "whole numbers"),
        ({"signal": [[0, -1], [1, 0]]}, "whole numbers"),
        ({"signal": "abc"}, "signal must be numbers"),
        ({"start": [0.5, 0.4]}, "start must have probabilities that sum to 1"),
        ({"start": [1.0]}, r"start must have shape \(2,\)"),
        ({"transition": np.full((2, 2, 3, 2), 0.4)}, "transition must have probabilities"),
        (
            {"transition": np.full((2, 2, 3, 3), 1 / 3)},
            r"transition must have shape \(2, 2, M, 2\)",
        ),
        ({"transition": np.full((2, 2, 3), 0.5)}, "transition must have 4 dimensions"),
        ({"transition": {}}, "at least one table"),
        ({"transition": {"x": np.full((2, 2, 3, 2), 0.5)}}, "in-degrees"),
        ({"transition": {2: np.full((2, 2, 3, 2), 0.4)}}, r"transition\[2\]"),
        ({"reward": np.full((2, 2, 1), np.nan)}, "reward must have finite numbers"),
        ({"reward": np.zeros((2, 3, 1))}, r"reward must have shape \(2, 2, M\)"),
        ({"states": ("a",)}, "states must be 2 names"),
        ({"actions": (1, 2)}, "actions must be 2 names"),
    ],
)
def test_bad_rules_are_named(change: dict[str, Any], said: str) -> None:
    LocalRule(**GOOD)
    with pytest.raises(ValueError, match=said):
        LocalRule(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rule": 3}, "rule must be a LocalRule or the name of a file"),
        ({"rule": "/nowhere/at all.json"}, "rule can't be read"),
        ({"topology": "star", "n_agents": 5}, "M = 5 sums of signals for agents with 4"),
        ({"topology": "nowhere"}, "topology"),
        ({"topology": nx.path_graph(4), "n_agents": 5}, "n_agents must be 4"),
        ({"n_agents": 0}, "n_agents"),
        ({"horizon": 0}, "horizon"),
        ({"observe": "all"}, "observe"),
        ({"relabel": 1}, "relabel"),
        ({"backend": "fortran"}, "backend"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make("crl/local_rule-v0", **{"rule": LocalRule(**GOOD), **arguments})


def test_a_rule_without_a_table_for_a_degree_is_refused() -> None:
    with pytest.raises(ValueError, match="transition for agents with 2 neighbours"):
        LocalRuleProblem(sysadmin_rule("ring", [1]), topology="ring")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"signal": 3, "reward": 3, "start": 3}', "transition is missing"),
        ("{", "Expecting property name"),
        ('{"colour": 1}', "reward is missing"),
        (json.dumps({"colour": 1, **dict.fromkeys(GOOD, 3)}), "unknown field 'colour'"),
        ("[]", "it must be an object with the tables, got"),
        ("3", "it must be an object with the tables, got 3"),
    ],
)
def test_files_without_a_rule_are_named(content: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"rule\.json is not a local rule: {why}"):
        LocalRule.load(path)


@pytest.mark.parametrize("name", ["rule.npz", "rule.txt"])
def test_a_file_that_is_no_archive_is_named_once_and_with_the_argument(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text("no rule")
    with pytest.raises(ValueError, match="rule must be a LocalRule: ") as refused:
        crl_envs.make("crl/local_rule-v0", rule=str(path))
    assert str(refused.value).count("is not a local rule") == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # some editors begin with a mark
def test_a_rule_can_be_written_by_hand(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    text = json.dumps({k: np.asarray(v).tolist() for k, v in GOOD.items()})
    path.write_text(text, encoding=encoding)
    assert LocalRule.load(path) == LocalRule(**GOOD)


CASES: list[dict[str, Any]] = [
    {"rule": random_rule(2), "n_agents": 1},
    {"rule": random_rule(3), "n_agents": 7, "relabel": True, "horizon": 7},
    {"rule": random_rule(4), "n_agents": 9, "topology": "torus", "observe": "neighborhood"},
    {"rule": random_rule(5, a=3), "topology": LOPSIDED, "observe": "neighborhood", "relabel": True},
    {"rule": random_rule(6, s=2, k=1, degree=1), "n_agents": 6, "topology": "directed_ring"},
    {"rule": random_rule(7, s=1, a=1), "n_agents": 8, "topology": "tree"},
]


@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_one_stream_three_views(kwargs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEAD_START, "0")
    played = assert_views_agree("crl/local_rule-v0", kwargs, 200, num_envs=3, seed=2**40)
    assert played.episodes >= 3 * 9
    assert_verbs_agree(crl_envs.make_vec("crl/local_rule-v0", 1, **kwargs).world)


@pytest.mark.parametrize("columns", [15, 16, 37])
@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_few_and_many_columns(
    kwargs: dict[str, Any], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels go through many columns by other loops."""
    monkeypatch.setenv(HEAD_START, "0")
    assert_backends_agree("crl/local_rule-v0", columns, **kwargs)


@pytest.mark.parametrize("n", [2, 4095, 4096, 4097, 9001])
def test_rings_as_vectors_are_the_graph_loop(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One column takes the loop over blocks, two take the other; both are NumPy's."""
    monkeypatch.setenv(HEAD_START, "0")
    arguments = {"rule": random_rule(8, s=2, k=1, degree=1), "topology": "directed_ring"}
    worlds = {
        backend: crl_envs.make_vec("crl/local_rule-v0", 1, n_agents=n, backend=backend, **arguments)
        for backend in BACKENDS
    }
    actions = np.random.default_rng(0).integers(0, 2, (6, 1, n))
    played = []
    for vec in worlds.values():
        vec.reset(seed=3)
        played.append([vec.step(action)[:2] for action in actions])
    for other in played[1:]:
        for (seen, paid), (seen_too, paid_too) in zip(played[0], other, strict=True):
            assert np.array_equal(seen, seen_too)
            assert np.array_equal(paid, paid_too)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", dynamics.BINARY_DYNAMICS)
@pytest.mark.parametrize("topology", ["ring", "grid", "star", "random", LOPSIDED])
def test_sysadmin_is_a_local_rule(
    name: str, topology: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, relabelled too."""
    monkeypatch.setenv(HEAD_START, "0")
    n = None if isinstance(topology, nx.Graph) else 12
    shared = {"relabel": True, "observe": "neighborhood", "backend": backend}
    machines = crl_envs.make_vec(
        "crl/sysadmin-v0", 3, n_agents=n, dynamics=name, topology=topology, **shared
    )
    edges = machines.world.edges
    graph = nx.DiGraph(edges.tolist())
    degrees = sources_of(edges, machines.world.n_agents).degree
    rule = sysadmin_rule(name, set(degrees.tolist()))
    ruled = crl_envs.make_vec("crl/local_rule-v0", 3, rule=rule, topology=graph, **shared)
    seen, _ = machines.reset(seed=11)
    assert np.array_equal(seen, ruled.reset(seed=11)[0])
    rng = np.random.default_rng(0)
    for _ in range(70):
        actions = rng.integers(0, 2, (3, machines.world.n_agents))
        for one, two in zip(machines.step(actions)[:4], ruled.step(actions)[:4], strict=True):
            assert np.array_equal(one, two)
    assert ruled.world.problem.factored_model() == machines.world.problem.factored_model()


@pytest.mark.parametrize("topology", ["ring", "star", "directed_ring"])
@pytest.mark.parametrize("seed", range(3))
def test_half_steps_are_the_same_world(topology: str, seed: int) -> None:
    """Rules whose signals depend on actions: the best return, and where rewards are own ones the factored model's."""
    given: dict[str, Any] = {"n_agents": 3, "topology": topology}
    rule = replace(random_rule(seed, s=2, k=1, degree=2), signal=[[0, 1], [seed % 2, 0]])
    whole = LocalRuleProblem(rule, **given, horizon=3)
    halves = LocalRuleProblem(rule.in_half_steps(), **given, horizon=6)
    assert not rule.signals_by_state and halves.rule.signals_by_state
    assert exact_value(halves) == pytest.approx(exact_value(whole))
    with pytest.raises(ValueError, match="in_half_steps"):
        whole.factored_model()
    own = replace(rule, reward=rule.reward[-1][:, :, :1])
    halves = replace(halves, rule=own.in_half_steps())
    expected = exact_value(replace(whole, rule=own))
    assert value_iteration(halves.factored_model()).value == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3), relabel=st.booleans())
def test_exact_value_is_that_of_the_factored_model(seed: int, n: int, relabel: bool) -> None:
    rule = random_rule(seed, s=2, k=1, degree=2, by_state=True)
    problem = LocalRuleProblem(rule, n, horizon=4, relabel=relabel)
    assert exact_value(problem) == pytest.approx(value_iteration(problem.factored_model()).value)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3))
def test_ends_hold_the_exact_value(seed: int, n: int) -> None:
    """False alarm: 3e-5 for each lower end, which is simulated."""
    problem = LocalRuleProblem(random_rule(seed, s=2, degree=2), n, horizon=5)
    exact = exact_value(problem)
    assert best_own_table(problem)[0] <= exact + 1e-9
    assert exact <= relaxed_value(problem) + 1e-9


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_joint_policy_beats_the_optimum(seed: int) -> None:
    """All policies of two agents that see both and the step, by brute force over two steps."""
    rule = random_rule(seed, s=2, degree=2)
    env = crl_envs.make("crl/local_rule-v0", rule=rule, n_agents=2, horizon=2)
    pairs = list(product(range(2), repeat=2))

    def worth(state: tuple[int, ...], left: int) -> float:
        if not left:
            return 0.0
        best = -np.inf
        for action in pairs:
            felt = [int(rule.signal[state[1 - i], action[1 - i]]) for i in (0, 1)]
            tables = rule.tables(1)
            value = np.mean([tables.reward[state[i], action[i], felt[i]] for i in (0, 1)])
            for after in pairs:
                chance = np.prod(
                    [tables.transition[state[i], action[i], felt[i], after[i]] for i in (0, 1)]
                )
                value += chance * worth(after, left - 1)
            best = max(best, float(value))
        return best

    value = sum(float(np.prod(rule.start[list(s)])) * worth(s, 2) for s in pairs)
    assert env.optimum().value == pytest.approx(value)


@pytest.mark.parametrize("topology", ["ring", "directed_ring"])
@pytest.mark.parametrize("seed", range(4))
def test_window_program_bounds_rings(topology: str, seed: int) -> None:
    """Above the exact value, for rules whose actions are felt, and below the relaxation; the greedy policy is below.

    Its simulated return is that of the world; false alarm: 1e-5 for each of the two.
    """
    pytest.importorskip("scipy")
    rule = random_rule(seed, s=2, k=1, degree=2)
    problem = LocalRuleProblem(rule, 6, topology=topology, horizon=4)
    found = ring_rule(problem)
    assert found is not None
    start_up, exact = float(rule.start[1]), exact_value(problem)
    bound, _, weights = window_bound(found, 4, start_up, 2)
    assert exact - 1e-9 <= bound <= relaxed_value(problem) + 1e-6
    table = greedy_table(found, weights, radius=2)
    policy = simulate(found, 6, start_up, table, weights)
    assert policy.mean - 4.5 * policy.standard_error <= exact + 1e-9
    vec = crl_envs.make_vec(
        "crl/local_rule-v0",
        4000,
        rule=rule,
        n_agents=6,
        topology=topology,
        horizon=4,
    )
    seen, paid = vec.reset(seed=1)[0], np.zeros(4000)
    for t in range(4):
        actions = table[t][window_codes(seen.T.astype(np.uint8), -2, 5)]
        seen, reward, *_ = vec.step(actions.T)
        paid += reward.mean(axis=1, dtype=np.float64)
    error = np.hypot(paid.std() / 4000**0.5, policy.standard_error)
    assert abs(paid.mean() - policy.mean) < 4.5 * error + 1e-6
    assert ring_rule(LocalRuleProblem(rule, topology=nx.path_graph(6))) is None


def test_window_program_comes_near_in_the_epidemic() -> None:
    pytest.importorskip("scipy")
    small = crl_envs.make("crl/epidemic-v0", n_agents=8, topology="ring", horizon=10).optimum()
    large: Any = crl_envs.make("crl/epidemic-v0", n_agents=1000, topology="ring", horizon=10)
    assert small.value <= large.optimum().value <= 1.001 * small.value
    assert large.optimum().lower < large.optimum().value < relaxed_value(large.world.problem)
