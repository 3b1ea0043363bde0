"""The store of a sweep: one file a run, whole or not there, with a checksum; the runs' ids and provenance.

    DIR/runs/sysadmin-n@1/n=0064/reinforce-local/seed=07.json
    DIR/runs/bagnell-ng@1/case=…/reinforce…/seeds=00-09.json and .npz           the second: arrays that it has recorded
    DIR/checkpoints/sysadmin-n@1/n=0064/reinforce-local/seed=07.5120     of a run that isn't over, after that budget

A run's id names it by value, and is its file's name. The file is rewritten after each of its evaluations, in one step,
so that a process that is killed loses what it was doing and nothing else. A file that can't be read, whose checksum is
wrong or that belongs elsewhere is moved to ``DIR/set-aside`` and named; it is never read as if nothing had happened.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

import crl_envs
from crl_envs.bench.text import printable
from crl_envs.core.arguments import check_int, check_seed

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_WHOLE: Final = re.compile(
    r"(?P<experiment>[^/@]+)@(?P<version>\d+)/(?P<knob>[^/=]+)=(?P<value>[^/]+)/(?P<learner>[^/]+)/"
    r"(?:seed=(?P<seed>\d+)|seeds=(?P<first>\d+)-(?P<last>\d+))"
)


@dataclass(frozen=True)
class RunId:
    """What fixes a run's result: two runs of one id, with one version of the packages, are equal.

    Attributes:
        experiment: Its name.
        version: Of the experiment, from 1: whatever changes its results changes this.
        knob: The argument that the experiment varies.
        value: Its value: a whole number, a number or a name.
        learner: Name of the learner with its settings.
        seed: Of the learner and the environment.
        columns: How many seeds, from that one on, are learnt at once as columns of one vector env. The result of each
            may depend on their number.

    Raises:
        ValueError: A name with characters that don't belong into a file's name, or a number out of its range.
    """

    experiment: str
    version: int
    knob: str
    value: int | float | str
    learner: str
    seed: int
    columns: int = 1

    def __post_init__(self) -> None:
        check_int("version", self.version, low=1)
        check_int("columns", self.columns, low=1)
        check_seed("seed", self.seed)
        for name in ("experiment", "knob", "learner"):
            _check_name(name, getattr(self, name))
        _check_name("value", self.value_text)
        if type(_parsed(self.value_text)) is not type(self.value):
            raise ValueError(
                f"value must be an int, a finite float or a name that is no number, got {self.value!r}"
            )

    @property
    def value_text(self) -> str:
        """The value as it stands in the id: at least four digits of a whole number, so that names sort."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return f"{self.value:04d}"
        return repr(self.value) if isinstance(self.value, float) else str(self.value)

    @property
    def task(self) -> str:
        """The part that names the problem."""
        return f"{self.experiment}@{self.version}/{self.knob}={self.value_text}"

    def __str__(self) -> str:
        if self.columns == 1:
            return f"{self.task}/{self.learner}/seed={self.seed:02d}"
        last = self.seed + self.columns - 1
        return f"{self.task}/{self.learner}/seeds={self.seed:02d}-{last:02d}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that a text is.

        Raises:
            ValueError: The text isn't one.
        """
        match = _WHOLE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"id must look like 'experiment@1/n=0064/learner/seed=07', got {text!r}"
            )
        parts = match.groupdict()
        first, last = (parts["seed"],) * 2 if parts["seed"] else (parts["first"], parts["last"])
        return cls(
            parts["experiment"],
            int(parts["version"]),
            parts["knob"],
            _parsed(parts["value"]),
            parts["learner"],
            int(first),
            int(last) - int(first) + 1,
        )


def _parsed(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _check_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"{name} must be letters, digits and any of _ . + -, beginning with a letter or digit, got {value!r}"
        )


FORMAT: Final = "crl-envs run 1"
Status = Literal["running", "done", "failed", "timeout", "out of memory"]
# What a file system says when it isn't the writer's fault.
_REFUSALS: Final = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.EIO),
)
STATUSES: Final[tuple[Status, ...]] = ("running", "done", "failed", "timeout", "out of memory")


@dataclass(frozen=True)
class Evaluation:
    """What a learner was worth at a point of its run.

    Attributes:
        budget: What it was to learn from until then, in the experiment's unit.
        env_steps: Environment steps that it has learnt from: the budget and what it took to finish.
        agent_steps: The same times the number of agents.
        global_return: Mean over episodes of the sum of the agents' mean own reward. This is what is scored.
        local_return: Mean over episodes and agents of the sum of own rewards.
        episodes: How many episodes the means are over.
        illegal_actions: Share of the actions in these episodes that the action mask forbade, in [0, 1]; None where the
            learner measures itself.
    """

    budget: int
    env_steps: int
    agent_steps: int
    global_return: float
    local_return: float
    episodes: int
    illegal_actions: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Where a run that isn't over can go on from.

    Attributes:
        file: Of the learner, in the store's folder of checkpoints.
        sha256: Of the file's content.
        random_state: Of the environment, as `crl_envs.core.random_state.random_state` gives it.
    """

    file: str
    sha256: str
    random_state: Any


