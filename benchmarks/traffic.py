"""Traffic lights: vehicles that wait under the rules of engineers, and the speed of a step.

    python -m benchmarks.traffic [--columns 40] [--repeats 5] [--json PATH]
    python -m benchmarks.traffic --learning

The first table has the torus of 10 × 10 crossings, steps 100–300 of episodes that begin without vehicles, and the mean
over episodes with a 95 % interval of ± 1.96 standard errors. The second has agent-steps per CPU-second of the arrays'
step, with actions that are there already, and how much memory the process takes at most, measured in a process of its
own for each size.

With `--learning` there is one table: REINFORCE by its own, the neighbourhood's and everybody's reward, how much of what
the longest-pair rule gains over random lights it has after 150 episodes, and after how many it has a tenth and .3 of
it, as means over ten episodes. Half of a 95 % interval is 1.96 standard errors over independent runs.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import crl_envs
from agents import RandomPolicy, Reinforce, TrafficLights
from benchmarks.measure import cpu_seconds, parser, print_machine, print_table, write_json
from crl_envs.core.stream import Stream
from crl_envs.traffic import TrafficWorld

RULES: dict[str, dict[str, Any]] = {
    "random": {},
    **{f"fixed cycle {k}": {"rule": "fixed-cycle", "period": k} for k in (4, 8)},
    **{
        f"{rule} {h}": {"rule": rule, "hysteresis": h}
        for rule in ("longest-pair", "max-pressure")
        for h in (1, 2, 4)
    },
}
FIRST, LAST = 100, 300  # steps
LEARNING = ((100, 10), (10_000, 4), (99_856, 1))  # crossings, runs
EPISODES, MEAN_OF, SHARES = 150, 10, (0.1, 0.3)
SIZES = ((100, 100), (99_856, 1), (1_000_000, 1))  # crossings, environments


@dataclass(frozen=True)
class Row:
    """Means over episodes, with half the width of their 95 % intervals."""

    rule: str
    arrival_rate: float
    queue: tuple[float, float]
    flow: tuple[float, float]
    turned_away: tuple[float, float]


def measured(name: str, rate: float, columns: int) -> Row:
    """Return what a rule comes to in so many episodes."""
    vec = crl_envs.make_vec(
        "crl/traffic-v0",
        columns,
        autoreset_mode="Disabled",
        arrival_rate=rate,
        horizon=LAST,
        observe="neighborhood",
    )
    learner: Any = (TrafficLights if RULES[name] else RandomPolicy)(vec, **RULES[name])
    waiting, counts = np.zeros(columns), np.zeros((4, columns))

    def look(_: Any) -> None:
        nonlocal waiting, counts
        steps = learner.elapsed
        if steps >= FIRST:
            metrics = vec.metrics()
            if steps > FIRST:
                waiting = waiting + metrics["queue"]
            left = metrics["flow"] * steps
            arrived = (metrics["queue"] + left) / (1 - metrics["turned_away"])
            now = np.stack([left, arrived, metrics["turned_away"] * arrived])
            if steps in (FIRST, LAST):
                counts = now - (0 if steps == FIRST else counts)

    learner.learn(total_episodes=1, step_callback=look)
    left, arrived, turned_away = counts
    each = waiting / (LAST - FIRST), left / (LAST - FIRST), turned_away / arrived
    pairs = [(float(x.mean()), float(1.96 * x.std(ddof=1) / columns**0.5)) for x in each]
    return Row(name, rate, *pairs)


def speed(n: int, columns: int, backend: str, repeats: int) -> tuple[float, float]:
    """Return agent-steps per CPU-second, and MiB that the process has taken at most."""
    world, stream = TrafficWorld(n, backend=backend), Stream(columns)
    stream.seed(0)
    state, rng = world.initial(stream), np.random.default_rng(0)
    action = rng.integers(0, 2, (n, columns), np.uint8)

    def step() -> None:
        nonlocal state, action
        stream.advance()
        if stream.clock[0] % 8 == 0:
            action = 1 - action
        state, _ = world.step(state, action, stream)

    seconds = cpu_seconds(step, repeats, at_least=0.3)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return n / float(np.median(seconds)) * columns, used


def learning(n: int, runs: int) -> Iterator[tuple[str, ...]]:
    """Yield a row for each reward that REINFORCE learns from."""

    def returns(learner: Any, episodes: int) -> NDArray[np.float64]:
        learner.learn(total_episodes=episodes)
        return np.array([entry["global_return"] for entry in learner.history])

    def vec() -> Any:
        return crl_envs.make_vec("crl/traffic-v0", runs, n_agents=n)

    low = returns(RandomPolicy(vec()), 1).mean()
    high = returns(TrafficLights(vec(), rule="longest-pair"), 1).mean()
    for credit in ("own", "local", "global"):
        start = time.process_time()
        found = returns(Reinforce(vec(), credit=credit), EPISODES)
        spent = time.process_time() - start
        means = sliding_window_view(found, MEAN_OF, axis=0).mean(axis=-1)
        share = (means - low) / (high - low)
        last = share[-1]
        width = f" ± {1.96 * last.std(ddof=1) / runs**0.5:.3f}" if runs > 1 else ""
        reached = [
            f"{np.median(np.argmax(share >= level, axis=0) + MEAN_OF):.0f}"
            if (share >= level).any(axis=0).all()
            else f"> {EPISODES}"
            for level in SHARES
        ]
        yield (
            f"{n:,}",
            credit,
            str(runs),
            f"{last.mean():.3f}{width}",
            *reached,
            f"{spent / runs:.3g}",
        )


def main() -> None:
    """Print the tables."""
    options = parser(__doc__, repeats=5)
    options.add_argument("--columns", type=int, default=40)
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options.add_argument("--learning", action="store_true")
    chosen = options.parse_args()
    if chosen.learning:
        print_machine()
        print_table(
            (
                *("crossings", "reward", "runs", f"share after {EPISODES}"),
                *(f"episodes to {share:g}" for share in SHARES),
                "CPU s",
            ),
            [row for n, runs in LEARNING for row in learning(n, runs)],
        )
        return
    if chosen.one:
        print(*speed(int(chosen.one[0]), int(chosen.one[1]), chosen.one[2], chosen.repeats))
        return
    print_machine()
    # Before there is much in this process, since a child's peak isn't less than its parent's.
    fast = []
    for n, columns in SIZES:
        for backend in ("numpy", "numba"):
            given = ["--repeats", str(chosen.repeats), "--one", str(n), str(columns), backend]
            command = [sys.executable, "-m", "benchmarks.traffic", *given]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rate, used = map(float, done.stdout.split()[-2:])
            fast.append((n, columns, backend, rate, used))
    rows = [measured(name, rate, chosen.columns) for rate in (0.06, 0.08) for name in RULES]
    print_table(
        ("rule", "λ", "waiting", "leaving", "turned away"),
        [
            (
                row.rule,
                f"{row.arrival_rate:g}",
                *(f"{m:.3f} ± {w:.3f}" for m, w in (row.queue, row.flow, row.turned_away)),
            )
            for row in rows
        ],
    )
    print()
    print_table(
        ("agents", "environments", "backend", "M agent-steps/s", "MiB"),
        [(f"{n:,}", str(b), name, f"{rate / 1e6:.3g}", f"{used:.0f}") for n, b, name, rate, used in fast],
    )  # fmt: skip
    write_json(chosen.json, "traffic", rows)


if __name__ == "__main__":
    main()
