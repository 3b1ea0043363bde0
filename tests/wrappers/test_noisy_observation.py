"""Noisy observations: their law, whom they concern, that they are seeded, and that nothing else changes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from crl_envs.core.stream import Purpose, Stream
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward, NoisyObservation, VectorNoisyObservation
from crl_envs.wrappers.noisy_observation import add_noise
from tests.core.toy import TOY
from tests.wrappers.foreign import COLOURS, Leavers, Spaced
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"
NEAR: dict[str, Any] = {"observe": "neighborhood", "topology": "star"}


def test_law_of_the_noise() -> None:
    """A share p is drawn uniformly: 120,000 components of 3 values, five standard errors, false alarm 6e-7 each."""
    stream = Stream(40)
    stream.seed(0)
    seen, count = np.ones((3000, 40), np.uint8), 120_000
    noisy = add_noise(seen, np.full(3000, 3), 0.3, stream.keys(Purpose.OBSERVATION_NOISE))
    for value, share in enumerate((0.1, 0.8, 0.1)):
        error = 5 * (share * (1 - share) / count) ** 0.5
        assert abs((noisy == value).mean() - share) < error


@pytest.mark.parametrize("probability", [0, 1])
def test_ends(probability: float) -> None:
    stream = Stream(2)
    stream.seed(3)
    seen = np.zeros((400, 2), np.uint8)
    noisy = add_noise(seen, np.full(400, 2), probability, stream.keys(Purpose.OBSERVATION_NOISE))
    assert noisy.any() == bool(probability)
    assert noisy.max() <= 1


@pytest.mark.parametrize("kwargs", [{}, NEAR, {"dynamics": "status-load"}])
def test_only_observations_differ(kwargs: dict[str, Any]) -> None:
    bare = make(SYSADMIN, n_agents=6, **kwargs)
    env = NoisyObservation(make(SYSADMIN, n_agents=6, **kwargs), 0.5)
    differ = 0
    for seed in (3, None):
        (true, told), (seen, wrapped) = bare.reset(seed=seed), env.reset(seed=seed)
        assert repr(told) == repr(wrapped)
        while bare.agents:
            actions = dict.fromkeys(bare.agents, 1)
            true, *rest = bare.step(actions)
            seen, *others = env.step(actions)
            assert repr(rest) == repr(others)
            for agent, observation in seen.items():
                assert env.observation_space(agent).contains(observation)
                assert type(observation) is type(true[agent])
                differ += not np.array_equal(observation, true[agent])
            assert env.state().tolist() == bare.state().tolist()
    assert differ > 40
    assert env.step({})[0] == {}


def test_without_noise_observations_are_the_environments() -> None:
    bare, env = make(SYSADMIN, n_agents=4), NoisyObservation(make(SYSADMIN, n_agents=4), 0)
    assert env.reset(seed=1)[0] == bare.reset(seed=1)[0]
    for _ in range(20):
        actions = dict.fromkeys(env.agents, 0)
        assert env.step(actions)[0] == bare.step(actions)[0]


@pytest.mark.parametrize("id", [SYSADMIN, "crl/bandit-v0", TOY])
def test_conforms(id: str) -> None:
    def wrapped() -> Any:
        env = make(id, n_agents=4)
        return NoisyObservation(GlobalReward(env), 0.3)

    if id == TOY and not isinstance(
        make(id).observation_space(make(id).possible_agents[0]),
        spaces.Discrete | spaces.MultiDiscrete,
    ):
        with pytest.raises(ValueError, match="Discrete or MultiDiscrete observations"):
            wrapped()
    else:
        check_parallel_env(wrapped)


@pytest.mark.parametrize("mode", ["Disabled", "NextStep", "SameStep"])
@pytest.mark.parametrize("kwargs", [{}, NEAR])
def test_vector_column_is_the_dict_env(kwargs: dict[str, Any], mode: str) -> None:
    kwargs = {"n_agents": 5, "horizon": 3, **kwargs}
    vec = NoisyObservation(make_vec(SYSADMIN, num_envs=3, autoreset_mode=mode, **kwargs), 0.6)
    assert isinstance(vec, VectorNoisyObservation)
    singles = [NoisyObservation(make(SYSADMIN, **kwargs), 0.6) for _ in range(3)]
    first = vec.reset(seed=4)[0]

    def same(row: Any, seen: dict[str, Any]) -> bool:
        return bool(np.array_equal(row, np.array(list(seen.values()))))

    last = [env.reset(seed=4 + b)[0] for b, env in enumerate(singles)]
    assert all(map(same, first, last))
    rng, ends = np.random.default_rng(0), 0
    for _ in range(8):
        actions = rng.integers(2, size=(3, 5))
        seen, *_, infos = vec.step(actions)
        assert seen.dtype == vec.single_observation_space.dtype
        for b, env in enumerate(singles):
            if env.agents:
                last[b] = env.step(dict(zip(env.agents, actions[b].tolist(), strict=True)))[0]
                if not env.agents and mode == "SameStep":
                    assert same(infos["final_obs"][b], last[b])
                    last[b] = env.reset()[0]
                    ends += 1
            elif mode == "NextStep":
                last[b] = env.reset()[0]
        assert all(map(same, seen, last))
    assert ends == (6 if mode == "SameStep" else 0)


def test_noise_upon_noise_is_independent() -> None:
    """Two sources of ½ leave ¼ untouched: 20,000 components, five standard errors, false alarm 6e-7."""
    env = NoisyObservation(
        NoisyObservation(make_vec(SYSADMIN, num_envs=20, n_agents=1000, start_up=1.0), 0.5), 0.5
    )
    right = (env.reset(seed=0)[0] == 1).mean()
    assert abs(right - (0.25 + 0.75 / 2)) < 5 * 0.5 / 20_000**0.5


def test_agents_of_all_kinds_keep_their_spaces() -> None:
    env = NoisyObservation(Leavers(), 0.9)
    seen: set[tuple[str, int]] = set()
    for seed in range(30):
        observations, _ = env.reset(seed=seed)
        while env.agents:
            observations, *_ = env.step({a: COLOURS.index(a) for a in env.agents})
            seen |= set(observations.items())
            assert all(env.observation_space(a).contains(o) for a, o in observations.items())
    assert len(seen) == 15  # all five of each of the three


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_clones_go_on_alike(clone: Any) -> None:
    env = NoisyObservation(make(SYSADMIN, n_agents=5), 0.5)
    vec = NoisyObservation(make_vec(SYSADMIN, num_envs=2, n_agents=5), 0.5)
    for each, actions in (
        (env, dict.fromkeys(env.possible_agents, 0)),
        (vec, np.zeros((2, 5), int)),
    ):
        each.reset(seed=1)
        other = clone(each)
        for _ in range(3):
            assert repr(other.step(actions)[0]) == repr(each.step(actions)[0])


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), "1", None, True])
def test_bad_probability(bad: Any) -> None:
    for env in (Leavers(), make_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match=f"probability must be .*got {bad!r}"):
            NoisyObservation(env, bad)


def test_other_environments_are_refused() -> None:
    for other in (None, gymnasium.make("CartPole-v1")):
        with pytest.raises(ValueError, match="env must be a ParallelEnv or a WorldVectorEnv, got"):
            NoisyObservation(other, 0.1)
    box = Spaced({"a": spaces.Box(0, 1)}, {"a": spaces.Discrete(2)})
    for env in (box, make_vec(SYSADMIN, encode="onehot")):
        with pytest.raises(ValueError, match="env must have Discrete or MultiDiscrete"):
            NoisyObservation(env, 0.1)
    env = NoisyObservation(Leavers(), 0.1)
    with pytest.raises(ValueError, match="seed must be an integer in"):
        env.reset(seed=-1)
    assert env.env.told == []
