"""Exploration policies: what they draw, and the constants that they promise."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import ModelBased
from agents.tabular.exploration import (
    EpsilonGreedy,
    FixedExploration,
    UniformExploration,
    as_dict,
    draw,
    find_exploration,
)
from crl_envs.bounds import Exploration

ALL = [UniformExploration(), FixedExploration((0.7, 0.3)), EpsilonGreedy(0.4)]


@pytest.mark.parametrize("exploration", ALL, ids=lambda e: e.kind)
def test_dict_and_back(exploration: Any) -> None:
    assert find_exploration(as_dict(exploration)) == exploration
    assert find_exploration(exploration) is exploration


def test_constants() -> None:
    start = (0.2, 0.5, 0.3)
    assert UniformExploration().constants(start, 4) == Exploration(0.2, 0.25)
    assert FixedExploration((0.7, 0.1, 0.2)).constants(start, 3) == Exploration(0.2, 0.1)
    assert EpsilonGreedy(0.4).constants(start, 4) == Exploration(0.2, 0.1)


def test_draw_splits_the_words_in_proportion() -> None:
    every = np.arange(0, 2**32, 2**12, dtype=np.uint64).astype(np.uint32)
    shares = np.bincount(draw(np.array([0.5, 0.125, 0.375]), every)) / every.size
    assert shares.tolist() == [0.5, 0.125, 0.375]


def test_mix_follows_the_plan_but_for_epsilon() -> None:
    every = np.arange(0, 2**32, 2**12, dtype=np.uint64).astype(np.uint32)
    planned = np.full(every.shape, 2, np.uint8)
    shares = np.bincount(EpsilonGreedy(0.25).mix(planned, 4, every)) / every.size
    assert shares.tolist() == [0.0625, 0.0625, 0.8125, 0.0625]


@pytest.mark.parametrize("exploration", ALL, ids=lambda e: e.kind)
def test_every_configuration_is_explored_as_promised(exploration: Any) -> None:
    """In the first step alone, every state of a neighbourhood with every action: at least ν ρ^B of the trials.

    24 binomial counts of 4000 trials, each below its bound by more than 4 standard deviations with probability < 4e-5.
    """
    trials, n = 4000, 3
    env = crl_envs.make_vec("crl/sysadmin-v0", num_envs=trials, n_agents=n, start_up=0.3, horizon=2)
    learner = ModelBased(env, exploration=exploration, planning_episodes=10, seed=5)
    if isinstance(exploration, EpsilonGreedy):  # a plan to follow: leave all machines alone
        learner._followed[:] = 0
        learner._plans_at = 1
    first: list[Any] = []

    class Done(Exception):
        pass

    def note(frame: Any, actions: Any, transition: Any) -> None:
        first.append((frame.rows, actions))
        raise Done

    learner.observe = note  # type: ignore[method-assign]
    with pytest.raises(Done):
        learner.learn(total_episodes=1)
    states, actions = first[0]
    promised = exploration.constants((0.7, 0.3), 2).visit(2)
    slack = 4 * np.sqrt(promised / trials)
    for i, own, parent, action in product(range(n), (0, 1), (0, 1), (0, 1)):
        seen = (states[i] == own) & (states[i - 1] == parent) & (actions[i] == action)
        assert seen.mean() >= promised - slack


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("fixed", "exploration must be one of 'uniform', 'epsilon-greedy', got 'fixed'"),
        ("unifrom", "did you mean 'uniform'"),
        ({"kind": "epsilon-greedy", "share": 1}, "must have epsilon-greedy's fields"),
        ({"epsilon": 0.1}, "exploration must be one of"),
        (3, "exploration must be one of"),
    ],
)
def test_bad_exploration(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_exploration(given)


def test_bad_fields() -> None:
    with pytest.raises(ValueError, match=r"action_probabilities must sum to 1, got \[0.5, 0.4\]"):
        FixedExploration((0.5, 0.4))
    with pytest.raises(ValueError, match="action_probabilities must be a finite number in"):
        FixedExploration((1.0, 0.0))
    with pytest.raises(ValueError, match="action_probabilities must be 3, one for each action"):
        FixedExploration((0.5, 0.5)).probabilities(3)
    with pytest.raises(ValueError, match="epsilon must be a finite number"):
        EpsilonGreedy(0.0)
    with pytest.raises(ValueError, match="start"):
        UniformExploration().constants((0.0, 1.0), 2)
