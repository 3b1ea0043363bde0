"""Callbacks for `Learner.learn`: logs as CSV and for TensorBoard, in the names of Stable-Baselines3.

    logs = CallbackList([CSVLogger("log.csv"), TensorBoardLogger("tensorboard/run_1")])
    learner.learn(total_episodes=500, callback=logs)

A callback is anything that takes the learner. It is called after each episode, and learning stops when it returns
False. Of an episode both loggers write

- ``rollout/ep_rew_mean``, ``rollout/ep_len_mean``: means of ``global_return`` and of ``steps`` over the last `window`
  episodes;
- ``rollout/global_return``, ``rollout/local_return_mean``, and ``rollout/…`` for each measurement in the learner's
  history: what they were in this episode;
- ``time/episodes``: how many there have been, with this one.

Each is one number: on a vector environment the mean over its columns, and the mean over agents of what is measured
for each of them. The CSV file also has ``time/total_timesteps``, the environment steps so far. For TensorBoard that is
the axis, as in Stable-Baselines3, and there is ``time/fps``, environment steps a second of all columns together, taken
from the last call to this one.

What a logger has been given is on disk when the call returns, and no file stays open, so that there is nothing to
close. What can't be written raises an OSError out of `learn`.
"""

from __future__ import annotations

import csv
import io
import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from agents.learner import Callback, Learner, check_callback
from crl_envs.core.arguments import check_bool, check_int
from crl_envs.core.install import install_hint

WINDOW: Final = 100  # episodes; Stable-Baselines3 calls it stats_window_size

_RENAMED: Final = ("episode", "steps", "env_steps")  # entries of the history that get SB3's names


class CallbackList:
    """Several callbacks as one: all are called, in their order, and learning stops when any of them says so.

    Args:
        callbacks: The callbacks.

    Raises:
        ValueError: One of them can't be called.
    """

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = [check_callback("callbacks", callback) for callback in callbacks]

    def __call__(self, learner: Learner) -> bool:
        """Return whether learning goes on."""
        answers = [callback(learner) for callback in self.callbacks]
        return all(answer is None or bool(answer) for answer in answers)


class EveryEpisodes:
    """A callback for every n-th episode: to save checkpoints, or for a smaller log.

        EveryEpisodes(100, lambda learner: learner.save("learner.npz"))

    It counts the learner's episodes, not its calls, so that a learner that was loaded stays in step.

    Args:
        n: From how many episodes to how many.
        callback: What is then called; its answer is passed on.

    Raises:
        ValueError: n is not a whole number ≥ 1; the callback can't be called.
    """

    def __init__(self, n: int, callback: Callback) -> None:
        self.n = check_int("n", n, low=1)
        self.callback = check_callback("callback", callback)

    def __call__(self, learner: Learner) -> Any:
        """Return the callback's answer, or None when it isn't its turn."""
        return self.callback(learner) if learner.episodes % self.n == 0 else None


