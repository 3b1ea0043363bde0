"""What a worker process does with a run, under which limits, on every engine.

It learns in stretches, with an evaluation after each, and rewrites the run's record on the way.
"""

from __future__ import annotations

import datetime
import faulthandler
import hashlib
import json
import math
import os
import random
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import (
    EnoughEpisodes,
    Found,
    MeasuredEnv,
    evaluate,
    evaluation_seed,
    measured,
)
from crl_envs.bench.experiment import Experiment, Task
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.figure import Case
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.store import (
    UMASK,
    Checkpoint,
    Evaluation,
    Record,
    Recorded,
    RunId,
    Status,
    Store,
    StoreError,
    as_read,
    git_commit,
    machine,
    refusals_named,
    versions,
)
from crl_envs.bench.text import printable
from crl_envs.core.arguments import check_int, check_real
from crl_envs.core.backend import HEAD_START
from crl_envs.core.random_state import random_state, set_random_state
from crl_envs.wrappers.neighborhood_reward import paid_as

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
    os.environ.setdefault(HEAD_START, "0")  # as many runs use what is compiled
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


WRITE_EVERY: Final = 0.25  # seconds
_ALL: Final = 2**31  # steps, more than any budget in episodes takes


def play(experiment: Experiment, spec: LearnerSpec, id: RunId, store: Store) -> Record:
    """Make a run, or what is missing of it, and write its record after evaluations, at most every quarter of a second.

    A run of a resumable learner goes on from its last evaluation, others begin anew. Either way the result is that of a
    run that was never interrupted.

    Returns:
        The record, ``done``.

    Raises:
        StoreError: The record can't be written.
        Exception: Whatever the learner raises.
    """
    cls = spec.load()
    traits = Traits(cls)
    task = experiment.task(id.value)
    record = _begun(store, experiment, spec, id, traits)
    store.write(record)
    if traits.resumable:
        _checkpoint_folder(store, id)  # while a learner can't yet have spoilt the umask
    written, at = record, time.perf_counter()
    clock = _Clock(record)
    student = _student(experiment, cls, spec, traits, task, id.seed)
    if record.checkpoint is not None:
        student.restore(store.checkpoint_path(record.checkpoint), record.checkpoint)
        student.env_steps = record.evaluations[-1].env_steps
    clock.lap("bench")
    budgets = experiment.budgets(id.value)
    try:
        for budget in budgets[len(record.evaluations) :]:
            student.learn_until(budget)
            clock.lap("learn")
            found = student.evaluated(budget)
            clock.lap("evaluate")
            for name in ("global_return", "local_return"):
                if not math.isfinite(getattr(found, name)):
                    raise ValueError(
                        f"{name} is {getattr(found, name)} after {budget} {experiment.unit}"
                    )
            steps = student.env_steps
            point = Evaluation(budget, steps, steps * student.n_agents, *found)
            record = record.with_evaluation(point)
            if budget != budgets[-1] and time.perf_counter() - at < WRITE_EVERY:
                continue
            if budget == budgets[-1]:
                record = replace(record, status="done", checkpoint=None)
            elif traits.resumable:
                record = replace(record, checkpoint=_kept(store, id, student, budget))
            clock.lap("bench")
            record = replace(record, provenance={**record.provenance, "seconds": clock.seconds})
            store.write(record)
            if written.checkpoint is not None:
                store.checkpoint_path(written.checkpoint).unlink(missing_ok=True)
            written, at = record, time.perf_counter()
    except StoreError:
        raise
    except BaseException:
        if record is not written:
            store.write(replace(record, checkpoint=None))
        raise
    store.clear_checkpoints(id)
    return record


def play_case(case: Case, store: Store) -> Record:
    """Make a run of a figure and write its record when it begins and when it is done, and the arrays before that.

    Returns:
        The record, ``done``.

    Raises:
        StoreError: The record or the arrays can't be written.
        Exception: Whatever the learner raises.
    """
    traits = Traits(case.spec.load())
    facts = case.facts()
    record = Record(case.id, provenance=_provenance(traits, facts))
    store.write(record)
    begun = time.perf_counter()
    found = case.make()
    seconds = {"learn": round(time.perf_counter() - begun, 4), "evaluate": 0.0, "bench": 0.0}
    recorded = Recorded(dict(found.numbers), store.write_arrays(case.id, found.arrays))
    record = replace(
        record,
        status="done",
        provenance={**record.provenance, "seconds": seconds},
        recorded=recorded,
    )
    store.write(record)
    return record


