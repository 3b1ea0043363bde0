"""Logs: they say what the history says, survive whatever stops the process, and complain about what they can't do."""

from __future__ import annotations

import csv
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import (
    CallbackList,
    CSVLogger,
    EveryEpisodes,
    RandomPolicy,
    Reinforce,
    TensorBoardLogger,
    callbacks,
)
from agents.callbacks import scalars
from tests.core.toy import TOY
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"


def reinforce(seed: int = 1, env: Any = None) -> Reinforce:
    env = make(SYSADMIN, n_agents=4, horizon=6) if env is None else env
    return Reinforce(env, seed=seed)


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """By tag: steps and values, as TensorBoard itself reads them."""
    found = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


# What is logged


def test_scalars_of_an_episode() -> None:
    history = reinforce().learn(total_episodes=7).history
    for k, entry in enumerate(history):
        recent = history[max(0, k - 2) : k + 1]
        assert scalars(history, k, window=3) == {
            "time/episodes": k + 1,
            "time/total_timesteps": 6 * (k + 1),
            "rollout/ep_rew_mean": pytest.approx(
                math.fsum(e["global_return"] for e in recent) / len(recent)
            ),
            "rollout/ep_len_mean": 6,
            "rollout/global_return": entry["global_return"],
            "rollout/local_return_mean": entry["local_return_mean"],
            "rollout/up": entry["up"],
        }
    assert scalars(history) == scalars(history, 6, 100)


def test_columns_and_agents_are_averaged() -> None:
    vec = make_vec(TOY, num_envs=3, autoreset_mode="Disabled")
    history = Reinforce(vec, seed=1).learn(total_episodes=4).history
    last, logged = history[-1], scalars(history)
    assert last["energy"].shape == (3, 4)  # agents' own
    assert len(set(last["steps"])) > 1
    for name in ("global_return", "local_return_mean", "fuse", "energy"):
        assert logged[f"rollout/{name}"] == pytest.approx(np.mean(last[name]))
    assert logged["time/total_timesteps"] == pytest.approx(last["env_steps"].sum() / 3)
    assert logged["rollout/ep_len_mean"] == pytest.approx(np.mean([e["steps"] for e in history]))


# CSV


def test_csv_is_the_history(tmp_path: Path) -> None:
    path = tmp_path / "made" / "log.csv"
    learner = reinforce().learn(total_episodes=12, callback=CSVLogger(path, window=5))
    assert rows(path) == [scalars(learner.history, k, 5) for k in range(12)]


def test_csv_of_equal_runs_is_equal_to_the_byte(tmp_path: Path) -> None:
    for name in ("a", "b"):
        reinforce().learn(total_episodes=9, callback=CSVLogger(tmp_path / name))
    reinforce(seed=2).learn(total_episodes=9, callback=CSVLogger(tmp_path / "other"))
    a, b, other = ((tmp_path / name).read_bytes() for name in ("a", "b", "other"))
    assert a == b != other
    assert b"\r" not in a


def test_csv_begins_with_the_first_episode_whenever_it_is_called(tmp_path: Path) -> None:
    reinforce().learn(total_episodes=9, callback=CSVLogger(tmp_path / "whole"))
    late = reinforce().learn(total_episodes=4)
    late.learn(total_episodes=5, callback=EveryEpisodes(3, CSVLogger(tmp_path / "late")))
    assert (tmp_path / "late").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_row_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    path, seen = tmp_path / "log.csv", []
    both = CallbackList([CSVLogger(path), lambda learner: seen.append(len(rows(path)))])
    reinforce().learn(total_episodes=4, callback=both)
    assert seen == [1, 2, 3, 4]


