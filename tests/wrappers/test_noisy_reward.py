"""Gaussian noise on rewards: its law, whom it meets, that it is seeded, and that nothing else changes."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from scipy import stats

from crl_envs import make_gym_vec
from crl_envs.core.stream import Purpose, Stream
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward, NoisyReward, VectorNoisyReward
from crl_envs.wrappers.noisy_reward import draw_noise
from tests.core.toy import TOY
from tests.wrappers.foreign import COLOURS, Leavers
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"


def play(env: Any, steps: int, seed: int | None) -> list[list[float]]:
    """Rewards less the agents' own, step by step; a new episode without a seed when one has ended."""
    env.reset(seed=seed)
    errors = []
    for _ in range(steps):
        if not env.agents:
            env.reset()
        _, rewards, *_, infos = env.step(dict.fromkeys(env.agents, 0))
        errors.append([rewards[a] - infos[a]["local_reward"] for a in rewards])
    return errors


@pytest.mark.parametrize("shared", [True, False])
def test_is_standard_normal_and_independent(shared: bool) -> None:
    """Kolmogorov–Smirnov over 40,000 draws and correlations of neighbours in time and place: p < 1e-4 four times."""
    stream = Stream(50)
    stream.seed(0)
    steps = []
    for _ in range(400 if shared else 40):
        steps.append(draw_noise(stream.keys(Purpose.REWARD_NOISE), 20, 0, 1.0, shared))
        stream.advance()
    z = np.array(steps)  # [T, n, B]
    if shared:
        assert (z == z[:, :1]).all()
        z = z[:, :1]
    assert stats.kstest(z.ravel()[:40_000], "norm").pvalue > 1e-4
    bound = 3.9 / math.sqrt(z[1:].size)
    assert abs((z[1:] * z[:-1]).mean()) < bound  # in time
    assert abs((z[..., 1:] * z[..., :-1]).mean()) < bound * 1.02  # between columns
    if not shared:
        assert abs((z[:, 1:] * z[:, :-1]).mean()) < bound * 1.03  # between agents


@pytest.mark.parametrize("shared", [True, False])
def test_scale_is_the_standard_deviation(shared: bool) -> None:
    """1,000 or 6,000 errors: five standard errors of a standard deviation, false alarm 6e-7."""
    env = NoisyReward(make(SYSADMIN, n_agents=6), scale=0.3, shared=shared)
    errors = np.array(play(env, 1000, seed=1))
    assert errors.shape == (1000, 6)
    seen = errors[:, 0] if shared else errors.ravel()
    assert abs(seen.std() / 0.3 - 1) < 5 / math.sqrt(2 * seen.size)
    assert abs(seen.mean()) < 5 * 0.3 / math.sqrt(seen.size)
    assert (np.ptp(errors, axis=1) < 1e-12).all() == shared


@pytest.mark.parametrize("id", [SYSADMIN, TOY])
def test_only_rewards_and_infos_differ(id: str) -> None:
    bare, wrapped = make(id), NoisyReward(GlobalReward(make(id)), scale=0.5)
    for seed in (3, None):
        seen, told = wrapped.reset(seed=seed)
        assert {info.pop("local_reward") for info in told.values()} == {0.0}
        assert repr(bare.reset(seed=seed)) == repr((seen, told))
        while bare.agents:
            actions = dict.fromkeys(bare.agents, 0)
            observations, local, *flags, infos = bare.step(actions)
            seen, noisy, *seen_flags, told = wrapped.step(actions)
            assert repr(observations) == repr(seen)
            assert flags == seen_flags
            assert len(set(noisy.values())) == 1
            assert {a: info.pop("local_reward") for a, info in told.items()} == local
            assert repr(told) == repr(infos)
            mean = sum(local.values()) / len(local)
            assert 0 < abs(next(iter(noisy.values())) - mean) < 6.7 * 0.5
    assert wrapped.step({}) == ({}, {}, {}, {}, {})


