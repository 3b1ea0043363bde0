"""The scores of an experiment and of a sweep, as what JSON can hold: the same bytes for the same runs everywhere."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.experiment import Experiment, Value
from crl_envs.bench.plan import Plan, planned_records, read_plan
from crl_envs.bench.score.measures import (
    Landmarks,
    Log,
    final_scores,
    landmarks,
    largest_solved,
    samples_interval,
    samples_to_epsilon,
    scaling_exponent,
    score_between,
)
from crl_envs.bench.score.statistics import (
    AGGREGATES,
    FloatArray,
    Interval,
    aggregate,
    performance_profile,
    probability_of_improvement,
    t_interval,
)
from crl_envs.bench.store import (
    Record,
    RunId,
    Store,
    as_read,
    checked,
    refusals_named,
    with_checksum,
    write_atomically,
)
from crl_envs.bench.text import plain, reason
from crl_envs.core.arguments import check_int, check_real, check_seed

# τ of the performance profiles, steps of 1/20 from random to the optimum.
PROFILE_SCORES: Final = np.arange(21) / 20

Logs = Mapping[Value, Log]


@dataclass(frozen=True)
class Settings:
    """How an experiment is scored.

    Attributes:
        epsilon: A run has arrived when its score stays at 1 − ε or above; ε in [0, 1]. 0.1 is the level P ≥ .9 at which
            Bagnell & Ng (2005), Figure 2 right, can be reproduced.
        share: A value is solved when this share of its runs arrived; None for more than half.
        confidence: Of every interval by itself, in [0, 1].
        resamples: Number of bootstrap resamples, ≥ 1.
        seed: Of the resampling.

    Raises:
        ValueError: A value outside its range.
    """

    epsilon: float = 0.1
    share: float | None = None
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0, high=1)
        if self.share is not None:
            check_real("share", self.share, low=0, high=1, open_low=True)
        check_real("confidence", self.confidence, low=0, high=1)
        check_int("resamples", self.resamples, low=1)
        check_seed("seed", self.seed)

    @property
    def bootstrap(self) -> dict[str, Any]:
        """The arguments of the functions that give intervals."""
        return {"confidence": self.confidence, "resamples": self.resamples, "seed": self.seed}


DEFAULTS: Final = Settings()


def summary(
    landmarks: Mapping[Value, Landmarks],
    logs: Mapping[str, Logs],
    settings: Settings = DEFAULTS,
    *,
    scaling: bool = True,
) -> dict[str, Any]:
    """Return all scores of an experiment over the values of its knob.

    The order of learners, of a learner's values and of runs changes nothing: ``json.dumps`` gives the same bytes.

    Args:
        landmarks: By value; tables have the values in this order.
        logs: By learner and value; a learner may lack values, and its aggregates are over those that it has.
        settings: Levels and intervals.
        scaling: Whether the values are sizes, whole numbers ≥ 1 over which samples-to-ε may follow a power law.

    Returns:
        A dict of dicts, lists, strings, numbers and None; infinite and undefined numbers are None, an interval is
        ``{"value", "low", "high"}``, and the keys of every table over values are ``str(value)``. Its entries:

        - ``settings``: as given.
        - ``landmarks``: by value ``random``, ``upper`` and ``lower``, to the last digit; all else is rounded (`plain`).
        - ``learners``: by name ``values`` (below), ``exponent`` (of the runs' median and of the mean curve, each with
          ``power``, ``per_log``, ``used`` and ``censored``), ``solved`` (``largest``, ``unsolved`` and
          ``beyond_a_hole``), and, over the learner's values as tasks, ``arrived`` (mean share of runs), ``aggregates``
          (``iqm``, ``mean``, ``median``, ``optimality_gap``) and ``profile``. Both ``exponent`` and ``solved`` are None
          without `scaling`, and ``exponent`` is where a log has a single evaluation.
        - ``improvement``: for each two learners with common values, the probability that the first scores higher.

        A learner's ``values`` hold, by value, ``runs``, ``ended_early``, ``budget`` (samples); means over runs of the
        last evaluations' ``score`` and ``optimality_gap`` (a score above 1 counting as no gap), with Student-t
        intervals, whose ends are None for a single run; ``certificate``, the range of the mean score between both ends
        of the optimum, without sampling error; ``arrived`` (share of runs) and ``samples`` (samples-to-ε of the runs'
        median and of the mean curve; None with a single evaluation). All other intervals are bootstraps.

    Raises:
        ValueError: A learner without values, a value without landmarks, or, with `scaling`, one that isn't a whole
            number ≥ 1.
    """
    for learner, values in logs.items():
        if not values:
            raise ValueError(f"logs must hold at least one value of learner {learner!r}, got none")
        for value in values:
            if value not in landmarks:
                raise ValueError(
                    f"landmarks must hold every value, {value} of {learner!r} is missing"
                )
            if scaling:
                check_int(f"values of learner {learner!r}", value, low=1)
    measured = {
        learner: _Measured(
            {
                value: logs[learner][value].in_order()
                for value in landmarks
                if value in logs[learner]
            },
            landmarks,
            settings,
        )
        for learner in sorted(logs)
    }
    ends = {value: asdict(ends) for value, ends in landmarks.items()}
    found: dict[str, Any] = {"landmarks": plain(ends, rounds=False)} | plain(
        {
            "settings": asdict(settings),
            "learners": {
                learner: _of_learner(runs, landmarks, settings, scaling)
                for learner, runs in measured.items()
            },
            "improvement": [
                _improvement(first, second, measured, settings)
                for first, second in combinations(measured, 2)
                if measured[first].logs.keys() & measured[second].logs.keys()
            ],
        }
    )
    return found


class _Measured:
    """A learner's logs with what each of their runs scored, by value."""

    def __init__(
        self, logs: Logs, landmarks: Mapping[Value, Landmarks], settings: Settings
    ) -> None:
        self.logs = logs
        self.scores = {value: final_scores(log, landmarks[value]) for value, log in logs.items()}
        self.times = {
            value: samples_to_epsilon(log, landmarks[value], settings.epsilon)
            for value, log in logs.items()
        }
        self.arrived = {
            value: float(np.isfinite(times).mean()) for value, times in self.times.items()
        }


