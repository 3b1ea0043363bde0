"""The team's reward for everybody, the own one in the infos, and nothing else changed."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import VectorWrapper
from hypothesis import given
from hypothesis import strategies as st
from pettingzoo.utils.wrappers import BaseParallelWrapper

from crl_envs import make_gym_vec, wrappers
from crl_envs.core import team_reward
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward, VectorGlobalReward
from tests.core.toy import TOY
from tests.wrappers.foreign import COLOURS, Leavers
from tests.wrappers.making import make, make_vec

IDS = ["crl/sysadmin-v0", TOY]


class Scripted(Leavers):
    """Pays the given rewards, whatever is done."""

    def __init__(self, rewards: dict[str, Any]) -> None:
        super().__init__()
        self.rewards = rewards

    def step(self, actions: dict[str, Any]) -> Any:
        observations, _, terminated, truncated, infos = super().step(actions)
        self.infos = {**infos, "judge": {"says": "fine"}}
        return observations, self.rewards, terminated, truncated, self.infos


def random_actions(env: Any, rng: np.random.Generator) -> dict[str, int]:
    return {a: int(rng.integers(env.action_space(a).n)) for a in env.agents}


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("id", IDS)
def test_only_rewards_and_infos_differ(id: str, reduce: str) -> None:
    bare, wrapped = make(id), GlobalReward(make(id), reduce=reduce)
    rng = np.random.default_rng(0)
    rewards_seen = set()
    for seed in (3, None):
        seen, told = wrapped.reset(seed=seed)
        assert {info.pop("local_reward") for info in told.values()} == {0.0}
        assert repr(bare.reset(seed=seed)) == repr((seen, told))
        while bare.agents:
            actions = random_actions(bare, rng)
            observations, local, *flags, infos = bare.step(actions)
            seen, team, *seen_flags, told = wrapped.step(actions)
            assert repr(observations) == repr(seen)
            assert flags == seen_flags
            expected = team_reward(np.array(list(local.values())), reduce)  # type: ignore[arg-type]
            assert team == dict.fromkeys(local, float(expected))
            assert all(type(reward) is float for reward in team.values())
            assert {a: info.pop("local_reward") for a, info in told.items()} == local
            assert repr(told) == repr(infos)
            rewards_seen.add(float(expected))
    assert wrapped.agents == []
    assert len(rewards_seen) > 3


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_sum_is_n_times_mean(local: list[float]) -> None:
    n = len(local)
    rewards = dict(enumerate(local))
    returned = []
    for reduce in ("mean", "sum"):
        env = GlobalReward(Scripted(rewards), reduce=reduce)
        env.reset()
        returned.append(env.step(dict.fromkeys(COLOURS, 0))[1])
    mean, total = returned
    assert mean.keys() == total.keys() == rewards.keys()
    for agent in rewards:
        assert total[agent] == pytest.approx(n * mean[agent], rel=1e-12, abs=1e-9)
        assert total[agent] == pytest.approx(sum(local), rel=1e-9, abs=1e-6)


def test_mean_is_over_those_that_took_part() -> None:
    env = GlobalReward(Leavers())
    env.reset(seed=0)
    shared = []
    while env.agents:
        rewards = env.step({a: COLOURS.index(a) for a in env.agents})[1]
        assert len(set(rewards.values())) == 1
        shared.append((len(rewards), rewards["blue"]))
    # Agent k gets k + 10 k + 100 t: mean over red, green, blue; then green, blue; then blue.
    assert shared == [(3, 111.0), (2, 216.5), (1, 322.0)]


def test_wrapped_infos_are_not_touched() -> None:
    inner = Scripted(defaultdict(int, {"red": 1, "green": 2}))
    env = GlobalReward(inner)
    env.reset()
    told = env.step(dict.fromkeys(COLOURS, 0))[4]
    assert told["red"] == {"step": 1, "local_reward": 1}
    assert told["blue"] == {"step": 1}
    assert told["judge"] == {"says": "fine"}
    assert inner.infos["red"] == {"step": 1}
    told["judge"]["says"] = "not fine"
    assert inner.infos["judge"] == {"says": "fine"}


def test_the_innermost_local_reward_stays() -> None:
    env = GlobalReward(GlobalReward(Leavers(), reduce="sum"))
    env.reset()
    _, rewards, *_, infos = env.step({"red": 0, "green": 1, "blue": 2})
    assert rewards == dict.fromkeys(COLOURS, 333.0)
    assert [infos[a]["local_reward"] for a in COLOURS] == [100.0, 111.0, 122.0]


def test_step_without_agents_passes_through() -> None:
    env = GlobalReward(make("crl/bandit-v0", n_agents=2))
    env.reset(seed=0)
    env.step({"agent_0": 0, "agent_1": 0})
    assert env.step({}) == ({}, {}, {}, {}, {})


@pytest.mark.parametrize("id", [*IDS, "crl/bandit-v0"])
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_conforms(id: str, reduce: str) -> None:
    stochastic = id != "crl/bandit-v0"
    check_parallel_env(lambda: GlobalReward(make(id, n_agents=4), reduce), stochastic=stochastic)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_clone_goes_on_alike(clone: Any) -> None:
    env = GlobalReward(make("crl/sysadmin-v0", n_agents=5), reduce="sum")
    env.reset(seed=1)
    actions = dict.fromkeys(env.agents, 0)
    env.step(actions)
    reference = pickle.loads(pickle.dumps(env.env))
    other = clone(env)
    assert isinstance(other, GlobalReward)
    assert other.reduce == "sum"
    local = reference.step(actions)[1]
    assert other.step(actions)[1] == dict.fromkeys(local, sum(local.values()))
    with pytest.raises(AttributeError):
        _ = other.no_such_attribute


def test_is_a_parallel_wrapper_and_passes_attributes_through() -> None:
    env = GlobalReward(make("crl/sysadmin-v0", n_agents=5))
    env.reset(seed=0)
    assert isinstance(env, GlobalReward)
    assert isinstance(env, BaseParallelWrapper)
    assert env.unwrapped.optimum().kind == "exact"
    assert env.unwrapped.metrics().keys() == env.metrics().keys() == {"up"}
    assert env.topology is env.unwrapped.topology
    assert env.state_space.contains(env.state())
    assert env.observation_space("agent_1") is env.unwrapped.observation_space("agent_1")


@pytest.mark.parametrize("bad", ["max", None, 1])
def test_unknown_reduce(bad: Any) -> None:
    for env in (Leavers(), make_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match=r"reduce must be one of 'mean', 'sum', got"):
            GlobalReward(env, reduce=bad)


def test_other_environments_are_refused() -> None:
    others = [None, gymnasium.make("CartPole-v1"), make_gym_vec("crl/bandit-v0")]
    for other in others:
        with pytest.raises(ValueError, match="env must be a ParallelEnv or a WorldVectorEnv, got"):
            GlobalReward(other)
    with pytest.raises(
        ValueError, match="env must be a WorldVectorEnv for VectorGlobalReward, got"
    ):
        VectorGlobalReward(Leavers())  # type: ignore[arg-type]


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("id", IDS)
def test_vector_column_is_the_dict_env(id: str, reduce: str) -> None:
    vec = GlobalReward(
        make_vec(id, num_envs=3, n_agents=5, autoreset_mode="Disabled"), reduce=reduce
    )
    assert isinstance(vec, VectorGlobalReward)
    singles = [GlobalReward(make(id, n_agents=5), reduce=reduce) for _ in range(3)]
    vec.reset(seed=4)
    for b, env in enumerate(singles):
        env.reset(seed=4 + b)
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(6):
        actions = rng.integers(2, size=(3, 5))
        rewards, infos = (result := vec.step(actions))[1], result[4]
        assert rewards.shape == infos["local_reward"].shape == (3, 5)
        assert rewards.dtype == np.float64
        for b, env in enumerate(singles):
            if env.agents:
                _, team, *_, told = env.step(
                    dict(zip(env.agents, actions[b].tolist(), strict=True))
                )
                assert rewards[b].tolist() == list(team.values())
                own = [info["local_reward"] for info in told.values()]
                assert infos["local_reward"][b].tolist() == own
                compared += 1
            else:
                assert not rewards[b].any()
    assert compared >= 6


def test_vector_wrapper_passes_through() -> None:
    inner = make_vec("crl/sysadmin-v0", num_envs=2, n_agents=4)
    vec = GlobalReward(inner)
    assert isinstance(vec, VectorWrapper)
    vec.reset(seed=0)
    assert vec.unwrapped is inner
    assert vec.n_agents == 4
    assert vec.num_envs == 2
    assert vec.autoreset_mode is inner.autoreset_mode
    assert vec.topology is inner.topology
    assert vec.edges is inner.edges
    assert vec.optimum() == inner.optimum()
    assert vec.metrics()["up"].tolist() == inner.metrics()["up"].tolist()
    assert vec.state().tolist() == inner.state().tolist()
    assert vec.single_action_space is inner.single_action_space
    assert GlobalReward(vec).step(np.zeros((2, 4), int))[4]["local_reward"].dtype == np.float32


def test_vector_infos_are_fresh() -> None:
    vec = make_vec(TOY, num_envs=2, autoreset_mode="SameStep")
    wrapped = GlobalReward(vec)
    wrapped.reset(seed=0)
    final = None
    for _ in range(9):
        infos = wrapped.step(np.zeros((2, 4), int))[4]
        assert infos["action_mask"].shape == (2, 4, 3)
        final = infos.get("final_obs", final)
    assert final is not None


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_vector_clone_goes_on_alike(clone: Any) -> None:
    vec = GlobalReward(make_vec("crl/sysadmin-v0", num_envs=2, n_agents=30), reduce="sum")
    vec.reset(seed=0)
    other = clone(vec)
    actions = np.zeros((2, 30), int)
    for _ in range(3):
        assert vec.step(actions)[1].tolist() == other.step(actions)[1].tolist()


@pytest.mark.parametrize(
    "wrapper",
    [
        "VectorAristocratReward",
        "VectorDifferenceReward",
        "VectorGlobalReward",
        "VectorNoisyObservation",
        "VectorNoisyReward",
    ],
)
def test_a_batch_s_wrapper_says_that_a_dict_environment_is_none(wrapper: str) -> None:
    given = {"VectorNoisyObservation": {"probability": 0.1}, "VectorNoisyReward": {"scale": 0.1}}
    env = make("crl/traffic-v0", n_agents=3)
    with pytest.raises(ValueError, match=f"env must be a WorldVectorEnv for {wrapper}, got"):
        getattr(wrappers, wrapper)(env, **given.get(wrapper, {}))
