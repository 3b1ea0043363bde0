"""Schedules of faults: losses, delays, failures, returns, departures, arrivals, joins, time-outs, all at random.

Under each of them no load is lost or made, both backends agree, and learners go on: compiled loops to the same bits as
the way through the API.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import agents
import crl_envs
from agents.delegation.crl.advertising import Broadcast, DelegationReturn, PeriodicGossip
from tests.campaigns.conftest import Cases
from tests.campaigns.drawing import load_balancing
from tests.load_balancing.driving import assert_same_state, random_legal
from tests.views import HAS_NUMBA

ID = "crl/load_balancing-v0"


def _made(rng: Any, **more: Any) -> dict[str, Any] | None:
    arguments = load_balancing(rng, faults=0.6) | more
    try:
        crl_envs.make(ID, **arguments)
    except ValueError:  # a combination that makes no problem, such as capacity that nobody reaches
        return None
    return arguments


@pytest.mark.skipif(not HAS_NUMBA, reason="compares the two backends")
def test_worlds(cases: Cases) -> None:
    from crl_envs.core.stream import Stream
    from crl_envs.load_balancing import LoadBalancingWorld

    for rng, seen in cases(2000):
        arguments = _made(rng, max_steps=10**6)
        if arguments is None:
            seen["refused"] += 1
            continue
        worlds = [LoadBalancingWorld(**arguments, backend=b) for b in ("numpy", "numba")]
        stream, draws = Stream(3), np.random.default_rng(rng.randrange(2**32))
        stream.seed(rng.randrange(2**32))
        state = worlds[0].initial(stream)
        stream.advance()
        for _ in range(40):
            mask = worlds[0].action_mask(state)
            action = random_legal(mask, draws)
            action[draws.random(action.shape) < 0.1] = 0
            (state, rewards), (other, others) = (w.step(state, action, stream) for w in worlds)
            stream.advance()
            assert_same_state(state, other)
            np.testing.assert_array_equal(rewards, others)
            assert (rewards <= 0).all()
            metrics = worlds[0].metrics(state)
            parts = ("stored", "queued", "on_wire", "departed", "timed_out")
            np.testing.assert_array_equal(metrics["loads_in"], sum(metrics[p] for p in parts))
            assert (state.load <= worlds[0].capacity[:, None]).all() and (state.load >= 0).all()
            assert (action[state.active == 0] >= 0).all()
            seen["steps"] += 1


@pytest.mark.skipif(not HAS_NUMBA, reason="compares compiled loops")
def test_learners(cases: Cases) -> None:
    for rng, seen in cases(400):
        arguments = _made(rng, max_steps=60)
        if arguments is None:
            seen["refused"] += 1
            continue
        config: dict[str, Any] = {"seed": rng.randrange(99)}
        cls = rng.choice([agents.CRL, agents.CRL, agents.ShortestQueue, agents.RandomPolicy])
        if cls is agents.CRL:
            told = rng.choice([DelegationReturn(), Broadcast(), PeriodicGossip(period=3)])
            config |= {
                "advertise": told,
                "bus": {"loss": rng.choice([0.0, 0.3]), "delay": rng.choice([0, 2])},
                "decay_rate": rng.choice([0.0, 0.05]),
            }
        returns = []
        for backend in ("numpy", "numba"):
            env = crl_envs.make(ID, **arguments, backend=backend)
            env.reset(seed=7)
            learner = cls(env, **config).learn(total_episodes=3)
            returns.append([episode["global_return"] for episode in learner.history])
        assert returns[0] == returns[1]
        seen["episodes"] += 6
