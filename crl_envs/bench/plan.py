"""What a sweep runs: experiments × values × learners × seeds, or the runs of a paper's figures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from crl_envs.bench.experiment import Experiment, Value
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.figure import Case, Extent, Figure
from crl_envs.bench.learners import LearnerSpec, find_learner, learner_spec, missing_libraries
from crl_envs.bench.papers import find_reproduction
from crl_envs.bench.store import (
    Record,
    RunId,
    Store,
    checked,
    refusals_named,
    with_checksum,
    write_atomically,
)
from crl_envs.bench.worker import NO_LIMITS, Limits, case_mismatch, mismatch
from crl_envs.core.arguments import check_bool, check_int, check_seed
from crl_envs.registration import has_world

FORMAT: Final = "crl-envs sweep 1"
ALL: Final = "all"
MANIFEST: Final = "sweep.json"
_MOST_SEEDS: Final = 100_000


@dataclass(frozen=True)
class Plan:
    """What a sweep is to run: experiments with learners, or the runs of a paper's figures.

    Attributes:
        experiments: With their versions, ``sysadmin-n@1``.
        asked: The learners as they were named on the command line.
        learners: These, by experiment.
        seeds: Number of runs of each learner on each task.
        first_seed: Of these runs; the others follow.
        quick: Whether only the experiments' quick values.
        limits: Of each run.
        skipped: Learners that were asked for and left out, because a library is missing: by label, what to install.
        reproduces: Instead of experiments, as `crl_envs.bench.papers.REPRODUCTIONS` calls it.
        iterations: Length of its runs, where that can be chosen; None for the paper's.
    """

    experiments: tuple[str, ...]
    asked: tuple[str, ...]
    learners: dict[str, tuple[LearnerSpec, ...]]
    seeds: int
    first_seed: int = 0
    quick: bool = False
    limits: Limits = NO_LIMITS
    skipped: dict[str, str] = field(default_factory=dict)
    reproduces: str | None = None
    iterations: int | None = None

    def found_experiments(self) -> list[Experiment]:
        """Return the experiments themselves.

        Raises:
            ValueError: This version of the package has another version of one.
        """
        return [find_experiment(id) for id in self.experiments]

    def values(self, experiment: Experiment) -> tuple[Value, ...]:
        """Return the values of an experiment's knob that are run."""
        return experiment.quick if self.quick else experiment.values

    def command(self, folder: Path) -> str:
        """Return what begins this sweep on the command line."""
        if self.reproduces is not None:
            words = ["crl-envs", "reproduce", self.reproduces, "--seeds", str(self.seeds)]
            words += [] if self.iterations is None else ["--iterations", str(self.iterations)]
            words += ["--seed", str(self.first_seed), *self._limits(), "--out", folder.as_posix()]
            return shlex.join(words)
        experiments = ",".join(x.name for x in self.found_experiments())
        words = ["crl-envs", "sweep", experiments, "--learners", ",".join(self.asked)]
        words += ["--seeds", str(self.seeds)]
        words += ["--seed", str(self.first_seed)] if self.first_seed else []
        words += ["--quick"] if self.quick else []
        return shlex.join([*words, *self._limits(), "--out", folder.as_posix()])

    def _limits(self) -> list[str]:
        seconds, mib = self.limits.seconds, self.limits.mib
        words = [] if seconds is None else ["--timeout", f"{seconds:g}"]
        return words + ([] if mib is None else ["--memory", str(mib)])

    @property
    def extent(self) -> Extent:
        """Return how much of the figures is run."""
        return Extent(self.seeds, self.first_seed, self.iterations)

    def figures(self) -> dict[str, Figure]:
        """Return the figures that are reproduced, by name."""
        return {} if self.reproduces is None else find_reproduction(self.reproduces).figures()

    def cases(self) -> dict[str, Case]:
        """Return the runs of the figures by their ids; those that several figures have in common once."""
        found: dict[str, Case] = {}
        for figure in self.figures().values():
            for cases in figure.cases(self.extent).values():
                for case in cases:
                    other = found.setdefault(str(case.id), case)
                    assert other.facts() == case.facts(), f"two runs are called {case.id}"
        return found

    def runs(self) -> list[tuple[RunId, LearnerSpec]]:
        """Return all runs: seed by seed, the largest tasks of each first, since they take longest."""
        if self.reproduces is not None:
            return [(case.id, case.spec) for case in self.cases().values()]
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
    """Return a plan out of what a user says, without the learners whose library is missing here.

    Args:
        experiments: Names.
        learners: Names, or ``module:Class``; ``all`` for the experiments' baselines, and further ones besides.
        seeds: Number of runs of each learner on each task.
        first_seed: Of these.
        quick: Only the quick values.
        timeout: Seconds that a run may take.
        memory: MiB that it may take.

    Raises:
        ValueError: An unknown experiment or learner, with near matches; a world without the vector view that scores
            need; a number out of its range; nothing to do, also because the libraries of all learners are missing.
    """
    check_int("seeds", seeds, low=1, high=_MOST_SEEDS)
    check_seed("seed", first_seed, high=2**63 - seeds)
    check_bool("quick", quick)
    limits = Limits(timeout, memory)
    if not experiments or not learners:
        raise ValueError("experiments and learners must be at least one each")
    found = {x.id: x for x in map(find_experiment, experiments)}
    for x in found.values():
        id = x.task(x.values[0]).env_id
        if not x.compiled and not has_world(id):
            raise ValueError(f"experiment {x.name!r} needs make_vec, which doesn't take {id!r}")
    chosen = {id: _chosen(x, learners) for id, x in found.items()}
    skipped = missing_libraries(_distinct(chosen))
    kept = _without(chosen, skipped)
    if not _distinct(kept):
        raise ValueError(f"learners need what isn't installed here: {hints(skipped)}")
    return Plan(tuple(found), tuple(learners), kept, seeds, first_seed, quick, limits, skipped)


