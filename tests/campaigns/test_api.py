"""What a caller may do with an environment, right and wrong, in any order: it answers, or says what was wrong.

Every case makes an environment with random arguments, and beside it the vector view on the other backend. Then it calls
things at random. A wrong call must raise one of the documented errors and change nothing, so that both go on alike to
the last bit.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import agents
import crl_envs
from crl_envs.wrappers import GlobalReward, NoisyReward
from tests.campaigns.conftest import Cases
from tests.campaigns.drawing import BAD, WORLDS, actions, allows
from tests.views import HAS_NUMBA


def test_sound_arguments(cases: Cases) -> None:
    for rng, seen in cases(5000):
        id = rng.choice(list(WORLDS))
        _play(rng, id, WORLDS[id](rng), seen)


def test_unsound_arguments(cases: Cases) -> None:
    names = {
        id: [n for n in inspect.signature(type(crl_envs.make(id).unwrapped)).parameters]
        for id in WORLDS
    }
    for rng, seen in cases(6000):
        id = rng.choice(list(WORLDS))
        arguments = WORLDS[id](rng)
        name = rng.choice(names[id])
        arguments[name] = rng.choice(BAD)
        make = rng.choice([crl_envs.make, crl_envs.make_vec, crl_envs.make_gym_vec])
        try:
            env = make(id, **arguments)
        except ValueError as error:
            assert len(str(error)) < 2000, "the message is bounded"
            assert any(argument in str(error) for argument in names[id]), error
            seen["refused"] += 1
            continue
        seen["accepted"] += 1
        if make is crl_envs.make and env.unwrapped.world.n_agents < 1000:
            env.reset(seed=0)
            env.step({agent: 0 for agent in env.agents})


@pytest.mark.parametrize(
    "learner", [name for name in agents.__all__ if hasattr(getattr(agents, name), "config_class")]
)
def test_unsound_hyperparameters(cases: Cases, learner: str) -> None:
    cls = getattr(agents, learner)
    names = list(inspect.signature(cls.config_class).parameters)
    env = next(env for id in WORLDS if (env := _suits(cls, id)) is not None)
    for rng, seen in cases(200):
        name, value = rng.choice(names), rng.choice(BAD)
        try:
            cls(env, **{name: value})
        except ValueError as error:
            assert len(str(error)) < 2000, "the message is bounded"
            assert any(known in str(error) for known in names), error
            seen["refused"] += 1
        else:
            seen["accepted"] += 1


def _suits(cls: Any, id: str) -> Any:
    """An environment that the learner takes; None for a world that isn't its kind."""
    env = crl_envs.make(id, n_agents=4)
    try:
        cls(env)
    except ValueError:
        return None
    return env


def _play(rng: random.Random, id: str, arguments: dict[str, Any], seen: Counter[str]) -> None:
    backends = rng.sample(["numpy", "numba"], 2) if HAS_NUMBA else ["numpy", "numpy"]
    try:
        env = crl_envs.make(id, **arguments, backend=backends[0])
    except ValueError:
        seen["refused"] += 1
        return
    vec = crl_envs.make_vec(id, 2, autoreset_mode="Disabled", **arguments, backend=backends[1])
    optimum = env.unwrapped.optimum() if id.startswith("crl/load") else None
    seed = rng.randrange(2**32)
    observations, infos = env.reset(seed=seed)
    rows, told = vec.reset(seed=seed)
    total = 0.0
    for _ in range(rng.randint(1, 25)):
        _assert_alike(env, observations, infos, vec, rows, told)
        if not env.agents:
            if optimum is not None:
                assert allows(optimum, total, deterministic=True), (total, optimum)
            total = 0.0
            observations, infos = env.reset()
            mask = np.array([True, False])
            rows, told = vec.reset(options={"reset_mask": mask})
            seen["episodes"] += 1
            continue
        if rng.random() < 0.3:
            env, vec = rng.choice(MISUSES)(rng, env, vec)
            seen["misuses"] += 1
            continue
        chosen = actions(rng, env, infos)
        both = np.array([list(chosen.values())] * 2)
        if vec._done[1]:
            both[1] = 0
        observations, rewards, terminations, truncations, infos = env.step(chosen)
        rows, paid, ended, cut, told = vec.step(both)
        np.testing.assert_array_equal(np.float32(list(rewards.values())), paid[0])
        assert all(np.isfinite(reward) for reward in rewards.values())
        assert set(terminations.values()) == {bool(ended[0])}
        assert set(truncations.values()) == {bool(cut[0])}
        total += float(np.mean(list(rewards.values())))
        seen["steps"] += 1