class CSVLogger:
    """The learner's history as a CSV file: a header, and one row an episode; see the module for the columns.

    The file is a function of the history, to the byte: nothing in it depends on the clock or the locale, and floats
    read back as they were. It begins with the learner's first episode, whenever the logger is first called.

    A killed process leaves at most the last line unfinished. A learner loaded from its checkpoint goes on in the same
    file: the rows that it remembers must be there as it remembers them, and those of the episodes after, which it
    plays again, are replaced. No episode is there twice.

    Args:
        path: The file; its folder is made if there is none.
        window: Episodes that ``ep_rew_mean`` and ``ep_len_mean`` are taken over.
        overwrite: What happens to a file that holds something else than this learner's log. False (default): nothing,
            it is an error. True: it is replaced, as by Stable-Baselines3.

    Raises:
        ValueError: No file can be written there. From `learn`: the file holds something else or another run's rows,
            somebody else has changed it since the last row, an episode has other measurements than the first, or
            the history has been cut.
        OSError: From `learn`: the file can't be written any more.
    """

    def __init__(
        self, path: str | os.PathLike[str], window: int = WINDOW, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.window = check_int("window", window, low=1)
        self.overwrite = check_bool("overwrite", overwrite)
        self._learner: Learner | None = None  # whose history the file is known to agree with
        self._written = self._size = 0  # rows, bytes
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()
        except OSError as error:
            raise ValueError(f"path must be a file to write, got {str(path)!r}: {error}") from None

    def __call__(self, learner: Learner) -> None:
        """Write the rows that the file doesn't have yet."""
        history = learner.history
        if history[-1]["episode"] != len(history) - 1:
            raise ValueError(
                f"the history must be whole for {self.path}, got {len(history)} of "
                f"{history[-1]['episode'] + 1} episodes"
            )
        if learner is not self._learner:
            self._open(history)
        rows = [self._row(history, k) for k in range(self._written, len(history))]
        self._learner = None  # after an error the next call looks at the file again
        self._size = _append(
            self.path, b"".join(rows if self._size else [self._header, *rows]), self._size
        )
        self._written = len(history)
        self._learner = learner

    def _open(self, history: list[dict[str, Any]]) -> None:
        """Check that the file is the beginning of this history, and cut off what the learner doesn't remember."""
        self._names = list(scalars(history, 0, self.window))
        self._header = _line(self._names)
        *finished, rest = self.path.read_bytes().split(b"\n")
        lines = [line + b"\n" for line in finished]
        remembered = len(history) - 1  # the last episode has only just been played
        rows = (self._row(history, k) for k in range(min(remembered, len(lines))))
        mine = [self._header, *rows][: len(lines)]
        wrong = [pair for pair in zip(lines, mine, strict=False) if pair[0] != pair[1]]
        if not lines and not self._header.startswith(rest):
            wrong = [(rest, self._header)]
        if wrong and not self.overwrite:
            line, expected = wrong[0]
            raise ValueError(
                f"{self.path} is not this learner's log: it has the line {line!r} for {expected!r}"
            )
        if len(lines) > 1 and not remembered and not self.overwrite:
            raise ValueError(
                f"{self.path} has {len(lines) - 1} episodes of an earlier run: "
                "remove it, give another path, or overwrite=True"
            )
        kept = [] if wrong else mine
        self._size = sum(map(len, kept))
        self._written = max(len(kept) - 1, 0)
        os.truncate(self.path, self._size)

    def _row(self, history: list[dict[str, Any]], k: int) -> bytes:
        values = scalars(history, k, self.window)
        if values.keys() != set(self._names):
            differ = ", ".join(sorted(values.keys() ^ set(self._names)))
            raise ValueError(
                f"episode {k} can't be written to {self.path}: "
                f"only it or only the first episode has {differ}"
            )
        return _line([repr(values[name]) for name in self._names])


class TensorBoardLogger:
    """Scalars for TensorBoard, one point an episode; see the module for their tags.

        tensorboard --logdir tensorboard

    Each logger writes an event file of its own in the folder. A learner loaded from its checkpoint goes on in the same
    folder: where it begins, it tells TensorBoard to leave out the older files' points from there on. A new learner in
    an old folder so hides all that was there; give each run a folder, side by side.

    Written with TensorBoard's own protocol buffers and record writer (PyTorch is not needed), but not with its
    ``EventFileWriter``: that has a thread, which tells of a full disk a call later.

    Args:
        folder: Where the event file goes; made if there is none.
        window: Episodes that ``ep_rew_mean`` and ``ep_len_mean`` are taken over.

    Raises:
        ImportError: TensorBoard is not installed.
        ValueError: No file can be written there.
        OSError: From `learn`: the file can't be written any more.
    """

    def __init__(self, folder: str | os.PathLike[str], window: int = WINDOW) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise ImportError(
                f"TensorBoardLogger needs TensorBoard: {install_hint('tensorboard')} ({error})"
            ) from error
        self._event, self._session, self._summary = Event, SessionLog, Summary
        self._records = RecordWriter
        self.window = check_int("window", window, low=1)
        self._learner: Learner | None = None
        self._now, self._steps = 0.0, 0
        seconds, fraction = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{fraction:09d}"
        self.path = Path(folder) / name
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._size = 0
            self._write(Event(file_version="brain.Event:2"))
        except OSError as error:
            raise ValueError(
                f"folder must be a folder to write in, got {os.fspath(folder)!r}: {error}"
            ) from None

    def __call__(self, learner: Learner) -> None:
        """Write the scalars of the last episode."""
        values = scalars(learner.history, -1, self.window)
        step = int(values.pop("time/total_timesteps"))
        events = []
        now, steps = time.perf_counter(), int(learner.env_steps.sum())
        if learner is self._learner:
            values["time/fps"] = (steps - self._steps) / (now - self._now)
        else:
            start = self._session(status=self._session.START)
            events.append(self._event(step=step, session_log=start))
        points = [self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(*events, self._event(step=step, summary=self._summary(value=points)))
        self._learner, self._now, self._steps = learner, now, steps

    def _write(self, *events: Any) -> None:
        buffer = io.BytesIO()
        writer = self._records(buffer)
        for event in events:
            event.wall_time = time.time()
            writer.write(event.SerializeToString())
        self._size = _append(self.path, buffer.getvalue(), self._size)


def scalars(
    history: Sequence[dict[str, Any]], k: int = -1, window: int = WINDOW
) -> dict[str, int | float]:
    """Return what is logged of an episode, by name, but ``time/fps``; see the module. For loggers of one's own.

    Args:
        history: Of a learner.
        k: Which entry, the last by default; negative ones count from the end.
        window: Entries up to this one that moving means are taken over.
    """
    k = range(len(history))[k]
    entry, recent = history[k], history[max(0, k + 1 - window) : k + 1]
    return {
        "time/episodes": entry["episode"] + 1,
        "time/total_timesteps": _mean(entry["env_steps"]),
        "rollout/ep_rew_mean": float(np.mean([e["global_return"] for e in recent])),
        "rollout/ep_len_mean": float(np.mean([e["steps"] for e in recent])),
        **{f"rollout/{name}": _mean(v) for name, v in entry.items() if name not in _RENAMED},
    }


def _mean(value: Any) -> int | float:
    return value if type(value) in (int, float) else float(np.mean(value))


def _line(fields: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def _append(path: Path, data: bytes, size: int) -> int:
    """Write all or nothing to the end of a file of that size; its new size.

    Raises:
        ValueError: It has another size.
        OSError: It can't be written.
    """
    with path.open("ab", buffering=0) as file:
        if file.tell() != size:
            raise ValueError(
                f"{path} has {file.tell()} bytes where {size} were written: has somebody else changed it?"
            )
        try:
            while data:
                data = data[file.write(data) :]
        except BaseException:
            with suppress(OSError):
                file.truncate(size)
            raise
        return file.tell()