def test_noise_comes_before_or_after_the_mean() -> None:
    """Local errors are averaged by `GlobalReward`; 2,000 steps, five standard errors: false alarm 6e-7 each."""
    local = GlobalReward(NoisyReward(make(SYSADMIN, n_agents=16), scale=0.4, shared=False))
    team = NoisyReward(GlobalReward(make(SYSADMIN, n_agents=16)), scale=0.4)
    for env, expected in ((local, 0.1), (team, 0.4)):
        env.reset(seed=0)
        errors = []
        for _ in range(2000):
            if not env.agents:
                env.reset()
            _, rewards, *_, infos = env.step(dict.fromkeys(env.agents, 1))
            own = [info["local_reward"] for info in infos.values()]
            assert set(own) <= {0.0, 1.0}
            errors.append(rewards["agent_0"] - np.mean(own))
        assert abs(np.std(errors) / expected - 1) < 5 / math.sqrt(2 * 2000)


def test_noise_upon_noise_is_independent() -> None:
    """1,000 errors of two sources: variances add up within five standard errors, false alarm 6e-7."""
    twice = NoisyReward(NoisyReward(make("crl/bandit-v0", n_agents=3), scale=0.3), scale=0.4)
    errors = np.array(play(twice, 1000, seed=2))
    assert abs(errors[:, 0].std() / 0.5 - 1) < 5 / math.sqrt(2 * 1000)


def test_without_noise_rewards_are_untouched() -> None:
    errors = play(NoisyReward(make(SYSADMIN, n_agents=4), scale=0), 60, seed=0)
    assert not np.any(errors)


def test_same_seed_same_noise_and_no_seed_goes_on() -> None:
    def errors(seed: int | None, env: Any) -> list[list[float]]:
        return play(env, 25, seed)

    env = NoisyReward(make(SYSADMIN, n_agents=3), scale=1.0)
    first = errors(5, env)
    assert errors(5, env) == errors(5, NoisyReward(make(SYSADMIN, n_agents=3), scale=1.0)) == first
    gone_on = errors(None, env)
    assert gone_on != first
    assert errors(6, env) != first
    assert len({e[0] for e in first + gone_on}) == 50


def test_agents_that_have_left_take_their_lane_with_them() -> None:
    env = NoisyReward(Leavers(), scale=1.0, shared=False)
    env.reset(seed=4)
    stream = Stream(1)
    stream.seed(4)
    seen = []
    while env.agents:
        stream.advance()
        drawn = draw_noise(stream.keys(Purpose.REWARD_NOISE), 3, 0, 1.0, False)[:, 0]
        _, rewards, *_, infos = env.step({a: COLOURS.index(a) for a in env.agents})
        for agent, reward in rewards.items():
            own = infos[agent]["local_reward"]
            assert reward == own + drawn[COLOURS.index(agent)]
        seen.append(list(rewards))
    assert seen == [COLOURS, COLOURS[1:], COLOURS[2:]]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("id", [SYSADMIN, TOY, "crl/bandit-v0"])
def test_conforms(id: str, shared: bool) -> None:
    check_parallel_env(lambda: NoisyReward(GlobalReward(make(id, n_agents=4)), 0.2, shared))