def _of_learner(
    runs: _Measured, landmarks: Mapping[Value, Landmarks], settings: Settings, scaling: bool
) -> dict[str, Any]:
    scores = list(runs.scores.values())
    curves = all(log.budgets.size > 1 for log in runs.logs.values())
    return {
        "values": {value: _of_task(value, runs, landmarks[value], settings) for value in runs.logs},
        "exponent": _exponent(runs.logs, landmarks, settings) if scaling and curves else None,
        "solved": _solved(runs.times, settings) if scaling else None,
        "arrived": float(np.mean(list(runs.arrived.values()))),
        "aggregates": {
            name: aggregate(statistic, scores, **settings.bootstrap)
            for name, statistic in AGGREGATES.items()
        },
        "profile": {
            name: values.tolist()
            for name, values in performance_profile(scores, PROFILE_SCORES, **settings.bootstrap)
            ._asdict()
            .items()
        },
    }


def _exponent(
    logs: Logs, landmarks: Mapping[Value, Landmarks], settings: Settings
) -> dict[str, Any]:
    sizes = {int(value): log for value, log in logs.items()}
    ends = {int(value): landmarks[value] for value in logs}
    return {
        of: scaling_exponent(sizes, ends, settings.epsilon, of=of, **settings.bootstrap)._asdict()
        for of in ("runs", "mean")
    }


def _solved(times: Mapping[Value, FloatArray], settings: Settings) -> dict[str, Any]:
    return largest_solved({int(n): runs for n, runs in times.items()}, settings.share)._asdict()


