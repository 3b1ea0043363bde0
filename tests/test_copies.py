"""Copies go on as their originals, bit for bit, and by themselves: through an object store, `copy.copy`, a fork."""

from __future__ import annotations

import copy
import os
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.core.random_state import random_state
from crl_envs.testing.compare import difference, snapshot
from crl_envs.wrappers import (
    AristocratReward,
    DifferenceReward,
    GlobalReward,
    JointAction,
    NeighborhoodReward,
    NoisyObservation,
    NoisyReward,
)
from tests.object_store import through_object_store
from tests.views import BACKENDS
from tests.worlds import needed

IDS = {
    "crl/access-v0": {"n_agents": 4, "horizon": 5},
    "crl/bandit-v0": {"n_agents": 3},
    "crl/bar-v0": {"n_agents": 3},
    "crl/consensus-v0": {"n_agents": 3, "flip": 0.1, "horizon": 5},
    "crl/coordination_game-v0": {"n_agents": 3, "noise": 1.0, "relabel": True},
    "crl/broadcast-v0": {"horizon": 5},
    "crl/dec_pomdp-v0": needed("crl/dec_pomdp-v0", horizon=5),
    "crl/tiger-v0": {"horizon": 5},
    "crl/epidemic-v0": {"n_agents": 4, "horizon": 5},
    "crl/firefighting-v0": {"n_agents": 3, "horizon": 5},
    "crl/routing-v0": {"n_agents": 9, "load": 2.0, "horizon": 5},
    "crl/local_rule-v0": needed("crl/local_rule-v0", n_agents=4, horizon=5, relabel=True),
    "crl/sysadmin-v0": {"n_agents": 4, "horizon": 5, "relabel": True},
    "crl/traffic-v0": {"n_agents": 4, "horizon": 5, "arrival_rate": 0.5},
    "crl/load_balancing-v0": {"n_agents": 6, "max_in_flight": 2, "max_steps": 60, "memory": True},
}


def noisy_observations(env: Any) -> Any:
    """Of the worlds whose observations are Discrete; the others as they are."""
    is_box = env.unwrapped.metadata.get("name") == "crl/load_balancing-v0" or (
        getattr(getattr(env, "world", None), "name", "") == "load_balancing"
    )
    return env if is_box else NoisyObservation(env, 0.5)


WRAPPERS: dict[str, Any] = {
    "bare": lambda env: env,
    "global": GlobalReward,
    "neighborhood": NeighborhoodReward,
    "difference": lambda env: DifferenceReward(env, clamp="episode"),
    "aristocrat": AristocratReward,
    "noisy observations": noisy_observations,
    "noisy": lambda env: NoisyReward(GlobalReward(env), scale=0.1),
}
DICT = {**WRAPPERS, "joint": JointAction}
FAMILIES = {  # where the learners of each module of `agents` learn
    "bandit": "crl/bandit-v0",
    "coordination": "crl/coordination_game-v0",
    "tabular": "crl/sysadmin-v0",
    "delegation": "crl/load_balancing-v0",
    "localized_aloha": "crl/access-v0",
    "random_policy": "crl/load_balancing-v0",
    "fixed_rule": "crl/epidemic-v0",
    "routing": "crl/routing-v0",
    "traffic_lights": "crl/traffic-v0",
}
LEARNERS = {
    point.name: point.load()
    for point in entry_points(group="crl_envs.learners")
    if point.module.startswith("agents") and not point.module.startswith("agents.libraries")
}
COPIES = {"store": through_object_store, "copy": copy.copy, "deepcopy": copy.deepcopy}


def act(env: Any, rng: np.random.Generator) -> Any:
    """A random action for whatever view it is."""
    if hasattr(env, "num_envs"):
        return rng.integers(
            0, int(env.unwrapped.world.single_action_space.n), env.action_space.shape
        )
    if isinstance(env, JointAction):
        return rng.integers(0, env.action_space.nvec)
    return {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}


def play(env: Any, seed: int, steps: int = 9) -> list[Any]:
    """What steps with random actions return, and the resets between them."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        over = not (env._live if isinstance(env, JointAction) else getattr(env, "agents", True))
        seen.append(snapshot(env.reset() if over else env.step(act(env, rng))))
    return seen


def assert_apart(env: Any, duplicate: Any) -> None:
    """A copy in mid-episode goes on as the original; whoever plays first changes nothing for the other."""
    env.reset(seed=3)
    play(env, 0, 2)
    copied, other = duplicate(env), duplicate(env)
    expected = play(copied, 1)
    assert difference(play(env, 1), expected) is None
    assert difference(play(other, 1), expected) is None
    assert difference(play(copied, 2), play(env, 2)) is None


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("wrapper", DICT)
@pytest.mark.parametrize("id", IDS)
def test_dict_envs(id: str, wrapper: str, duplicate: Any) -> None:
    assert_apart(DICT[wrapper](crl_envs.make(id, **IDS[id])), duplicate)


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("id", IDS)
def test_vector_envs(id: str, mode: str, wrapper: str, duplicate: Any) -> None:
    env = WRAPPERS[wrapper](crl_envs.make_vec(id, 3, autoreset_mode=mode, **IDS[id]))
    assert_apart(env, duplicate)


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("id", IDS)
def test_agent_vector_envs(id: str, duplicate: Any) -> None:
    assert_apart(crl_envs.make_gym_vec(id, 2, **IDS[id]), duplicate)


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_envs_that_draw(duplicate: Any) -> None:
    """What has been drawn goes on too; out of an object store the next step couldn't be noted."""
    env: Any = crl_envs.make("crl/sysadmin-v0", n_agents=4, render_mode="ansi")
    env.reset(seed=1)
    copied = duplicate(env)
    play(copied, 0, 3), play(env, 0, 3)
    assert copied.render() == env.render()


