"""Nothing public leads compiled code, which doesn't look, out of its arrays; NUMBA_BOUNDSCHECK=1 would show it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import CRL, ModelBased
from agents.delegation.crl.mind import Minds
from agents.learner import read_checkpoint, write_checkpoint
from agents.tabular.reward_regression import RowRegression, make_rooms, pack, unpack
from crl_envs.core.stream import Stream
from crl_envs.testing.compare import difference, snapshot
from tests.views import BACKENDS
from tests.worlds import needed

WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bandit": ("crl/bandit-v0", {"n_agents": 4}),
    "ring": ("crl/sysadmin-v0", {"n_agents": 4}),
    "ippc": ("crl/sysadmin-v0", {"n_agents": 4, "dynamics": "ippc2011", "relabel": True}),
    "seen": ("crl/sysadmin-v0", {"n_agents": 5, "topology": "star", "observe": "neighborhood"}),
    "status": ("crl/sysadmin-v0", {"n_agents": 4, "dynamics": "status-load"}),
    "rule": ("crl/local_rule-v0", needed("crl/local_rule-v0", n_agents=4)),
    "one way": (
        "crl/local_rule-v0",
        needed("crl/local_rule-v0", n_agents=4, topology="directed_ring", relabel=True),
    ),
    "access": ("crl/access-v0", {"n_agents": 7, "deadline": 3}),
    "traffic": ("crl/traffic-v0", {"n_agents": 4, "arrival_rate": 0.5}),
    "loads": ("crl/load_balancing-v0", {"n_agents": 6, "max_in_flight": 4}),
    "memory": (
        "crl/load_balancing-v0",
        {"n_agents": 6, "memory": True, "discovery": "all", "entries": (0, 2), "fail_rate": 0.1},
    ),
}
worlds = pytest.mark.parametrize("name", WORLDS)
backends = pytest.mark.parametrize("backend", BACKENDS)


def arguments(name: str, backend: str) -> tuple[str, dict[str, Any]]:
    id, given = WORLDS[name]
    return id, {**given, "backend": backend}


def arrays_in(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        yield value
        if value.dtype == object:
            yield from arrays_in(list(value))
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from arrays_in(part)


def spoil(value: Any) -> None:
    """Write nonsense into all that can be written to."""
    for array in arrays_in(value):
        if array.flags.writeable and array.dtype != object:
            array.fill(99)


@backends
@worlds
def test_agents_can_be_written_to_and_nothing_comes_of_it(name: str, backend: str) -> None:
    id, given = arguments(name, backend)
    env, twin = crl_envs.make(id, **given), crl_envs.make(id, **given)
    env.reset(seed=1)
    twin.reset(seed=1)
    del env.agents[1:]
    env.possible_agents.clear()
    with pytest.raises(ValueError, match="one entry for each live agent: missing"):
        env.step({"agent_0": 0})
    everybody = dict.fromkeys(twin.agents, 0)
    assert difference(env.step(everybody), twin.step(everybody)) is None


@backends
@worlds
def test_what_is_returned_can_be_written_to_and_nothing_comes_of_it(
    name: str, backend: str
) -> None:
    id, given = arguments(name, backend)
    rng = np.random.default_rng(1)
    for mode in ("NextStep", "SameStep"):
        env, twin = (crl_envs.make_vec(id, 3, autoreset_mode=mode, **given) for _ in range(2))
        spoil(env.reset(seed=1))
        twin.reset(seed=1)
        for _ in range(12):
            action = rng.integers(0, env.world.single_action_space.n, (3, env.n_agents))
            seen = env.step(action)
            assert difference(snapshot(seen), twin.step(action)) is None
            spoil((seen, env.metrics(), env.state(), action))
    env, twin = crl_envs.make(id, **given), crl_envs.make(id, **given)
    for _ in range(2):
        spoil(env.reset(seed=2))
        twin.reset(seed=2)
        while twin.agents and twin._elapsed < 10:
            actions = {a: int(rng.integers(env.action_space(a).n)) for a in twin.agents}
            seen = env.step(actions)
            assert difference(snapshot(seen), twin.step(actions)) is None
            spoil((seen, env.metrics(), env.state()))


@worlds
@pytest.mark.parametrize(
    "duplicate", [lambda w: w, copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))]
)
def test_a_world_is_fixed_once_it_is_made(name: str, duplicate: Any) -> None:
    id, given = WORLDS[name]
    world = duplicate(crl_envs.make_vec(id, **given).world)
    for array in arrays_in([world.edges] if world.edges.size else []):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 99
    for part in {"capacity", "entries", "rules", "parents", "swap"} & vars(world).keys():
        for array in arrays_in(getattr(world, part)):
            assert not array.flags.writeable, part
        if getattr(world, part) is not None:
            with pytest.raises(
                AttributeError, match=f"{part} of .* is fixed when the world is made"
            ):
                setattr(world, part, None)


@backends
@pytest.mark.parametrize("name", [name for name in WORLDS if name != "bandit"])
def test_a_world_refuses_actions_that_it_does_not_have(name: str, backend: str) -> None:
    id, given = arguments(name, backend)
    world = crl_envs.make_vec(id, **given).world
    stream = Stream(2)
    stream.seed(0)
    state = world.initial(stream)
    n, a = world.n_agents, int(world.single_action_space.n)
    good = np.zeros((n, 2), np.int64)
    for bad in (
        good[:-1],
        good[:, :1],
        good.ravel(),
        good.astype(np.float64),
        good - 1,
        good + a,
        np.full((n, 2), 255, np.uint8),
    ):
        for call in (world.transition, world.step):
            with pytest.raises(ValueError, match="action must be"):
                call(state, bad, stream)
    with pytest.raises(ValueError, match="stream must have 2 columns, got 1"):
        world.step(state, good, Stream(1))
    fewer = world.initial(Stream(1))
    with pytest.raises(ValueError, match="must"):
        world.step(fewer, good, stream)


@backends
@pytest.mark.parametrize("name", [name for name in WORLDS if name != "bandit"])
def test_a_batch_whose_sizes_were_written_to(name: str, backend: str) -> None:
    id, given = arguments(name, backend)
    for attribute in ("n_agents", "num_envs"):
        env = crl_envs.make_vec(id, 2, **given)
        env.reset(seed=0)
        setattr(env, attribute, 1)
        with pytest.raises(ValueError, match="action must be integers of shape"):
            env.step(np.zeros((env.num_envs, env.n_agents), np.int64))


@pytest.mark.parametrize("steps", [-1, 10**9, 0.5, None])
def test_a_compiled_loop_that_says_nonsense_about_its_steps(steps: Any) -> None:
    env = crl_envs.make("crl/load_balancing-v0", n_agents=5)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"steps played must be an integer in \[0, 500000\]"):
        env.fast_forward(lambda *_: steps)


def spoilt(name: str) -> dict[str, Any]:
    """How to spoil an array of CRL's checkpoint: functions of it and of where the fields of a mind begin in it."""
    return {
        "learnt_minds": {
            "neighbors": lambda a, at: a.__setitem__((0, 0, at.neighbor), 1e6),
            "no whole neighbors": lambda a, at: a.__setitem__((0, 0, at.neighbor), 0.5),
            "other neighbors": lambda a, at: a.__setitem__((0, 0, at.neighbor), 4.0),
            "states": lambda a, at: a.__setitem__((0, 0, at.state), 7.0),
            "slots": lambda a, at: a.__setitem__((0, 0, at.slot + 2), 99.0),
            "nan": lambda a, at: a.__setitem__((0, 0, 0), np.nan),
        },
        "learnt_audience_first": {"far": lambda a, at: a.fill(10**6), "none": lambda a, at: a.fill(-1)},
        "learnt_audience_following": {
            "far": lambda a, at: a.fill(10**6),
            "circle": lambda a, at: a.fill(0),
        },
        "learnt_mail_boxes": {"far": lambda a, at: a.fill(10**6), "negative": lambda a, at: a.fill(-1)},
        "learnt_mail_counts": {"many": lambda a, at: a.fill(10**6), "negative": lambda a, at: a.fill(-1)},
        "learnt_mail_carried": {"everywhere": lambda a, at: a.fill(-3.0)},
        "learnt_now": {"negative": lambda a, at: a.fill(-1)},
    }[name]  # fmt: skip


