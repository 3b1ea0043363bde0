"""SYSADMIN: agent-steps per CPU-second of the array step, the vector view and the dict view.

    python -m benchmarks.sysadmin_speed [--repeats 9] [--backend numba] [--json PATH]

Views: `kernel` is the compiled or vectorised loop on arrays that exist already; `world` is `World.step`, which
allocates its results; `vector` and `dict` are whole environments with spaces, checks and autoreset (episodes of
20 steps, their resets included).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np

import crl_envs
from benchmarks.measure import Spread, cpu_seconds, parser, print_machine, print_table, write_json
from crl_envs.core.backend import resolve_backend
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.sysadmin import SysadminWorld, numpy_kernel
from crl_envs.sysadmin.dynamics import up_probability

ARRAYS = ((1_000_000, 1), (100, 10_000), (50, 1))  # n_agents, num_envs
DICTS = (10, 50, 1000)
HORIZON = 20


@dataclass(frozen=True)
class Row:
    view: str
    backend: str
    n_agents: int
    num_envs: int
    agent_steps_per_second: Spread  # low is the slowest repeat
    microseconds_per_step: float  # of the fastest repeat


def kernel_step(backend: str, n: int, b: int) -> Callable[[], object]:
    kernel = numpy_kernel
    if backend == "numba":
        from crl_envs.sysadmin import numba_kernel as kernel  # type: ignore[no-redef]
    rng = np.random.default_rng(0)
    state, action = rng.integers(0, 2, (2, n, b), np.uint8)
    stream = Stream(b)
    stream.seed(0)
    keys = stream.keys(Purpose.TRANSITION)
    thresholds = threshold(up_probability("ring", 1).ravel()).astype(np.uint32)
    next_state, reward = np.empty_like(state), np.empty(state.shape, np.float32)
    return lambda: kernel.step_ring(state, action, keys, thresholds, next_state, reward)


def world_step(backend: str, n: int, b: int) -> Callable[[], object]:
    world = SysadminWorld(n_agents=n, backend=backend)
    stream = Stream(b)
    stream.seed(0)
    state = world.initial(stream)
    action = np.random.default_rng(0).integers(0, 2, (n, b), np.uint8)

    def step() -> None:
        nonlocal state
        stream.advance()
        state, _ = world.step(state, action, stream)

    return step


def vector_step(backend: str, n: int, b: int) -> Callable[[], object]:
    vec = crl_envs.make_vec(
        "crl/sysadmin-v0", num_envs=b, n_agents=n, backend=backend, horizon=HORIZON
    )
    vec.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 2, (b, n), np.uint8)
    return lambda: vec.step(actions)


def dict_step(backend: str, n: int) -> Callable[[], object]:
    env = crl_envs.make("crl/sysadmin-v0", n_agents=n, backend=backend, horizon=HORIZON)
    env.reset(seed=0)
    drawn = np.random.default_rng(0).integers(0, 2, (HORIZON, n)).tolist()
    actions = cycle([dict(zip(env.possible_agents, row, strict=True)) for row in drawn])

    def step() -> None:
        if not env.agents:
            env.reset()
        env.step(next(actions))

    return step


def cases(backends: list[str]) -> Iterator[tuple[str, str, int, int, Callable[[], object]]]:
    for backend in backends:
        for view, make in (("kernel", kernel_step), ("world", world_step), ("vector", vector_step)):
            for n, b in ARRAYS:
                yield view, backend, n, b, make(backend, n, b)
        for n in DICTS:
            yield "dict", backend, n, 1, dict_step(backend, n)


def main() -> None:
    options = parser(__doc__, repeats=9)
    options.add_argument(
        "--backend", choices=("numpy", "numba"), help="one of them (default: both)"
    )
    chosen = options.parse_args()
    installed = ["numba", "numpy"] if resolve_backend("auto") == "numba" else ["numpy"]
    rows = []
    print_machine()
    for view, backend, n, b, step in cases([chosen.backend] if chosen.backend else installed):
        seconds = cpu_seconds(step, chosen.repeats, at_least=0.05)
        rates = Spread.of([n * b / s for s in seconds])
        rows.append(Row(view, backend, n, b, rates, min(seconds) * 1e6))
    print_table(
        (
            "view",
            "backend",
            "agents",
            "envs",
            "M/s best",
            "M/s median",
            "M/s worst",
            "µs/step best",
        ),
        [
            (
                row.view,
                row.backend,
                f"{row.n_agents:,}",
                f"{row.num_envs:,}",
                f"{row.agent_steps_per_second.high / 1e6:.2f}",
                f"{row.agent_steps_per_second.median / 1e6:.2f}",
                f"{row.agent_steps_per_second.low / 1e6:.2f}",
                f"{row.microseconds_per_step:.1f}",
            )
            for row in rows
        ],
    )
    print("M/s: million agent-steps per CPU-second")
    write_json(chosen.json, "sysadmin_speed", rows)


if __name__ == "__main__":
    main()
