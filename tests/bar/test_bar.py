"""The bar problem: its rewards, its optimum against a plain dynamic program, its views, and whose interest is whose."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crl_envs
from agents import BoltzmannAverages
from crl_envs.bar import BarProblem, BarWorld
from crl_envs.wrappers import DifferenceReward, GlobalReward
from tests.views import BACKENDS, assert_verbs_agree, assert_views_agree

BAR = "crl/bar-v0"
CASES: list[dict[str, Any]] = [
    {"n_agents": 5},
    {"n_agents": 40, "n_nights": 3, "capacity": 2.5},
]


def worth(guests: Any, capacity: float) -> float:
    return sum(x * np.exp(-x / capacity) for x in guests)


class TestWorld:
    @given(
        st.lists(st.integers(1, 4), min_size=1, max_size=30),
        st.floats(0.1, 20),
    )
    def test_rewards_are_shares(self, nights: list[int], capacity: float) -> None:
        env = crl_envs.make(BAR, n_agents=len(nights), n_nights=4, capacity=capacity)
        env.reset(seed=0)
        _, rewards, terminations, *_ = env.step(dict(zip(env.agents, nights, strict=True)))
        guests = [nights.count(k) for k in range(1, 5)]
        expected = [np.exp(-guests[k - 1] / capacity) for k in nights]
        assert list(rewards.values()) == pytest.approx(expected, rel=1e-6)
        assert sum(rewards.values()) == pytest.approx(worth(guests, capacity), rel=1e-6)
        assert all(terminations.values())
        assert env.state().tolist() == [1, *guests]
        assert env.metrics()["worth"] == pytest.approx(worth(guests, capacity))

    def test_staying_at_home_is_illegal_and_worth_nothing(self) -> None:
        env = crl_envs.make(BAR, n_agents=3)
        _, infos = env.reset(seed=0)
        assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
        _, rewards, *_, infos = env.step({"agent_0": 0, "agent_1": 1, "agent_2": 1})
        assert rewards["agent_0"] == 0
        assert rewards["agent_1"] == pytest.approx(np.exp(-2 / 6))
        assert infos["agent_0"]["illegal_action"] and not infos["agent_1"]["illegal_action"]
        assert env.state().tolist() == [1, 2, 0, 0, 0, 0, 0, 0]

    @pytest.mark.parametrize("kwargs", CASES)
    def test_one_stream_three_views(self, kwargs: dict[str, Any]) -> None:
        assert_views_agree(BAR, kwargs)

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("kwargs", CASES)
    def test_verbs(self, kwargs: dict[str, Any], backend: str) -> None:
        assert_verbs_agree(BarWorld(**kwargs, backend=backend))

    def test_many_agents(self) -> None:
        vec = crl_envs.make_vec(BAR, 2, n_agents=1_000_000)
        vec.reset(seed=0)
        rewards = vec.step(np.tile([1, 2], (2, 500_000)))[1]
        assert rewards.shape == (2, 1_000_000)
        assert vec.state()[:, 1:3].tolist() == [[500_000] * 2] * 2


class TestOptimum:
    def test_the_papers_size(self) -> None:
        problem = BarProblem()
        assert problem.best_attendance().tolist() == [132, 6, 6, 6, 6, 6, 6]
        assert 168 * problem.optimum().value == pytest.approx(13.24, abs=0.005)

    @settings(max_examples=60)
    @given(st.integers(1, 14), st.integers(2, 5), st.floats(0.2, 8))
    def test_against_enumeration(self, n: int, k: int, capacity: float) -> None:
        best = max(
            worth(np.bincount(nights, minlength=k), capacity)
            for nights in combinations_with_replacement(range(k), n)
        )
        problem = BarProblem(n, k, capacity)
        assert n * problem.optimum().value == pytest.approx(best)
        guests = problem.best_attendance()
        assert (guests.size, guests.sum()) == (k, n)
        assert worth(guests, capacity) == pytest.approx(best)

    @settings(max_examples=40)
    @given(st.integers(1, 250), st.integers(2, 7), st.floats(0.3, 30))
    def test_against_the_whole_dynamic_program(self, n: int, k: int, capacity: float) -> None:
        """Over all numbers of guests on all nights, without what is known of the best."""
        pay = np.arange(n + 1) * np.exp(-np.arange(n + 1) / capacity)
        best = pay.copy()
        for _ in range(k - 1):
            best = np.array([(best[: m + 1] + pay[m::-1]).max() for m in range(n + 1)])
        assert n * BarProblem(n, k, capacity).optimum().value == pytest.approx(best[n])

    def test_no_reward_of_the_team_is_higher(self) -> None:
        vec = crl_envs.make_vec(BAR, 400, n_agents=30, n_nights=3, capacity=4)
        vec.reset(seed=0)
        actions = np.random.default_rng(0).integers(1, 4, size=(400, 30))
        means = vec.step(actions)[1].mean(axis=1)
        assert means.max() <= vec.optimum().value + 1e-6


class TestCredit:
    def test_wonderful_life_is_what_the_team_would_lack(self) -> None:
        env = DifferenceReward(crl_envs.make(BAR, n_agents=9, n_nights=3), reduce="sum")
        env.reset(seed=0)
        nights = [1, 1, 1, 1, 1, 2, 2, 3, 3]
        rewards = env.step(dict(zip(env.agents, nights, strict=True)))[1]
        guests = np.bincount(nights, minlength=4)[1:]
        for agent, night in zip(rewards, nights, strict=True):
            without = guests - (np.arange(1, 4) == night)
            lacks = worth(guests, 6) - worth(without, 6)
            assert rewards[agent] == pytest.approx(lacks, rel=1e-5)

    def test_of_three_rewards_the_wonderful_life_gets_furthest(self) -> None:
        """Means over five runs of 1,000 weeks; seeds are fixed. With room for all there is no such difference."""
        reached: dict[tuple[int, str], float] = {}
        wraps: dict[str, Any] = {
            "own": lambda env: env,
            "team": lambda env: GlobalReward(env, reduce="sum"),
            "difference": lambda env: DifferenceReward(env, reduce="sum"),
        }
        for n in (60, 20):
            for name, wrap in wraps.items():
                vec = wrap(crl_envs.make_vec(BAR, 5, n_agents=n, n_nights=4, capacity=4))
                learner = BoltzmannAverages(vec, seed=1).learn(total_episodes=1000)
                last = np.mean([week["worth"] for week in learner.history[-100:]])
                reached[n, name] = float(last) / (n * vec.optimum().value)
        assert reached[60, "difference"] > reached[60, "team"] + 0.1 > reached[60, "own"] + 0.1
        assert min(reached[20, name] for name in wraps) > 0.9


@pytest.mark.parametrize(
    ("name", "bad"),
    [("n_agents", 0), ("n_nights", 1), ("n_nights", 31), ("capacity", 0), ("capacity", 101)],
)
def test_bad_arguments(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        crl_envs.make(BAR, **{name: bad})
