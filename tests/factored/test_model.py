"""`FactoredMDP` as a value, SYSADMIN's model against its own tables, and the simulator."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.factored import (
    NEIGHBORHOOD,
    OWN_STATE,
    FactoredMDP,
    PolicyClass,
    Scopes,
    TablePolicy,
    evaluate,
    joint_states,
    simulate,
)
from crl_envs.factored.simulation import Simulator
from crl_envs.sysadmin.world import make_world
from tests.factored.models import Enumerated, models, random_model, sysadmin
from tests.sysadmin.reference import Problem, both_ways, directed_cycle

MODEL = sysadmin(n_agents=3, horizon=2)
ALARM = 1e-6  # false-alarm rate of each statistical test


def joint_law(model: FactoredMDP, actions: Any) -> np.ndarray:
    """P(s' | s, a) of all joint states s and s', from `Simulator`-independent tables: ``[S^n, S^n]``."""
    states = joint_states(model.n_agents, model.n_states)
    chosen = np.repeat(np.array(actions)[:, None], states.shape[1], axis=1)
    tables = model.transition[model.scopes.entries(states), chosen]
    law = np.ones((states.shape[1], 1))
    for table in tables:
        law = (table[:, :, None] * law[:, None, :]).reshape(len(law), -1)
    return law


class TestValue:
    @settings(max_examples=30, deadline=None)
    @given(model=models())
    def test_equality_and_file(self, model: FactoredMDP, tmp_path_factory: Any) -> None:
        path = tmp_path_factory.mktemp("models") / "model"
        model.save(path)
        loaded = FactoredMDP.load(path)
        assert loaded == model
        assert loaded.distance(model) == (0, 0, 0)
        assert replace(model, horizon=model.horizon + 1) != model
        assert replace(model, reward=model.reward + 1) != model
        assert model != "a model"

    def test_tables_can_t_be_changed(self) -> None:
        model = random_model(0)
        with pytest.raises(ValueError, match="read-only"):
            model.reward[0] = 1

    def test_unhashable(self) -> None:
        with pytest.raises(TypeError, match="unhashable"):
            hash(random_model(0))

    def test_distance(self) -> None:
        model = random_model(1, n=3, s=2)
        transition, reward, start = (
            getattr(model, name).copy() for name in ("transition", "reward", "start")
        )
        transition[5, 1] = [0.25, 0.75]
        gap = np.abs(transition[5, 1] - model.transition[5, 1]).max()
        reward[2, 0, 1] -= 3
        start[1] = model.start[1, ::-1]
        other = replace(model, transition=transition, reward=reward, start=start)
        expected = (gap, 3, np.abs(model.start[1] - model.start[1, ::-1]).max())
        assert model.distance(other) == pytest.approx(expected, abs=1e-12)
        assert other.distance(model) == model.distance(other)

    @pytest.mark.parametrize("kwargs", [{"n": 4}, {"s": 3}, {"a": 3}])
    def test_distance_of_other_structures(self, kwargs: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="other must have 3 agents, 2 states, 2 actions and 3"):
            random_model(0).distance(random_model(0, **kwargs))

    def test_distance_of_other_edges(self) -> None:
        turned = random_model(0, edges=np.array([[0, 2], [1, 0], [2, 1]]))
        with pytest.raises(ValueError, match="other must have"):
            random_model(0).distance(turned)


class TestFiles:
    @pytest.mark.parametrize("keep", [0, 10, 0.5, 0.95])
    def test_cut_off(self, keep: float, tmp_path: Path) -> None:
        path = tmp_path / "model.npz"
        random_model(0).save(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
        with pytest.raises(ValueError, match=r"model\.npz is not a factored MDP"):
            FactoredMDP.load(path)

    def test_flipped_byte(self, tmp_path: Path) -> None:
        path = tmp_path / "model.npz"
        random_model(0, n=10).save(path)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(bytes(data))
        with pytest.raises(ValueError, match=r"model\.npz is not a factored MDP"):
            FactoredMDP.load(path)

    def test_other_contents(self, tmp_path: Path) -> None:
        path = tmp_path / "numbers.npz"
        np.savez(path, reward=np.zeros(3))
        with pytest.raises(ValueError, match=r"numbers\.npz is not a factored MDP"):
            FactoredMDP.load(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            FactoredMDP.load(tmp_path / "none")


class TestValidation:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"horizon": 0}, "horizon must be an integer ≥ 1, got 0"),
            ({"horizon": 2.0}, "horizon must be an integer"),
            ({"reward": np.zeros((3, 2))}, "reward must be a float64 array of 3 dimensions"),
            ({"reward": np.zeros((3, 2, 2), np.float32)}, "reward must be a float64.*float32"),
            ({"reward": None}, "reward must be a float64.*None"),
            ({"reward": np.full((3, 2, 2), np.nan)}, "reward must have finite values"),
            ({"reward": np.zeros((3, 2, 0))}, "reward must have finite values, and at least one"),
            ({"reward": np.zeros((0, 2, 2))}, "reward must have finite values, and at least one"),
            ({"reward": np.zeros((3, 257, 2))}, "at most 256 states and actions, got 257 and 2"),
            ({"start": np.full((2, 2), 0.5)}, r"start must have shape \(3, 2\), got \(2, 2\)"),
            ({"start": np.full((3, 2), 0.4)}, "start must have probabilities that sum to 1"),
            ({"transition": np.ones((11, 2, 2))}, r"transition must have shape \(12, 2, 2\)"),
            (
                {"transition": np.tile([1.5, -0.5], (12, 2, 1))},
                "transition must have probabilities",
            ),
            ({"edges": np.array([[0, 3]])}, r"edges must be int64 pairs .* 0 … 2, sorted"),
            ({"edges": np.array([[1, 0], [0, 1]])}, "edges must be int64 pairs"),
            ({"edges": np.array([[0, 1], [0, 1]])}, "edges must be int64 pairs"),
            ({"edges": np.array([[1, 1]])}, "edges must be int64 pairs"),
            ({"edges": np.array([[-1, 1]])}, "edges must be int64 pairs"),
            ({"edges": np.array([0, 1])}, "edges must be int64 pairs"),
            ({"edges": [[0, 1]]}, "edges must be int64 pairs"),
        ],
    )
    def test_bad_tables(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            replace(random_model(0), **change)

    def test_too_many_parents(self) -> None:
        edges = np.array([[j, 40] for j in range(40)])
        with pytest.raises(
            ValueError, match=r"at most 50000000 values, needs .*agent 40 depends on 40"
        ):
            FactoredMDP(
                edges=edges,
                transition=np.ones((1, 2, 2)),
                reward=np.zeros((41, 2, 2)),
                start=np.full((41, 2), 0.5),
                horizon=1,
            )


class TestScopes:
    @settings(max_examples=30, deadline=None)
    @given(models(), st.integers(0, 2**32 - 1))
    def test_entries(self, model: FactoredMDP, seed: int) -> None:
        """Own state first and fastest, then the parents' in ascending order."""
        scopes = NEIGHBORHOOD.scopes(model)
        for s in (model.scopes, scopes):
            states = np.random.default_rng(seed).integers(model.n_states, size=(model.n_agents, 5))
            entries = s.entries(states.astype(np.uint8))
            for i, b in product(range(model.n_agents), range(5)):
                seen = states[s.of(i), b]
                assert s.of(i)[0] == i
                assert list(s.of(i)[1:]) == sorted(s.of(i)[1:])
                code = sum(int(x) * model.n_states**k for k, x in enumerate(seen))
                assert entries[i, b] == s.first[i] + code
        assert scopes.n_entries == scopes.sizes.sum()

    def test_digits_beyond_a_byte(self) -> None:
        """Configurations of nine states and several parents exceed 255."""
        model = sysadmin(n_agents=4, topology="star", dynamics="status-load")
        full = np.full((4, 1), 8, np.uint8)
        assert (model.scopes.entries(full)[:, 0] == model.scopes.first[1:] - 1).all()
        assert isinstance(model.scopes, Scopes)


class TestSysadmin:
    @pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional", "ippc2011", "lock"])
    @pytest.mark.parametrize("topology", ["ring", "star", "grid", nx.DiGraph([(0, 1), (2, 1)])])
    @pytest.mark.parametrize("relabel", [False, True])
    def test_binary_tables(self, dynamics: str, topology: Any, relabel: bool) -> None:
        n = None if isinstance(topology, nx.Graph) else 4
        kwargs: Any = {"n_agents": n, "topology": topology, "start_up": 0.3, "horizon": 9}
        kwargs |= {"dynamics": dynamics, "relabel": relabel, "instance_seed": 2}
        model = sysadmin(**kwargs)
        truth = crl_envs.make("crl/sysadmin-v0", **kwargs).transition_model()
        n = model.n_agents
        assert model.horizon == 9
        states = joint_states(n, 2)
        start = model.start[np.arange(n)[:, None], states].prod(axis=0)
        np.testing.assert_allclose(start, truth.initial, rtol=0, atol=1e-14)
        for k, actions in enumerate(states.T):
            law = joint_law(model, actions)
            np.testing.assert_allclose(law, truth.probability[:, k], rtol=0, atol=1e-14)
            paid = model.reward[np.arange(n)[:, None], states, actions[:, None]].T
            np.testing.assert_allclose(paid, truth.reward[:, k], rtol=0, atol=1e-7)

    @pytest.mark.parametrize("graph", [directed_cycle(2), both_ways(nx.star_graph(1))])
    def test_status_load(self, graph: nx.DiGraph) -> None:
        problem = Problem("status-load", graph, 0.3)
        model = sysadmin(dynamics="status-load", topology=graph, start_up=0.3)
        enumerated = Enumerated(model)
        laws = problem.start()
        for state, actions in product(problem.states(), problem.actions()):
            assert enumerated.start(state) == pytest.approx(laws.get(state, 0), abs=1e-15)
            expected = problem.next_law(state, actions)
            for after, p in enumerated.law(state, actions).items():
                assert p == pytest.approx(expected.get(after, 0), abs=1e-12)
            assert enumerated.reward(state, actions) == np.mean(problem.income(state, actions))

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"n_agents": 6},
            {"n_agents": 7, "topology": "star", "dynamics": "ippc2011", "relabel": True},
            {"n_agents": 3, "dynamics": "status-load"},
        ],
    )
    def test_same_episodes_as_the_world(self, kwargs: dict[str, Any]) -> None:
        """Returns of the model and of the world it comes from have the same mean (Welch's test)."""
        world = make_world(**kwargs)
        model = sysadmin(**kwargs)
        policy = random_policy(model, 1)
        stream = Stream(4000)
        stream.seed(10**6)
        state = world.initial(stream)
        total = np.zeros(4000)
        for _ in range(model.horizon):
            stream.advance()
            state, reward = world.step(state, policy.act(state), stream)
            total += reward.mean(axis=0)
        test = stats.ttest_ind(total, simulate(model, policy, 4000).team, equal_var=False)
        assert test.pvalue > ALARM


