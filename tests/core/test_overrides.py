"""A subclass's own methods are what runs: fast paths don't go round them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import agents
import crl_envs
from crl_envs.adapters.columns import ParallelColumns, WorldColumns, columns_of
from crl_envs.bandit import BanditEnv
from crl_envs.core import WorldEnv, WorldVectorEnv
from crl_envs.core.overrides import overridden
from crl_envs.load_balancing import LoadBalancingEnv, LoadBalancingWorld
from crl_envs.registration import has_world
from crl_envs.sysadmin import SysadminEnv
from crl_envs.wrappers import DifferenceReward


class OwnStep(LoadBalancingEnv):
    """Pays a thousand more for everything."""

    def step(self, actions: dict[str, int]) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, {agent: r - 1000.0 for agent, r in rewards.items()}, *rest


class OwnReset(LoadBalancingEnv):
    resets = 0

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.resets += 1
        return super().reset(seed, options)


class OwnSpace(LoadBalancingEnv):
    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return spaces.Box(0.0, 2.0, (4,), np.float32)


class OwnState(SysadminEnv):
    def state(self) -> Any:
        return super().state() * 0


class OwnCapacity(LoadBalancingEnv):
    @property
    def capacity(self) -> Any:
        return super().capacity * 2


class OwnArguments(BanditEnv):
    def __init__(self, n: int = 3) -> None:
        super().__init__(n_agents=n, p_correct=1.0)


class OwnPicture(SysadminEnv):
    def render(self) -> Any:
        return "a picture"


class OwnWorld(LoadBalancingWorld):
    """Pays a thousand more for everything."""

    def step(self, state: Any, action: Any, stream: Any) -> Any:
        state, rewards = super().step(state, action, stream)
        return state, rewards - np.float32(1000)


CHANGED = {
    OwnStep: ["step"],
    OwnReset: ["reset"],
    OwnSpace: ["observation_space"],
    OwnState: ["state"],
    OwnCapacity: ["capacity"],
}
LEARNERS = [agents.CRL, agents.ShortestQueue, agents.RandomPolicy]


@pytest.mark.parametrize("cls", [LoadBalancingEnv, SysadminEnv, BanditEnv, OwnPicture])
def test_the_shipped_classes_override_nothing(cls: type[WorldEnv]) -> None:
    assert overridden(cls) == overridden(cls(n_agents=4)) == []


@pytest.mark.parametrize(("cls", "names"), CHANGED.items())
def test_what_a_subclass_overrides(cls: type[WorldEnv], names: list[str]) -> None:
    assert overridden(cls) == overridden(cls(n_agents=4)) == names


def test_a_method_put_into_an_object_counts() -> None:
    env: Any = crl_envs.make("crl/bandit-v0")
    env.step = lambda actions: None
    assert overridden(env) == ["step"]
    assert overridden(crl_envs.make_vec("crl/bandit-v0", 2)) == []


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_learners_step_a_subclass_itself(learner: type[Any], backend: str) -> None:
    """With Numba, its rewards were those of the shipped class."""
    small: dict[str, Any] = {"n_agents": 5, "capacity": 2, "n_loads": 3, "max_steps": 40}
    env = OwnStep(**small, backend=backend)
    made = learner(env, seed=0)
    made.learn(total_episodes=1)
    assert made.history[0]["global_return"] < -1000

    of_own_world = LoadBalancingEnv(**small, backend=backend)
    of_own_world.world = OwnWorld(**small, backend=backend)
    made = learner(of_own_world, seed=0)
    made.learn(total_episodes=1)
    assert made.history[0]["global_return"] < -1000


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    from crl_envs import registration

    monkeypatch.setattr(registration, "_REGISTRY", dict(registration._REGISTRY))

    def register(cls: type[Any]) -> str:
        id = f"tests/{cls.__name__}-v0"
        registration._REGISTRY[id] = registration.Registration(id, cls)
        return id

    return register


@pytest.mark.parametrize("cls", [*CHANGED, OwnArguments])
def test_a_registered_subclass_has_no_vector_view(cls: type[Any], registered: Any) -> None:
    id = registered(cls)
    assert not has_world(id)
    with pytest.raises(ValueError, match=f"{cls.__name__} has its own"):
        crl_envs.make_vec(id, 2)
    with pytest.raises(ValueError, match="no vector view"):
        crl_envs.make_gym_vec(id, 2)
    assert isinstance(crl_envs.make(id), cls)


def test_one_that_only_draws_has(registered: Any) -> None:
    assert isinstance(crl_envs.make_vec(registered(OwnPicture), 2), WorldVectorEnv)


@pytest.mark.parametrize("cls", CHANGED)
def test_adapters_step_it(cls: type[Any], registered: Any) -> None:
    assert isinstance(columns_of(cls, 2), ParallelColumns)
    assert isinstance(columns_of(registered(cls), 2), ParallelColumns)


def test_adapters_take_arrays_where_only_the_arguments_are_its_own(registered: Any) -> None:
    assert isinstance(columns_of(OwnArguments, 2), WorldColumns)


def test_what_plays_the_world_again_refuses_it() -> None:
    with pytest.raises(ValueError, match="OwnStep has its own step"):
        DifferenceReward(OwnStep(n_agents=4))


def test_library_learners_refuse_it() -> None:
    from agents.libraries.learner import one_column

    with pytest.raises(ValueError, match="OwnStep has its own step"):
        one_column(OwnStep(n_agents=4))


def test_neighbors_are_those_of_an_own_topology() -> None:
    import networkx as nx

    class OwnTopology(SysadminEnv):
        @property
        def topology(self) -> Any:
            return nx.DiGraph([(0, 2), (1, 2)])

    from agents.array_view import topology_edges

    env = OwnTopology(n_agents=3)
    assert topology_edges(env, env.possible_agents).tolist() == [[0, 2], [1, 2]]
