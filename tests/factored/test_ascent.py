"""Coordinate ascent against exhaustive search, full simulation and exact values."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crl_envs.factored import (
    NEIGHBORHOOD,
    OWN_STATE,
    PARENTS,
    POLICY_CLASSES,
    FactoredMDP,
    PolicyClass,
    TablePolicy,
    ascent,
    coordinate_ascent,
    evaluate,
    simulate,
    value_iteration,
)
from tests.factored.models import models, random_model, sysadmin
from tests.views import BACKENDS


def changed(policy: TablePolicy, entry: int, action: int) -> TablePolicy:
    table = policy.table.copy()
    table[entry] = action
    return TablePolicy(policy.policy_class, policy.scopes, table)


def best_of_class(model: FactoredMDP, policy_class: PolicyClass) -> float:
    """The highest exact utility of all policies of a class."""
    scopes = policy_class.scopes(model)
    tables = product(range(model.n_actions), repeat=scopes.n_entries)
    return max(
        evaluate(model, TablePolicy(policy_class, scopes, np.array(t, np.uint8))) for t in tables
    )


@pytest.fixture
def rough_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few fresh episodes, where the test isn't about them."""
    monkeypatch.setattr(ascent, "_AGENT_STEPS_OF_VALUE", 1)


@pytest.mark.usefixtures("rough_value")
class TestAscent:
    @pytest.mark.parametrize(
        ("policy_class", "kwargs"),
        [
            (OWN_STATE, {"n_agents": 4}),
            (OWN_STATE, {"n_agents": 4, "relabel": True, "instance_seed": 1}),
            (OWN_STATE, {"n_agents": 4, "topology": "star", "dynamics": "ring-bidirectional"}),
            (OWN_STATE, {"n_agents": 4, "topology": "grid", "dynamics": "ippc2011"}),
            (PARENTS, {"n_agents": 2, "horizon": 5}),
            (NEIGHBORHOOD, {"n_agents": 2, "dynamics": "ippc2011", "horizon": 5, "relabel": True}),
        ],
    )
    def test_finds_the_best_of_the_class(
        self, policy_class: PolicyClass, kwargs: dict[str, Any]
    ) -> None:
        """Within what 2000 episodes can tell: 0.005 a step."""
        model = sysadmin(**kwargs)
        plan = coordinate_ascent(model, policy_class, episodes=2000)
        found = evaluate(model, plan.policy)
        assert found >= best_of_class(model, policy_class) - 0.005 * model.horizon

    @settings(max_examples=25, suppress_health_check=[*HealthCheck])
    @given(models(), st.sampled_from(sorted(POLICY_CLASSES)), st.integers(0, 100))
    def test_local_optimum(self, model: FactoredMDP, name: str, seed: int) -> None:
        """No other action in any single entry has a higher mean return on the episodes of the search."""
        plan = coordinate_ascent(model, POLICY_CLASSES[name], episodes=20, seed=seed)
        assert plan.converged
        for entry, action in product(range(plan.policy.table.size), range(model.n_actions)):
            other = simulate(model, changed(plan.policy, entry, action), 20, seed)
            assert other.value <= plan.fitted + 1e-9

    @settings(max_examples=20, suppress_health_check=[*HealthCheck])
    @given(
        st.sampled_from(
            [
                {"n_agents": 30},
                {"n_agents": 12, "dynamics": "ring-bidirectional"},
                {"n_agents": 7, "topology": "star", "dynamics": "ippc2011"},
                {"n_agents": 9, "topology": "grid", "dynamics": "ring-bidirectional"},
                {"n_agents": 10, "topology": "legs", "dynamics": "ippc2011", "relabel": True},
                {"n_agents": 8, "topology": "random", "dynamics": "ring-bidirectional"},
                {"n_agents": 4, "dynamics": "status-load", "start_up": 0.9},
            ]
        ),
        st.sampled_from(sorted(POLICY_CLASSES)),
        st.integers(1, 7),
        st.integers(0, 100),
    )
    def test_any_topology(self, kwargs: Any, name: str, horizon: int, seed: int) -> None:
        """Simulating only what a change can reach gives the return of simulating everything."""
        policy_class = POLICY_CLASSES[name]
        if name != "own-state" and kwargs.get("dynamics") == "status-load":
            policy_class = PARENTS
        model = sysadmin(horizon=horizon, **kwargs)
        plan = coordinate_ascent(model, policy_class, episodes=8, sweeps=3, seed=seed)
        everything = simulate(model, plan.policy, 8, seed)
        assert plan.fitted == pytest.approx(everything.value, abs=1e-9)

    def test_never_below_its_start(self) -> None:
        """Each sweep raises the return on the episodes of the search."""
        model = sysadmin(n_agents=12, horizon=10, relabel=True, dynamics="ring-bidirectional")
        plans = [coordinate_ascent(model, NEIGHBORHOOD, episodes=30, sweeps=k) for k in range(4)]
        fitted = [p.fitted for p in plans]
        assert fitted == sorted(fitted)
        assert fitted[1] > fitted[0] + 0.25
        assert [p.sweeps for p in plans] == [0, 1, 2, 3]
        assert not plans[0].converged

    def test_relabelling_costs_nothing(self) -> None:
        """Half of the agents have their actions swapped; the utility is the same."""
        plain, hidden = (
            evaluate(m, coordinate_ascent(m, OWN_STATE).policy)
            for m in (sysadmin(n_agents=10), sysadmin(n_agents=10, relabel=True))
        )
        assert hidden == pytest.approx(plain, abs=1e-12)

    def test_reboot_when_down_on_the_ring(self) -> None:
        """Own-state policies reach the optimum of the default, at any n."""
        small = sysadmin(n_agents=8)
        assert evaluate(small, coordinate_ascent(small, OWN_STATE).policy) == pytest.approx(
            value_iteration(small).value, abs=1e-3
        )
        large = coordinate_ascent(sysadmin(n_agents=150), OWN_STATE, episodes=50)
        assert (large.policy.table.reshape(150, 2) == [1, 0]).all()

    def test_policy_that_others_see(self) -> None:
        """Where an agent sees its child, an influence runs against the edges, through actions."""
        # 0 → 1; the state of 0 copies its action, that of 1 copies the state of 0; 1's first state is a coin.
        # Only 0's second state pays, when it equals nothing but 0's action: seeing 1 lets 0 know nothing more.
        transition = np.zeros((6, 2, 2))
        transition[:2, [0, 1], [0, 1]] = 1
        transition[2:, 0, :] = np.eye(2)[[0, 0, 1, 1]]
        transition[2:, 1, :] = np.eye(2)[[1, 1, 0, 0]]
        reward = np.zeros((2, 2, 2))
        reward[0, 1, 0] = 1
        model = FactoredMDP(
            edges=np.array([[0, 1]]),
            transition=transition,
            reward=reward,
            start=np.full((2, 2), 0.5),
            horizon=6,
        )
        plan = coordinate_ascent(model, NEIGHBORHOOD, episodes=50, seed=3)
        assert plan.fitted == pytest.approx(simulate(model, plan.policy, 50, 3).value, abs=1e-12)
        both, one = (ascent._influenced(model, c.scopes(model)) for c in (NEIGHBORHOOD, OWN_STATE))
        assert (both.indptr.tolist(), both.indices.tolist()) == ([0, 1, 2], [1, 0])
        assert (one.indptr.tolist(), one.indices.tolist()) == ([0, 1, 1], [1])

    def test_window(self) -> None:
        """A window of all steps after the first one changes nothing."""
        model = random_model(4, n=6, s=2, a=2, horizon=4)
        exact = coordinate_ascent(model, PARENTS, episodes=40)
        for window in (3, 4, 100):
            same = coordinate_ascent(model, PARENTS, episodes=40, window=window)
            assert np.array_equal(same.policy.table, exact.policy.table)

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("window", [0, 1, 2])
    def test_short_window(self, seed: int, window: int) -> None:
        """What is left out is put right after each sweep: the result is a policy and its true return."""
        model = random_model(seed, n=6, s=2, a=2, horizon=6)
        plan = coordinate_ascent(model, NEIGHBORHOOD, episodes=30, window=window, sweeps=5)
        assert plan.fitted == pytest.approx(simulate(model, plan.policy, 30).value, abs=1e-9)
        assert plan.fitted > simulate(model, NEIGHBORHOOD.constant(model), 30).value

    def test_selfish_window_misses_the_neighbours(self) -> None:
        """Agent 0 pays a little for a state that feeds agent 1: only a window of an edge sees why."""
        transition = np.zeros((6, 2, 2))
        transition[:2, [0, 1], [0, 1]] = 1
        transition[2:, :, :] = np.eye(2)[[0, 0, 1, 1]][:, None]
        reward = np.zeros((2, 2, 2))
        reward[0, :, 1], reward[1, 1, :] = -0.1, 1
        model = FactoredMDP(
            edges=np.array([[0, 1]]),
            transition=transition,
            reward=reward,
            start=np.array([[1.0, 0.0], [1.0, 0.0]]),
            horizon=8,
        )
        near, far = (coordinate_ascent(model, OWN_STATE, episodes=1, window=w) for w in (1, None))
        assert near.fitted == far.fitted == pytest.approx(value_of_feeding := (6 - 0.8) / 2)
        search = ascent._Search(
            model, OWN_STATE.scopes(model), far.policy.table, episodes=1, seed=0, reach=0
        )
        assert search.sweep()
        assert search.value < value_of_feeding

    def test_same_seed_same_plan(self) -> None:
        model = random_model(9, n=4, s=3, a=3, horizon=5)
        one, again, other = (coordinate_ascent(model, PARENTS, seed=s) for s in (1, 1, 2))
        assert np.array_equal(one.policy.table, again.policy.table)
        assert (one.value, one.fitted) == (again.value, again.fitted)
        assert one.value != other.value

    def test_columns_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = random_model(9, n=4, s=2, a=3, horizon=5)
        whole = coordinate_ascent(model, NEIGHBORHOOD, episodes=30)
        monkeypatch.setattr(ascent, "_CELLS_AT_ONCE", 100)
        parts = coordinate_ascent(model, NEIGHBORHOOD, episodes=30)
        assert np.array_equal(whole.policy.table, parts.policy.table)

    def test_unmet_configurations_keep_their_action(self) -> None:
        model = sysadmin(n_agents=4, start_up=1.0, horizon=1)
        plan = coordinate_ascent(model, OWN_STATE, episodes=10)
        assert (plan.policy.table == 0).all()


