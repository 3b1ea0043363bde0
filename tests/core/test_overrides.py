"""A subclass's own methods are what runs: fast paths don't go round them."""

from __future__ import annotations

import functools
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
from crl_envs.sysadmin import SysadminEnv, SysadminWorld
from crl_envs.wrappers import AristocratReward, DifferenceReward, GlobalReward, NoisyReward


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


class OwnAccess(BanditEnv):
    """Its `step` is that of another, whoever asks."""

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__("state" if name == "step" else name)


class OwnNew(BanditEnv):
    def __new__(cls, **arguments: Any) -> Any:
        made = super().__new__(cls)
        made.step = lambda actions: None  # type: ignore[method-assign]
        return made


class _Maker(type(BanditEnv)):  # type: ignore[misc]
    def __call__(cls, **arguments: Any) -> Any:
        return super().__call__(p_correct=1.0, **arguments)


class OwnMaker(BanditEnv, metaclass=_Maker):
    pass


@functools.wraps(BanditEnv)
def wraps_a_class(**arguments: Any) -> Any:
    """Have all that the class has, ``make_world`` too."""
    return GlobalReward(BanditEnv(**arguments))


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
    OwnAccess: ["__getattribute__"],
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
    assert overridden(agents.CRL(LoadBalancingEnv())) == []


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

    patched: Any = LoadBalancingEnv(**small, backend=backend)
    reward = patched.world.reward
    patched.world.reward = lambda *now: reward(*now) - np.float32(1000)
    made = learner(patched, seed=0)
    made.learn(total_episodes=1)
    assert made.history[0]["global_return"] < -1000


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("method", ["choose", "observe"])
def test_a_learners_own_methods_are_what_it_learns_with(learner: type[Any], method: str) -> None:
    """Compiled, they weren't called."""

    def counted(*given: Any) -> Any:
        calls.append(given)
        return getattr(learner, method)(*given)

    for in_class in (True, False):
        calls: list[Any] = []
        kind = type("Own", (learner,), {method: counted}) if in_class else learner
        made = kind(LoadBalancingEnv(n_agents=5, capacity=2, n_loads=3), seed=0)
        if not in_class:
            setattr(made, method, functools.partial(counted, made))
        made.learn(total_episodes=1)
        assert len(calls) == made.history[0]["steps"]


@pytest.mark.parametrize("part", ["reward", "transition"])
@pytest.mark.parametrize("in_class", [True, False])
def test_a_worlds_own_parts_are_what_it_steps_with(part: str, in_class: bool) -> None:
    """The reward and transition of a subclass of SYSADMIN's world were gone round by its `step`."""
    calls: list[Any] = []

    def counted(*given: Any) -> Any:
        calls.append(given)
        return getattr(SysadminWorld, part)(*given)

    kind = type("Own", (SysadminWorld,), {part: counted}) if in_class else SysadminWorld
    world = kind(n_agents=3)
    if not in_class:
        setattr(world, part, functools.partial(counted, world))
    vec, shipped = WorldVectorEnv(world), crl_envs.make_vec("crl/sysadmin-v0", n_agents=3)
    vec.reset(seed=1), shipped.reset(seed=1)
    actions = np.array([[1, 0, 0]])
    for one, other in zip(vec.step(actions)[:2], shipped.step(actions)[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(calls) == 1


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    from crl_envs import registration

    monkeypatch.setattr(registration, "_REGISTRY", dict(registration._REGISTRY))

    def register(cls: type[Any]) -> str:
        id = f"tests/{cls.__name__}-v0"
        registration._REGISTRY[id] = registration.Registration(id, cls)
        return id

    return register


@pytest.mark.parametrize("cls", [*CHANGED, OwnArguments, OwnNew, OwnMaker])
def test_a_registered_subclass_has_no_vector_view(cls: type[Any], registered: Any) -> None:
    id = registered(cls)
    assert not has_world(id)
    with pytest.raises(ValueError, match=f"{cls.__name__} has its own"):
        crl_envs.make_vec(id, 2)
    with pytest.raises(ValueError, match="no vector view"):
        crl_envs.make_gym_vec(id, 2)
    assert isinstance(crl_envs.make(id), cls)


def test_a_function_that_wraps_a_class_has_none(registered: Any) -> None:
    id = registered(wraps_a_class)
    with pytest.raises(ValueError, match="has no make_world of its own"):
        crl_envs.make_vec(id, 2)
    assert isinstance(columns_of(id, 2), ParallelColumns)


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
    with pytest.raises(ValueError, match="OwnStep has its own step"):
        AristocratReward(OwnStep(n_agents=4))


def test_library_learners_refuse_it() -> None:
    from agents.libraries.learner import one_column

    with pytest.raises(ValueError, match="OwnStep has its own step"):
        one_column(OwnStep(n_agents=4))


def test_copies_of_an_own_wrapper_are_refused() -> None:
    from agents.libraries.learner import repeated

    vec: Any = NoisyReward(crl_envs.make_vec("crl/bandit-v0"), scale=1.0)
    assert repeated(vec, 2).num_envs == 2
    vec.step = lambda actions: None
    with pytest.raises(ValueError, match="copies must be 1"):
        repeated(vec, 2)


def test_neighbors_are_those_of_an_own_topology() -> None:
    import networkx as nx

    class OwnTopology(SysadminEnv):
        @property
        def topology(self) -> Any:
            return nx.DiGraph([(0, 2), (1, 2)])

    from crl_envs.core.neighborhood import topology_edges

    env = OwnTopology(n_agents=3)
    assert topology_edges(env, env.possible_agents).tolist() == [[0, 2], [1, 2]]