def rehearse(experiment: Experiment, spec: LearnerSpec) -> None:
    """Load what a learner's runs need, compiled code above all, by the first steps of one that is thrown away."""
    os.environ.setdefault(HEAD_START, "0")
    cls = spec.load()
    traits = Traits(cls)
    if traits.measures_itself:
        value = experiment.quick[0]
        student = _student(experiment, cls, spec, traits, experiment.task(value), seed=0)
        student.learner.learn(total_steps=1)
        if experiment.unit == "env steps":
            student.evaluated(1)


class _Student(ABC):
    """A learner with the environment that it learns from, and a way to measure what it does there.

    Attributes:
        env_steps: Learnt from so far.
        n_agents: In the environment.
    """

    env_steps: int

    def __init__(self, env: Any, learner: Any, n_agents: int) -> None:
        self.env, self.learner, self.n_agents = env, learner, n_agents
        self.env_steps = 0

    def restore(self, path: Path, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.learner = type(self.learner).load(path, self.env)
        if isinstance(self.env, MeasuredEnv):
            self.env.go_on()
        set_random_state(self.env, checkpoint.random_state)

    @abstractmethod
    def learn_until(self, budget: int) -> None:
        """Learn until the budget has been used."""

    @abstractmethod
    def evaluated(self, budget: int) -> Found:
        """Measure what has been learnt."""


class _InSteps(_Student):
    """Learns for a number of env steps and is evaluated in another environment.

    Args:
        env: To learn from.
        learner: The learner.
        n_agents: In the environment.
        experiment: Which episodes to evaluate by.
        task: The task.
        traits: Of the learner.
        seed: Of the run.
    """

    def __init__(
        self,
        env: Any,
        learner: Any,
        n_agents: int,
        experiment: Experiment,
        task: Task,
        traits: Traits,
        seed: int,
    ) -> None:
        super().__init__(env, learner, n_agents)
        self._experiment, self._task, self._traits, self._seed = experiment, task, traits, seed

    def learn_until(self, budget: int) -> None:
        """Learn for more env steps, and count them."""
        while self.env_steps < budget:
            before = self.env_steps
            self.learner.learn(total_steps=budget - before)
            if self._traits.measures_itself:
                self.env_steps = int(self.learner.env_steps[0])
                self.learner.history.clear()
            else:
                # Counted from what a run that goes on from a checkpoint had before.
                self.env_steps += self.env.env_steps
                self.env.env_steps = 0
            if self.env_steps == before:
                raise RuntimeError(
                    f"{type(self.learner).__name__}.learn(total_steps={budget - before}) took no step"
                )

    def evaluated(self, budget: int) -> Found:
        """Play episodes in another environment by the present policy."""
        seed = evaluation_seed(self._seed, budget)
        return evaluate(self._task, self.learner, self._traits, self._experiment.episodes, seed)


class _InEpisodes(_Student):
    """Learns for a number of episodes of a learner that measures itself; these are what is measured."""

    def learn_until(self, budget: int) -> None:
        """Learn for more episodes."""
        self.learner.history.clear()
        self.learner.learn(total_episodes=budget - self.learner.episodes)
        self.env_steps = int(self.learner.env_steps[0])

    def evaluated(self, budget: int) -> Found:
        """Return the means of the episodes learnt from since the last evaluation."""
        history = self.learner.history
        team, own = (
            float(np.mean([np.mean(entry[name]) for entry in history]))
            for name in ("global_return", "local_return_mean")
        )
        return Found(team, own, len(history), None)


class _InMeasuredEpisodes(_Student):
    """The same, measured in the environment."""

    def learn_until(self, budget: int) -> None:
        """Learn until the environment has counted so many episodes."""
        env = self.env
        self._before = len(env.global_returns)
        env.most_episodes = budget
        while len(env.global_returns) < budget:
            steps = env.env_steps
            try:
                self.learner.learn(total_steps=_ALL)
            except EnoughEpisodes:
                break
            if env.env_steps == steps:
                raise RuntimeError(
                    f"{type(self.learner).__name__}.learn(total_steps={_ALL}) took no step"
                )
        self.env_steps = env.env_steps

    def evaluated(self, budget: int) -> Found:
        """Return the means of the episodes learnt from since the last evaluation."""
        return measured(self.env, budget - self._before)


class _Clock:
    """Wall time by what it went into, with that of a run's earlier attempts."""

    def __init__(self, record: Record) -> None:
        self.seconds: dict[str, float] = dict(
            record.provenance.get("seconds") or dict.fromkeys(("learn", "evaluate", "bench"), 0.0)
        )
        self._last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.seconds[what] = round(self.seconds[what] + now - self._last, 4)
        self._last = now


def mismatch(record: Record, experiment: Experiment, spec: LearnerSpec) -> str | None:
    """Return a sentence that says what makes a record none of that experiment and learner; None if it is one.

    A run that ended before it began says nothing of itself.
    """
    if not record.provenance and not record.evaluations:
        return None
    wrong = _other_facts(record, _facts(experiment, spec, record.id))
    if wrong is not None:
        return wrong
    budgets = [evaluation.budget for evaluation in record.evaluations]
    expected = list(experiment.budgets(record.id.value))
    if budgets != expected[: len(budgets)] or (record.status == "done" and budgets != expected):
        return f"it was evaluated at {_short(budgets)}, not at {_short(expected)}"
    return None


def case_mismatch(record: Record, case: Case) -> str | None:
    """Return a sentence that says what makes a record none of that run of a figure; None if it is one."""
    if not record.provenance:
        return None
    if record.status == "done" and record.recorded is None:
        return "it has recorded nothing"
    return _other_facts(record, case.facts())


def _other_facts(record: Record, facts: dict[str, Any]) -> str | None:
    for name, expected in as_read(facts).items():
        found = record.provenance.get(name)
        if name == "learner" and isinstance(found, dict):
            found = {key: found.get(key) for key in expected}
        if found != expected:
            return f"its {name} is {_short(found)}, not {_short(expected)}"
    return None


def _short(value: Any) -> str:
    return printable(json.dumps(value), most=200).replace("\n", " ")


def _facts(experiment: Experiment, spec: LearnerSpec, id: RunId) -> dict[str, Any]:
    """What a run is, as its record says it."""
    return {
        "task": experiment.task(id.value).plain(),
        "learner": {"source": spec.source, "config": dict(spec.config)},
        "seed": id.seed,
        "budgets": list(experiment.budgets(id.value)),
        "unit": experiment.unit,
    }


def _begun(
    store: Store, experiment: Experiment, spec: LearnerSpec, id: RunId, traits: Traits
) -> Record:
    """The record to go on with, of a run that can; else a new one."""
    record, wrong = store.read(id)
    if record is not None and record.checkpoint is not None and traits.resumable:
        wrong = mismatch(record, experiment, spec) or store.check(record.checkpoint)
        if wrong is None:
            return replace(record, status="running", error=None)
    provenance = _provenance(traits, _facts(experiment, spec, id))
    return Record(id, provenance=provenance | ({} if wrong is None else {"begun_anew": wrong}))


def _provenance(traits: Traits, facts: dict[str, Any]) -> dict[str, Any]:
    """How a run comes about that begins now."""
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions("scipy", *traits.packages),
        "git_commit": git_commit(),
        "machine": machine(),
        **facts,
        "learner": {**facts["learner"], **vars(traits), "packages": list(traits.packages)},
    }