def test_value_is_on_fresh_episodes() -> None:
    """Six standard errors from the exact utility have a chance below 1e-8."""
    model = sysadmin(n_agents=6, topology="star", dynamics="ring-bidirectional")
    plan = coordinate_ascent(model, NEIGHBORHOOD, episodes=20)
    exact = evaluate(model, plan.policy)
    assert abs(plan.value - exact) < 6 * plan.standard_error
    assert plan.fitted > exact + 6 * plan.standard_error


class TestRefusals:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"episodes": 0}, "episodes must be an integer ≥ 1, got 0"),
            ({"sweeps": -1}, "sweeps must be an integer ≥ 0"),
            ({"window": 1.5}, r"window must be an integer ≥ 0, got 1\.5"),
            ({"seed": -1}, "seed must be an integer in"),
            (
                {"episodes": 10**9},
                r"episodes must be few enough .* got 1000000000, .* fewer episodes",
            ),
        ],
    )
    def test_arguments(self, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            coordinate_ascent(sysadmin(n_agents=3), OWN_STATE, **kwargs)

    def test_too_many_neighbours(self) -> None:
        model = random_model(0, n=30, edges=np.array([[0, j] for j in range(1, 30)]))
        with pytest.raises(ValueError, match=r"class 'neighborhood' must have at most .* agent 0"):
            coordinate_ascent(model, NEIGHBORHOOD)
        assert coordinate_ascent(model, PARENTS, episodes=5).fitted > 0


def with_ties(model: FactoredMDP) -> FactoredMDP:
    """The model with few rewards, which no float has, and two actions of the same effect."""
    transition, reward = model.transition.copy(), np.round(model.reward) / 10
    transition[:, -1], reward[:, :, -1] = transition[:, 0], reward[:, :, 0]
    return replace(model, transition=transition, reward=reward)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="Numba is not installed")
