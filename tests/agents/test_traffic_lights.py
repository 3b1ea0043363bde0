"""Rules of traffic lights by hand, and what they refuse. What they come to: tests/traffic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import TrafficLights


def act(seen: list[int], observe: str, **config: Any) -> int:
    """What one crossing does."""
    env = crl_envs.make("crl/traffic-v0", n_agents=1, observe=observe)
    return TrafficLights(env, **config).act({"agent_0": np.array(seen)})["agent_0"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("seen", "hysteresis", "chosen"),
    [
        ([0, 1, 2, 3, 1, 2], 0, 1),
        ([0, 1, 2, 3, 1, 2], 2, 0),
        ([0, 1, 2, 4, 1, 2], 2, 1),
        ([1, 1, 2, 4, 1, 2], 0, 1),
        ([1, 1, 5, 4, 1, 2], None, 1),
        ([1, 1, 5, 4, 2, 2], 0.5, 0),
        ([1, 1, 2, 2, 2, 2], 0, 1),
    ],
)
def test_longest_pair(seen: list[int], hysteresis: float | None, chosen: int) -> None:
    """Seen are phase, age, then those heading north, east, south, west."""
    assert act(seen, "queues", hysteresis=hysteresis) == chosen


@pytest.mark.parametrize(
    ("seen", "chosen"), [([0, 1, 2], 1), ([0, 2, 2], 0), ([1, 2, 1], 0), ([1, 0, 0], 1)]
)
def test_longest_pair_of_bins(seen: list[int], chosen: int) -> None:
    assert act(seen, "binned") == chosen


def test_max_pressure() -> None:
    """Those at the east don't count when the streets that they want to go to are full."""
    own, behind = [0, 5, 3, 8, 3, 0], [0] * 4
    config: dict[str, Any] = {"rule": "max-pressure", "hysteresis": 1}
    for ahead, chosen in (
        ([0, 0, 0, 0], 1),  # 8 against 3 + 3
        ([0, 10, 0, 0], 0),  # 8 − 6 against 3 − 2 and 3 − 2, who turn that way
        ([3, 10, 3, 0], 0),  # 8 − 6 − .6 − .6 against nothing: 3 − 1.8 − 2 is below 0
        ([10, 0, 10, 0], 1),  # 8 − 2 − 2 against nothing
    ):
        assert act([*own, *behind, *ahead], "neighborhood", **config) == chosen


def test_fixed_cycle() -> None:
    env = crl_envs.make("crl/traffic-v0", n_agents=2, observe="queues", horizon=20)
    learner = TrafficLights(env, rule="fixed-cycle", period=3)
    observations, _ = env.reset(seed=0)
    phases = []
    while env.agents:
        actions = learner.act(observations)
        observations, *_ = env.step(actions)
        phases.append(actions["agent_1"])
    assert phases == [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("vector", [False, True])
def test_both_views_play(vector: bool) -> None:
    make: Any = crl_envs.make_vec if vector else crl_envs.make
    learner = TrafficLights(make("crl/traffic-v0", n_agents=9, horizon=30))
    returned = learner.learn(total_episodes=2).history[-1]["global_return"]
    assert np.all(np.asarray(returned) < 0)


@pytest.mark.parametrize(
    ("id", "given", "config", "said"),
    [
        ("crl/traffic-v0", {}, {"rule": "longest"}, "rule must be one of"),
        ("crl/traffic-v0", {}, {"hysteresis": -1}, "hysteresis"),
        ("crl/traffic-v0", {}, {"period": 1}, "period"),
        ("crl/traffic-v0", {}, {"turns": (1, 0)}, "turns must be 3 numbers"),
        ("crl/traffic-v0", {}, {"rule": "fixed-cycle"}, "needs crl/traffic-v0 with observe='queues'"),
        ("crl/traffic-v0", {"observe": "queues"}, {"rule": "max-pressure"}, "observe='neighborhood'"),
        ("crl/traffic-v0", {"observe": "neighborhood", "capacity": 60}, {}, "smaller capacity"),
        ("crl/sysadmin-v0", {}, {}, "rule='longest-pair' needs crl/traffic-v0"),
        ("crl/consensus-v0", {}, {}, "rule='longest-pair' needs crl/traffic-v0"),
    ],
)  # fmt: skip
def test_what_does_not_suit_is_refused(
    id: str, given: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        TrafficLights(crl_envs.make(id, **given), **config)


def test_many_crossings_do_what_each_would_alone() -> None:
    n = 122**2  # beyond what NumPy looks at in one go
    vec = crl_envs.make_vec("crl/traffic-v0", n_agents=n)
    rng = np.random.default_rng(0)
    seen = np.stack([rng.integers(0, high, n) for high in (2, 5, 5)], axis=1)
    chosen = TrafficLights(vec).act(seen[None])[0]
    low = np.array([0, 1, 3, 5, 8])  # least vehicles of each bin
    ahead = (low[seen[:, 2]] - low[seen[:, 1]]) * np.where(seen[:, 0] == 0, 1, -1)
    assert np.array_equal(chosen, np.where(ahead > 0, 1 - seen[:, 0], seen[:, 0]))
