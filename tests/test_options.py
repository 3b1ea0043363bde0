"""What `reset(options=…)` takes: what it knows, nothing, and nothing else."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import crl_envs
from crl_envs.wrappers import (
    AristocratReward,
    DifferenceReward,
    GlobalReward,
    JointAction,
    NoisyReward,
)
from tests.worlds import IDS, needed

WRAPPERS: dict[str, Any] = {
    "bare": lambda env: env,
    "global": GlobalReward,
    "difference": DifferenceReward,
    "aristocrat": AristocratReward,
    "noisy": lambda env: NoisyReward(env, scale=0.1),
    "joint": JointAction,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("id", IDS)
def test_a_dict_env_has_none(id: str, wrapper: str) -> None:
    env = WRAPPERS[wrapper](crl_envs.make(id, **needed(id, n_agents=5)))
    for nothing in (None, {}):
        env.reset(seed=0, options=nothing)
    with pytest.raises(ValueError, match=r"options has an unknown key 'start'; allowed: none"):
        env.reset(options={"start": 1})
    with pytest.raises(ValueError, match="options must be a dict or None, got 3"):
        env.reset(options=3)


def test_gymnasium_passes_them_on() -> None:
    env = gymnasium.make("crl/bandit-joint-v0")
    with pytest.raises(ValueError, match="unknown key 'start'"):
        env.reset(options={"start": 1})


@pytest.mark.parametrize("wrapper", ["bare", "global", "difference", "noisy"])
@pytest.mark.parametrize("id", IDS)
def test_a_vector_env_has_a_mask(id: str, wrapper: str) -> None:
    env = WRAPPERS[wrapper](crl_envs.make_vec(id, 2, **needed(id, n_agents=5)))
    for nothing in (None, {}):
        env.reset(seed=0, options=nothing)
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match="unknown key 'resetmask'; allowed: 'reset_mask'"):
        env.reset(options={"resetmask": np.array([True, False])})


def test_agents_have_the_mask_too() -> None:
    env = crl_envs.make_gym_vec("crl/bandit-v0", 2, n_agents=5)
    env.reset(seed=0, options={})
    env.reset(options={"reset_mask": np.repeat([True, False], 5)})
    with pytest.raises(ValueError, match="unknown key 'x'"):
        env.reset(options={"x": 1})