def starts(minds: Minds) -> Minds:
    sizes = [np.asarray(field[0]).size for field in minds]
    return Minds(*np.cumsum([0, *sizes[:-1]]).tolist())


@pytest.fixture(scope="module")
def crl(tmp_path_factory: pytest.TempPathFactory) -> tuple[CRL, Path]:
    env = crl_envs.make("crl/load_balancing-v0", n_agents=6)
    learner = CRL(env, seed=1, bus={"delay": 3}).learn(total_episodes=1)
    path = tmp_path_factory.mktemp("crl") / "crl.npz"
    learner.save(path)
    return learner, path


@pytest.mark.parametrize(
    ("array", "how"),
    [
        (array, how)
        for array in (
            "learnt_minds",
            "learnt_audience_first",
            "learnt_audience_following",
            "learnt_mail_boxes",
            "learnt_mail_counts",
            "learnt_mail_carried",
            "learnt_now",
        )
        for how in spoilt(array)
    ],
)
def test_a_checkpoint_of_crl_with_places_that_are_not_there(
    crl: tuple[CRL, Path], tmp_path: Path, array: str, how: str
) -> None:
    learner, path = crl
    meta, arrays = read_checkpoint(path)
    meta.pop("format")
    name = next(key for key in arrays if key.replace(".", "_") == array)
    spoilt(array)[how](arrays[name], starts(learner.columns[0].minds))
    write_checkpoint(tmp_path / "odd.npz", meta, arrays)
    with pytest.raises(ValueError, match=r"odd\.npz doesn't fit CRL on"):
        CRL.load(tmp_path / "odd.npz", learner.env)


