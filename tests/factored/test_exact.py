"""Exact values against plain enumeration, brute force over policies, and the environments' own optimum."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.factored import (
    NEIGHBORHOOD,
    OWN_STATE,
    POLICY_CLASSES,
    TablePolicy,
    evaluate,
    joint_states,
    value_iteration,
)
from tests.factored.models import Enumerated, State, models, random_model, sysadmin
from tests.sysadmin.reference import Problem, directed_cycle


def acting(policy: Any) -> Any:
    """A joint policy as a function of tuples."""

    def act(state: State, step: int) -> State:
        return tuple(policy.act(np.array(state, np.uint8)[:, None], step)[:, 0].tolist())

    return act


def test_joint_states_count() -> None:
    states = joint_states(3, 4)
    assert states.shape == (3, 64)
    assert states.dtype == np.uint8
    assert (4 ** np.arange(3) @ states == np.arange(64)).all()


class TestValueIteration:
    @settings(max_examples=40, deadline=None)
    @given(models())
    def test_is_the_optimum(self, model: Any) -> None:
        """The value is that of expectimax over all joint actions, and the policy reaches it."""
        enumerated = Enumerated(model)
        solution = value_iteration(model)
        assert solution.value == pytest.approx(enumerated.best(), abs=1e-12)
        assert enumerated.utility(acting(solution.policy)) == pytest.approx(
            solution.value, abs=1e-12
        )

    def test_brute_force_over_policies(self) -> None:
        """The best of all 4^(4·2) non-stationary joint policies of two agents over two steps."""
        model = random_model(5, n=2, horizon=2)
        enumerated = Enumerated(model)
        order = {state: k for k, state in enumerate(enumerated.states)}
        last = {s: max(enumerated.reward(s, a) for a in enumerated.actions) for s in order}
        best = -np.inf
        for first_step in product(enumerated.actions, repeat=4):
            total = 0.0
            for state, actions in zip(order, first_step, strict=True):
                later = sum(p * last[s] for s, p in enumerated.law(state, actions).items())
                total += enumerated.start(state) * (enumerated.reward(state, actions) + later)
            best = max(best, total)
        assert value_iteration(model).value == pytest.approx(best, abs=1e-12)

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"n_agents": 7},
            {"n_agents": 4, "relabel": True},
            {"n_agents": 6, "dynamics": "ring-bidirectional", "start_up": 0.2},
            {"n_agents": 6, "dynamics": "ippc2011", "topology": "star", "horizon": 7},
            {"n_agents": 5, "topology": "grid", "dynamics": "ring-bidirectional"},
        ],
    )
    def test_environment(self, kwargs: dict[str, Any]) -> None:
        optimum = crl_envs.make("crl/sysadmin-v0", **kwargs).optimum()
        assert optimum.kind == "exact"
        assert value_iteration(sysadmin(**kwargs)).value == pytest.approx(optimum.value, abs=1e-11)

    def test_many_states(self) -> None:
        """Status-load has nine states a machine."""
        model = sysadmin(n_agents=2, dynamics="status-load", horizon=4)
        best = Problem("status-load", directed_cycle(2)).best_value(4)
        assert value_iteration(model).value == pytest.approx(best, abs=1e-12)

    def test_values_are_those_of_the_policy(self) -> None:
        model = random_model(1, n=3, horizon=3)
        solution = value_iteration(model)
        assert solution.values.shape == (4, 8)
        assert (solution.values[3] == 0).all()
        assert solution.policy.actions.shape == (3, 8, 3)
        enumerated = Enumerated(model)
        for k, state in enumerate(joint_states(3, 2).T):
            key = tuple(state.tolist())
            best = max(enumerated.reward(key, a) for a in enumerated.actions)
            assert solution.values[2, k] == pytest.approx(best, abs=1e-12)

    def test_groups_of_agents_don_t_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = random_model(3, n=4, s=3, a=2, horizon=3)
        value = value_iteration(model).value
        monkeypatch.setattr("crl_envs.factored.exact._LARGEST_GROUP", 3)
        monkeypatch.setattr("crl_envs.factored.exact._NUMBERS_AT_ONCE", 200)
        assert value_iteration(model).value == pytest.approx(value, abs=1e-12)

    @pytest.mark.parametrize(
        ("n", "memory"), [(20, r"6e\+08"), (40, r"10\^15"), (5000, r"10\^1510")]
    )
    def test_too_large(self, n: int, memory: str) -> None:
        with pytest.raises(
            ValueError,
            match=rf"too large for value_iteration: {n} agents.* need about {memory} bytes of memory and .* s; "
            "use coordinate_ascent .* approximate_linear_program",
        ) as refusal:
            value_iteration(sysadmin(n_agents=n))
        assert len(str(refusal.value)) < 400


class TestEvaluate:
    @settings(max_examples=40, deadline=None)
    @given(models(), st.sampled_from(sorted(POLICY_CLASSES)), st.integers(0, 2**32 - 1))
    def test_is_the_expectation(self, model: Any, name: str, seed: int) -> None:
        policy_class = POLICY_CLASSES[name]
        scopes = policy_class.scopes(model)
        table = np.random.default_rng(seed).integers(model.n_actions, size=scopes.n_entries)
        policy = TablePolicy(policy_class, scopes, table.astype(np.uint8))
        expected = Enumerated(model).utility(acting(policy))
        assert evaluate(model, policy) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("kwargs", [{"n_agents": 5}, {"n_agents": 5, "dynamics": "ippc2011"}])
    def test_best_policy_has_the_best_value(self, kwargs: dict[str, Any]) -> None:
        model = sysadmin(**kwargs)
        solution = value_iteration(model)
        assert evaluate(model, solution.policy) == pytest.approx(solution.value, abs=1e-12)
        assert evaluate(model, OWN_STATE.constant(model)) < solution.value

    def test_too_large(self) -> None:
        model = sysadmin(n_agents=30)
        with pytest.raises(ValueError, match=r"too large for evaluate: 30 agents.*use simulate"):
            evaluate(model, NEIGHBORHOOD.constant(model))