@settings(max_examples=40)
@given(saved=st.integers(1, 8), killed=st.integers(0, 8), data=st.data())
def test_resumed_csv_is_that_of_an_undisturbed_run(
    tmp_path_factory: pytest.TempPathFactory, saved: int, killed: int, data: st.DataObject
) -> None:
    """Saved after some episodes, killed some episodes and some bytes of a line later, loaded and taken to the end."""
    killed = max(saved, killed)
    folder = tmp_path_factory.mktemp("runs")
    path, checkpoint = folder / "log.csv", folder / "learner.npz"
    # An environment without a stream of its own to lose: the bandit with certain rewards.
    certain = {"n_agents": 3, "p_correct": 1.0, "p_wrong": 0.0}
    whole = reinforce(env=make("crl/bandit-v0", **certain))
    whole.learn(total_episodes=10, callback=CSVLogger(folder / "whole.csv"))

    learner = reinforce(env=make("crl/bandit-v0", **certain))
    logger = CSVLogger(path)
    learner.learn(total_episodes=saved, callback=logger).save(checkpoint)
    before = path.stat().st_size
    learner.learn(total_episodes=killed - saved, callback=logger)
    written = path.read_bytes()
    path.write_bytes(written[: data.draw(st.integers(before, len(written)))])

    again = Reinforce.load(checkpoint, make("crl/bandit-v0", **certain))
    again.learn(total_episodes=10 - saved, callback=CSVLogger(path))
    assert path.read_bytes() == (folder / "whole.csv").read_bytes()


def test_episodes_that_are_played_again_are_replaced(tmp_path: Path) -> None:
    """Also where they turn out differently, because the environment was made anew."""
    path, checkpoint = tmp_path / "log.csv", tmp_path / "learner.npz"
    learner = reinforce(env=make(SYSADMIN, n_agents=4, horizon=60))
    learner.learn(total_episodes=5, callback=CSVLogger(path)).save(checkpoint)
    learner.learn(total_episodes=6, callback=CSVLogger(path))
    lost = rows(path)
    again = Reinforce.load(checkpoint, make(SYSADMIN, n_agents=4, horizon=60))
    again.learn(total_episodes=2, callback=CSVLogger(path))
    assert [row["time/episodes"] for row in rows(path)] == [1, 2, 3, 4, 5, 6, 7]
    assert rows(path)[:5] == lost[:5]
    assert rows(path)[5:] != lost[5:7]
    assert rows(path)[5:] == [scalars(again.history, k) for k in (5, 6)]


def test_csv_of_an_earlier_run_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    reinforce().learn(total_episodes=3, callback=CSVLogger(path))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"log\.csv has 3 episodes of an earlier run: remove it"):
        reinforce(seed=2).learn(total_episodes=3, callback=CSVLogger(path))
    resumed = reinforce(seed=2).learn(total_episodes=2)
    with pytest.raises(ValueError, match=r"log\.csv is not this learner's log: .* line b'1,6,"):
        resumed.learn(total_episodes=1, callback=CSVLogger(path))
    with pytest.raises(ValueError, match=r"is not this learner's log: .* line b'time/episodes,"):
        RandomPolicy(make("crl/bandit-v0")).learn(total_episodes=1, callback=CSVLogger(path))
    assert path.read_bytes() == before

    reinforce(seed=2).learn(total_episodes=2, callback=CSVLogger(path, overwrite=True))
    assert len(rows(path)) == 2
    late = EveryEpisodes(3, CSVLogger(path, overwrite=True))
    learner = reinforce(seed=1).learn(total_episodes=3, callback=late)
    assert rows(path) == [scalars(learner.history, k) for k in range(3)]


@pytest.mark.parametrize("text", ["hello", "hello\n", "a,b\n1,2\n", "\n"])
def test_a_file_of_somebody_elses_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"log\.csv is not this learner's log"):
        reinforce().learn(total_episodes=1, callback=CSVLogger(path))
    assert path.read_text() == text
    reinforce().learn(total_episodes=1, callback=CSVLogger(path, overwrite=True))
    assert len(rows(path)) == 1