@dataclass(frozen=True)
class Recorded:
    """What a run of a figure has left.

    Attributes:
        numbers: In JSON's types.
        sha256: Of the file beside the record that has the arrays.
    """

    numbers: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True)
class Record:
    """A run as far as it has come.

    Attributes:
        id: Which run.
        status: ``running`` until it is over.
        evaluations: In the order in which they were made.
        provenance: Versions, machine, arguments, budget: how it came about. Nothing in it changes a score.
        error: The traceback of a run that failed, as `crl_envs.bench.text.printable` makes it.
        checkpoint: Where it goes on from, if it can.
        recorded: What it has left, of a figure's run that is done.
    """

    id: RunId
    status: Status = "running"
    evaluations: tuple[Evaluation, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    checkpoint: Checkpoint | None = None
    recorded: Recorded | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {STATUSES}, got {self.status!r}")
        if self.error is not None:
            object.__setattr__(self, "error", printable(self.error))

    def with_evaluation(self, evaluation: Evaluation) -> Record:
        """Return the record with one evaluation more.

        Raises:
            ValueError: It isn't later than the last one.
        """
        if self.evaluations and evaluation.budget <= self.evaluations[-1].budget:
            raise ValueError(
                f"budget must be above {self.evaluations[-1].budget}, got {evaluation.budget}"
            )
        return replace(self, evaluations=(*self.evaluations, evaluation))


class StoreError(Exception):
    """Nothing can be written: the disk is full, or the folder is read-only. No run is to blame for it."""


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `StoreError` that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise StoreError(f"{path} can't be written: {error.strerror}") from error


class Store:
    """The runs of a folder.

    Args:
        folder: Of the sweep; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.checkpoints = folder / "checkpoints"
        self.set_aside = folder / "set-aside"

    def path(self, id: RunId) -> Path:
        """Return where a run's file is."""
        return self.runs / f"{id}.json"

    def write(self, record: Record) -> None:
        """Write a run's file in one step.

        Raises:
            StoreError: The disk is full, or the folder can't be written in.
            ValueError: A return that isn't finite.
        """
        path, text = self.path(record.id), as_text(record)
        with refusals_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)

    def arrays_path(self, id: RunId) -> Path:
        """Return where the arrays are that a run has recorded."""
        return self.runs / f"{id}.npz"

    def write_arrays(self, id: RunId, arrays: Mapping[str, NDArray[Any]]) -> str:
        """Write a run's arrays in one step, the same bytes for the same arrays, and return their SHA-256.

        Raises:
            StoreError: The disk is full, or the folder can't be written in.
            ValueError: An array of objects.
        """
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise ValueError(f"{name} must not be an array of objects, got {array.dtype}")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
        content, path = buffer.getvalue(), self.arrays_path(id)
        with refusals_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        return hashlib.sha256(content).hexdigest()

    def arrays(self, record: Record) -> dict[str, NDArray[Any]]:
        """Return the arrays that a run has recorded.

        Raises:
            ValueError: Their file isn't there any more, or isn't what was written; the message names it.
        """
        with np.load(io.BytesIO(self._recorded(record)), allow_pickle=False) as found:
            return dict(found)

    def _recorded(self, record: Record) -> bytes:
        path = self.arrays_path(record.id)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path} can't be read: {error.strerror}") from None
        if record.recorded is None or hashlib.sha256(content).hexdigest() != record.recorded.sha256:
            raise ValueError(f"the checksum of {path} is wrong")
        return content

    def check_arrays(self, record: Record) -> str | None:
        """Return a sentence that says what is wrong with a run's arrays, which are set aside; None if nothing is."""
        if record.recorded is None:
            return None
        try:
            self._recorded(record)
        except ValueError as error:
            path = self.arrays_path(record.id)
            return self.move_aside(path, str(error)) if path.exists() else str(error)
        return None

    def checkpoint_path(self, checkpoint: Checkpoint) -> Path:
        """Return where a checkpoint's file is."""
        return self.checkpoints / checkpoint.file

    def check(self, checkpoint: Checkpoint) -> str | None:
        """Return what is wrong with a checkpoint's file, in a sentence, and set it aside; None if nothing is."""
        path = self.checkpoint_path(checkpoint)
        try:
            if hashlib.sha256(path.read_bytes()).hexdigest() == checkpoint.sha256:
                return None
        except OSError as error:
            return f"{path} can't be read: {error.strerror}"
        return self.move_aside(path, "its checksum is wrong")

    def clear_checkpoints(self, id: RunId) -> None:
        """Remove all checkpoints of a run."""
        path = self.checkpoints / str(id)
        begins = f"{path.name}.", f".{path.name}."  # also drafts of a killed writer
        files: list[Path] = []
        with suppress(OSError):
            files = list(path.parent.iterdir())  # sooner than a glob
        for file in files:
            if file.name.startswith(begins):
                file.unlink(missing_ok=True)

    def read(self, id: RunId) -> tuple[Record | None, str | None]:
        """Return a run's record, None when there is none, and a sentence that names a file that was set aside."""
        path = self.path(id)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None, None
        try:
            record = from_bytes(content)
            if record.id != id:
                raise ValueError(f"it holds the run {record.id}")
        except ValueError as error:
            return None, self.move_aside(path, str(error))
        return record, None

    def records(self) -> tuple[list[Record], list[str]]:
        """Return all runs in the order of their ids, and a sentence for each file that was set aside."""
        found, complaints = [], []
        for path in sorted(self._files()):
            text = path.relative_to(self.runs).with_suffix("").as_posix()
            try:
                id = RunId.parse(text)
                if path.suffix == ".npz" and self.arrays_path(id) == path:
                    continue  # looked at with its record
                if path.suffix != ".json" or self.path(id) != path:
                    raise ValueError("no run has its file there")
            except ValueError as error:
                complaints.append(self.move_aside(path, str(error)))
                continue
            record, complaint = self.read(id)
            if record is not None:
                found.append(record)
            if complaint is not None:
                complaints.append(complaint)
        return sorted(found, key=lambda record: str(record.id)), complaints

    def _files(self) -> Iterator[Path]:
        """All files but the drafts of writers that are at work or were killed."""
        for path in self.runs.rglob("*"):
            draft = path.name.startswith(".") and path.suffix == ".tmp"
            if path.is_file() and not draft:
                yield path

    def move_aside(self, path: Path, why: str) -> str:
        """Move a file to where nothing reads it, and return a sentence that names it and says why."""
        place = self.set_aside / path.relative_to(self.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        number = 0
        while (target := place.with_name(f"{place.name}.{number}")).exists():
            number += 1
        path.replace(target)
        return f"{path} is no run of this sweep and was moved to {target}: {why}"


def as_text(record: Record) -> str:
    """Return a record as JSON with its checksum; the same bytes for the same record.

    Raises:
        ValueError: A return that isn't finite.
    """
    content = {
        "format": FORMAT,
        "id": str(record.id),
        "status": record.status,
        "evaluations": [vars(evaluation) for evaluation in record.evaluations],
        "provenance": record.provenance,
        "error": record.error,
        "checkpoint": record.checkpoint and vars(record.checkpoint),
        **({} if record.recorded is None else {"recorded": vars(record.recorded)}),
    }
    # An entry a line: with an indent, json would take ten times as long.
    entries = {**content, "checksum": checksum(content)}.items()
    lines = (f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in entries)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_bytes(content: bytes) -> Record:
    """Return the record in a file.

    Raises:
        ValueError: It is damaged, or no record; the message says what is wrong.
    """
    try:
        found = checked(content)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, not {FORMAT!r}")
        return Record(
            RunId.parse(found["id"]),
            found["status"],
            tuple(Evaluation(**evaluation) for evaluation in found["evaluations"]),
            found["provenance"],
            found["error"],
            None if found["checkpoint"] is None else Checkpoint(**found["checkpoint"]),
            Recorded(**found["recorded"]) if "recorded" in found else None,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is no record of a run ({type(error).__name__}: {error})") from error


def with_checksum(content: Mapping[str, Any]) -> str:
    """Return what JSON can hold, with its checksum, as text."""
    return json.dumps({**content, "checksum": checksum(content)}, indent=1) + "\n"


def as_read(content: Any) -> Any:
    """Return what JSON gives back of what it can hold: lists for tuples."""
    return json.loads(json.dumps(content))


def checked(content: bytes) -> dict[str, Any]:
    """Return what a file holds beside its checksum.

    Raises:
        ValueError: It is no JSON, or its checksum is missing or wrong.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or "checksum" not in found:
        raise ValueError("it has no checksum")
    if found.pop("checksum") != checksum(found):
        raise ValueError("its checksum is wrong")
    return found


def checksum(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what JSON can hold, whatever the order of its entries."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


UMASK: Final = os.umask(0o022)
os.umask(UMASK)


def writable_folder(path: Path) -> Path:
    """Make the folder and prove that a file can be written in it.

    Raises:
        ValueError: It can't be made or written in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = _beside(path / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"out must be a folder to write in, got {str(path)!r}: {error}") from None
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file beside its final place and then move it there in one step."""
    data = content.encode() if isinstance(content, str) else content
    draft = _beside(path)
    try:
        draft.write_bytes(data)
        draft.chmod(0o666 & ~UMASK)  # whatever a learner has set since
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


PACKAGES: Final = ("numpy", "gymnasium", "pettingzoo", "numba")


def versions(*further: str) -> dict[str, str]:
    """Return the versions of Python, of this package and of those installed packages that can matter to a result."""
    found = {"python": platform.python_version(), "crl-envs": crl_envs.__version__}
    installed = {package: _version(package) for package in (*PACKAGES, *further)}
    return found | {package: known for package, known in installed.items() if known is not None}


def machine() -> dict[str, Any]:
    """Return what is computed on: system, processor and the number of cores that this process may use."""
    return {"system": platform.platform(), "processor": _processor(), "cores": cores()}


def cores() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def git_commit() -> str | None:
    """Return the commit of the clone that the package is run from, with ``+`` for changes; None when it isn't one."""
    folder = Path(crl_envs.__file__).parent
    if not (folder.parent / ".git").exists():
        return None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
