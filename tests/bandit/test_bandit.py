"""The bandit: its law, its optimum, its two seeds, from one agent to a million."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import crl_envs
from crl_envs.bandit import BanditWorld
from crl_envs.core.stream import Purpose
from tests.core.reference import words_of
from tests.views import BACKENDS, assert_verbs_agree, assert_views_agree

BANDIT = "crl/bandit-v0"
ALARM = 1e-6


class TestLaw:
    @pytest.mark.parametrize(
        ("kwargs", "right", "wrong"),
        [
            ({}, 0.8, 0.2),
            ({"p_correct": 0.55, "p_wrong": 0.5}, 0.55, 0.5),
            ({"p_correct": 0.1, "p_wrong": 0.9}, 0.1, 0.9),
        ],
    )
    def test_probability_of_reward(
        self, kwargs: dict[str, float], right: float, wrong: float
    ) -> None:
        """100 agents, 1000 fixed seeds, each agent's right action and its wrong one; false alarm 4e-6 in all."""
        vec = crl_envs.make_vec(BANDIT, 1000, n_agents=100, **kwargs)
        correct = vec.world.correct_action
        for action, probability in ((correct, right), (1 - correct, wrong)):
            vec.reset(seed=0)
            rewards = vec.step(np.tile(action, (1000, 1)))[1]
            assert set(np.unique(rewards)) == {0.0, 1.0}
            successes = int(rewards.sum())
            assert stats.binomtest(successes, 100_000, probability).pvalue > ALARM
            # and the same for every agent (chi-square)
            each = rewards.sum(axis=0)
            statistic = ((each - 1000 * probability) ** 2).sum() / (
                1000 * probability * (1 - probability)
            )
            assert stats.chi2.sf(statistic, 100) > ALARM

    def test_deterministic_variant(self) -> None:
        """Theorem 3.1's problem: the right action pays 1, the wrong one 0, always."""
        vec = crl_envs.make_vec(BANDIT, 50, n_agents=30, p_correct=1, p_wrong=0)
        actions = np.random.default_rng(0).integers(2, size=(50, 30))
        vec.reset(seed=0)
        rewards = vec.step(actions)[1]
        np.testing.assert_array_equal(rewards, actions == vec.world.correct_action)

    @given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(1, 9))
    def test_is_the_reference_to_the_bit(self, seed: int, instance: int, n: int) -> None:
        """Right actions are low bits of INSTANCE words; a reward is a REWARD word below round(p·2^32) at clock 1."""
        env = crl_envs.make(BANDIT, n_agents=n, instance_seed=instance)
        correct = [word & 1 for word in words_of(instance, 0, Purpose.INSTANCE, n)]
        assert env.world.correct_action.tolist() == correct
        env.reset(seed=seed)
        actions = [i % 2 for i in range(n)]
        _, rewards, *_ = env.step(dict(zip(env.agents, actions, strict=True)))
        for i, word in enumerate(words_of(seed, 1, Purpose.REWARD, n)):
            p = 0.8 if actions[i] == correct[i] else 0.2
            assert rewards[f"agent_{i}"] == float(word < round(p * 2**32))

    def test_transition_model(self) -> None:
        env = crl_envs.make(BANDIT, n_agents=20, p_correct=0.7, p_wrong=0.1, instance_seed=5)
        success = env.transition_model().success
        assert success.shape == (20, 2)
        for i, right in enumerate(env.world.correct_action.tolist()):
            assert success[i, right] == 0.7
            assert success[i, 1 - right] == 0.1

    def test_right_actions_are_fair_coins(self) -> None:
        """100,000 agents; false alarm 1e-6."""
        correct = BanditWorld(n_agents=100_000).correct_action
        assert set(correct.tolist()) == {0, 1}
        assert stats.binomtest(int(correct.sum()), 100_000, 0.5).pvalue > ALARM


class TestSeeds:
    def test_the_instance_stays_from_episode_to_episode(self) -> None:
        env = crl_envs.make(BANDIT, n_agents=64)
        before = env.world.correct_action.copy()
        for seed in (0, 1, None):
            env.reset(seed=seed)
            env.step(dict.fromkeys(env.agents, 0))
            np.testing.assert_array_equal(env.world.correct_action, before)

    def test_each_seed_moves_its_own_part(self) -> None:
        """64 agents: independent draws are all equal with probability 2^-64."""
        instances = [BanditWorld(n_agents=64, instance_seed=s).correct_action for s in (0, 0, 1)]
        np.testing.assert_array_equal(instances[0], instances[1])
        assert not np.array_equal(instances[0], instances[2])
        rewards = {}
        for instance in (0, 1):
            vec = crl_envs.make_vec(BANDIT, 2, n_agents=200, instance_seed=instance)
            vec.reset(seed=0)
            right = np.tile(vec.world.correct_action, (2, 1))
            rewards[instance] = vec.step(right)[1]
        np.testing.assert_array_equal(
            rewards[0], rewards[1]
        )  # the same luck for the same rightness
        assert not np.array_equal(rewards[0][0], rewards[0][1])

    def test_equal_seeds_are_not_equal_streams(self) -> None:
        """instance_seed = seed: rewards of right and wrong agents are uncorrelated with their right action.

        Agreement of (reward of action 0, right action) beyond its law; 50,000 agents, false alarm 1e-6.
        """
        vec = crl_envs.make_vec(
            BANDIT, 1, n_agents=50_000, instance_seed=3, p_correct=0.5, p_wrong=0.5
        )
        vec.reset(seed=3)
        rewards = vec.step(np.zeros((1, 50_000), np.uint8))[1][0]
        agree = int((rewards == vec.world.correct_action).sum())
        assert stats.binomtest(agree, 50_000, 0.5).pvalue > ALARM