@pytest.mark.parametrize("policy_class", POLICY_CLASSES.values(), ids=POLICY_CLASSES)
@pytest.mark.parametrize("seed", range(4))
class TestCompiled:
    @pytest.mark.parametrize(
        ("window", "episodes", "cells_at_once"),
        [(None, 7, 2_000_000), (None, 7, 700), (None, 1, 700), (2, 7, 2_000_000)],
    )
    def test_same_plan(
        self,
        policy_class: PolicyClass,
        window: int | None,
        seed: int,
        episodes: int,
        cells_at_once: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Also where gains are equal, and where NumPy plays a column alone, whose rewards it adds in another order."""
        monkeypatch.setattr(ascent, "_CELLS_AT_ONCE", cells_at_once)
        monkeypatch.setattr(ascent, "_AGENT_STEPS_OF_VALUE", 1)
        random = random_model(seed, n=9, s=2 + seed % 2, a=2 + seed // 2, horizon=9)
        for model in (random, with_ties(random)):
            plans = []
            for numba in (True, False):
                monkeypatch.setattr(ascent, "has_numba", lambda numba=numba: numba)
                plan = coordinate_ascent(
                    model, policy_class, episodes=episodes, sweeps=2, window=window, seed=seed
                )
                plans.append((plan.policy.table.tolist(), plan.fitted, plan.value, plan.sweeps))
            assert plans[0] == plans[1]

    @pytest.mark.parametrize("columns", [9, 1])
    def test_gains_to_the_last_bit(
        self, policy_class: PolicyClass, seed: int, columns: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A turn changes something exactly if the best gain of whole replays is above the noise."""
        model = random_model(seed, n=9, s=2 + seed % 2, a=2 + seed // 2, horizon=9)
        scopes = policy_class.scopes(model)
        table = np.arange(scopes.n_entries, dtype=np.uint8) % model.n_actions

        def search() -> ascent._Search:
            return ascent._Search(model, scopes, table, columns, seed, model.horizon - 1)

        gains = []
        for agent in range(model.n_agents):
            whole = search()
            entries, actions, episodes = whole._candidates(agent)
            near = ascent._Surroundings(whole, agent)
            _, index = np.unique(entries * model.n_actions + actions, return_inverse=True)
            gain = np.bincount(index, whole._gains(near, entries, actions, episodes)).max()
            gains.append(float(gain))
        if columns > 1:  # else the turn is left to NumPy
            monkeypatch.delattr(ascent, "_Surroundings")
        assert max(gains) > 0
        for agent, gain in enumerate(gains):
            for noise in (gain, np.nextafter(gain, -np.inf)):
                if noise > 0:  # else a turn may not end
                    compiled = search()
                    compiled.noise = noise
                    compiled._turn(agent)
                    assert (compiled.changes > 0) == (gain > noise)
                    assert compiled.value == pytest.approx(fitted(compiled), abs=1e-12)


def fitted(search: ascent._Search) -> float:
    """The return of the search's episodes, played anew."""
    states, total = search.states[0].copy(), 0.0
    for step in range(search.model.horizon):
        actions = search.table[search.scopes.entries(states)]
        assert np.array_equal(states, search.states[step])
        total += float(search.simulator.rewards(states, actions).mean())
        states = search.simulator.next(states, actions, search.words[step])
    return total
