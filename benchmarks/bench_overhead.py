"""What the bench costs beside the learning: evaluations, and processes, records, checkpoints and supervision.

python -m benchmarks.bench_overhead
python -m benchmarks.bench_overhead --repeats 9

Each run is made as in a sweep, in a process of its own. Wall time of learning and of the evaluations' episodes is by
the run's own clock, which `crl_envs.bench.worker.play` keeps in the record; the rest is all other time from before its
process is begun until nothing is left of it. The process that runs are forked from is made for one that isn't counted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Spread, parser, print_machine, print_table, write_json
from crl_envs.bench.engines.local import Isolation
from crl_envs.bench.experiment import Value
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.learners import learner_spec
from crl_envs.bench.store import RunId, Store
from crl_envs.bench.worker import Job

CASES = (
    ("sysadmin-n", 64, "reinforce-local"),
    ("sysadmin-n", 64, "reinforce-global"),
    ("sysadmin-n", 8, "reinforce-local"),
    ("bandit-n", 256, "local-means"),
    ("bandit-n", 16, "local-means"),
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
        learning: Seconds.
        evaluations: Their time over that of learning.
        bench: All other time over that of learning and evaluations.
    """

    experiment: str
    value: Value
    learner: str
    learning: Spread
    evaluations: Spread
    bench: Spread


def main() -> None:
    """Print a line for each case."""
    asked = parser(__doc__, repeats=5).parse_args()
    print_machine()
    rows = [measure(*case, repeats=asked.repeats) for case in CASES]
    print_table(
        ("run", "learning, s", "evaluations, %", "bench, %"),
        [
            (
                f"{row.experiment}, {row.value}, {row.learner}",
                f"{row.learning.median:.2f}",
                _percent(row.evaluations),
                _percent(row.bench),
            )
            for row in rows
        ],
    )
    write_json(asked.json, "bench_overhead", rows)


def measure(name: str, value: Value, learner: str, repeats: int) -> Row:
    """Runs with different seeds, after one that isn't counted."""
    experiment, spec = find_experiment(name), learner_spec(learner)
    folder = Path(tempfile.mkdtemp())
    isolation = Isolation()
    spent, wall = [], []
    try:
        for seed in range(repeats + 1):
            id = RunId(name, experiment.version, experiment.knob, value, spec.label, seed)
            begun = time.perf_counter()
            isolation.make(Job(id, spec, folder))
            wall.append(time.perf_counter() - begun)
            record, _ = Store(folder).read(id)
            assert record is not None
            spent.append(record.provenance["seconds"])
    finally:
        isolation.stop()
        shutil.rmtree(folder)
    spent, wall = spent[1:], wall[1:]
    return Row(
        name,
        value,
        learner,
        Spread.of([s["learn"] for s in spent]),
        Spread.of([s["evaluate"] / s["learn"] for s in spent]),
        Spread.of([w / (s["learn"] + s["evaluate"]) - 1 for s, w in zip(spent, wall, strict=True)]),
    )


def _percent(spread: Spread) -> str:
    low, median, high = (100 * x for x in (spread.low, spread.median, spread.high))
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
