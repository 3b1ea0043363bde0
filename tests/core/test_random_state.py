import json

import numpy as np
import pytest

import crl_envs
from crl_envs.core.random_state import random_state, set_random_state
from crl_envs.wrappers import GlobalReward, NoisyReward

ID = "crl/sysadmin-v0"


def parallel():
    return GlobalReward(NoisyReward(crl_envs.make(ID, n_agents=6), 0.5, shared=False))


def vector():
    return NoisyReward(crl_envs.make_vec(ID, num_envs=3, n_agents=6), 0.5, shared=False)


def play(env, seed=None):
    """Everything that is seen in an episode of no-ops."""
    seen = [env.reset(seed=seed)[0]]
    while True:
        if hasattr(env, "num_envs"):
            result = env.step(np.zeros((env.num_envs, 6), np.int64))
            over = (result[2] | result[3]).all()
        else:
            result = env.step(dict.fromkeys(env.agents, 0))
            over = not env.agents
        seen += [result[0], result[1]]
        if over:
            return seen


@pytest.mark.parametrize("make", [parallel, vector])
def test_another_environment_goes_on_identically(make):
    env, other = make(), make()
    play(env, seed=5)
    play(env)
    set_random_state(other, json.loads(json.dumps(random_state(env))))
    for ours, theirs in zip(play(env), play(other), strict=True):
        if isinstance(ours, dict):
            assert ours == theirs
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_the_largest_seed_survives():
    env, other = parallel(), parallel()
    env.reset(seed=2**64 - 1)
    set_random_state(other, random_state(env))
    assert random_state(other) == random_state(env)


def test_refuses_what_is_of_another_environment():
    with pytest.raises(ValueError, match=r"2 streams with \[1, 1\] columns, got 1 with \[3\]"):
        set_random_state(parallel(), random_state(vector()))


@pytest.mark.parametrize(
    ("seeds", "clock"),
    [([3, 9], [1, 1]), ([3, 4], [1]), ([3, 4], [1, -1]), ([3.5, 4.5], [1, 1]), ([3, "4"], [1, 1])],
)
def test_what_is_no_state(seeds, clock):
    env = crl_envs.make_vec("crl/bandit-v0", 2)
    with pytest.raises(ValueError, match=r"seeds|clock"):
        set_random_state(env, [{"seeds": seeds, "clock": clock}])