@pytest.mark.parametrize("duplicate", [through_object_store, copy.copy], ids=["store", "copy"])
@pytest.mark.parametrize("vector", [False, True], ids=["dict", "vector"])
@pytest.mark.parametrize("name", LEARNERS)
def test_learners(name: str, vector: bool, duplicate: Any) -> None:
    id = FAMILIES[LEARNERS[name].__module__.split(".")[1]]
    given = (
        {"capacity": 3, "server_capacity": 4, "n_agents": 6} if "load" in id else {"n_agents": 3}
    )
    make = (lambda: crl_envs.make_vec(id, 2, **given)) if vector else (lambda: crl_envs.make(id, **given))  # fmt: skip
    if name == "detecting-matrix":
        given |= {"p_correct": 1, "p_wrong": 0}
    learner = LEARNERS[name](make(), seed=2).learn(total_episodes=2)
    copied = duplicate(learner)
    learner.learn(total_episodes=3)
    copied.learn(total_episodes=3)
    assert len(learner.history) == 5
    assert difference(copied.history, learner.history) is None
    assert difference(copied._all_arrays(), learner._all_arrays()) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_episode_goes_on_out_of_an_object_store(backend: str) -> None:
    """Copies of a world go through the same compiled code: their arrays are read-only as before."""
    from agents import CRL

    env = crl_envs.make("crl/load_balancing-v0", n_agents=6, capacity=3, backend=backend)
    copies: list[Any] = []
    learner = CRL(env, seed=1)
    learner.learn(
        total_episodes=1,
        step_callback=lambda it: copies.append(through_object_store(it.env)),
        every=10,
    )
    assert not copies[0].world.rules.capacity.flags.writeable
    assert copies[0]._state.load.flags.writeable


def test_sb3_vec_envs_out_of_an_object_store() -> None:
    sb3 = pytest.importorskip("crl_envs.adapters.sb3", exc_type=ImportError)
    for make in (sb3.make_vec_env, sb3.make_joint_vec_env):
        for id in ("crl/sysadmin-v0", "crl/bandit-v0"):
            env = make(id, 2, seed=1, **IDS[id])
            env.reset()
            copied = through_object_store(env)
            for one in range(12):
                actions = np.full((env.num_envs, *env.action_space.shape), one % 2)
                seen, expected = copied.step(actions), env.step(actions)
                for info in (*seen[3], *expected[3]):
                    info.pop("episode", None)  # with the time that it took
                assert difference(seen, expected) is None
            assert copied.tally.env_steps == env.tally.env_steps


def test_an_array_that_two_hold_stays_one() -> None:
    from crl_envs.core.copies import _COPIES, OwnsArrays

    class Holder(OwnsArrays):
        pass

    before = set(_COPIES)  # of what other tests have left to the garbage collector
    first, second = Holder(), Holder()
    first.array = second.array = np.zeros(3)
    first.nested = {"list": [(first.array, "text")]}
    globals()["Holder"], Holder.__qualname__ = Holder, "Holder"
    one, other = through_object_store([first, second])
    one.array += 1
    assert other.array.tolist() == one.nested["list"][0][0].tolist() == [1, 1, 1]
    del one, other
    assert not set(_COPIES) - before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_env_that_nobody_has_seeded_draws_by_itself() -> None:
    made = [
        crl_envs.make("crl/sysadmin-v0"),
        NoisyReward(crl_envs.make("crl/bandit-v0"), scale=1.0),
        crl_envs.make_vec("crl/sysadmin-v0", 2),
    ]
    for seed in (None, 5):
        for env in made:
            env.reset(seed=seed)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # only os.write and os._exit: this is a copy of the test runner
            try:
                os.write(write, repr([random_state(env) for env in made]).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            theirs = pipe.read()
        os.waitpid(child, 0)
        ours = repr([random_state(env) for env in made])
        assert (theirs == ours) == (seed is not None)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, through_object_store])
def test_copies_of_a_new_environment_have_generators_of_their_own(duplicate: Any) -> None:
    env = crl_envs.make("crl/sysadmin-v0")
    drawn = [env.np_random.integers(2**63)]
    drawn += [duplicate(env).np_random.integers(2**63) for _ in range(2)]
    assert len(set(drawn)) == 3
