"""Processes on this machine: as many as there are cores, each making one run after the other.

Every process is the only one of a `concurrent.futures.ProcessPoolExecutor` of its own, so that one that dies, by a
crash or because its run was out of time, takes no other run with it; a new one takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from crl_envs.bench.engines import DIED, Ended, Started
from crl_envs.bench.provenance import cores
from crl_envs.bench.worker import Job, bury, work
from crl_envs.core.arguments import check_int

_PATIENCE: Final = 10  # seconds, for a killed process to be gone


class LocalEngine:
    """See the module, and `crl_envs.bench.engines.Engine`.

    Args:
        workers: Number of processes; by default one for each core.

    Raises:
        ValueError: Not a whole number ≥ 1.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = cores() if workers is None else check_int("workers", workers, low=1)

    def run(self, jobs: Sequence[Job], started: Started, ended: Ended) -> None:
        """See `crl_envs.bench.engines.Engine.run`."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        slots = [_Slot(waiting, started, ended) for _ in range(min(self.workers, len(jobs)))]
        try:
            for slot in slots:
                slot.start()
            while not all(slot.over.is_set() for slot in slots) and not _errors(slots):
                for slot in slots:
                    slot.over.wait(0.1)
            for error in _errors(slots):
                raise error
        finally:
            for slot in slots:
                slot.stop()
            for slot in slots:
                if slot.begun:
                    slot.over.wait(_PATIENCE)


class _Slot:
    """A thread that has one process at a time make runs.

    That it is over is told by an event: `Thread.join` calls a thread dead that lives on when an interrupt from the
    keyboard meets it (CPython's issue 90882), and the process would then be waited for and not be killed.
    """

    def __init__(self, waiting: queue.SimpleQueue[Job], started: Started, ended: Ended) -> None:
        self.begun = False
        self.over = threading.Event()
        self.error: BaseException | None = None
        self._waiting, self._started, self._ended = waiting, started, ended
        self._stopped = False
        self._executor: ProcessPoolExecutor | None = None
        self._process = 0

    def start(self) -> None:
        """Begin with the runs that are waiting."""
        self.begun = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while not self._stopped:
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._make(job)
        except BaseException as error:
            if not self._stopped:
                self.error = error
        finally:
            if self._executor is not None:
                self._executor.shutdown()
            self.over.set()

    def stop(self) -> None:
        """Kill the process; what it was doing since its run's last evaluation is lost."""
        self._stopped = True
        if self._process and not self.over.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGTERM)

    def _make(self, job: Job) -> None:
        if self._executor is None:
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(1, context, initializer=_begin)
            try:
                self._process = self._executor.submit(os.getpid).result()
            except BrokenProcessPool:
                raise RuntimeError("a process can't be started; its own error is above") from None
        if self._stopped:
            return
        self._started(job)
        try:
            status = self._executor.submit(work, job).result()
        except BrokenProcessPool:
            self._executor, self._process = None, 0
            if self._stopped:
                return
            status = bury(job, DIED)
        self._ended(job, status)


def _errors(slots: Sequence[_Slot]) -> list[BaseException]:
    return [slot.error for slot in slots if slot.error is not None]


def _begin() -> None:
    """Leave the keyboard's interrupts to the parent, and don't outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
