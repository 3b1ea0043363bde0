"""What a worker process does with a run, under which limits, on every engine."""

from __future__ import annotations

import faulthandler
import os
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.figure import Case
from crl_envs.bench.files import UMASK
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.play import play, play_case
from crl_envs.bench.run_id import RunId
from crl_envs.bench.store import Record, Status, Store, StoreError
from crl_envs.core.arguments import check_int, check_real

_MIB: Final = 2**20
_FRAMES: Final = 100  # of a traceback, the innermost
_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes:
        seconds: Wall time of an attempt; None for no limit.
        mib: Memory in MiB that it may take beyond what the process has at its start; None for no limit. Linux only.

    Raises:
        ValueError: A limit that isn't above 0, or one of memory on another system.
    """

    seconds: float | None = None
    mib: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None:
            check_real("timeout", self.seconds, low=0, open_low=True)
        if self.mib is not None:
            check_int("memory", self.mib, low=1)
            if not _STATUS.exists():
                raise ValueError("memory can be limited on Linux only")


NO_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Job:
    """A run that is to be made.

    Attributes:
        id: Which.
        spec: Its learner.
        folder: Of the sweep.
        limits: Of the run.
        path: Folders in which modules are looked for, besides the usual ones.
        case: What is run, of a figure; None for a run of an experiment.
    """

    id: RunId
    spec: LearnerSpec
    folder: Path
    limits: Limits = NO_LIMITS
    path: tuple[str, ...] = ()
    case: Case | None = None

    @property
    def last_words(self) -> Path:
        """The file to which the traceback of a run that is out of time is written."""
        return self.folder / "checkpoints" / f"{self.id}.last-words"


def work(job: Job) -> Status:
    """Make a run. Whatever the learner does, its record says how it ended, unless the process dies (`bury`).

    Raises:
        StoreError: Nothing can be written.
    """
    # One process makes one run: torch, when a learner imports it, is to take one thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    add_path(job)
    os.umask(UMASK)
    # Forks of one process would draw the same from the generators that are everybody's.
    random.seed(str(job.id))
    np.random.seed(random.getrandbits(32))  # noqa: NPY002
    store = Store(job.folder)
    with _watched(job):
        try:
            with _memory_limited(job.limits.mib):
                if job.case is not None:
                    return play_case(job.case, store).status
                return play(find_experiment(job.id.experiment), job.spec, job.id, store).status
        except StoreError:
            raise
        except BaseException as error:  # a learner's sys.exit() included
            text = _traceback(error)
            status: Status = "out of memory" if isinstance(error, MemoryError) else "failed"
    _end(store, job, status, text)
    return status


def add_path(job: Job) -> None:
    """Have modules looked for where the job says."""
    sys.path[:0] = [folder for folder in job.path if folder not in sys.path]


def bury(job: Job, reason: str, status: Status = "failed", *, late: bool = False) -> Status:
    """Write the record of a run whose process has died: out of time, or without a word.

    Args:
        job: What it was to make.
        reason: Why it died, unless it was out of time.
        status: The same.
        late: Whether it was out of time, even if it has left no traceback.

    Raises:
        StoreError: Nothing can be written.
    """
    seconds, words = job.limits.seconds, ""
    if seconds is not None:
        with suppress(OSError):
            words = job.last_words.read_text(encoding="utf-8", errors="replace")
        if words or late:
            status = "timeout"
            reason = f"more than the {seconds:g} s that a run may take"
            reason = f"It was here:\n{words}\n{reason}" if words else reason
    _end(Store(job.folder), job, status, reason)
    return status


def _end(store: Store, job: Job, status: Status, error: str) -> None:
    record, _ = store.read(job.id)
    record = record or Record(job.id)
    store.write(replace(record, status=status, error=error, checkpoint=None))
    store.clear_checkpoints(job.id)


def _traceback(error: BaseException) -> str:
    """As Python would print it; of one that can't be printed, its kind."""
    try:
        return "".join(traceback.format_exception(error, limit=-_FRAMES))
    except BaseException as another:
        return f"{type(error).__name__}, whose traceback can't be printed: {type(another).__name__}"


@contextmanager
def _watched(job: Job) -> Iterator[None]:
    """End the process when time is up, even if it hangs in compiled code, leaving a traceback."""
    seconds = job.limits.seconds
    if seconds is None:
        yield
        return
    path = job.last_words
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w", encoding="utf-8")
    faulthandler.dump_traceback_later(seconds, exit=True, file=file)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        with suppress(OSError):  # a learner may have closed it
            file.close()
        path.unlink(missing_ok=True)


@contextmanager
def _memory_limited(mib: int | None) -> Iterator[None]:
    """Let the process have so much more memory; what asks for more gets a `MemoryError`."""
    if mib is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_size() + mib * _MIB, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_size() -> int:
    """Bytes of private memory that the process has."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmData":
            return int(value.split()[0]) * 1024
    raise OSError(f"{_STATUS} has no VmData")
