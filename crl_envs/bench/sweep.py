"""Sweeps: the runs of experiments × values × learners × seeds, made in a folder, begun once and resumed at will."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from filelock import FileLock, Timeout

from crl_envs.bench.engines import Engine
from crl_envs.bench.experiment import Experiment, Value
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.files import writable_folder, write_atomically
from crl_envs.bench.learners import LearnerSpec, learner_spec, missing_libraries
from crl_envs.bench.play import mismatch
from crl_envs.bench.run_id import RunId
from crl_envs.bench.store import (
    Record,
    Status,
    Store,
    StoreError,
    checked,
    refusals_named,
    with_checksum,
)
from crl_envs.bench.worker import NO_LIMITS, Job, Limits
from crl_envs.core.arguments import check_bool, check_int, check_seed

FORMAT: Final = "crl-envs sweep 1"
ALL: Final = "all"
_MANIFEST: Final = "sweep.json"
_LOOK_EVERY: Final = 0.5  # seconds


@dataclass(frozen=True)
class Plan:
    """What a sweep is to run.

    Attributes:
        experiments: With their versions, ``sysadmin-n@1``.
        asked: The learners as they were named on the command line.
        learners: These, by experiment.
        seeds: Number of runs of each learner on each task.
        first_seed: Of these runs; the others follow.
        quick: Whether only the experiments' quick values.
        limits: Of each run.
        skipped: Learners that were asked for and left out, because a library is missing: by label, what to install.
    """

    experiments: tuple[str, ...]
    asked: tuple[str, ...]
    learners: dict[str, tuple[LearnerSpec, ...]]
    seeds: int
    first_seed: int = 0
    quick: bool = False
    limits: Limits = NO_LIMITS
    skipped: dict[str, str] = field(default_factory=dict)

    def found_experiments(self) -> list[Experiment]:
        """The experiments themselves.

        Raises:
            ValueError: This version of the package has another version of one.
        """
        return [find_experiment(id) for id in self.experiments]

    def values(self, experiment: Experiment) -> tuple[Value, ...]:
        """Of an experiment's knob."""
        return experiment.quick if self.quick else experiment.values

    def command(self, folder: Path) -> str:
        """What begins this sweep on the command line."""
        experiments = ",".join(x.name for x in self.found_experiments())
        words = ["crl-envs", "sweep", experiments, "--learners", ",".join(self.asked)]
        words += ["--seeds", str(self.seeds)]
        words += ["--seed", str(self.first_seed)] if self.first_seed else []
        words += ["--quick"] if self.quick else []
        words += [] if self.limits.seconds is None else ["--timeout", f"{self.limits.seconds:g}"]
        words += [] if self.limits.mib is None else ["--memory", str(self.limits.mib)]
        return shlex.join([*words, "--out", folder.as_posix()])

    def runs(self) -> list[tuple[RunId, LearnerSpec]]:
        """All runs: seed by seed, and the largest tasks of each first, since they take longest."""
        return [
            (RunId(x.name, x.version, x.knob, value, spec.label, seed), spec)
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for x in self.found_experiments()
            for value in reversed(self.values(x))
            for spec in self.learners[x.id]
        ]


def make_plan(
    experiments: Sequence[str],
    learners: Sequence[str],
    seeds: int,
    *,
    first_seed: int = 0,
    quick: bool = False,
    timeout: float | None = None,
    memory: int | None = None,
) -> Plan:
    """A plan out of what a user says, without the learners whose library is missing here.

    Args:
        experiments: Names.
        learners: Names, or ``module:Class``; ``all`` for the experiments' baselines, and further ones besides.
        seeds: Number of runs of each learner on each task.
        first_seed: Of these.
        quick: Only the quick values.
        timeout: Seconds that a run may take.
        memory: MiB that it may take.

    Raises:
        ValueError: An unknown experiment or learner, with near matches; a number out of its range; nothing to do, also
            because the libraries of all learners are missing.
    """
    check_int("seeds", seeds, low=1)
    check_seed("first_seed", first_seed, high=2**63 - seeds)
    check_bool("quick", quick)
    limits = Limits(timeout, memory)
    if not experiments or not learners:
        raise ValueError("experiments and learners must be at least one each")
    found = {x.id: x for x in map(find_experiment, experiments)}
    chosen = {id: _chosen(x, learners) for id, x in found.items()}
    skipped = missing_libraries(_distinct(chosen))
    kept = _without(chosen, skipped)
    if not _distinct(kept):
        raise ValueError(f"learners need what isn't installed here: {_hints(skipped)}")
    return Plan(tuple(found), tuple(learners), kept, seeds, first_seed, quick, limits, skipped)


def extended(plan: Plan, learners: Sequence[str]) -> Plan:
    """A plan with further learners, on the same tasks with the same seeds and limits.

    Args:
        plan: Of a sweep.
        learners: As in `make_plan`. Those that the plan has already stay as they are, so that ``all`` adds what was
            left out where a library was missing.

    Raises:
        ValueError: An unknown learner; one with the name of another one in the plan; nothing to add, also because the
            libraries of all further learners are missing here.
    """
    if not learners:
        raise ValueError("learners must be at least one")
    further = {}
    for x in plan.found_experiments():
        there = {spec.label: spec for spec in plan.learners[x.id]}
        asked = _chosen(x, learners)
        for spec in asked:
            if there.get(spec.label, spec) != spec:
                raise ValueError(
                    f"learner {spec.label!r} is another one in this sweep, {there[spec.label]}, got {spec}"
                )
        further[x.id] = tuple(spec for spec in asked if spec.label not in there)
    if not _distinct(further):
        raise ValueError(
            f"learners must not all be in this sweep already, got {', '.join(learners)}; go on with it by resume"
        )
    missing = missing_libraries(_distinct(further))
    added = _without(further, missing)
    if not _distinct(added):
        raise ValueError(f"learners need what isn't installed here: {_hints(missing)}")
    labels = {spec.label for spec in _distinct(added)}
    skipped = {label: why for label, why in plan.skipped.items() if label not in labels}
    return replace(
        plan,
        asked=tuple(dict.fromkeys([*plan.asked, *learners])),
        learners={id: specs + added[id] for id, specs in plan.learners.items()},
        skipped={**skipped, **missing},
    )


