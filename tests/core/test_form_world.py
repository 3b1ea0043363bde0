"""Worlds that are their array form: what a step refuses, what a subclass changes, and where their optima are found."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from crl_envs.access.world import AccessWorld
from crl_envs.bandit.world import BanditWorld
from crl_envs.bar.world import BarWorld
from crl_envs.coordination_game.world import CoordinationGameWorld
from crl_envs.core import Optimum, Stream
from crl_envs.core.named import named
from crl_envs.decpomdp.world import make_tiger
from crl_envs.firefighting.world import FirefightingWorld
from crl_envs.local_rule.epidemic import make_world as make_spreading
from crl_envs.routing.world import RoutingWorld
from crl_envs.sysadmin.world import StatusLoadWorld, SysadminWorld
from crl_envs.traffic.world import TrafficWorld
from tests.views import BACKENDS

COLUMNS = 3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("field", [0, 1])
def test_a_state_of_fewer_users_is_refused(backend: str, field: int) -> None:
    world = AccessWorld(backend=backend)
    name = ("queue", "sent")[field]
    _refuse(world, name, lambda part: part[:2], rf"{name} of shape \(9, 3\), .* got \(2, 3\)")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["phase", "age", "queue"])
def test_a_state_of_fewer_crossings_is_refused(backend: str, name: str) -> None:
    world = TrafficWorld(4, backend=backend)
    _refuse(world, name, lambda part: part[..., :2, :], rf"{name} of shape .*4, 3\), where action")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_state_of_fewer_agents_is_refused(backend: str) -> None:
    world = make_spreading(n_agents=4, backend=backend)
    state, action, stream = _begun(world)
    with pytest.raises(ValueError, match=r"state must have shape \(4, 3\), .* got \(2, 3\)"):
        world.step(state[:2], action, stream)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (AccessWorld, {"n_agents": 4, "deadline": 1, "horizon": 2}),
        (CoordinationGameWorld, {"n_agents": 3}),
        (make_tiger, {"horizon": 2}),
        (FirefightingWorld, {"n_agents": 2, "horizon": 2}),
        (make_spreading, {"n_agents": 2, "horizon": 2}),
        (RoutingWorld, {"n_agents": 4, "horizon": 2}),
        (SysadminWorld, {"n_agents": 3, "horizon": 2}),
        (TrafficWorld, {"n_agents": 1, "horizon": 2}),
    ],
)
def test_an_optimum_is_found_once(make: Any, arguments: dict[str, Any]) -> None:
    """It is what the named function finds; copies keep it, those from before find it again."""
    world = make(**arguments)
    fresh = pickle.dumps(world)
    found = world.optimum()
    assert isinstance(found, Optimum)
    assert found == named(world.finder)(world.problem) == pickle.loads(fresh).optimum()
    assert world.optimum() is found
    for other in (copy.copy(world), copy.deepcopy(world), pickle.loads(pickle.dumps(world))):
        assert vars(other)["_optimum"] == found


@pytest.mark.parametrize(
    ("base", "arguments"),
    [
        (AccessWorld, {}),
        (BanditWorld, {}),
        (BarWorld, {}),
        (SysadminWorld, {"n_agents": 4}),
        (SysadminWorld, {"n_agents": 4, "dynamics": "ippc2011"}),
        (StatusLoadWorld, {"n_agents": 4, "dynamics": "status-load"}),
        (TrafficWorld, {"n_agents": 4}),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_ones_own_parts_count(base: Any, arguments: dict[str, Any], backend: str) -> None:
    """A class that says otherwise what is paid, or what follows, is stepped by what it says."""

    class Paid(base):
        def reward(self, *args: Any) -> Any:
            return super().reward(*args) + np.float32(1)

    class Stays(base):
        def transition(self, state: Any, *args: Any) -> Any:
            return state

    plain = base(**arguments, backend=backend)
    state, action, stream = _begun(plain)
    action += plain.name == "bar"  # where 0 is illegal
    stream.advance()
    following, reward = plain.step(state, action, stream)
    found, paid = Paid(**arguments, backend=backend).step(state, action, stream)
    _equal(found, following)
    np.testing.assert_array_equal(paid, reward + np.float32(1))
    found, paid = Stays(**arguments, backend=backend).step(state, action, stream)
    _equal(found, state)
    np.testing.assert_array_equal(paid, reward)


def _equal(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def _begun(world: Any) -> tuple[Any, np.ndarray[Any, Any], Stream]:
    stream = Stream(COLUMNS)
    stream.seed(0)
    return world.initial(stream), np.zeros((world.n_agents, COLUMNS), np.uint8), stream


def _refuse(world: Any, name: str, shorten: Any, match: str) -> None:
    state, action, stream = _begun(world)
    short = state._replace(**{name: shorten(getattr(state, name))})
    if name == state._fields[0]:  # by which the columns are counted
        assert short[0].shape[-1] == COLUMNS
    with pytest.raises(ValueError, match="state must have " + match):
        world.step(short, action, stream)
