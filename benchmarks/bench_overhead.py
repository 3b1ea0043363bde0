"""What the bench costs beside the bare learner: the same learning, in a run of the bench and without it.

python -m benchmarks.bench_overhead
python -m benchmarks.bench_overhead --repeats 9

"Bare" is a call of `learn` for the whole budget. "Evaluated" is a loop that learns to each budget and then plays the
evaluation's episodes, without records, checkpoints or supervision. "Bench" is `crl_envs.bench.play.play`, which
writes a record and a checkpoint after each evaluation. The three alternate; ratios are of the CPU times of one round.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Spread, parser, print_machine, print_table, write_json
from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import evaluate, evaluation_seed
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.experiments.experiment import Experiment, Value
from crl_envs.bench.learners import LearnerSpec, learner_spec
from crl_envs.bench.play import play
from crl_envs.bench.run_id import RunId
from crl_envs.bench.store import Store

CASES = (
    ("sysadmin-n", 64, "reinforce-local"),
    ("sysadmin-n", 64, "reinforce-global"),
    ("bandit-n", 256, "local-means"),
    ("bandit-n", 256, "global-least-squares"),
    ("load-balancing-n", 50, "crl"),
)


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        experiment: Its name.
        value: Of its knob.
        learner: Its name.
        bare: CPU seconds of learning alone.
        evaluations: CPU time of the loop with evaluations over that of learning alone, less 1.
        bench: CPU time of the bench over that of the loop with evaluations, less 1.
    """

    experiment: str
    value: Value
    learner: str
    bare: Spread
    evaluations: Spread
    bench: Spread


def main() -> None:
    """Print a line for each case."""
    wanted = parser(__doc__, repeats=5)
    asked = wanted.parse_args()
    print_machine()
    rows = [measure(*case, repeats=asked.repeats) for case in CASES]
    print_table(
        ("run", "bare, s", "evaluations, %", "bench, %"),
        [
            (
                f"{row.experiment}, {row.value}, {row.learner}",
                f"{row.bare.median:.2f}",
                _percent(row.evaluations),
                _percent(row.bench),
            )
            for row in rows
        ],
    )
    write_json(asked.json, "bench_overhead", rows)


def measure(name: str, value: Value, learner: str, repeats: int) -> Row:
    """Rounds of the three ways, after one that isn't counted."""
    experiment, spec = find_experiment(name), learner_spec(learner)
    rounds = [_round(experiment, value, spec) for _ in range(repeats + 1)][1:]
    return Row(
        name,
        value,
        learner,
        Spread.of([bare for bare, _, _ in rounds]),
        Spread.of([evaluated / bare - 1 for bare, evaluated, _ in rounds]),
        Spread.of([bench / evaluated - 1 for _, evaluated, bench in rounds]),
    )


def _round(experiment: Experiment, value: Value, spec: LearnerSpec) -> tuple[float, float, float]:
    folder = Path(tempfile.mkdtemp())
    id = RunId(experiment.name, experiment.version, experiment.knob, value, spec.label, 0)
    try:
        return (
            _cpu(lambda: _bare(experiment, value, spec)),
            _cpu(lambda: _evaluated(experiment, value, spec)),
            _cpu(lambda: play(experiment, spec, id, Store(folder))),
        )
    finally:
        shutil.rmtree(folder)


def _bare(experiment: Experiment, value: Value, spec: LearnerSpec) -> None:
    learner = _made(experiment, value, spec)
    last = experiment.budgets(value)[-1]
    if experiment.unit == "episodes":
        learner.learn(total_episodes=last)
    else:
        learner.learn(total_steps=last)


def _evaluated(experiment: Experiment, value: Value, spec: LearnerSpec) -> None:
    if experiment.unit == "episodes":
        _bare(experiment, value, spec)
        return
    learner = _made(experiment, value, spec)
    traits, task = Traits(spec.load()), experiment.task(value)
    for budget in experiment.budgets(value):
        learner.learn(total_steps=max(0, budget - int(learner.env_steps[0])))
        learner.history.clear()
        evaluate(task, learner, traits, experiment.episodes, evaluation_seed(0, budget))


def _made(experiment: Experiment, value: Value, spec: LearnerSpec) -> Any:
    task = experiment.task(value)
    env = task.make() if experiment.compiled else task.make_vec(1)
    return spec.load()(env, seed=0, **spec.config)


def _cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _percent(spread: Spread) -> str:
    low, median, high = (100 * x for x in (spread.low, spread.median, spread.high))
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
