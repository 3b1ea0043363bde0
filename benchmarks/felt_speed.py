"""What users wait for, beside another checkout of the package: first use, listing, learning, steps, planning.

    python -m benchmarks.felt_speed --against ../crl-envs-before [--repeats 5] [--only vec]

Every measurement is a process of its own; those of the two checkouts alternate, and the least of each is shown. First
use is the CPU time of the whole process with an empty cache of Numba; all else is CPU time inside the process, with
what Numba has compiled in memory. Without `--against` there is one column.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import parser, print_machine, print_table, write_json
from crl_envs.core.backend import HEAD_START

HERE = Path(__file__).resolve().parents[1]
LOOP = """
import time
def least(call, loops, repeats=5):
    call()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(loops):
            call()
        spent.append((time.process_time() - start) / loops)
    return min(spent)
import numpy as np, crl_envs
"""
FIRST = {
    "first use: CRL.learn": """
import crl_envs
from agents import CRL
CRL(crl_envs.make("crl/load_balancing-v0"), seed=0).learn(total_episodes=1)
""",
    "first use: load balancing, 10 steps": """
import crl_envs
env = crl_envs.make("crl/load_balancing-v0")
env.reset(seed=0)
for _ in range(10):
    env.step(dict.fromkeys(env.agents, 0))
""",
    "first use: SYSADMIN, 10 steps": """
import crl_envs
env = crl_envs.make("crl/sysadmin-v0")
env.reset(seed=0)
for _ in range(10):
    env.step(dict.fromkeys(env.agents, 0))
""",
    "first use: REINFORCE, 20 episodes": """
import crl_envs
from agents import Reinforce
Reinforce(crl_envs.make_vec("crl/sysadmin-v0", 1), seed=0).learn(total_episodes=20)
""",
    "crl-envs list": "from crl_envs.cli import main; import sys; sys.argv = ['crl-envs', 'list']; main()",
}
REINFORCE = """
from agents import Reinforce
def make(n):
    return Reinforce(crl_envs.make_vec("crl/sysadmin-v0", 1, n_agents=n), seed=0)
make(3).learn(total_episodes=1)
"""
VECTOR = """
vec = crl_envs.make_vec("crl/sysadmin-v0", {b}, n_agents={n})
vec.reset(seed=0)
actions = np.random.default_rng(0).integers(0, 2, ({b}, {n}), np.uint8)
print(least(lambda: vec.step(actions), {loops}))
"""
LOADS = """
def made(**given):
    return crl_envs.make_vec("crl/load_balancing-v0", 1, **given)
"""
MOVING = (
    LOADS
    + """
vec = made(n_agents=100_000{given})
vec.reset(seed=0)
actions = np.zeros((1, 100_000), np.uint8)
where = 0
def step():
    global where
    actions[0, where] = 2
    seen = vec.step(actions)[0]
    actions[0, where] = 0
    where = (where + 1) % 100_000
    assert seen[0, where, 0]
print(least(step, 200))
"""
)
SHAPES = ((50, 1, 2000), (1000, 1, 2000), (50, 1024, 200), (100, 10_000, 10), (1_000_000, 1, 10))
WARM = {
    "REINFORCE, n = 100, 500 iterations": REINFORCE
    + "print(least(lambda: make(100).learn(total_episodes=500), 1))",
    "REINFORCE, n = 100,000: an iteration": REINFORCE
    + "big = make(100_000)\nprint(least(lambda: big.learn(total_episodes=5), 1) / 5)",
    "REINFORCE, n = 100,000: set-up": REINFORCE + "print(least(lambda: make(100_000), 1))",
    **{f"vec.step, {n:,} × {b:,}": VECTOR.format(n=n, b=b, loops=loops) for n, b, loops in SHAPES},
    "dict step, n = 1,000": """
env = crl_envs.make("crl/sysadmin-v0", n_agents=1000)
drawn = np.random.default_rng(0).integers(0, 2, (20, 1000)).tolist()
actions = [dict(zip(env.possible_agents, row)) for row in drawn]
def episode():
    env.reset(seed=0)
    for acts in actions:
        env.step(acts)
print(least(episode, 5) / 20)
""",
    "coordinate ascent, n = 1,000": """
from crl_envs.factored import OWN_STATE, coordinate_ascent
model = crl_envs.make("crl/sysadmin-v0", n_agents=1000).factored_model()
print(least(lambda: coordinate_ascent(model, OWN_STATE), 1, 2))
""",
    "CRL, compiled, 120,000 steps": """