def _of_task(
    value: Value, runs: _Measured, landmarks: Landmarks, settings: Settings
) -> dict[str, Any]:
    log, scores = runs.logs[value], runs.scores[value]
    score = _mean(scores, settings)
    return {
        "runs": len(scores),
        "ended_early": log.ended_early,
        "budget": float(log.budgets[-1]),
        "score": score,
        "optimality_gap": _mean(1 - np.minimum(scores, 1), settings),
        "certificate": score_between(score.value, landmarks),
        "arrived": runs.arrived[value],
        "samples": _samples(log, landmarks, settings) if log.budgets.size > 1 else None,
    }


def _samples(log: Log, landmarks: Landmarks, settings: Settings) -> dict[str, Interval]:
    return {
        of: samples_interval(log, landmarks, settings.epsilon, of=of, **settings.bootstrap)
        for of in ("runs", "mean")
    }


def _mean(scores: FloatArray, settings: Settings) -> Interval:
    if len(scores) == 1:
        return Interval(float(scores[0]), math.nan, math.nan)
    return t_interval(scores, settings.confidence)


def _improvement(
    first: str, second: str, measured: Mapping[str, _Measured], settings: Settings
) -> dict[str, Any]:
    one, other = measured[first].scores, measured[second].scores
    common = [value for value in one if value in other]
    probability = probability_of_improvement(
        [one[value] for value in common], [other[value] for value in common], **settings.bootstrap
    )
    return {"first": first, "second": second, "values": common, "probability": probability}


FORMAT: Final = "crl-envs scores 1"


def sweep_scores(
    experiments: Sequence[Experiment],
    landmarks: Mapping[str, Landmarks],
    records: Sequence[Record],
    settings: Settings = DEFAULTS,
) -> dict[str, Any]:
    """Return all scores of the runs of a folder.

    What is scored is the ``global_return`` of each evaluation. Runs that are still ``running``, and so could go on, are
    left out of the scores; those that failed or ran out of time or memory are scored with what they had reached. The
    order of the experiments, the landmarks and the records changes nothing, nor does anything in a record's provenance.

    Args:
        experiments: At least those that the records belong to.
        landmarks: By task, as in ``RunId.task``: ``"sysadmin-n@1/n=0064"``; those of all scored runs.
        records: The runs.
        settings: Levels and intervals; each experiment's own ε takes the place of that in the settings.

    Returns:
        What JSON can hold, infinite and undefined numbers being None:

        - ``format``: name and version of this layout.
        - ``experiments``: by id, in alphabetical order, for those that have records: ``title``, ``knob``, ``unit`` (of
          samples), ``epsilon``, ``values`` (those with records, in the experiment's order), ``verdict`` (sentences),
          ``summary`` (`crl_envs.bench.score.results.summary`), ``references`` (``label``, ``values``, ``samples``),
          ``runs`` (by id: ``status``, ``score`` of the last evaluation, ``samples`` to ε, None where it didn't
          arrive) and ``unfinished`` (``id``, ``status``, ``evaluations`` made, ``of`` how many, and the last line
          of its ``error``).
        - ``leaderboard``: one entry a ``learner``: ``iqm``, the mean over its experiments, by which the list is
          ordered; and ``experiments``, by id ``rank`` (by IQM; equal ones share it), ``of`` how many learners,
          ``runs``, ``iqm`` and ``optimality_gap`` with their intervals, the ``exponent`` of the runs' median, the
          ``censored`` values left out of it, the ``largest`` value solved and the share that ``arrived``; None where
          the learner has no scored run.

    Raises:
        ValueError: A record of an unknown experiment, knob or value, one whose budgets aren't those of its experiment,
            a run that is there twice, or a scored task without landmarks.
    """
    known = {experiment.id: experiment for experiment in experiments}
    twice = [id for id, count in Counter(str(record.id) for record in records).items() if count > 1]
    if twice:
        raise ValueError(f"records must be of different runs, {min(twice)} is there twice")
    by_experiment: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: str(record.id)):
        id = f"{record.id.experiment}@{record.id.version}"
        if id not in known:
            raise ValueError(f"records must be of known experiments, {record.id} isn't")
        _check(record, known[id])
        by_experiment[id].append(record)
    found = {
        id: _of_experiment(known[id], landmarks, runs, settings)
        for id, runs in sorted(by_experiment.items())
    }
    return {"format": FORMAT, "experiments": found, "leaderboard": plain(_leaderboard(found))}


