"""Each agent is paid the mean or sum of its closed neighbourhood, and nothing else is changed."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import HystereticQ
from crl_envs.core.neighborhood import Neighborhoods
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward, NeighborhoodReward, VectorNeighborhoodReward
from tests.core.toy import TOY
from tests.wrappers.foreign import Leavers
from tests.wrappers.making import make, make_vec

CASES = [
    (TOY, {}),
    ("crl/sysadmin-v0", {"n_agents": 7, "topology": "star"}),
    ("crl/traffic-v0", {"n_agents": 9, "horizon": 20}),
    ("crl/firefighting-v0", {}),
    ("crl/load_balancing-v0", {"n_agents": 9, "n_loads": 5}),
]
take = {"mean": np.mean, "sum": np.sum}


def random_actions(env: Any, rng: np.random.Generator) -> dict[str, int]:
    return {a: int(rng.integers(env.action_space(a).n)) for a in env.agents}


def closed(graph: Any) -> list[list[int]]:
    """By NetworkX: of each node itself and who shares an edge with it."""
    both = graph.to_undirected()
    return [sorted({i, *both.neighbors(i)}) for i in range(len(both))]


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize(("id", "kwargs"), CASES)
def test_only_rewards_and_infos_differ(id: str, kwargs: Any, reduce: str) -> None:
    bare, env = make(id, **kwargs), NeighborhoodReward(make(id, **kwargs), reduce)
    near, rng = closed(bare.topology), np.random.default_rng(0)
    seen = set()
    for seed in (3, None):
        observations, infos = env.reset(seed=seed)
        assert {info.pop("local_reward") for info in infos.values()} == {0.0}
        assert repr(bare.reset(seed=seed)) == repr((observations, infos))
        while bare.agents:
            actions = random_actions(bare, rng)
            observed, local, *flags, told = bare.step(actions)
            observations, rewards, *same_flags, infos = env.step(actions)
            assert (repr(observed), flags) == (repr(observations), same_flags)
            own = list(local.values())
            expected = [take[reduce]([own[j] for j in group]) for group in near]
            assert list(rewards) == list(local)
            assert list(rewards.values()) == pytest.approx(expected, rel=1e-12, abs=1e-12)
            assert all(type(reward) is float for reward in rewards.values())
            assert {a: info.pop("local_reward") for a, info in infos.items()} == local
            assert repr(infos) == repr(told)
            seen |= set(rewards.values())
    assert len(seen) > 2


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize(("id", "kwargs"), CASES)
def test_a_column_is_the_dict_view(id: str, kwargs: Any, reduce: str) -> None:
    envs = [NeighborhoodReward(make(id, **kwargs), reduce) for _ in range(3)]
    vec = NeighborhoodReward(make_vec(id, 3, "Disabled", **kwargs), reduce)
    assert isinstance(vec, VectorNeighborhoodReward)
    vec.reset(seed=5)
    for b, env in enumerate(envs):
        env.reset(seed=5 + b)
    rng, paid = np.random.default_rng(1), 0
    for _ in range(6):
        actions = [random_actions(env, rng) for env in envs]
        sent = [list(each.values()) or [0] * vec.n_agents for each in actions]
        _, rewards, *_, infos = vec.step(np.array(sent))
        assert rewards.dtype == np.float64
        for b, env in enumerate(envs):
            if env.agents:
                _, given, *_, told = env.step(actions[b])
                assert list(given.values()) == rewards[b].tolist()
                own = [info["local_reward"] for info in told.values()]
                assert own == infos["local_reward"][b].tolist()
                paid += 1
    assert paid > 6


@given(st.data())
def test_extremes(data: st.DataObject) -> None:
    """Nobody's neighbour has its own reward, everybody's the team's; in a regular graph the team's mean stays."""
    n = data.draw(st.integers(3, 9))
    own = np.array([data.draw(st.lists(st.floats(-9, 9), min_size=n, max_size=n))]).T
    alone = np.empty((0, 2), np.int64)
    assert Neighborhoods(alone, n).means(own).tolist() == own.tolist()
    together = np.array(nx.complete_graph(n).edges())
    np.testing.assert_allclose(Neighborhoods(together, n).means(own), own.mean(), atol=1e-12)
    ring = Neighborhoods(np.array(nx.cycle_graph(n).edges()), n)
    assert ring.means(own).mean() == pytest.approx(own.mean(), abs=1e-12)
    assert ring.size.tolist() == [3] * n


def test_learners_of_what_they_are_given_learn_from_it() -> None:
    """Where all are neighbours, the same as from the team's mean, up to the order in which rewards are added."""
    given = {"n_agents": 4, "topology": nx.complete_graph(4, create_using=nx.DiGraph)}
    found = [
        HystereticQ(wrap(make_vec("crl/sysadmin-v0", **given)), seed=1).learn(total_episodes=20)
        for wrap in (NeighborhoodReward, GlobalReward, lambda vec: vec)
    ]
    np.testing.assert_allclose(found[0].q, found[1].q, rtol=1e-9)
    assert not np.allclose(found[0].q, found[2].q)


class Told(Leavers):
    """Red and green name each other, at blue there is nobody."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, _ = super().reset(seed, options)
        near = {"red": ["green"], "green": [None, "red"], "blue": []}
        return observations, {agent: {"neighbors": near[agent]} for agent in self.agents}


def test_of_those_that_took_part() -> None:
    """Agent k is paid k + 10 k + 100 t, and red leaves first."""
    env = NeighborhoodReward(Told())
    env.reset()
    assert env.step({"red": 0, "green": 1, "blue": 2})[1] == {
        "red": 105.5,
        "green": 105.5,
        "blue": 122.0,
    }
    assert env.step({"green": 1, "blue": 2})[1] == {"green": 211.0, "blue": 222.0}
    assert env.step({"blue": 2})[1] == {"blue": 322.0}
    assert env.step({}) == ({}, {}, {}, {}, {})


@pytest.mark.parametrize("id", [TOY, "crl/sysadmin-v0"])
def test_conforms(id: str) -> None:
    check_parallel_env(lambda: NeighborhoodReward(make(id, n_agents=4)))


def test_inner_local_rewards_stay() -> None:
    env = NeighborhoodReward(GlobalReward(make("crl/sysadmin-v0", n_agents=4)))
    bare = make("crl/sysadmin-v0", n_agents=4)
    env.reset(seed=1), bare.reset(seed=1)
    actions = dict.fromkeys(bare.agents, 0)
    local, (_, rewards, *_, infos) = bare.step(actions)[1], env.step(actions)
    assert {a: info["local_reward"] for a, info in infos.items()} == local
    assert list(rewards.values()) == pytest.approx([sum(local.values()) / 4] * 4)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="reduce must be one of 'mean', 'sum', got 'max'"):
        NeighborhoodReward(make(TOY), "max")
    with pytest.raises(ValueError, match="reduce must be one of 'mean', 'sum', got 'max'"):
        NeighborhoodReward(make_vec(TOY), "max")
    with pytest.raises(ValueError, match="env must be a ParallelEnv or a WorldVectorEnv, got 3"):
        NeighborhoodReward(3)
    env = NeighborhoodReward(Leavers())
    with pytest.raises(ValueError, match="neighbors must be known: env must have infos"):
        env.reset()
