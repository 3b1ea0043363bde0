"""CPU time of one frame, of noting one step for a later one, and of a step without a render mode.

python -m benchmarks.rendering_speed
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import crl_envs
from benchmarks.measure import Spread, cpu_seconds, print_table

BANDIT, SYSADMIN, LOAD = "crl/bandit-v0", "crl/sysadmin-v0", "crl/load_balancing-v0"
BUSY = {"max_in_flight": 20, "message_delay": 3}
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("bandit, n=50", BANDIT, {"n_agents": 50}),
    ("sysadmin, n=50", SYSADMIN, {"n_agents": 50}),
    ("load balancing, n=50, 20 loads in flight", LOAD, {"n_agents": 50, **BUSY}),
    ("sysadmin, n=1,000", SYSADMIN, {"n_agents": 1000}),
    ("sysadmin, n=100,000", SYSADMIN, {"n_agents": 100_000}),
)


def played(id: str, arguments: dict[str, Any], steps: int = 30) -> Any:
    """An environment after some steps of legal actions at random."""
    env = crl_envs.make(id, render_mode="rgb_array", **arguments)
    rng = np.random.default_rng(0)
    _, infos = env.reset(seed=0)
    for _ in range(steps):
        if not env.agents:
            _, infos = env.reset()
        legal = {a: np.flatnonzero(infos[a]["action_mask"]) for a in env.agents}
        _, _, _, _, infos = env.step({a: int(rng.choice(k)) for a, k in legal.items()})
    return env


def main() -> None:
    """Print milliseconds: the first frame (which builds the figure), the others, and noting a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    rows = []
    for name, id, arguments in CASES:
        env = played(id, arguments, steps=3 if arguments["n_agents"] > 10_000 else 30)
        start = time.process_time()
        env.render()
        first = time.process_time() - start
        frame = Spread.of(cpu_seconds(env.render, repeats, 0.2))
        note = Spread.of(cpu_seconds(env._renderer._note, repeats, 0.05))
        rows.append(
            (
                name,
                f"{1e3 * first:.0f}",
                f"{1e3 * frame.median:.1f} [{1e3 * frame.low:.1f}, {1e3 * frame.high:.1f}]",
                f"{1e3 * note.median:.3f}",
            )
        )
    print_table(("CPU milliseconds", "first frame", "frame [least, most]", "noting a step"), rows)


if __name__ == "__main__":
    main()
