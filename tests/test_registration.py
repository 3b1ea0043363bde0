"""Ids to environments, in the registry of this package, PettingZoo's and Gymnasium's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import pettingzoo
import pytest
from pettingzoo import ParallelEnv
from pettingzoo.test import api_test

import crl_envs
from crl_envs import registration
from crl_envs.bandit import BanditEnv, BanditWorld
from crl_envs.core import AgentVectorEnv, WorldVectorEnv
from crl_envs.wrappers import MaskInObservation, NumericInfos
from tests.worlds import IDS, needed


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Registries that forget what a test registers."""
    monkeypatch.setattr(registration, "_REGISTRY", dict(registration._REGISTRY))
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    names = ("parallel_registry", "aec_registry")
    theirs = [getattr(pettingzoo, name) for name in names if hasattr(pettingzoo, name)]
    known = [dict(registry) for registry in theirs]
    yield registration._REGISTRY
    for registry, before in zip(theirs, known, strict=True):
        for id in set(registry) - set(before):
            del registry[id]


class Foreign(ParallelEnv):
    """Somebody else's env: no world, no vector view."""

    metadata = {"name": "foreign"}  # noqa: RUF012

    def __init__(self, size: int = 3) -> None:
        self.size = size
        self.possible_agents = [f"p{i}" for i in range(size)]


def make_foreign(*, size: int = 3) -> Foreign:
    return Foreign(size)


class TestMake:
    @pytest.mark.parametrize("id", IDS)
    def test_three_views(self, id: str) -> None:
        assert id in crl_envs.registered_ids()
        given = needed(id, n_agents=3)
        n = given["n_agents"]
        env = crl_envs.make(id, **given)
        assert isinstance(env, ParallelEnv)
        assert env.possible_agents == ["agent_0", "agent_1", "agent_2"][:n]
        vec = crl_envs.make_vec(id, 2, **given)
        assert isinstance(vec, WorldVectorEnv)
        assert (vec.num_envs, vec.n_agents) == (2, n)
        agents = crl_envs.make_gym_vec(id, 2, **given)
        assert isinstance(agents, AgentVectorEnv)
        assert agents.num_envs == 2 * n

    def test_ids_are_sorted(self) -> None:
        ids = crl_envs.registered_ids()
        assert ids == sorted(ids)
        ids.clear()
        assert crl_envs.registered_ids()

    @pytest.mark.parametrize("entry", ["make", "make_vec", "make_gym_vec"])
    @pytest.mark.parametrize(
        ("id", "near"),
        [
            ("crl/sysadmin-v1", "'crl/sysadmin-v0'"),
            ("crl/sysadmn-v0", "'crl/sysadmin-v0'"),
            ("sysadmin-v0", "'crl/sysadmin-v0'"),
            ("bandit", "'crl/bandit-v0'"),
        ],
    )
    def test_unknown_id(self, entry: str, id: str, near: str) -> None:
        """Near matches first, all after them; everything that is named can be made."""
        with pytest.raises(ValueError, match=f"unknown id '{id}'") as caught:
            getattr(crl_envs, entry)(id)
        suggestions, registered = str(caught.value).split("; registered: ")
        assert near in suggestions.split("did you mean ")[1].split(" or ")[0]
        assert registered.split(", ") == crl_envs.registered_ids()
        for named in suggestions.split("did you mean ")[1].rstrip("?)").split(" or "):
            assert named.strip("'") in crl_envs.registered_ids()

    def test_unknown_id_far_from_all(self) -> None:
        with pytest.raises(ValueError, match="unknown id 'xyz'; registered: "):
            crl_envs.make("xyz")

    @pytest.mark.parametrize("entry", ["make", "make_vec", "make_gym_vec"])
    def test_unknown_argument(self, entry: str) -> None:
        with pytest.raises(
            ValueError,
            match=r"crl/sysadmin-v0 has no argument 'n_agent' \(did you mean 'n_agents'.*allowed: n_agents, dynamics",
        ):
            getattr(crl_envs, entry)("crl/sysadmin-v0", n_agent=3)

    @pytest.mark.parametrize("entry", ["make", "make_vec", "make_gym_vec"])
    def test_an_argument_that_it_can_not_do_without(self, entry: str) -> None:
        with pytest.raises(ValueError, match="crl/local_rule-v0 needs the argument 'rule'"):
            getattr(crl_envs, entry)("crl/local_rule-v0", n_agents=3)

    @pytest.mark.parametrize("entry", ["make_vec", "make_gym_vec"])
    def test_no_rendering_of_vectors(self, entry: str) -> None:
        with pytest.raises(
            ValueError, match=r"render_mode must be None for a vector env.*make\('crl/"
        ):
            getattr(crl_envs, entry)("crl/sysadmin-v0", render_mode="human")
        assert getattr(crl_envs, entry)("crl/sysadmin-v0", render_mode=None).num_envs > 0


