"""Localized ALOHA: how often it sends and where, what it reaches, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import LocalizedAloha

ACCESS = "crl/access-v0"


def actions(rate: float | None, columns: int = 2000) -> Any:
    """Actions ``[n, B]`` of nine users."""
    vec = crl_envs.make_vec(ACCESS, columns, n_agents=9)
    learner = LocalizedAloha(vec, rate=rate, seed=3)
    seen, infos = vec.reset(seed=1)
    return np.asarray(learner.act(seen, action_masks=infos["action_mask"])).T


@pytest.mark.parametrize("rate", [None, 0.0, 0.3, 1.0])
def test_points_are_equally_probable(rate: float | None) -> None:
    """False alarm below 1e-3 in all, of some 60 shares within 4.5 standard errors."""
    mask = crl_envs.make_vec(ACCESS, 1, n_agents=9).reset(seed=0)[1]["action_mask"][0]
    chosen, points = actions(rate), mask[:, 1:].sum(axis=1)
    for user, legal in enumerate(mask):
        sending = min(points[user] / 2, 1.0) if rate is None else rate
        for action in range(5):
            expected = 1 - sending if action == 0 else sending * legal[action] / points[user]
            share = (chosen[user] == action).mean()
            assert abs(share - expected) <= 4.5 * (expected * (1 - expected) / 2000) ** 0.5


@pytest.mark.parametrize(
    ("k", "rate", "published"), [(3, 0.6, 0.20), (5, 1.0, 0.26), (10, 1.0, 0.32)]
)
def test_throughput(k: int, rate: float, published: float) -> None:
    """As published to two digits; in 400 episodes the standard error is below .001."""
    vec = crl_envs.make_vec(ACCESS, 400, n_agents=k * k, horizon=50)
    history = LocalizedAloha(vec, rate=rate, seed=0).learn(total_episodes=1).history
    assert abs(history[-1]["global_return"].mean() / 50 - published) < 0.006


@pytest.mark.parametrize("vector", [False, True])
def test_same_seed_same_episodes(vector: bool) -> None:
    made = [crl_envs.make_vec(ACCESS, 2) if vector else crl_envs.make(ACCESS) for _ in range(2)]
    a, b = (LocalizedAloha(env, seed=4).learn(total_episodes=3).history for env in made)
    assert repr(a) == repr(b)


def test_another_world_is_refused() -> None:
    with pytest.raises(ValueError, match="env must be crl/access-v0"):
        LocalizedAloha(crl_envs.make("crl/bandit-v0"))
    with pytest.raises(ValueError, match="rate"):
        LocalizedAloha(crl_envs.make(ACCESS), rate=1.5)
