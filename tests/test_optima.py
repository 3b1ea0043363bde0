"""No policy beats `optimum()`: all policies of small worlds, by searches that know only the model's tables.

Load balancing, whose illegal actions are policies too, is searched in tests/load_balancing/test_optimum.py.
"""

from __future__ import annotations

from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from crl_envs.factored import value_iteration


@st.composite
def sysadmin_problems(draw: st.DrawFn) -> dict[str, object]:
    """Up to four machines on any graph, up to five steps; two machines with statuses and loads."""
    dynamics = draw(
        st.sampled_from(["ring", "ring-bidirectional", "ippc2011", "lock", "status-load"])
    )
    n = draw(st.integers(1, 2 if dynamics == "status-load" else 4))
    topology: object = "ring"
    if dynamics != "ring" and draw(st.booleans()):
        topology = nx.gnp_random_graph(n, 0.5, seed=draw(st.integers(0, 99)), directed=True)
    return {
        "n_agents": n,
        "dynamics": dynamics,
        "topology": topology,
        "relabel": draw(st.booleans()),
        "horizon": draw(st.integers(1, 5)),
        "start_up": draw(st.sampled_from([0.0, 0.3, 1.0])),
    }


@settings(max_examples=40, deadline=None)
@given(arguments=sysadmin_problems())
def test_no_policy_of_sysadmin_beats_the_optimum(arguments: dict[str, object]) -> None:
    env = crl_envs.make("crl/sysadmin-v0", **arguments).unwrapped
    optimum, best = env.optimum(), value_iteration(env.factored_model()).value
    assert optimum.lower - 1e-6 <= best <= optimum.value + 1e-6
    if optimum.kind == "exact":
        assert optimum.lower == optimum.value


@pytest.mark.parametrize(("right", "wrong"), [(0.8, 0.2), (0.1, 0.6), (1.0, 0.0), (0.5, 0.5)])
def test_no_policy_of_the_bandit_beats_the_optimum(right: float, wrong: float) -> None:
    env = crl_envs.make("crl/bandit-v0", n_agents=4, p_correct=right, p_wrong=wrong).unwrapped
    success = env.transition_model().success
    best = max(
        np.mean([success[i, a] for i, a in enumerate(joint)]) for joint in product(*[(0, 1)] * 4)
    )
    assert best == pytest.approx(env.optimum().value)