def test_somebody_else_writes_to_the_file(tmp_path: Path) -> None:
    path, logger = tmp_path / "log.csv", CSVLogger(tmp_path / "log.csv")
    learner = reinforce().learn(total_episodes=2, callback=logger)
    with path.open("a") as file:
        file.write("3,18,")
    with pytest.raises(ValueError, match=r"log\.csv has \d+ bytes where \d+ were written"):
        learner.learn(total_episodes=1, callback=logger)
    assert path.read_text().endswith("\n3,18,")
    # After an error the logger looks at the file anew: this one is a log with an unfinished row.
    learner.learn(total_episodes=1, callback=logger)
    assert rows(path) == [scalars(learner.history, k) for k in range(4)]


class Changing(RandomPolicy):
    """Measures something else from its third episode on."""

    def measurements(self) -> dict[str, Any]:
        return {"late" if self.episodes >= 2 else "early": np.zeros(1)}


def test_an_unknown_measurement_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    learner = Changing(make(SYSADMIN, n_agents=2), seed=0)
    with pytest.raises(ValueError, match=r"episode 2 .* has rollout/early, rollout/late"):
        learner.learn(total_episodes=4, callback=CSVLogger(path))
    assert len(rows(path)) == 2


def test_a_history_that_was_cut_is_refused(tmp_path: Path) -> None:
    learner = reinforce().learn(total_episodes=3)
    learner.history.clear()
    with pytest.raises(ValueError, match=r"must be whole for .*, got 1 of 4 episodes"):
        learner.learn(total_episodes=1, callback=CSVLogger(tmp_path / "log.csv"))


# TensorBoard


def test_tensorboard_reads_the_history(tmp_path: Path) -> None:
    learner = reinforce()
    learner.learn(total_episodes=8, callback=TensorBoardLogger(tmp_path / "made" / "run"))
    found = points(tmp_path / "made" / "run")
    expected = [scalars(learner.history, k) for k in range(8)]
    steps = [row.pop("time/total_timesteps") for row in expected]
    assert found.keys() == {*expected[0], "time/fps"}
    for tag in expected[0]:
        assert found[tag] == [
            (step, float(np.float32(row[tag]))) for step, row in zip(steps, expected, strict=True)
        ]
    fps = found["time/fps"]
    assert [step for step, _ in fps] == steps[1:]  # of the first episode the beginning isn't known
    assert all(0 < value < math.inf for _, value in fps)


def test_tensorboard_counts_steps_of_all_columns(tmp_path: Path, monkeypatch: Any) -> None:
    ticks = iter(range(0, 100, 2))  # seconds
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(ticks))
    vec = make_vec(SYSADMIN, num_envs=5, n_agents=2, horizon=6)
    reinforce(env=vec).learn(total_episodes=3, callback=TensorBoardLogger(tmp_path))
    assert points(tmp_path)["time/fps"] == [(12, 15.0), (18, 15.0)]  # 5 columns · 6 steps / 2 s


def test_resumed_in_tensorboard_no_episode_is_there_twice(tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "learner.npz", tmp_path / "tb"
    learner = reinforce().learn(total_episodes=4, callback=TensorBoardLogger(folder))
    learner.save(checkpoint)
    learner.learn(total_episodes=5, callback=TensorBoardLogger(folder))
    again = Reinforce.load(checkpoint, make(SYSADMIN, n_agents=4, horizon=6))
    again.learn(total_episodes=3, callback=TensorBoardLogger(folder))
    assert len(list(folder.iterdir())) == 3
    assert points(folder)["rollout/global_return"] == [
        (entry["env_steps"], float(np.float32(entry["global_return"]))) for entry in again.history
    ]


def test_tensorboard_missing_names_the_extra(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match=r"pip install 'crl-envs\[tensorboard\]'"):
        TensorBoardLogger(tmp_path / "tb")
    assert not (tmp_path / "tb").exists()


def test_tensorboard_is_imported_only_when_it_is_used() -> None:
    script = "import agents, sys; print('tensorboard' in sys.modules, 'google' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.split() == ["False", "False"]


# Files that can't be written

LOGGERS = pytest.mark.parametrize(
    ("name", "make_logger"), [("path", CSVLogger), ("folder", TensorBoardLogger)]
)


@LOGGERS
def test_no_place_to_write(tmp_path: Path, name: str, make_logger: Callable[[Path], Any]) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=f"^{name} must be .*file/inside"):
        make_logger(file / "inside")
    wrong_kind = tmp_path if make_logger is CSVLogger else file
    with pytest.raises(ValueError, match=f"^{name} must be "):
        make_logger(wrong_kind)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may write everywhere")