@pytest.mark.parametrize("attribute", ["minds", "audiences", "mails"])
def test_crl_whose_attributes_were_written_to(attribute: str) -> None:
    pytest.importorskip("numba")
    learner = CRL(crl_envs.make("crl/load_balancing-v0", n_agents=6), seed=1, bus={"delay": 3})
    learner.learn(total_episodes=1)
    if attribute == "minds":
        learner.columns[0].minds.state[0] = 99
    elif attribute == "audiences":
        learner.columns[0].audience.first.fill(10**6)
    else:
        learner.columns[0].mail.counts.fill(10**6)
    with pytest.raises((ValueError, IndexError)):
        learner.learn(total_episodes=1)


def test_other_checkpoints_with_places_that_are_not_there(tmp_path: Path) -> None:
    env = crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=2)
    settings = {"exploration": "epsilon-greedy", "planning_episodes": 2}
    ModelBased(env, **settings).learn(total_episodes=1).save(tmp_path / "good.npz")
    meta, arrays = read_checkpoint(tmp_path / "good.npz")
    meta.pop("format")
    arrays["learnt_followed"][:] = 2
    write_checkpoint(tmp_path / "odd.npz", meta, arrays)
    with pytest.raises(ValueError, match=r"odd\.npz .* followed has actions that aren't there"):
        ModelBased.load(tmp_path / "odd.npz", env)
    regression = RowRegression(2, 4)
    regression.add(np.array([[0, 3]]), np.ones(1), np.ones(1))
    packed = pack([regression])
    packed["kept"][:] = 5
    with pytest.raises(ValueError, match="kept has cells that aren't there"):
        unpack([regression], packed)


def test_a_checkpoint_that_says_it_has_more_steps_than_it_has() -> None:
    regressions = [RowRegression(2, 4)]
    with pytest.raises(ValueError, match="kept has 3 rows for"):
        make_rooms(regressions, np.array([10**12]), np.zeros((3, 2)))
    make_rooms(regressions, np.array([3]), np.zeros((3, 2)))
    assert regressions[0].kept.shape == (3, 2)
