"""Approximate linear programming: its bound, its constraints, its policy; and variable elimination."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crl_envs.factored import (
    FactoredMDP,
    approximate_linear_program,
    evaluate,
    joint_states,
    linear_program,
    simulate,
    value_iteration,
)
from crl_envs.factored.elimination import Factor, elimination_order, maximise
from tests.factored.models import Enumerated, models, random_model, sysadmin

TIGHT = 1e-7


def values(policy: linear_program.GreedyPolicy, model: FactoredMDP, step: int) -> np.ndarray:
    """V_t of all joint states, from the weights: Σ_D Σ_v w 1{s_D = v}."""
    states = joint_states(model.n_agents, model.n_states).T
    total = np.zeros(len(states))
    for term in policy.terms:
        nonzero = product(range(1, model.n_states), repeat=len(term.agents))
        for weight, v in zip(policy.weights[step, term.columns], nonzero, strict=True):
            total += weight * (states[:, list(term.agents)] == v).all(axis=1)
    return total


class TestBound:
    @pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional"])
    @pytest.mark.parametrize("n", range(1, 10))
    def test_is_above_the_optimum_on_rings(self, dynamics: str, n: int) -> None:
        model = sysadmin(n_agents=n, dynamics=dynamics, horizon=6)
        bound = approximate_linear_program(model, window=1)
        best = value_iteration(model).value
        assert best <= bound.value < 1.15 * best

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("dynamics", "window", "horizon"),
        [("ring", 2, 20), ("ring-bidirectional", 2, 6), ("ippc2011", 1, 20)],
    )
    @pytest.mark.parametrize("n", [10, 11, 12])
    def test_is_above_the_optimum_on_long_rings(
        self, n: int, dynamics: str, window: int, horizon: int
    ) -> None:
        model = sysadmin(n_agents=n, dynamics=dynamics, horizon=horizon)
        bound = approximate_linear_program(model, window=window)
        best = value_iteration(model).value
        assert best <= bound.value < 1.15 * best

    @settings(max_examples=25, deadline=None)
    @given(models(), st.integers(1, 2))
    def test_is_above_the_optimum(self, model: FactoredMDP, window: int) -> None:
        bound = approximate_linear_program(model, window=window)
        best = value_iteration(model).value
        assert evaluate(model, bound.policy) <= best + 1e-9
        assert best <= bound.value

    @settings(max_examples=10, deadline=None)
    @given(models())
    def test_a_window_of_all_agents_is_exact(self, model: FactoredMDP) -> None:
        """Where the model's graph is connected, the tables then hold any function of the joint state."""
        bound = approximate_linear_program(model, window=10**9)
        solution = value_iteration(model)
        connected = len(bound.policy.terms) == 2**model.n_agents
        if connected or model.n_agents == 1:
            assert bound.value == pytest.approx(solution.value, abs=TIGHT)

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"n_agents": 5, "horizon": 4},
            {"n_agents": 4, "topology": "star", "dynamics": "ring-bidirectional", "horizon": 4},
            {"n_agents": 4, "topology": "grid", "dynamics": "ippc2011", "horizon": 3},
            {"n_agents": 5, "topology": "legs", "dynamics": "ring-bidirectional", "horizon": 3},
        ],
    )
    def test_falls_with_the_window(self, kwargs: dict[str, Any]) -> None:
        """… down to the optimum, which the greedy policy then reaches."""
        model = sysadmin(**kwargs)
        n = model.n_agents
        bounds = [approximate_linear_program(model, window=w) for w in range(1, n + 1)]
        found = [b.value for b in bounds]
        best = value_iteration(model).value
        assert all(b <= a + TIGHT for a, b in pairwise(found))
        assert found[-1] == pytest.approx(best, abs=TIGHT)
        assert evaluate(model, bounds[-1].policy) == pytest.approx(best, abs=1e-5)

    def test_default_of_the_ring(self) -> None:
        """Windows of two come within 0.03 % of the optimum, and their greedy policy reaches it."""
        model = sysadmin(n_agents=5)
        bound = approximate_linear_program(model)
        best = value_iteration(model).value
        assert best < bound.value < 1.0003 * best
        assert evaluate(model, bound.policy) == pytest.approx(best, abs=1e-9)

    @pytest.mark.parametrize(("seed", "window"), [(0, 1), (1, 1), (2, 2), (3, 3)])
    def test_every_constraint(self, seed: int, window: int) -> None:
        """V_t ≥ R + E[V_{t+1}] in every joint state for every joint action, up to the reported slack."""
        model = random_model(seed, n=3, s=2 + seed % 2, a=2, horizon=3)
        bound = approximate_linear_program(model, window=window)
        enumerated = Enumerated(model)
        keys = [tuple(s.tolist()) for s in joint_states(3, model.n_states).T]
        index = {key: k for k, key in enumerate(keys)}
        total = 0.0
        for step in range(3):
            now, following = (values(bound.policy, model, t) for t in (step, step + 1))
            excess = [
                3 * enumerated.reward(key, actions)
                + sum(p * following[index[s]] for s, p in enumerated.law(key, actions).items())
                - now[index[key]]
                for key in keys
                for actions in enumerated.actions
            ]
            assert max(excess) <= TIGHT
            total += max(excess)
        assert total / 3 == pytest.approx(bound.slack, abs=1e-12)
        start = sum(
            enumerated.start(key) * v
            for key, v in zip(keys, values(bound.policy, model, 0), strict=True)
        )
        assert bound.value == pytest.approx((start + total) / 3, abs=1e-8)

    def test_slack_makes_up_for_a_bad_solver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the weights, the bound holds."""
        model = random_model(6, n=3, horizon=3)
        rng = np.random.default_rng(0)
        solve = linear_program._solve

        def sloppy(*args: Any) -> Any:
            weights, *size = solve(*args)
            weights[:-1] += rng.normal(scale=0.3, size=weights[:-1].shape)
            return weights, *size

        monkeypatch.setattr(linear_program, "_solve", sloppy)
        best = value_iteration(model).value
        for _ in range(20):
            assert approximate_linear_program(model).value >= best

    def test_greedy_policy(self) -> None:
        """Its actions maximise R + E[V_{t+1}], by enumeration."""
        model = random_model(8, n=3, s=2, a=3, horizon=2)
        policy = approximate_linear_program(model).policy
        enumerated = Enumerated(model)
        states = joint_states(3, 2)
        keys = [tuple(s.tolist()) for s in states.T]
        for step in range(2):
            following = dict(zip(keys, values(policy, model, step + 1), strict=True))

            def worth(key: Any, actions: Any, following: Any = following) -> float:
                law = enumerated.law(key, actions)
                return 3 * enumerated.reward(key, actions) + sum(
                    p * following[s] for s, p in law.items()
                )

            chosen = policy.act(states, step)
            assert chosen.shape == (3, 8)
            for key, actions in zip(keys, chosen.T.tolist(), strict=True):
                best = max(worth(key, a) for a in enumerated.actions)
                assert worth(key, tuple(actions)) == pytest.approx(best, abs=1e-9)

    def test_bound_holds_for_simulated_policies_of_long_rings(self) -> None:
        """Six standard errors have a chance below 1e-8."""
        model = sysadmin(n_agents=25, horizon=8)
        bound = approximate_linear_program(model, window=1)
        returns = simulate(model, bound.policy, 400)
        assert returns.value - 6 * returns.standard_error <= bound.value
        assert returns.value > 0.9 * bound.value


class TestRefusals:
    @pytest.mark.parametrize(
        ("kwargs", "window", "message"),
        [
            ({"n_agents": 3}, 0, r"window must be an integer ≥ 1, got 0"),
            ({"n_agents": 3}, 1.5, r"window must be an integer ≥ 1, got 1\.5"),
            (
                {"n_agents": 14, "topology": "star", "dynamics": "ippc2011"},
                1,
                r"tables of up to 3\.3e\+04 entries \(at most 16384 .*smaller window, a sparser graph",
            ),
            ({"n_agents": 2000}, 2, r"program of .* rows \(at most 500000\)"),
            (
                {"n_agents": 20, "topology": "star", "dynamics": "ippc2011"},
                10,
                "window must leave at most 20000 connected groups of agents, got 10",
            ),
        ],
    )
    def test_too_large(self, kwargs: dict[str, Any], window: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            approximate_linear_program(sysadmin(**kwargs), window=window)


class TestElimination:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
    def test_maximum(self, seed: int, n_variables: int, columns: int) -> None:
        """The maximum over all assignments, column by column, and values that reach it."""
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 4, n_variables).tolist()
        factors = [Factor((), rng.normal(size=(1,)))]
        for v in range(n_variables):
            others = rng.permutation(n_variables)[: rng.integers(0, 3)].tolist()
            scope = tuple(rng.permutation(sorted({v, *others})).tolist())
            shape = [sizes[w] for w in scope]
            factors.append(Factor(scope, rng.normal(size=(rng.choice([1, columns]), *shape))))
        order = elimination_order([f.scope for f in factors], sizes)
        assert sorted(e.variable for e in order) == list(range(n_variables))
        value, best = maximise(factors, order)

        def total(assignment: Any, column: int) -> float:
            return sum(
                float(t[(min(column, len(t) - 1), *(assignment[w] for w in scope))])
                for scope, t in factors
            )

        for column in range(len(value)):
            top = max(total(x, column) for x in product(*map(range, sizes)))
            assert value[column] == pytest.approx(top, abs=1e-12)
            found = [best[v][min(column, len(best[v]) - 1)] for v in range(n_variables)]
            assert total(found, column) == pytest.approx(top, abs=1e-12)

    def test_order_of_a_chain_keeps_tables_small(self) -> None:
        order = elimination_order([(i, i + 1) for i in range(50)], [3] * 51)
        assert max(len(e.others) for e in order) == 1

    def test_order_of_a_ring(self) -> None:
        order = elimination_order([(i, (i + 1) % 50) for i in range(50)], [2] * 50)
        assert max(len(e.others) for e in order) == 2