def random_policy(model: FactoredMDP, seed: int) -> TablePolicy:
    scopes = NEIGHBORHOOD.scopes(model)
    table = np.random.default_rng(seed).integers(model.n_actions, size=scopes.n_entries)
    return TablePolicy(NEIGHBORHOOD, scopes, table.astype(np.uint8))


class TestSimulate:
    @pytest.mark.parametrize("seed", range(5))
    def test_mean_is_the_exact_utility(self, seed: int) -> None:
        model = random_model(seed, n=3, s=2 + seed % 3, a=2, horizon=4)
        policy = random_policy(model, seed)
        returns = simulate(model, policy, 5000, seed)
        z = (returns.value - evaluate(model, policy)) / returns.standard_error
        assert abs(z) < stats.norm.isf(ALARM / 2)
        assert returns.local.mean() == pytest.approx(returns.value, abs=1e-9)

    def test_next_states_follow_the_tables(self) -> None:
        """Chi-square of one agent's next state in each configuration and action."""
        model = random_model(3, n=2, s=3, a=2)
        simulator, columns = Simulator(model), 20_000
        stream = Stream(columns)
        stream.seed(0)
        for configuration, action in product(range(9), range(2)):
            own, other = configuration % 3, configuration // 3
            states = np.repeat(np.array([[own], [other]], np.uint8), columns, axis=1)
            stream.advance()
            after = simulator.next(states, np.full((2, columns), action), stream.words(1, 2))[0]
            p = model.transition[configuration, action]
            counts = np.bincount(after, minlength=3)
            assert (counts[p == 0] == 0).all()
            test = stats.chisquare(counts[p > 0], columns * p[p > 0])
            assert (p > 0).sum() == 1 or test.pvalue > ALARM

    def test_episode_b_has_seed_plus_b(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = random_model(2, n=4, horizon=6)
        policy = random_policy(model, 0)
        together = simulate(model, policy, 20, seed=5)
        alone = simulate(model, policy, 7, seed=8)
        assert np.array_equal(together.team[3:10], alone.team)
        monkeypatch.setattr("crl_envs.factored.simulation._AGENTS_AT_ONCE", 12)
        parts = simulate(model, policy, 20, seed=5)
        assert np.array_equal(together.team, parts.team)
        np.testing.assert_allclose(together.local, parts.local, rtol=1e-12)

    def test_one_episode(self) -> None:
        model = random_model(2)
        assert simulate(model, random_policy(model, 0), 1).standard_error == 0

    @pytest.mark.parametrize("episodes", [0, -1, 1.5, True])
    def test_bad_episodes(self, episodes: Any) -> None:
        model = random_model(2)
        with pytest.raises(ValueError, match="episodes must be an integer ≥ 1"):
            simulate(model, random_policy(model, 0), episodes)


def test_nobody_can_write_into_a_model_or_a_policy() -> None:
    """Nor into what they were made from, once they have been checked."""
    given = {
        name: getattr(MODEL, name).copy() for name in ("edges", "transition", "reward", "start")
    }
    model = FactoredMDP(**given, horizon=np.int64(4))
    assert type(model.horizon) is int
    table = OWN_STATE.constant(model).table.copy()
    policy = TablePolicy(OWN_STATE, OWN_STATE.scopes(model), table)
    for array in (*given.values(), table):
        array.fill(99)
    assert model == replace(MODEL, horizon=4)
    assert not policy.table.any()
    for array in (model.edges, model.transition, model.reward, model.start, policy.table):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_policies_of_no_class_and_with_no_action() -> None:
    with pytest.raises(ValueError, match="name must be one of 'own-state', 'parents'"):
        PolicyClass("everything")
    with pytest.raises(ValueError, match=r"action must be an integer in \[0, 1\], got 2"):
        OWN_STATE.constant(MODEL, 2)
