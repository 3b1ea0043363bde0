"""This machine: as many runs at once as there are cores, each in a process of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Final

from crl_envs.bench.engines import Ended, Started
from crl_envs.bench.isolation import Isolation
from crl_envs.bench.provenance import cores
from crl_envs.bench.worker import Job
from crl_envs.core.arguments import check_int

_PATIENCE: Final = 10  # seconds, for a thread to see that it is to stop


class LocalEngine:
    """See the module, and `crl_envs.bench.engines.Engine`.

    Args:
        workers: Number of runs at once; by default one for each core.

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
        isolation = Isolation()
        slots = [
            _Slot(isolation, waiting, started, ended) for _ in range(min(self.workers, len(jobs)))
        ]
        try:
            for slot in slots:
                slot.start()
            while not all(slot.over.is_set() for slot in slots) and not _errors(slots):
                for slot in slots:
                    slot.over.wait(0.1)
            for error in _errors(slots):
                raise error
        finally:
            isolation.stop()
            for slot in slots:
                if slot.begun:
                    slot.over.wait(_PATIENCE)


class _Slot:
    """A thread that has one run at a time made.

    An event says that it is over: `Thread.join` calls a thread dead that lives on when an interrupt from the keyboard
    reaches it (CPython's issue 90882).
    """

    def __init__(
        self,
        isolation: Isolation,
        waiting: queue.SimpleQueue[Job],
        started: Started,
        ended: Ended,
    ) -> None:
        self.begun = False
        self.over = threading.Event()
        self.error: BaseException | None = None
        self._isolation, self._waiting = isolation, waiting
        self._started, self._ended = started, ended

    def start(self) -> None:
        """Begin with the runs that are waiting."""
        self.begun = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                job = self._waiting.get_nowait()
                self._started(job)
                status = self._isolation.make(job)
                if status is None:
                    break
                self._ended(job, status)
        except queue.Empty:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.over.set()


def _errors(slots: Sequence[_Slot]) -> list[BaseException]:
    return [slot.error for slot in slots if slot.error is not None]