def _student(
    experiment: Experiment,
    cls: Any,
    spec: LearnerSpec,
    traits: Traits,
    task: Task,
    seed: int,
) -> _Student:
    """The learner on its environment, before it has learnt."""
    vector = traits.measures_itself and not experiment.compiled
    env = task.make_vec(1) if vector else task.make()
    n_agents = env.n_agents if vector else len(env.possible_agents)
    env = paid_as(env, traits.trains_on)
    if not traits.measures_itself:
        env = MeasuredEnv(env, seed)
    learner = cls(env, seed=seed, **spec.config)
    if experiment.unit == "env steps":
        return _InSteps(env, learner, n_agents, experiment, task, traits, seed)
    kind = _InEpisodes if traits.measures_itself else _InMeasuredEpisodes
    return kind(env, learner, n_agents)


def _kept(store: Store, id: RunId, student: _Student, budget: int) -> Checkpoint:
    """The student's present state, in a file of its own."""
    name = f"{id}.{budget}"
    path = store.checkpoints / name
    with refusals_named(path):
        _checkpoint_folder(store, id)
        student.learner.save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(name, digest, random_state(student.env))


def _checkpoint_folder(store: Store, id: RunId) -> None:
    (store.checkpoints / str(id)).parent.mkdir(parents=True, exist_ok=True)
