"""Learners on many agents: CPU seconds, agent-steps a second and peak memory, each case in a process of its own.

python -m benchmarks.learning_speed
python -m benchmarks.learning_speed --repeats 5 --json out/learning.json
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import crl_envs
from agents import LocalMeans, Reinforce
from benchmarks.measure import parser, print_machine, print_table, write_json

SYSADMIN = "crl/sysadmin-v0"
CASES = {
    "SYSADMIN, local REINFORCE, 100 agents, 500 iterations": (SYSADMIN, Reinforce, 100, 500),
    "SYSADMIN, local REINFORCE, 100,000 agents, 60 iterations": (SYSADMIN, Reinforce, 100_000, 60),
    "bandit, local means, 100,000 agents, 11 trials": ("crl/bandit-v0", LocalMeans, 100_000, 11),
}


@dataclass(frozen=True)
class Row:
    """One process."""

    case: str
    seconds: float  # of CPU time, of making the environment and learning
    wall: float  # the same on the clock
    reached: float  # of what the best policy gains over uniformly random actions, at the end
    agent_steps_per_second: float
    peak_mib: float  # resident memory of the process, with Python and the libraries


def run(case: str) -> Row:
    """Learn in this process, after a first episode that compiles."""
    env_id, learner_class, n, episodes = CASES[case]

    def make():
        return learner_class(crl_envs.make_vec(env_id, num_envs=1, n_agents=n), seed=0)

    make().learn(total_episodes=1)
    start, clock = time.process_time(), time.perf_counter()
    learner = make()
    learner.learn(total_episodes=episodes)
    seconds, wall = time.process_time() - start, time.perf_counter() - clock
    steps = n * int(learner.env_steps[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )
    return Row(case, seconds, wall, share_of_gain(learner), steps / seconds, peak)


def share_of_gain(learner) -> float:
    """P on the bandit; on SYSADMIN by the last ten episodes, the first one being random."""
    if isinstance(learner, LocalMeans):
        right = learner.greedy()[:, 0] == learner.env.world.correct_action
        return 2 * float(right.mean()) - 1
    returns = [float(episode["global_return"][0]) for episode in learner.history]
    best = learner.env.optimum().lower
    return (statistics.mean(returns[-10:]) - returns[0]) / (best - returns[0])


def main() -> None:
    """Print medians over the repeats."""
    options = parser(__doc__, repeats=3)
    options.add_argument("--case", choices=CASES, help="run one case in this process, as JSON")
    arguments = options.parse_args()
    if arguments.case:
        print(json.dumps(vars(run(arguments.case))))
        return
    print_machine()
    rows, table = [], []
    for case in CASES:
        command = [sys.executable, "-m", "benchmarks.learning_speed", "--case", case]
        found = [
            Row(**json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            for _ in range(arguments.repeats)
        ]
        rows += found
        seconds = sorted(row.seconds for row in found)
        table.append(
            [
                case,
                f"{seconds[0]:.2f}",
                f"{statistics.median(seconds):.2f}",
                f"{seconds[-1]:.2f}",
                f"{statistics.median(row.wall for row in found):.2f}",
                f"{statistics.median(row.reached for row in found):.3f}",
                f"{statistics.median(row.agent_steps_per_second for row in found) / 1e6:.1f} M",
                f"{max(row.peak_mib for row in found):,.0f}",
            ]
        )
    print_table(
        ("", "best CPU s", "median", "worst", "wall s", "of the gain", "agent-steps/s", "peak MiB"),
        table,
    )
    write_json(arguments.json, "learning_speed", rows)


if __name__ == "__main__":
    main()