class TestOptimum:
    @pytest.mark.parametrize(
        ("p_correct", "p_wrong", "best"),
        [(0.8, 0.2, 0.8), (1, 0, 1.0), (0.3, 0.6, 0.6), (0.5, 0.5, 0.5)],
    )
    def test_is_exact(self, p_correct: float, p_wrong: float, best: float) -> None:
        env = crl_envs.make(BANDIT, n_agents=4, p_correct=p_correct, p_wrong=p_wrong)
        optimum = env.optimum()
        assert (optimum.kind, optimum.value, optimum.lower) == ("exact", best, best)
        assert env.transition_model().success.max(axis=1).mean() == best


class TestEpisode:
    def test_one_step(self) -> None:
        env = crl_envs.make(BANDIT, n_agents=2)
        observations, infos = env.reset(seed=0)
        assert observations == {"agent_0": 0, "agent_1": 0}
        assert infos["agent_0"]["neighbors"] == ()
        assert env.state().tolist() == [0]
        assert env.metrics() == {}
        observations, _, terminations, truncations, _ = env.step({"agent_0": 0, "agent_1": 1})
        assert observations == {"agent_0": 0, "agent_1": 0}
        assert terminations == {"agent_0": True, "agent_1": True}
        assert truncations == {"agent_0": False, "agent_1": False}
        assert env.state().tolist() == [1]
        assert env.agents == []

    def test_no_edges(self) -> None:
        topology = crl_envs.make(BANDIT, n_agents=3).topology
        assert topology.number_of_nodes() == 3
        assert topology.number_of_edges() == 0


class TestViews:
    @pytest.mark.parametrize("n_agents", [1, 2, 3])
    def test_one_stream_three_views(self, n_agents: int) -> None:
        played = assert_views_agree(BANDIT, {"n_agents": n_agents}, 300, num_envs=3, seed=4)
        assert played.episodes == played.terminated == 450

    def test_many_agents(self) -> None:
        played = assert_views_agree(BANDIT, {"n_agents": 1027, "instance_seed": 1}, 20, num_envs=2)
        assert played.episodes == 20

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("n_agents", [1, 8])
    def test_verbs(self, n_agents: int, backend: str) -> None:
        assert_verbs_agree(BanditWorld(n_agents=n_agents, backend=backend), num_envs=4)

    def test_a_million_agents(self) -> None:
        """The first thousand are the first thousand of a small one."""
        vec = crl_envs.make_vec(BANDIT, 1, n_agents=1_000_000)
        small = crl_envs.make_vec(BANDIT, 1, n_agents=1000)
        vec.reset(seed=0)
        small.reset(seed=0)
        rewards = vec.step(np.zeros((1, 1_000_000), np.uint8))[1]
        np.testing.assert_array_equal(
            rewards[:, :1000], small.step(np.zeros((1, 1000), np.uint8))[1]
        )
        assert abs(rewards.mean() - 0.5) < 0.0025  # 5 standard deviations, false alarm 6e-7


class TestArguments:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"n_agents": 0}, "n_agents must be an integer in"),
            ({"n_agents": "3"}, "n_agents must be"),
            ({"p_correct": 1.01}, "p_correct must be a finite number in .0, 1., got 1.01"),
            ({"p_correct": None}, "p_correct must be"),
            ({"p_wrong": -0.01}, "p_wrong must be"),
            ({"p_wrong": float("inf")}, "p_wrong must be"),
            ({"instance_seed": -1}, "instance_seed must be"),
            ({"instance_seed": 1.0}, "instance_seed must be"),
            ({"backend": "jax"}, "backend must be one of"),
            ({"render_mode": "film"}, "render_mode must be"),
        ],
    )
    @pytest.mark.parametrize("entry", ["make", "make_vec", "make_gym_vec"])
    def test_bad(self, entry: str, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            getattr(crl_envs, entry)(BANDIT, **kwargs)