@LOGGERS
def test_read_only_folder(tmp_path: Path, name: str, make_logger: Callable[[Path], Any]) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=f"^{name} must be .*denied"):
        make_logger(tmp_path / "log")


@LOGGERS
def test_a_full_disk(tmp_path: Path, name: str, make_logger: Callable[[Path], Any]) -> None:
    """Learning ends with an error; when there is room again the log goes on, without the half of an episode."""
    resource = pytest.importorskip("resource")
    logger = make_logger(tmp_path / "log")
    learner = reinforce().learn(total_episodes=2, callback=logger)
    before = logger.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, hard))  # room for nine bytes more
    try:
        with pytest.raises(OSError, match="File too large"):
            learner.learn(total_episodes=5, callback=logger)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert learner.episodes == 3
    assert logger.path.read_bytes() == before

    learner.learn(total_episodes=2, callback=logger)
    if make_logger is CSVLogger:
        assert rows(logger.path) == [scalars(learner.history, k) for k in range(5)]
    else:
        assert [step for step, _ in points(tmp_path / "log")["time/episodes"]] == [6, 12, 24, 30]


# Combining


def test_all_callbacks_of_a_list_are_called_and_any_may_stop() -> None:
    called: list[str] = []

    def say(name: str, answer: Any) -> Callable[[Any], Any]:
        return lambda learner: (called.append(name), answer(learner))[1]

    both = CallbackList(
        [
            say("a", lambda learner: learner.episodes < 2),
            say("b", lambda learner: None),
            CallbackList([say("c", lambda learner: True)]),
        ]
    )
    assert reinforce().learn(total_episodes=5, callback=both).episodes == 2
    assert called == ["a", "b", "c"] * 2
    assert reinforce().learn(total_episodes=3, callback=CallbackList([])).episodes == 3


def test_every_episodes_counts_those_of_the_learner() -> None:
    at: list[int] = []
    callback = EveryEpisodes(3, lambda learner: at.append(learner.episodes))
    learner = reinforce().learn(total_episodes=4, callback=callback)
    learner.learn(total_episodes=5, callback=EveryEpisodes(3, lambda learner: at.append(-1)))
    assert at == [3, -1, -1]
    stops = EveryEpisodes(3, lambda learner: False)
    assert reinforce().learn(total_episodes=9, callback=stops).episodes == 3


@pytest.mark.parametrize(
    ("make_callback", "message"),
    [
        (lambda: CallbackList([print, 3]), "callbacks must be callable with the learner, got 3"),
        (lambda: EveryEpisodes(0, print), "n must be an integer ≥ 1, got 0"),
        (lambda: EveryEpisodes(2, None), "callback must be callable with the learner, got None"),
        (lambda: CSVLogger("never.csv", window=0), "window must be an integer ≥ 1, got 0"),
        (
            lambda: TensorBoardLogger("never", window=True),
            "window must be an integer ≥ 1, got True",
        ),
        (lambda: CSVLogger("never.csv", overwrite=1), "overwrite must be True or False, got 1"),
    ],
)
def test_bad_arguments(make_callback: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make_callback()
    assert not Path("never.csv").exists() and not Path("never").exists()
