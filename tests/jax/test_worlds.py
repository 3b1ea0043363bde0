"""Each world of the array namespace alone on JAX: bit for bit what `make_vec` gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs

jax = pytest.importorskip("jax", reason="JAX isn't installed (extra jax)")

from crl_envs import jax as crl_jax  # noqa: E402
from tests.decpomdp.models import random_model  # noqa: E402
from tests.local_rule.test_rule import random_rule  # noqa: E402

pytestmark = pytest.mark.device

CASES: list[tuple[str, dict[str, Any]]] = [
    ("crl/access-v0", {}),
    (
        "crl/access-v0",
        {"n_agents": 14, "observe": "neighborhood", "success_rate": 0.7, "deadline": 3},
    ),
    ("crl/epidemic-v0", {"n_agents": 16}),
    (
        "crl/epidemic-v0",
        {"n_agents": 20, "topology": "star", "observe": "neighborhood", "relabel": True},
    ),
    ("crl/local_rule-v0", {"rule": random_rule(9), "n_agents": 9, "topology": "torus"}),
    ("crl/local_rule-v0", {"rule": random_rule(10, s=5, a=3), "n_agents": 9, "relabel": True}),
    ("crl/consensus-v0", {"flip": 0.1}),
    ("crl/consensus-v0", {"topology": "torus", "n_agents": 9, "horizon": 7}),
    ("crl/firefighting-v0", {}),
    ("crl/tiger-v0", {}),
    ("crl/broadcast-v0", {"horizon": 7}),
    ("crl/dec_pomdp-v0", {"model": random_model(3)}),
    ("crl/firefighting-v0", {"observe": "levels", "layout": "grid", "n_agents": 6}),
    ("crl/coordination_game-v0", {"noise": 2.5}),
    ("crl/traffic-v0", {"n_agents": 9, "arrival_rate": 0.2, "horizon": 70}),
    (
        "crl/traffic-v0",
        {"n_agents": 6, "boundary": "open", "observe": "neighborhood", "arrival_rate": 0.4},
    ),
    ("crl/traffic-v0", {"n_agents": 7, "lost_steps": 3, "capacity": 2, "arrival_rate": 1.0}),
    (
        "crl/coordination_game-v0",
        {"payoffs": "random", "topology": "star", "n_agents": 30, "horizon": 4, "relabel": True},
    ),
    ("crl/coordination_game-v0", {"payoffs": "stochastic-climbing", "observe": "neighborhood"}),
]


@pytest.mark.parametrize(("id", "arguments"), CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("seed", [5, 2**63 + 1])
def test_numbers_are_those_of_make_vec(id: str, arguments: dict[str, Any], seed: int) -> None:
    vec = crl_envs.make_vec(id, 3, autoreset_mode="SameStep", **arguments)
    env = crl_jax.make(id, **arguments)
    step = jax.jit(env.step)
    seen, _ = vec.reset(seed=seed)
    on_device, state = env.reset(seed, 3)
    rng = np.random.default_rng(1)
    for _ in range(1000):
        assert np.array_equal(np.moveaxis(np.asarray(on_device), -1, 0), seen)
        actions = rng.integers(0, env.action_space.n, (3, env.n_agents))
        seen, paid, terminated, truncated, _ = vec.step(actions)
        on_device, state, reward, done, _ = step(state, actions.T)
        assert np.array_equal(np.asarray(reward).T, paid)
        assert np.array_equal(np.asarray(done), terminated | truncated)
    whole = np.asarray(env.state_array(state)).T
    assert np.array_equal(whole, vec.world.state_array(vec._state).T)