def _assert_alike(env: Any, observations: Any, infos: Any, vec: Any, rows: Any, told: Any) -> None:
    np.testing.assert_array_equal(np.array(list(observations.values())), rows[0])
    np.testing.assert_array_equal(env.state(), vec.state()[0])
    for agent, observation in observations.items():
        assert env.observation_space(agent).contains(observation)
    if "action_mask" in told:
        masks = np.array([info["action_mask"] for info in infos.values()])
        np.testing.assert_array_equal(masks, told["action_mask"][0])
        assert masks.any(axis=1).all()
    metrics = env.unwrapped.metrics()
    if "loads_in" in metrics:
        parts = ("stored", "queued", "on_wire", "departed", "timed_out")
        assert metrics["loads_in"] == sum(metrics[part] for part in parts)


# --- wrong calls, and right ones that must change nothing ---

Misuse = Callable[[random.Random, Any, Any], tuple[Any, Any]]


def _refuses(call: Callable[[], Any], *errors: type[Exception]) -> None:
    with pytest.raises(errors or (ValueError,)):
        call()


def _bad_action(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    n = env.action_space("agent_0").n
    bad = rng.choice([-1, n, 2**70, 0.5, None, "0", np.nan, [0], 10**5000])
    chosen: dict[str, Any] = dict.fromkeys(env.agents, 0)
    chosen[rng.choice(env.agents)] = bad
    _refuses(lambda: env.step(chosen))
    array = np.zeros((2, vec.n_agents), np.int64)
    array[0, 0] = rng.choice([-1, n, -(2**62), 2**62])
    _refuses(lambda: vec.step(array))
    return env, vec


def _bad_agents(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    chosen = dict.fromkeys(env.agents, 0)
    if rng.random() < 0.5:
        del chosen[rng.choice(env.agents)]
    else:
        chosen[rng.choice(["agent_99", 0, None])] = 0  # type: ignore[index]
    _refuses(lambda: env.step(chosen))
    return env, vec


def _bad_shape(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    n = vec.n_agents
    shape = rng.choice([(2,), (2, n + 1), (n + 1, 2), (2, n, 1), (0, n), (1, n)])
    _refuses(lambda: vec.step(np.zeros(shape, np.int64)))
    _refuses(lambda: vec.step(np.zeros((2, n), rng.choice([np.float64, object, np.bool_]))))
    return env, vec


def _bad_seed(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    bad = rng.choice([-1, 2**64, 0.5, "0", 10**5000, np.nan, True])
    _refuses(lambda: env.reset(seed=bad))
    _refuses(lambda: vec.reset(seed=bad))
    return env, vec


def _bad_options(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    options = rng.choice([{"resetmask": None}, {"seed": 3}, {1: 2}])
    _refuses(lambda: env.reset(options=options))
    _refuses(lambda: vec.reset(options=options))
    return env, vec


def _cut_agents(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    """The list of agents is the caller's to break, and no memory is read for it."""
    other = copy.deepcopy(env)
    del other.unwrapped.agents[rng.randrange(1, 2 + len(env.agents)) :]
    with contextlib.suppress(ValueError, ResetNeeded):
        other.step(dict.fromkeys(other.agents, 0))
    return env, vec


def _write_into_results(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    env.state()[...] = 1
    vec.state()[...] = 1
    for array in env.unwrapped.metrics().values():
        if isinstance(array, np.ndarray):
            array[...] = 1
    return env, vec


def _copy(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    """A deep copy goes on in the place of the original, which then goes its own way."""
    other, others = copy.deepcopy(env), copy.deepcopy(vec)
    env.step(dict.fromkeys(env.agents, 0))
    vec.step(np.zeros((2, vec.n_agents), np.int64))
    return other, others


def _shallow_copy(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    """What is done with a shallow copy changes nothing in the original."""
    other = copy.copy(env)
    other.reset(seed=1)
    other.step(dict.fromkeys(other.agents, 0))
    return env, vec


def _through_a_store(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    """Pickled with its buffers apart, which come back read-only."""
    moved = []
    for thing in (env, vec):
        buffers: list[Any] = []
        data = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
        moved.append(pickle.loads(data, buffers=[bytes(b.raw()) for b in buffers]))
    return moved[0], moved[1]


def _early_step(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    fresh = type(env.unwrapped)(**({} if rng.random() < 0.5 else {"n_agents": 4}))
    _refuses(lambda: fresh.step({"agent_0": 0}), ResetNeeded)
    _refuses(fresh.state, ResetNeeded)
    return env, vec


def _wrapped(rng: random.Random, env: Any, vec: Any) -> tuple[Any, Any]:
    """Wrappers of a copy: their own draws and rewards are theirs."""
    other = NoisyReward(GlobalReward(copy.deepcopy(env)), 0.1)
    other.reset(seed=rng.randrange(99))
    other.step(dict.fromkeys(other.agents, 0))
    return env, vec


MISUSES: list[Misuse] = [
    *(_bad_action, _bad_agents, _bad_shape, _bad_seed, _bad_options, _cut_agents, _copy),
    *(_write_into_results, _shallow_copy, _through_a_store, _early_step, _wrapped),
]