class TestRegister:
    def test_function_of_a_third_party(self, registry: Any) -> None:
        crl_envs.register("them/foreign-v3", make_foreign)
        assert "them/foreign-v3" in crl_envs.registered_ids()
        env = crl_envs.make("them/foreign-v3", size=5)
        assert isinstance(env, Foreign)
        assert env.size == 5
        with pytest.raises(
            ValueError, match=r"them/foreign-v3 has no argument 'sise' \(did you mean 'size'"
        ):
            crl_envs.make("them/foreign-v3", sise=5)
        with pytest.raises(ValueError, match="them/foreign-v3 has no vector view"):
            crl_envs.make_vec("them/foreign-v3", 2)

    def test_path_of_a_class(self, registry: Any) -> None:
        crl_envs.register("us/guess-v0", "crl_envs.bandit.env:BanditEnv")
        assert isinstance(crl_envs.make("us/guess-v0", n_agents=2), BanditEnv)
        assert isinstance(crl_envs.make_vec("us/guess-v0", 2).world, BanditWorld)

    def test_twice(self, registry: Any) -> None:
        """The same again is nothing new; another thing under the same id is refused."""
        crl_envs.register("them/foreign-v3", make_foreign)
        before = dict(registry)
        crl_envs.register("them/foreign-v3", make_foreign)
        assert registry == before
        with pytest.raises(
            ValueError, match=r"'them/foreign-v3' is registered already, for .*make_foreign"
        ):
            crl_envs.register("them/foreign-v3", Foreign)
        assert registry == before

    @pytest.mark.parametrize(
        "id", ["foreign", "them/foreign", "foreign-v0", "them/foreign-vx", "a/b/c-v0", "", None, 3]
    )
    def test_bad_id(self, id: Any) -> None:
        before = crl_envs.registered_ids()
        with pytest.raises(ValueError, match="id must look like 'namespace/name-v0'"):
            crl_envs.register(id, make_foreign)
        assert crl_envs.registered_ids() == before

    @pytest.mark.parametrize("entry_point", [3, None, "tests.foreign"])
    def test_bad_entry_point(self, registry: Any, entry_point: Any) -> None:
        with pytest.raises(ValueError, match="entry_point must be callable or 'module:attribute'"):
            crl_envs.register("them/foreign-v3", entry_point)
        assert "them/foreign-v3" not in crl_envs.registered_ids()


class TestElsewhere:
    @pytest.mark.skipif(
        not hasattr(pettingzoo, "make"), reason="pettingzoo has a registry from 1.27 on"
    )
    @pytest.mark.parametrize("id", IDS)
    def test_pettingzoo_make(self, id: str) -> None:
        env = pettingzoo.make("parallel", id, **needed(id, n_agents=5))
        same = crl_envs.make(id, **needed(id, n_agents=5))
        assert type(env.unwrapped) is type(same)
        assert repr(env.reset(seed=1)) == repr(same.reset(seed=1))

    @pytest.mark.skipif(
        not hasattr(pettingzoo, "make"), reason="pettingzoo has a registry from 1.27 on"
    )
    def test_pettingzoo_make_of_a_third_party(self, registry: Any) -> None:
        crl_envs.register("them/foreign-v3", make_foreign)
        assert pettingzoo.make("parallel", "them/foreign-v3", size=2).size == 2

    @pytest.mark.skipif(
        not hasattr(pettingzoo, "make"), reason="pettingzoo has a registry from 1.27 on"
    )
    @pytest.mark.parametrize("id", IDS)
    def test_pettingzoo_make_one_after_the_other(self, id: str) -> None:
        """An AEC env passes PettingZoo's own tests, and gives each agent what the ParallelEnv gives it."""
        env = pettingzoo.make(
            "aec", id, **needed(id, n_agents=3, encode="onehot", masks="observation")
        )
        same = crl_envs.make(id, **needed(id, n_agents=3))
        env.reset(seed=1)
        same.reset(seed=1)
        total, expected = dict.fromkeys(env.possible_agents, 0.0), {}
        for _ in range(3):
            _, rewards, *_ = same.step(dict.fromkeys(same.agents, 0))
            expected = {agent: expected.get(agent, 0.0) + rewards[agent] for agent in rewards}
            for _ in env.possible_agents:
                env.step(0)
            for agent, reward in env.rewards.items():
                total[agent] += reward
            if not same.agents:
                break
        assert total == expected
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an observation with a mask is no array
            given = needed(id, n_agents=3, masks="observation")
            api_test(pettingzoo.make("aec", id, **given), num_cycles=50)

    @pytest.mark.parametrize("id", IDS)
    def test_arguments_of_make_choose_wrappers(self, id: str) -> None:
        env = crl_envs.make(id, **needed(id, n_agents=3, masks="observation", infos="numeric"))
        assert isinstance(env, MaskInObservation)
        assert isinstance(env.env, NumericInfos)
        assert isinstance(env.unwrapped, registration.entry_point(id))
        with pytest.raises(ValueError, match="masks must be one of 'observation', got 'infos'"):
            crl_envs.make(id, **needed(id, masks="infos"))
        with pytest.raises(ValueError, match="infos must be one of 'numeric', got True"):
            crl_envs.make(id, **needed(id, infos=True))

    @pytest.mark.parametrize("id", IDS)
    def test_gymnasium_make(self, id: str) -> None:
        """One id for each environment, its joint form: all observations, all actions, the mean reward."""
        name, version = id.rsplit("-", 1)
        given = needed(id, n_agents=5)
        joint = gymnasium.make(f"{name}-joint-{version}", **given)
        env = crl_envs.make(id, **given)
        joint.reset(seed=2)
        env.reset(seed=2)
        joint.action_space.seed(0)
        action = joint.action_space.sample()
        assert action.shape == (given["n_agents"],)
        reward = joint.step(action)[1]
        rewards = env.step(dict(zip(env.agents, action.tolist(), strict=True)))[1]
        assert reward == pytest.approx(sum(rewards.values()) / len(rewards), rel=1e-6)


@pytest.mark.parametrize("name", ["infos", "masks"])
@pytest.mark.parametrize("make", [crl_envs.make_vec, crl_envs.make_gym_vec])
def test_arrays_say_that_they_need_no_other_infos(make: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is an argument of make\(\) only"):
        make("crl/sysadmin-v0", 2, **{name: "numeric"})