def reproduction_plan(
    name: str,
    seeds: int,
    *,
    first_seed: int = 0,
    iterations: int | None = None,
    timeout: float | None = None,
    memory: int | None = None,
) -> Plan:
    """Return the plan of a reproduction.

    Args:
        name: As `crl_envs.bench.papers.REPRODUCTIONS` has it.
        seeds: Runs of each configuration, at least two.
        first_seed: Of these.
        iterations: Length of each run, where that can be chosen; None for the paper's.
        timeout: Seconds that a run may take.
        memory: MiB that it may take.

    Raises:
        ValueError: An unknown name, with near matches; a number out of its range; a length for what has its own; or a
            learner that isn't installed.
    """
    entry = find_reproduction(name)
    if iterations is not None and not entry.length:
        raise ValueError(
            f"--iterations doesn't go with {name}: its sections have lengths of their own"
        )
    check_int("seeds", seeds, low=2, high=_MOST_SEEDS)
    check_seed("seed", first_seed, high=2**64 - 1 - 1000 * seeds)
    if iterations is not None:
        check_int("iterations", iterations, low=1)
    length = entry.length if iterations is None else iterations
    limits = Limits(timeout, memory)
    plan = Plan(*((), (), {}, seeds, first_seed), limits=limits, reproduces=name, iterations=length)
    for source in dict.fromkeys(spec.source for _, spec in plan.runs()):
        find_learner(source)
    return plan


def extended(plan: Plan, learners: Sequence[str]) -> Plan:
    """Return a plan with further learners, on the same tasks with the same seeds and limits.

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
    if plan.reproduces is not None:
        raise ValueError(
            f"learners can't be added to a paper's figures, those of {plan.reproduces!r}"
        )
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
        raise ValueError(f"learners need what isn't installed here: {hints(missing)}")
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


def hints(missing: Mapping[str, str]) -> str:
    """Say what to install for which learner."""
    return "; ".join(f"{label}: {hint}" for label, hint in missing.items())


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan of the sweep in a folder.

    Raises:
        StoreError: The folder can't be written in.
    """
    path = folder / MANIFEST
    with refusals_named(path):
        write_atomically(path, with_checksum(_plain(plan)))


def read_plan(folder: Path) -> Plan:
    """Read the plan of the sweep in a folder.

    Raises:
        ValueError: There is none, or it is damaged.
    """
    path = folder / MANIFEST
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
            found.get("reproduces"),
            found.get("iterations"),
        )
    except (FileNotFoundError, NotADirectoryError):
        lacks = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise ValueError(f"{str(folder)!r} holds no sweep: {lacks}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is no sweep's plan, or damaged: {error}; delete it and begin the sweep as before: what has been "
            "run stays"
        ) from error


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
        **({} if plan.reproduces is None else {"reproduces": plan.reproduces}),
        **({} if plan.iterations is None else {"iterations": plan.iterations}),
    }


def planned_records(store: Store, plan: Plan) -> tuple[list[Record], list[str]]:
    """Return the records in a store, and a sentence for each file that was set aside: also of runs not in the plan.

    What a record says of its task, learner, seed and budgets must be what the plan says.
    """
    kept = []
    records, complaints = store.records()
    planned = {str(id): spec for id, spec in plan.runs()}
    experiments = {x.name: x for x in plan.found_experiments()}
    cases = plan.cases()
    for record in records:
        id = str(record.id)
        wrong = damaged = None
        if id in cases:
            wrong, damaged = case_mismatch(record, cases[id]), store.check_arrays(record)
        elif id in planned:
            wrong = mismatch(record, experiments[record.id.experiment], planned[id])
        if wrong is not None:
            complaints.append(store.move_aside(store.path(record.id), wrong))
        elif damaged is not None:
            complaints.append(damaged)
        else:
            kept.append(record)
    return kept, complaints