def _chosen(experiment: Experiment, learners: Sequence[str]) -> tuple[LearnerSpec, ...]:
    """The learners that names stand for in an experiment."""
    names = [n for name in learners for n in (experiment.baselines if name == ALL else (name,))]
    specs = tuple(learner_spec(name) for name in dict.fromkeys(names))
    labels = [spec.label for spec in specs]
    if len(set(labels)) < len(labels):
        raise ValueError(f"learners must have different names in the ids of runs, got {labels}")
    return specs


def _distinct(learners: Mapping[str, Sequence[LearnerSpec]]) -> list[LearnerSpec]:
    """Each learner once, whatever the number of experiments."""
    return list({spec.label: spec for specs in learners.values() for spec in specs}.values())


def _without(
    learners: Mapping[str, Sequence[LearnerSpec]], missing: Mapping[str, str]
) -> dict[str, tuple[LearnerSpec, ...]]:
    return {
        id: tuple(spec for spec in specs if spec.label not in missing)
        for id, specs in learners.items()
    }


def _hints(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{label}: {hint}" for label, hint in missing.items())


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

    Raises:
        ValueError: It can't be written in, or holds a sweep already.
    """
    writable_folder(folder)
    path = folder / _MANIFEST
    if path.exists():
        same = "this sweep" if read_plan(folder) == plan else "another sweep"
        raise ValueError(
            f"out must be a folder without a sweep: {str(folder)!r} holds {same} already; go on with it by "
            f"crl-envs resume {folder}, or name another folder"
        )
    _write_plan(folder, plan)
    return plan


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
        _write_plan(folder, plan)
    return plan


def _write_plan(folder: Path, plan: Plan) -> None:
    path = folder / _MANIFEST
    with refusals_named(path):
        write_atomically(path, with_checksum(_plain(plan)))


def read_plan(folder: Path) -> Plan:
    """The plan of the sweep in a folder.

    Raises:
        ValueError: There is none, or it is damaged.
    """
    path = folder / _MANIFEST
    try:
        found = checked(path.read_bytes())
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, not {FORMAT!r}")
        learners = {
            id: tuple(LearnerSpec(**spec) for spec in specs)
            for id, specs in found["learners"].items()
        }
        return Plan(
            tuple(found["experiments"]),
            tuple(found["asked"]),
            learners,
            found["seeds"],
            found["first_seed"],
            found["quick"],
            Limits(**found["limits"]),
            found.get("skipped", {}),
        )
    except FileNotFoundError:
        raise ValueError(f"{str(folder)!r} holds no sweep: it has no {_MANIFEST}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is no sweep's plan, or damaged: {error}; delete it and begin the sweep as before: what has been "
            "run stays"
        ) from error


def carry_out(
    folder: Path, engine: Engine, watch: Watch | None = None, retry: bool = False
) -> list[str]:
    """Make the runs of a folder's sweep that aren't there yet, and whose learners' libraries are installed here.

    Args:
        folder: Of the sweep.
        engine: What makes them.
        watch: Told how far it is, a few times a second.
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
        over = {str(r.id): r.status for r in records if _is_over(r, retry)}
        jobs = [
            Job(id, spec, folder.resolve(), plan.limits, (str(Path.cwd()),))
            for id, spec in plan.runs()
            if str(id) not in over
        ]
        missing = missing_libraries({job.spec.label: job.spec for job in jobs}.values())
        if missing and all(job.spec.label in missing for job in jobs):
            raise ValueError(f"the runs that are to be made need: {_hints(missing)}")
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


def planned_records(store: Store, plan: Plan) -> tuple[list[Record], list[str]]:
    """The records in a store, and a sentence for each file that was set aside: also of runs that aren't the plan's.

    What a record says of its task, learner, seed and budgets must be what the plan says.
    """
    kept = []
    records, complaints = store.records()
    planned = {str(id): (id, spec) for id, spec in plan.runs()}
    experiments = {x.name: x for x in plan.found_experiments()}
    for record in records:
        id, spec = planned.get(str(record.id), (record.id, None))
        wrong = None if spec is None else mismatch(record, experiments[id.experiment], spec)
        if wrong is None:
            kept.append(record)
        else:
            complaints.append(store.move_aside(store.path(id), wrong))
    return kept, complaints


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
        self._points = {str(id): len(budgets[id.experiment](id.value)) for id in runs}
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


def _plain(plan: Plan) -> dict[str, Any]:
    learners = {
        id: [{**asdict(spec), "config": dict(spec.config)} for spec in specs]
        for id, specs in plan.learners.items()
    }
    return {
        "format": FORMAT,
        "experiments": list(plan.experiments),
        "asked": list(plan.asked),
        "learners": learners,
        "seeds": plan.seeds,
        "first_seed": plan.first_seed,
        "quick": plan.quick,
        "limits": asdict(plan.limits),
        "skipped": plan.skipped,
    }
