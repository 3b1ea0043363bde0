"""What the bench costs beside the learning: evaluations, and records, checkpoints and supervision.

python -m benchmarks.bench_overhead
python -m benchmarks.bench_overhead --repeats 9

Each run is timed by its own clock, which `crl_envs.bench.play.play` keeps in the record: wall time of learning, of the
evaluations' episodes, and of everything else. Within a run, so that the machine's other work disturbs all alike.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Spread, parser, print_machine, print_table, write_json
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.experiments.experiment import Value
from crl_envs.bench.learners import learner_spec
from crl_envs.bench.play import play
from crl_envs.bench.run_id import RunId
from crl_envs.bench.store import Store

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
    try:
        spent = []
        for seed in range(repeats + 1):
            id = RunId(name, experiment.version, experiment.knob, value, spec.label, seed)
            spent.append(play(experiment, spec, id, Store(folder)).provenance["seconds"])
    finally:
        shutil.rmtree(folder)
    spent = spent[1:]
    return Row(
        name,
        value,
        learner,
        Spread.of([s["learn"] for s in spent]),
        Spread.of([s["evaluate"] / s["learn"] for s in spent]),
        Spread.of([s["bench"] / (s["learn"] + s["evaluate"]) for s in spent]),
    )


def _percent(spread: Spread) -> str:
    low, median, high = (100 * x for x in (spread.low, spread.median, spread.high))
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
