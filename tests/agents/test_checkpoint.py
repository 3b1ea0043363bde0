"""Checkpoints: training goes on bit for bit, and no file makes anything but a clear error."""

from __future__ import annotations

import copy
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Learner, Reinforce
from agents.learner import read_checkpoint, write_checkpoint
from crl_envs.core import archive as archives
from crl_envs.wrappers import GlobalReward
from tests.core.toy import TOY
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"

ENVS = {
    "dict": lambda: make(SYSADMIN, n_agents=5),
    "dict, masks": lambda: make(TOY),
    "dict, global reward": lambda: GlobalReward(make(SYSADMIN, n_agents=5)),
    "vec": lambda: make_vec(SYSADMIN, num_envs=3, n_agents=5),
    "vec, masks": lambda: make_vec(TOY, num_envs=3, autoreset_mode="Disabled"),
}


def everything(learner: Reinforce, observations: Any) -> str:
    """All that can be seen of a learner, with exact numbers."""
    arrays = (learner.theta.tolist(), learner.baseline.tolist(), learner.env_steps.tolist())
    acts = [np.asarray(learner.act(observations)).tolist() for _ in range(3)]
    return repr((learner.config, learner.episodes, learner.history, arrays, acts))


@pytest.mark.parametrize("episodes", [0, 1, 20])
@pytest.mark.parametrize("make_env", ENVS.values(), ids=ENVS)
def test_training_goes_on_as_if_uninterrupted(make_env: Any, episodes: int, tmp_path: Path) -> None:
    env = make_env()
    learner = Reinforce(env, credit="own", learning_rate=1.5, seed=4)
    learner.learn(total_episodes=episodes)
    shape = (learner.view.num_envs, learner.view.encoder.n_components // learner.view.n_agents)
    observations = np.zeros((shape[0], learner.view.n_agents, *shape[1:]))
    learner.act(observations)
    path = tmp_path / "learner.npz"
    learner.save(path)
    other = Reinforce.load(path, copy.deepcopy(env))
    assert everything(learner, observations) == everything(other, observations)
    learner.learn(total_episodes=15)
    other.learn(total_episodes=15)
    assert everything(learner, observations) == everything(other, observations)
    assert learner.theta.any()


def test_saves_to_exactly_the_path_and_leaves_nothing_else(tmp_path: Path) -> None:
    learner = Reinforce(make("crl/bandit-v0"), seed=2**64 - 1).learn(total_episodes=2)
    for name in ("plain", "with.npz", "über uns.bin"):
        learner.save(tmp_path / name)
        learner.save(str(tmp_path / name))  # over the old one
        assert Reinforce.load(str(tmp_path / name), make("crl/bandit-v0")).episodes == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    learner = Reinforce(make("crl/bandit-v0")).learn(total_episodes=1)
    path = tmp_path / "learner.npz"
    learner.save(path)
    before = path.read_bytes()
    learner.history.append({"episode": object()})
    with pytest.raises(TypeError, match="object has no place in an archive"):
        learner.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_pickle_inside(tmp_path: Path) -> None:
    path = tmp_path / "learner.npz"
    Reinforce(make_vec(TOY, num_envs=2), credit="own").learn(total_episodes=2).save(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert all(array.dtype.kind in "fiuU" for array in arrays.values())
    meta = json.loads(str(arrays["meta"]))
    assert meta["learner"] == "Reinforce"
    assert meta["config"]["credit"] == "own"
    assert "allow_pickle" not in arrays
    with pytest.raises(ValueError, match="x must not be an array of objects"):
        archives.write(path, "kind", {}, {"x": np.array([{}])})


def test_the_base_class_finds_the_learner(tmp_path: Path) -> None:
    path = tmp_path / "learner.npz"
    Reinforce(make("crl/bandit-v0")).learn(total_episodes=1).save(path)
    assert type(Learner.load(path, make("crl/bandit-v0"))) is Reinforce

    class Another(Reinforce):
        pass

    with pytest.raises(ValueError, match=r"learner.npz doesn't fit Another .* class Reinforce"):
        Another.load(path, make("crl/bandit-v0"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "learner.npz"
    Reinforce(make(SYSADMIN, n_agents=3), seed=1).learn(total_episodes=3).save(path)
    return path.read_bytes()


def load_bytes(data: bytes, directory: Path) -> Reinforce:
    path = directory / "some file.npz"
    path.write_bytes(data)
    return Reinforce.load(path, make(SYSADMIN, n_agents=3))


@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_harmless(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, where: float, flip: int
) -> None:
    directory = tmp_path_factory.mktemp("flipped")
    good = load_bytes(saved, directory)
    data = bytearray(saved)
    data[int(where * len(data))] ^= flip
    try:
        learner = load_bytes(bytes(data), directory)
    except ValueError as error:
        assert "some file.npz" in str(error)
    else:  # a time stamp, say
        assert learner.theta.tolist() == good.theta.tolist()
        assert repr(learner.history) == repr(good.history)


def test_a_flipped_byte_in_the_middle_is_noticed(saved: bytes, tmp_path: Path) -> None:
    data = bytearray(saved)
    data[len(data) // 3] ^= 255
    with pytest.raises(ValueError, match=r"some file.npz"):
        load_bytes(bytes(data), tmp_path)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_short(saved: bytes, tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match=r"some file.npz is not a learner's checkpoint"):
        load_bytes(saved[: int(share * len(saved))], tmp_path)


def test_foreign_files(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        with pytest.raises(ValueError, match=re.escape(f"{path} is not a learner's checkpoint")):
            Reinforce.load(path, make(SYSADMIN, n_agents=3))

    text, array, archive, zipped = (tmp_path / name for name in ("a", "b.npy", "c.npz", "d.zip"))
    text.write_text("learning_rate = 3")
    np.save(array, np.zeros(3))
    np.savez(archive, theta=np.zeros(3))
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("meta.npy", "not an array")
    for path in (text, array, archive, zipped):
        refuse(path)
    pickled = tmp_path / "e.npz"
    np.savez(pickled, meta=np.array([{"format": "?"}], dtype=object))
    refuse(pickled)
    for meta in ("[]", "{}", '{"format": "crl-envs learner 0"}', "{", '{"__array__": 1}'):
        np.savez(archive, meta=np.array(meta))
        refuse(archive)


def test_an_archive_with_other_contents(saved: bytes, tmp_path: Path) -> None:
    """A whole and readable archive, in which somebody has changed a number."""
    path = tmp_path / "changed.npz"
    path.write_bytes(saved)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **arrays)
    assert Reinforce.load(path, make(SYSADMIN, n_agents=3)).episodes == 3
    for name in ("learnt_logits", "env_steps"):
        odd = arrays[name].copy()
        odd.flat[0] += 1
        np.savez(path, **{**arrays, name: odd})
        with pytest.raises(ValueError, match=r"changed.npz is not .* digest is that of other"):
            Reinforce.load(path, make(SYSADMIN, n_agents=3))
    np.savez(
        path, **{**arrays, "meta": np.array(str(arrays["meta"]).replace('"seed": 1', '"seed": 2'))}
    )
    with pytest.raises(ValueError, match=r"changed.npz is not .* digest is that of other"):
        Reinforce.load(path, make(SYSADMIN, n_agents=3))


def test_an_archive_that_would_be_too_large(
    saved: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says about its size is read before anything else of it."""
    monkeypatch.setattr("crl_envs.core.arguments.MOST_BYTES", 100)
    monkeypatch.setattr(np, "load", None)
    path = tmp_path / "large.npz"
    path.write_bytes(saved)
    with pytest.raises(ValueError, match=r"npz is not a learner's checkpoint: its size must be at"):
        read_checkpoint(path)


def test_a_missing_file_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Reinforce.load(tmp_path / "nowhere.npz", make("crl/bandit-v0"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, a: m["config"].update(learning_rate=-1), "learning_rate must be"),
        (lambda m, a: m["config"].update(momentum=0.9), "no argument 'momentum'"),
        (lambda m, a: m.pop("config"), "'config'"),
        (lambda m, a: m.update(learner="Sarsa"), "a learner of the class Sarsa"),
        (lambda m, a: m.update(episodes=-3), "episodes must be an integer ≥ 0, got -3"),
        (lambda m, a: m.update(history=5), "not iterable"),
        (lambda m, a: a.pop("clock"), "'clock'"),
        (lambda m, a: a.update(learnt_baseline=np.zeros((2, 1))), r"\(2, 1\), not float64"),
        (lambda m, a: a.update(learnt_logits=np.zeros((6, 1), int)), "int64 of shape"),
        (lambda m, a: a.update(learnt_logits=np.full((6, 1), np.nan)), "aren't finite"),
    ],
)
def test_contents_that_make_no_sense(
    saved: bytes, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "odd.npz"
    path.write_bytes(saved)
    meta, arrays = read_checkpoint(path)
    change(meta, arrays)
    meta.pop("format")
    write_checkpoint(path, meta, arrays)
    with pytest.raises(ValueError, match=rf"odd\.npz doesn't fit Reinforce on .*{message}"):
        Reinforce.load(path, make(SYSADMIN, n_agents=3))


@pytest.mark.parametrize(
    "env",
    [
        make(SYSADMIN, n_agents=4),
        make(SYSADMIN, n_agents=3, observe="neighborhood"),
        make_vec(SYSADMIN, num_envs=2, n_agents=3),
        None,
    ],
    ids=["agents", "observations", "columns", "none"],
)
def test_another_environment(saved: bytes, tmp_path: Path, env: Any) -> None:
    path = tmp_path / "learner.npz"
    path.write_bytes(saved)
    with pytest.raises(ValueError, match=r"learner.npz doesn't fit Reinforce on"):
        Reinforce.load(path, env)


def test_a_policy_learnt_on_one_column_acts_on_a_dict_env(tmp_path: Path) -> None:
    vec = make_vec(SYSADMIN, num_envs=1, n_agents=3)
    learner = Reinforce(vec, seed=1).learn(total_episodes=300)
    learner.save(tmp_path / "learner.npz")
    env = make(SYSADMIN, n_agents=3)
    other = Reinforce.load(tmp_path / "learner.npz", env)
    observations, _ = env.reset(seed=0)
    acted = other.act(observations, deterministic=True)
    assert acted == learner.act(observations, deterministic=True)
    assert acted == {agent: int(up == 0) for agent, up in observations.items()}
    other.learn(total_episodes=1)
    assert isinstance(other.history[-1]["steps"], int)
