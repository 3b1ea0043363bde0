"""Policy classes and table policies."""

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
    PARENTS,
    POLICY_CLASSES,
    FactoredMDP,
    PolicyClass,
    TablePolicy,
    find_policy_class,
)
from tests.factored.models import models, sysadmin


class TestClasses:
    def test_by_name(self) -> None:
        assert list(POLICY_CLASSES) == ["own-state", "parents", "neighborhood"]
        for name, policy_class in POLICY_CLASSES.items():
            assert find_policy_class(name) is policy_class
            assert policy_class.name == name

    @pytest.mark.parametrize("name", ["neighbourhood", "", None, 3])
    def test_unknown(self, name: Any) -> None:
        hint = "did you mean 'neighborhood'" if name == "neighbourhood" else "must be one of"
        with pytest.raises(ValueError, match=hint):
            find_policy_class(name)

    def test_what_agents_see_on_a_directed_ring(self) -> None:
        model = sysadmin(n_agents=5)
        seen = {
            c: [c.scopes(model).of(i).tolist() for i in range(5)] for c in POLICY_CLASSES.values()
        }
        assert seen[OWN_STATE] == [[i] for i in range(5)]
        assert seen[PARENTS] == [[i, (i - 1) % 5] for i in range(5)]
        assert seen[NEIGHBORHOOD] == [[i, *sorted([(i - 1) % 5, (i + 1) % 5])] for i in range(5)]

    @pytest.mark.parametrize("topology", ["ring", "star", "legs", "grid", "random"])
    def test_neighborhood_is_what_the_environment_shows(self, topology: str) -> None:
        kwargs: dict[str, Any] = {"n_agents": 7, "topology": topology}
        env = crl_envs.make("crl/sysadmin-v0", **kwargs)
        _, infos = env.reset(seed=0)
        scopes = NEIGHBORHOOD.scopes(sysadmin(**kwargs))
        for i, agent in enumerate(env.possible_agents):
            names = [env.possible_agents[j] for j in scopes.of(i)[1:]]
            assert names == list(infos[agent]["neighbors"])

    @settings(max_examples=30, deadline=None)
    @given(models())
    def test_each_class_holds_the_one_before(self, model: FactoredMDP) -> None:
        own, parents, near = (c.scopes(model) for c in POLICY_CLASSES.values())
        for i in range(model.n_agents):
            assert set(own.of(i)) <= set(parents.of(i)) <= set(near.of(i))


class TestTablePolicy:
    @settings(max_examples=30, deadline=None)
    @given(models(), st.sampled_from(sorted(POLICY_CLASSES)), st.integers(0, 2**32 - 1))
    def test_looks_up_the_configuration(self, model: FactoredMDP, name: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        policy_class = POLICY_CLASSES[name]
        scopes = policy_class.scopes(model)
        table = rng.integers(model.n_actions, size=scopes.n_entries).astype(np.uint8)
        policy = TablePolicy(policy_class, scopes, table)
        states = rng.integers(model.n_states, size=(model.n_agents, 6)).astype(np.uint8)
        actions = policy.act(states, 1)
        assert actions.shape == states.shape
        assert actions.dtype == np.uint8
        for i, b in product(range(model.n_agents), range(6)):
            code = sum(int(x) * model.n_states**k for k, x in enumerate(states[scopes.of(i), b]))
            assert actions[i, b] == table[scopes.first[i] + code]

    @pytest.mark.parametrize("policy_class", POLICY_CLASSES.values())
    def test_constant(self, policy_class: PolicyClass) -> None:
        model = sysadmin(n_agents=4)
        for action in (0, 1):
            policy = policy_class.constant(model, action)
            assert (policy.act(np.ones((4, 3), np.uint8)) == action).all()
            assert policy.policy_class is policy_class

    @pytest.mark.parametrize(
        "table", [np.zeros(7, np.uint8), np.zeros(8, np.int64), np.zeros((2, 4), np.uint8)]
    )
    def test_bad_table(self, table: Any) -> None:
        scopes = OWN_STATE.scopes(sysadmin(n_agents=4))
        with pytest.raises(ValueError, match=r"table must be uint8 of shape \(8,\), got"):
            TablePolicy(OWN_STATE, scopes, table)

    def test_table_can_t_be_changed(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            OWN_STATE.constant(sysadmin(n_agents=4)).table[0] = 1