@pytest.mark.parametrize("wrap", [lambda e: e, GlobalReward, lambda e: NoisyReward(e, 0.1)])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("id", [SYSADMIN, TOY])
def test_vector_column_is_the_dict_env(id: str, shared: bool, wrap: Any) -> None:
    vec = NoisyReward(
        wrap(make_vec(id, num_envs=3, n_agents=5, autoreset_mode="Disabled")), 0.7, shared
    )
    assert isinstance(vec, VectorNoisyReward)
    singles = [NoisyReward(wrap(make(id, n_agents=5)), 0.7, shared) for _ in range(3)]
    rng = np.random.default_rng(0)
    compared = 0
    for seed in (4, None):
        vec.reset(seed=seed)
        for b, env in enumerate(singles):
            env.reset(seed=None if seed is None else seed + b)
        for _ in range(6):
            actions = rng.integers(2, size=(3, 5))
            rewards, infos = (result := vec.step(actions))[1], result[4]
            assert rewards.dtype == np.float64
            for b, env in enumerate(singles):
                if not env.agents:
                    assert not rewards[b].any()
                    continue
                _, noisy, *_, told = env.step(
                    dict(zip(env.agents, actions[b].tolist(), strict=True))
                )
                assert rewards[b].tolist() == list(noisy.values())
                own = [info["local_reward"] for info in told.values()]
                assert infos["local_reward"][b].tolist() == own
                compared += 1
    assert compared >= 12


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_autoreset_goes_on_with_the_same_noise(mode: str) -> None:
    """A dict environment that is reset without a seed; steps that are resets have no noise."""
    vec = NoisyReward(make_vec("crl/bandit-v0", num_envs=2, autoreset_mode=mode), 1.0, False)
    singles = [NoisyReward(make("crl/bandit-v0"), 1.0, False) for _ in range(2)]
    vec.reset(seed=8)
    for b, env in enumerate(singles):
        env.reset(seed=8 + b)
    actions = np.zeros((2, vec.n_agents), int)
    for _ in range(4):
        rewards = vec.step(actions)[1]
        if mode == "NextStep":
            assert not vec.step(actions)[1].any()
        for b, env in enumerate(singles):
            expected = env.step(dict.fromkeys(env.agents, 0))[1]
            assert rewards[b].tolist() == list(expected.values())
            env.reset()


CLONES = [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]


@pytest.mark.parametrize("clone", CLONES)
def test_clone_goes_on_alike(clone: Any) -> None:
    env = NoisyReward(GlobalReward(make(SYSADMIN, n_agents=5)), scale=0.1, shared=False)
    env.reset(seed=1)
    actions = dict.fromkeys(env.agents, 0)
    env.step(actions)
    other = clone(env)
    assert isinstance(other, NoisyReward)
    for _ in range(3):
        assert other.step(actions)[1] == env.step(actions)[1]


@pytest.mark.parametrize("clone", CLONES)
def test_vector_clone_goes_on_alike(clone: Any) -> None:
    vec = NoisyReward(make_vec(SYSADMIN, num_envs=2, n_agents=30), scale=0.1)
    vec.reset(seed=0)
    other = clone(vec)
    actions = np.zeros((2, 30), int)
    for _ in range(3):
        assert vec.step(actions)[1].tolist() == other.step(actions)[1].tolist()


def test_passes_through() -> None:
    env = NoisyReward(GlobalReward(make(SYSADMIN, n_agents=5)), scale=0.1)
    env.reset(seed=0)
    assert env.unwrapped.optimum().kind == "exact"
    assert env.reduce == "mean"
    assert env.state_space.contains(env.state())
    inner = make_vec(SYSADMIN, num_envs=2, n_agents=4)
    vec = NoisyReward(inner, scale=0.1)
    vec.reset(seed=0)
    assert vec.unwrapped is inner
    assert vec.n_agents == 4
    assert vec.edges is inner.edges
    assert vec.autoreset_mode is inner.autoreset_mode
    assert not hasattr(vec, "reduce")


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "1", None, True])
def test_bad_scale(bad: Any) -> None:
    for env in (Leavers(), make_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match=rf"scale must be a finite number in .*got {bad!r}"):
            NoisyReward(env, scale=bad)


@pytest.mark.parametrize("bad", [1, None, "yes"])
def test_bad_shared(bad: Any) -> None:
    for env in (Leavers(), make_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match=rf"shared must be True or False, got {bad!r}"):
            NoisyReward(env, scale=0.1, shared=bad)


def test_other_environments_are_refused() -> None:
    for other in (None, gymnasium.make("CartPole-v1"), make_gym_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match="env must be a ParallelEnv or a WorldVectorEnv, got"):
            NoisyReward(other, scale=0.1)
    with pytest.raises(ValueError, match="env must be a WorldVectorEnv for VectorNoisyReward, got"):
        VectorNoisyReward(Leavers(), scale=0.1)  # type: ignore[arg-type]


def test_a_bad_seed_is_refused_before_the_reset() -> None:
    env = NoisyReward(Leavers(), scale=0.1)
    with pytest.raises(ValueError, match="seed must be an integer in"):
        env.reset(seed=-1)
    assert env.env.told == []