from agents import CRL
def run():
    env = crl_envs.make("crl/load_balancing-v0", n_loads=100_000, max_steps=120_000)
    CRL(env, seed=0).learn(total_episodes=1)
print(least(run, 1))
""",
    "load balancing, one load among 100,000 agents: vec.step": MOVING.format(given=""),
    "load balancing, one load among 100,000 agents: vec.step, copy=False": MOVING.format(
        given=", **({'copy': False} if hasattr(crl_envs.core.world.World, 'tracking') else {})"
    ),
    "load balancing, one load among 100,000 agents: the step alone": LOADS
    + """
vec = made(n_agents=100_000)
vec.reset(seed=0)
world, state, stream = vec.world, vec._state, vec._stream
from crl_envs.load_balancing.numba_kernel import advance
actions, keys = np.full((100_000, 1), 2, np.uint8), world._keys(stream)
print(least(lambda: advance(world.rules, state, actions, keys), 500))
""",
    "load balancing, 10,000 loads in flight: reset": LOADS
    + "vec = made(max_in_flight=10_000, n_agents=1000)\nprint(least(lambda: vec.reset(seed=0), 1, 2))",
    "load balancing, 1,000,000 agents: make": LOADS
    + "print(least(lambda: made(n_agents=1_000_000), 1, 1))",
    "load balancing, 1,000,000 agents: optimum": LOADS
    + "vec = made(n_agents=1_000_000)\nprint(least(lambda: vec.world.optimum(), 1, 1))",
    "100 steps of a table of policies, 50 × 1,024": """
vec = crl_envs.make_vec("crl/sysadmin-v0", 1024, n_agents=50)
vec.reset(seed=0)
chance = np.array([0.9, 0.1])  # of a reboot, by state
rng = np.random.default_rng(0)
def loop():
    state, _ = vec.reset()
    for _ in range(100):
        state, *_ = vec.step((rng.random(state.shape) < chance[state]).astype(np.uint8))
def rollout():
    vec.rollout(np.stack([1 - chance, chance], axis=1), 100)
print(least(rollout if hasattr(vec, "rollout") else loop, 1))
""",
}


@dataclass(frozen=True)
class Row:
    """One thing that is waited for."""

    what: str
    before: float | None  # least CPU seconds
    after: float


def measure(what: str, root: Path, kept: str) -> float:
    """CPU seconds of one process with the package that is in `root`."""
    given = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    if what in FIRST:
        given.pop(HEAD_START, None)
        with tempfile.TemporaryDirectory() as empty:
            given["NUMBA_CACHE_DIR"] = empty
            started = subprocess.Popen(
                [sys.executable, "-c", FIRST[what]], env=given, cwd=root, stdout=subprocess.DEVNULL
            )
            _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            raise RuntimeError(f"{what} failed in {root}")
        return used.ru_utime + used.ru_stime
    given |= {"NUMBA_CACHE_DIR": kept, HEAD_START: "0"}
    command = [sys.executable, "-c", LOOP + WARM[what]]
    done = subprocess.run(
        command, env=given, cwd=root, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def rows(roots: list[Path], repeats: int, only: str) -> Iterator[Row]:
    """Measure in turn."""
    with tempfile.TemporaryDirectory() as folder:
        for what in (*FIRST, *WARM):
            if only not in what:
                continue
            least = [float("inf")] * len(roots)
            for _ in range(repeats):
                for i, root in enumerate(roots):
                    least[i] = min(least[i], measure(what, root, f"{folder}/{i}"))
            yield Row(what, least[0] if len(roots) > 1 else None, least[-1])


def main() -> None:
    """Print a line for each row."""
    options = parser(__doc__, repeats=3)
    options.add_argument("--against", type=Path, help="another checkout, shown as before")
    options.add_argument("--only", default="", help="rows with this in their names")
    chosen = options.parse_args()
    roots = [*([chosen.against.resolve()] if chosen.against else []), HERE]
    print_machine()
    found = []
    for row in rows(roots, chosen.repeats, chosen.only):
        found.append(row)
        print(f"{row.what}: {row.before} {row.after}", file=sys.stderr, flush=True)
    print_table(
        ("what", "before", "after", "ratio"),
        [
            (
                row.what,
                "–" if row.before is None else _time(row.before),
                _time(row.after),
                "–" if row.before is None else f"{row.before / row.after:.1f} ×",
            )
            for row in found
        ],
    )
    write_json(chosen.json, "felt_speed", found)


def _time(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


if __name__ == "__main__":
    main()