def as_json(scores: Mapping[str, Any]) -> str:
    """Return scores as the text that files and the terminal have."""
    return json.dumps(scores, indent=1, allow_nan=False) + "\n"


def _check(record: Record, experiment: Experiment) -> None:
    if record.id.knob != experiment.knob or record.id.value not in experiment.values:
        raise ValueError(
            f"records must be of the values {experiment.values} of {experiment.knob}, {record.id} isn't"
        )
    budgets = experiment.budgets(record.id.value)
    made = tuple(evaluation.budget for evaluation in record.evaluations)
    if made != budgets[: len(made)] or (record.status == "done" and made != budgets):
        raise ValueError(
            f"evaluations of {record.id} must come after {budgets} {experiment.unit}, got {made}"
        )


def _of_experiment(
    experiment: Experiment,
    landmarks: Mapping[str, Landmarks],
    records: Sequence[Record],
    settings: Settings,
) -> dict[str, Any]:
    settings = replace(settings, epsilon=experiment.epsilon)
    tasks = {record.id.value: record.id.task for record in records}
    values = [value for value in experiment.values if value in tasks]
    scored: dict[str, dict[Value, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.status != "running":
            if record.id.task not in landmarks:
                raise ValueError(f"landmarks must hold every task, {record.id.task} is missing")
            scored[record.id.learner][record.id.value].append(record)
    ends = {value: landmarks[tasks[value]] for value in values if tasks[value] in landmarks}
    logs = {
        learner: {value: _log(experiment, value, runs) for value, runs in by_value.items()}
        for learner, by_value in scored.items()
    }
    scaling = experiment.analysis.scaling
    found = summary(ends, logs, settings, scaling=scaling)
    references = experiment.analysis.references(values)
    return {
        "title": experiment.title,
        "knob": experiment.knob,
        "unit": experiment.unit,
        "epsilon": experiment.epsilon,
        "values": values,
        "verdict": list(experiment.analysis.verdict(found)) if logs else [],
        "summary": found,
        "references": [
            {
                "label": reference.label,
                "values": np.asarray(reference.values).tolist(),
                "samples": plain(np.asarray(reference.samples, np.float64).tolist()),
            }
            for reference in references
        ],
        "runs": plain(
            {
                str(record.id): _of_run(experiment, record, ends[record.id.value])
                for record in records
                if record.status != "running"
            }
        ),
        "unfinished": [
            {
                "id": str(record.id),
                "status": record.status,
                "evaluations": len(record.evaluations),
                "of": len(experiment.budgets(record.id.value)),
                "error": reason(record.error) or None,
            }
            for record in records
            if record.status != "done"
        ],
    }


def _log(experiment: Experiment, value: Value, records: Sequence[Record]) -> Log:
    budgets = experiment.budgets(value)
    returns = np.full((len(records), len(budgets)), math.nan)
    for row, record in zip(returns, records, strict=True):
        row[: len(record.evaluations)] = [point.global_return for point in record.evaluations]
    return Log(np.array(budgets, np.float64), returns)


def _of_run(experiment: Experiment, record: Record, landmarks: Landmarks) -> dict[str, Any]:
    log = _log(experiment, record.id.value, [record])
    samples = None
    if log.budgets.size > 1:
        samples = float(samples_to_epsilon(log, landmarks, experiment.epsilon)[0])
    return {
        "status": record.status,
        "score": float(final_scores(log, landmarks)[0]),
        "samples": samples,
    }


def _leaderboard(experiments: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    standings = {id: _standings(found["summary"]) for id, found in experiments.items()}
    learners = {learner for standing in standings.values() for learner in standing}
    board = []
    for learner in learners:
        of = {id: standing.get(learner) for id, standing in standings.items()}
        iqm = fmean(entry["iqm"]["value"] for entry in of.values() if entry is not None)
        board.append({"learner": learner, "iqm": iqm, "experiments": of})
    return sorted(board, key=lambda entry: (-entry["iqm"], entry["learner"]))


def _standings(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By learner, what the leaderboard says of it in one experiment."""
    learners = found["learners"]
    iqms = [learner["aggregates"]["iqm"]["value"] for learner in learners.values()]
    return {
        name: {
            "rank": 1 + sum(other > learner["aggregates"]["iqm"]["value"] for other in iqms),
            "of": len(iqms),
            "runs": sum(value["runs"] for value in learner["values"].values()),
            "iqm": learner["aggregates"]["iqm"],
            "optimality_gap": learner["aggregates"]["optimality_gap"],
            "exponent": learner["exponent"] and learner["exponent"]["runs"]["power"],
            "censored": learner["exponent"] and learner["exponent"]["runs"]["censored"],
            "largest": learner["solved"] and learner["solved"]["largest"],
            "arrived": learner["arrived"],
        }
        for name, learner in learners.items()
    }


Watch = Callable[[int, int], None]


class Results(NamedTuple):
    """The scores of a sweep, with what they come from.

    Attributes:
        scores: As `crl_envs.bench.score.results.sweep_scores` gives them.
        records: Of all runs of the plan; one that hasn't begun is ``running``, without evaluations.
        complaints: A sentence for each file that was set aside.
    """

    scores: dict[str, Any]
    records: list[Record]
    complaints: list[str]


def results(folder: Path, watch: Watch | None = None) -> Results:
    """Score the sweep in a folder. The scores are the same for the same runs, bit for bit.

    Args:
        folder: Of the sweep.
        watch: Called with how many of the tasks' landmarks are known, of how many.

    Raises:
        ValueError: No sweep there, or a run in it that isn't of this version of its experiment.
        StoreError: Landmarks can't be kept.
    """
    plan = read_plan(folder)
    store = Store(folder)
    found, complaints = planned_records(store, plan)
    by_id = {str(record.id): record for record in found}
    planned = [id for id, _ in plan.runs()]
    for text in by_id.keys() - {str(id) for id in planned}:
        complaints.append(f"{store.path(by_id[text].id)} is no run of this sweep and is left out")
    records = [by_id.get(str(id), Record(id)) for id in planned]
    experiments = plan.found_experiments()
    scores = sweep_scores(experiments, _landmarks(folder, plan, watch), records)
    return Results(scores, records, sorted(complaints))


def _landmarks(folder: Path, plan: Plan, watch: Watch | None) -> dict[str, Landmarks]:
    """Of all tasks of a plan, by name; found once and kept in the folder."""
    tasks = [(x, value) for x in plan.found_experiments() for value in plan.values(x)]
    known = {}
    for done, (experiment, value) in enumerate(tasks):
        if watch is not None:
            watch(done, len(tasks))
        task = RunId(experiment.name, experiment.version, experiment.knob, value, "any", 0).task
        known[task] = _kept_landmarks(folder / "landmarks" / f"{task}.json", experiment, value)
    if watch is not None:
        watch(len(tasks), len(tasks))
    return known


def _kept_landmarks(path: Path, experiment: Experiment, value: Value) -> Landmarks:
    """What is in the file if it is whole and of this task; otherwise found again, and kept there."""
    of = {
        "experiment": experiment.id,
        "task": experiment.task(value).plain(),
        "crl-envs": crl_envs.__version__,
    }
    with suppress(OSError, KeyError, TypeError, ValueError):
        kept = checked(path.read_bytes())
        if kept["of"] == as_read(of):
            return Landmarks.kept(kept["landmarks"])
    found, how = landmarks(experiment, value)
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        ends = plain(asdict(found), rounds=False)
        write_atomically(path, with_checksum({"of": of, "landmarks": ends, **how}))
    return found
