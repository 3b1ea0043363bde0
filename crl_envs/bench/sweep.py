"""Sweeps: the runs of a plan, made in a folder, begun once and resumed at will."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from filelock import FileLock, Timeout

from crl_envs.bench.engines import Engine
from crl_envs.bench.learners import missing_libraries
from crl_envs.bench.plan import (
    MANIFEST,
    Plan,
    extended,
    hints,
    planned_records,
    read_plan,
    write_plan,
)
from crl_envs.bench.store import Record, Status, Store, StoreError, refusals_named, writable_folder
from crl_envs.bench.worker import Job

_LOOK_EVERY: Final = 0.5  # seconds


class Progress(NamedTuple):
    """How far a sweep is.

    Attributes:
        runs: In all.
        ended: Of these.
        failed: Of those that ended, the ones that failed, ran out of time or of memory.
        evaluations: In all.
        evaluated: Of these.
        agent_steps: Learnt from since it was begun or resumed, by all runs.
        running: Ids of the runs that are being made, as far as the engine knows.
    """

    runs: int
    ended: int
    failed: int
    evaluations: int
    evaluated: int
    agent_steps: int
    running: tuple[str, ...]


Watch = Callable[[Progress], None]


def begin(folder: Path, plan: Plan) -> Plan:
    """Make the folder of a new sweep.

    A reproduction may be begun again in its folder, also with other seeds: the runs that are there are kept.

    Raises:
        ValueError: It can't be written in, holds another sweep already, or one is being carried out there; or a name
            that no run's id can have.
    """
    plan.runs()  # before anything is written: their ids are checked
    writable_folder(folder)
    if not (folder / MANIFEST).exists():
        with locked(folder):  # another may begin one in the same folder at the same moment
            if not (folder / MANIFEST).exists():
                write_plan(folder, plan)
                return plan
    there = read_plan(folder)
    if plan.reproduces is not None and there.reproduces == plan.reproduces:
        with locked(folder):  # ids fix results: the runs that other seeds share stay
            write_plan(folder, plan)
        return plan
    same = "this sweep" if there == plan else "another sweep"
    raise ValueError(
        f"out must be a folder without a sweep: {str(folder)!r} holds {same} already; go on with it by "
        f"crl-envs resume {folder}, or name another folder"
    )


def extend(folder: Path, learners: Sequence[str]) -> Plan:
    """Give the sweep in a folder further learners; what has been run stays as it is.

    Args:
        folder: Of the sweep.
        learners: As `extended` takes them.

    Returns:
        The new plan, whose runs `carry_out` makes.

    Raises:
        ValueError: No sweep there, one is being carried out there at the moment, or `extended` refuses.
        StoreError: The folder can't be written in.
    """
    read_plan(folder)
    with locked(folder):
        plan = extended(read_plan(folder), learners)
        plan.runs()
        write_plan(folder, plan)
    return plan


def carry_out(
    folder: Path, engine: Engine, watch: Watch | None = None, retry: bool = False
) -> list[str]:
    """Make the runs of a folder's sweep that aren't there yet, and whose learners' libraries are installed here.

    Args:
        folder: Of the sweep.
        engine: What makes them.
        watch: Called with how far it is, a few times a second.
        retry: Make those again that failed, ran out of time or out of memory.

    Returns:
        A sentence for each file that was set aside, and for each learner whose library is missing.

    Raises:
        ValueError: No sweep there, one is being carried out there at the moment, a learner can't be imported, or no run
            that is to be made can be made here for want of libraries.
        StoreError: Nothing can be written any more; what had been is safe.
    """
    read_plan(folder)
    with locked(folder):
        plan = read_plan(folder)
        store = Store(folder)
        records, complaints = planned_records(store, plan)
        cases = plan.cases()
        over = {str(r.id): r.status for r in records if _is_over(r, retry)}
        jobs = [
            Job(id, spec, folder.resolve(), plan.limits, (str(Path.cwd()),), cases.get(str(id)))
            for id, spec in plan.runs()
            if str(id) not in over
        ]
        missing = missing_libraries({job.spec.label: job.spec for job in jobs}.values())
        if missing and all(job.spec.label in missing for job in jobs):
            raise ValueError(f"the runs that are to be made need: {hints(missing)}")
        complaints += [
            f"runs of {label} can't be made here: {why}" for label, why in missing.items()
        ]
        jobs = [job for job in jobs if job.spec.label not in missing]
        follower = _Follower(store, plan, records, over, watch)
        with follower.following():
            try:
                engine.run(jobs, follower.started, follower.ended)
            except StoreError as error:
                hint = f"all evaluations before are safe, go on with crl-envs resume {folder}"
                raise StoreError(f"{error}; {hint}") from error
    return complaints


def _is_over(record: Record, retry: bool) -> bool:
    return record.status == "done" or (record.status != "running" and not retry)


class _Follower:
    """Counts what has been done, by looking at the records of the runs that are being made."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        records: Sequence[Record],
        over: dict[str, Status],
        watch: Watch | None,
    ) -> None:
        self._store, self._watch, self._lock = store, watch, threading.Lock()
        budgets = {x.name: x.budgets for x in plan.found_experiments()}
        runs = [id for id, _ in plan.runs()]
        if plan.reproduces is None:
            self._points = {str(id): len(budgets[id.experiment](id.value)) for id in runs}
        else:
            self._points = {str(id): 1 for id in runs}
        self._ids = {str(id): id for id in runs}
        self._over = {id: status for id, status in over.items() if id in self._points}
        # Evaluations and agent steps of runs that aren't over, as far as they were seen.
        self._seen = {str(r.id): _count(r) for r in records if str(r.id) not in over}
        self._before = {id: steps for id, (_, steps) in self._seen.items()}
        self._steps = 0
        self._running: dict[str, None] = {}

    @contextmanager
    def following(self) -> Iterator[None]:
        """Look again and again until the end."""
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(_LOOK_EVERY):
                self._look()

        thread = threading.Thread(target=look, daemon=True)
        self._tell()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._look()

    def started(self, job: Job) -> None:
        with self._lock:
            self._running[str(job.id)] = None

    def ended(self, job: Job, status: Status) -> None:
        id = str(job.id)
        found = self._read(id)
        with self._lock:
            self._running.pop(id, None)
            self._over[id] = status
            self._seen.pop(id, None)
            self._steps += max(0, found[1] - self._before.get(id, 0))

    def _look(self) -> None:
        with self._lock:
            running = list(self._running)
        found = {id: self._read(id) for id in running}
        with self._lock:
            self._seen.update({id: seen for id, seen in found.items() if id in self._running})
        self._tell()

    def _read(self, id: str) -> tuple[int, int]:
        try:
            record, _ = self._store.read(self._ids[id])
        except OSError:
            record = None
        return _count(record) if record is not None else (0, 0)

    def _tell(self) -> None:
        if self._watch is None:
            return
        with self._lock:
            under_way = [self._seen[id] for id in self._running if id in self._seen]
            now = [
                max(0, self._seen[id][1] - self._before.get(id, 0))
                for id in self._running
                if id in self._seen
            ]
            self._watch(
                Progress(
                    len(self._points),
                    len(self._over),
                    sum(status != "done" for status in self._over.values()),
                    sum(self._points.values()),
                    sum(self._points[id] for id in self._over) + sum(k for k, _ in under_way),
                    self._steps + sum(now),
                    tuple(self._running),
                )
            )


def _count(record: Record) -> tuple[int, int]:
    """Evaluations and agent steps so far."""
    points = record.evaluations
    return len(points), points[-1].agent_steps if points else 0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other sweeps out of the folder; the system lets go of it when this process ends, however it ends.

    Raises:
        ValueError: One is being carried out there.
        StoreError: The folder can't be written in.
    """
    lock = FileLock(folder / ".lock")
    try:
        with refusals_named(folder / ".lock"):
            lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"a sweep is being carried out in {str(folder)!r} at this moment, by another process"
        ) from None
    try:
        yield
    finally:
        lock.release()
