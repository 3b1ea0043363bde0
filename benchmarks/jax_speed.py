"""Worlds inside of jit and scan, beside the same worlds in Numba, JaxMARL's simple_spread and pyRDDLGym-jax.

    python -m benchmarks.jax_speed [--repeats 7] [--only "instance 10"] [--json PATH]

All are stepped in turn in one process, on one core (XLA is kept from using more), in agent-steps per CPU-second. Our
SYSADMIN and pyRDDLGym's restart machines that are down, with the policy inside of what is compiled, or for `make_vec`
between two steps; episodes end and begin anew. simple_spread's agents all do the same, which costs nothing.

JaxMARL and pyRDDLGym-jax are measured where they are installed: pip install jaxmarl pyRDDLGym-jax rddlrepository
'setuptools<81'. pyRDDLGym-jax's SysAdmin is IPPC 2011 instance 10, 50 computers, with its own `compile_rollouts`, which
begins a batch of episodes anew with each call; ours beside it is on the same network with the same dynamics.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

# Before JAX is imported.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
warnings.filterwarnings("ignore")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import networkx as nx  # noqa: E402
import numpy as np  # noqa: E402

import crl_envs  # noqa: E402
from benchmarks.measure import Spread, parser, print_machine, print_table, write_json  # noqa: E402
from crl_envs import jax as crl_jax  # noqa: E402
from crl_envs.core.stream import Purpose, Stream  # noqa: E402
from crl_envs.jax.stream import keys, words  # noqa: E402
from crl_envs.load_balancing.rules import Keys  # noqa: E402

SYSADMIN, LOADS = "crl/sysadmin-v0", "crl/load_balancing-v0"
LOAD_SIZES = [(50, 1), (50, 1024), (1000, 64)]
SIZES = [(10, 1024), (50, 1024), (100, 1024), (1_000_000, 1)]
WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bandit": ("crl/bandit-v0", {"n_agents": 100}),
    "ring": (SYSADMIN, {"n_agents": 100}),
    "ring, both ways": (SYSADMIN, {"n_agents": 100, "dynamics": "ring-bidirectional"}),
    "ippc2011, grid": (SYSADMIN, {"n_agents": 100, "dynamics": "ippc2011", "topology": "grid"}),
    "ippc2011, random, neighbours seen": (
        SYSADMIN,
        {"n_agents": 100, "dynamics": "ippc2011", "topology": "random", "observe": "neighborhood"},
    ),
    "ippc2011, star": (SYSADMIN, {"n_agents": 100, "dynamics": "ippc2011", "topology": "star"}),
    "status and load": (SYSADMIN, {"n_agents": 100, "dynamics": "status-load"}),
    "loads": (LOADS, {"n_agents": 100}),
    "loads, gradient": (LOADS, {"n_agents": 100, "cost_model": "gradient"}),
    "loads, random": (LOADS, {"n_agents": 100, "topology": "random"}),
    "loads, lost, late, failing": (
        LOADS,
        {"n_agents": 100, "message_loss": 0.1, "message_delay": 3, "fail_rate": 0.01},
    ),
    "loads, departing": (
        LOADS,
        {"n_agents": 100, "departure_rate": 0.001, "n_loads": "endless", "max_steps": 10_000},
    ),
    "loads, arriving at three": (
        LOADS,
        {"n_agents": 100, "arrival_rate": 0.5, "entries": [0, 30, 60]},
    ),
    "loads, discovery, one joins": (
        LOADS,
        {"n_agents": 100, "discovery": "all", "join_capacity": 200, "discovery_slots": 2},
    ),
    "loads, memory, timeout": (LOADS, {"n_agents": 100, "memory": True, "timeout": 50}),
}


@dataclass(frozen=True)
class Row:
    what: str
    agent_steps_per_second: Spread
    compile_seconds: float | None


@dataclass
class Contestant:
    """What plays some steps when it is called, and how many agents' steps these are."""

    what: str
    play: Callable[[], Any]
    agent_steps: int
    compile_seconds: float | None = None

    def measure(self) -> float:
        """Agent-steps per CPU-second of one call."""
        start = time.process_time()
        jax.block_until_ready(self.play())
        return self.agent_steps / (time.process_time() - start)


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """The function compiled for such arguments, and the CPU seconds of tracing and compiling it."""
    start = time.process_time()
    done = jax.jit(function).lower(*arguments).compile()
    return done, time.process_time() - start


def steps_for(agents: int) -> int:
    """How many steps give some tenths of a second."""
    return int(np.clip(40_000_000 // agents, 20, 2000))


def in_jax(n: int, columns: int, what: str = "crl_envs.jax, ring", **kwargs: Any) -> Contestant:
    env = crl_jax.make(SYSADMIN, n_agents=n, **kwargs)
    steps = steps_for(n * columns)

    def play(carry: Any) -> Any:
        def turn(carry: Any, _: None) -> tuple[Any, None]:
            seen, state, total = carry
            seen, state, rewards, _, _ = env.step(state, seen == 0)
            return (seen, state, total + rewards.sum(axis=0)), None

        return jax.lax.scan(turn, carry, None, steps)[0]

    start = (*env.reset(0, num_envs=columns), jnp.zeros(columns))
    run, seconds = compiled(play, start)
    return Contestant(
        f"{what}, {n:,} × {columns:,}", partial(run, start), n * columns * steps, seconds
    )


def in_numba(n: int, columns: int) -> Contestant:
    vec = crl_envs.make_vec(
        SYSADMIN, columns, n_agents=n, autoreset_mode="SameStep", backend="numba"
    )
    seen, _ = vec.reset(seed=0)
    steps = max(20, steps_for(n * columns) // 4)

    def play() -> None:
        nonlocal seen
        for _ in range(steps):
            seen, *_ = vec.step(1 - seen)

    return Contestant(f"make_vec, Numba, ring, {n:,} × {columns:,}", play, n * columns * steps)


def rolled_out(
    n: int, columns: int, what: str = "rollout, Numba, ring", **kwargs: Any
) -> Contestant:
    """``vec.rollout``: the policy and the world in one compiled loop."""
    vec = crl_envs.make_vec(SYSADMIN, columns, n_agents=n, backend="numba", **kwargs)
    vec.reset(seed=0)
    table, horizon = np.array([[0.0, 1.0], [1.0, 0.0]]), vec.world.horizon
    episodes = max(1, steps_for(n * columns) // horizon)

    def play() -> None:
        vec.rollout(table, episodes * (horizon + 1))  # a step of each is its reset

    return Contestant(f"{what}, {n:,} × {columns:,}", play, n * columns * episodes * horizon)


def loads_in_jax(n: int, columns: int) -> Contestant:
    """Load balancing, a random walk: who has the load stores it or hands it on, as a word for each step says."""
    env = crl_jax.make(LOADS, n_agents=n)
    steps, choices = steps_for(n * columns), int(env.action_space.n) - 1

    def play(carry: Any) -> Any:
        def turn(carry: Any, _: None) -> tuple[Any, None]:
            state, total = carry
            drawn = words(keys(state.seed, state.clock, Purpose.ACTION), 1) % choices + 1
            action = jnp.broadcast_to(drawn.astype(jnp.int32), (n, columns))
            seen, state, rewards, _, _ = env.step(state, action)
            return (state, total + rewards.sum(axis=0) + seen.sum(axis=(0, 1))), None

        return jax.lax.scan(turn, carry, None, steps)[0]

    start = (env.reset(0, num_envs=columns)[1], jnp.zeros(columns))
    run, seconds = compiled(play, start)
    return Contestant(
        f"crl_envs.jax, loads, {n:,} × {columns:,}",
        partial(run, start),
        n * columns * steps,
        seconds,
    )


def loads_in_numba(n: int, columns: int) -> Contestant:
    """The same through ``make_vec``, with actions from NumPy's generator."""
    vec = crl_envs.make_vec(LOADS, columns, n_agents=n, autoreset_mode="SameStep", backend="numba")
    vec.reset(seed=0)
    steps, rng = max(20, steps_for(n * columns) // 20), np.random.default_rng(0)
    size = int(vec.single_action_space.nvec[0])

    def play() -> None:
        for _ in range(steps):
            drawn = rng.integers(1, size, (columns, 1), dtype=np.uint8)
            vec.step(np.broadcast_to(drawn, (columns, n)))

    return Contestant(f"make_vec, Numba, loads, {n:,} × {columns:,}", play, n * columns * steps)


def loads_kernel(n: int, columns: int) -> Contestant:
    """Numba's kernel alone, in place: no observations, masks, infos, nor new episodes; actions drawn before."""
    from crl_envs.load_balancing.numba_kernel import advance

    world = crl_envs.make_vec(LOADS, columns, n_agents=n, n_loads="endless").world
    stream, steps = Stream(columns), steps_for(n * columns)
    stream.seed(0)
    state, unused = world.initial(stream), Keys(*[stream.seeds] * len(Keys._fields))
    size = int(world.single_action_space.n)
    drawn = np.random.default_rng(0).integers(1, size, (64, n, columns), dtype=np.uint8)

    def play() -> None:
        for t in range(steps):
            advance(world.rules, state, drawn[t % 64], unused)

    return Contestant(f"Numba's kernel, loads, {n:,} × {columns:,}", play, n * columns * steps)


def as_jaxmarl(env: Any, what: str, columns: int, steps: int, action: Callable[[Any], Any]) -> Any:
    """Any of JaxMARL's environments, mapped over `columns` and scanned as its scripts do."""
    n, step = env.num_agents, jax.vmap(env.step)

    def play(carry: Any) -> Any:
        def turn(carry: Any, key: Any) -> tuple[Any, None]:
            seen, state, total = carry
            actions = {agent: action(seen[agent]) for agent in env.agents}
            seen, state, rewards, _, _ = step(jax.random.split(key, columns), state, actions)
            return (seen, state, total + sum(rewards.values())), None

        return jax.lax.scan(turn, carry, jax.random.split(jax.random.key(1), steps))[0]

    seen, state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), columns))
    start = (seen, state, jnp.zeros(columns))
    run, seconds = compiled(play, start)
    return Contestant(
        f"{what}, {n:,} × {columns:,}", partial(run, start), n * columns * steps, seconds
    )


def jaxmarl_contestants() -> Iterator[Contestant]:
    with contextlib.redirect_stdout(io.StringIO()):
        import jaxmarl
    for n, columns, steps in ((3, 1024, 100), (10, 1024, 20), (100, 64, 2)):
        env = jaxmarl.make("MPE_simple_spread_v3", num_agents=n, num_landmarks=n)
        same = partial(jnp.full, (columns,), 1)
        yield as_jaxmarl(env, "JaxMARL simple_spread", columns, steps, lambda _, same=same: same())
    ours = crl_jax.to_jaxmarl(crl_jax.make(SYSADMIN, n_agents=10))
    down = lambda seen: (seen[:, 0] == 1).astype(int)  # noqa: E731
    yield as_jaxmarl(ours, "to_jaxmarl, ring", 1024, 1000, down)


def pyrddlgym_contestants() -> Iterator[Contestant]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import pyRDDLGym
        from pyRDDLGym_jax.core.compiler import JaxRDDLCompiler

        model = pyRDDLGym.make("SysAdmin_MDP_ippc2011", "10", vectorized=True).model
        compiler = JaxRDDLCompiler(model)
        compiler.compile()
    n, columns, steps = 50, 1024, 40

    def policy(key: Any, params: Any, hyper: Any, step: Any, fls: Any, past: Any) -> Any:
        return {"reboot": ~fls["running"]}

    rollouts = compiler.compile_rollouts(policy, steps, columns)
    fluents, rigid = compiler.split_fluent_nonfluent(compiler.init_values)
    batch = {name: np.repeat(value[None], columns, axis=0) for name, value in fluents.items()}
    start = (jax.random.key(0), {}, {}, batch, rigid, compiler.model_aux["params"])
    run, seconds = compiled(rollouts, *start)
    yield Contestant(
        f"pyRDDLGym-jax, instance 10, {n:,} × {columns:,}",
        partial(run, *start),
        n * columns * steps,
        seconds,
    )
    network = nx.DiGraph(np.reshape(model.non_fluents["CONNECTED"], (n, n)).astype(np.int64))
    ours: dict[str, Any] = {"dynamics": "ippc2011", "topology": network, "horizon": 40}
    yield in_jax(n, columns, "crl_envs.jax, instance 10", **ours)
    yield rolled_out(n, columns, "rollout, Numba, instance 10", **ours)


def compile_seconds(id: str, kwargs: dict[str, Any]) -> tuple[float, float]:
    """CPU seconds of making a world and its first states, and of compiling a scan over its steps."""
    start = time.process_time()
    env = crl_jax.make(id, **kwargs)
    _, state = env.reset(0, num_envs=64)
    begun = time.process_time() - start

    def play(state: Any) -> Any:
        action = jnp.zeros((env.n_agents, 64), jnp.int32)
        return jax.lax.scan(lambda s, _: (env.step(s, action)[1], None), state, None, 100)[0]

    return begun, compiled(play, state)[1]


def installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def main() -> None:
    options = parser(__doc__, repeats=7)
    options.add_argument("--only", default="", help="contestants with this in their names")
    chosen = options.parse_args()
    ways = (in_jax, in_numba, rolled_out)
    contestants = [make(n, columns) for n, columns in SIZES for make in ways]
    loads = (loads_in_jax, loads_in_numba, loads_kernel)
    contestants += [make(n, columns) for n, columns in LOAD_SIZES for make in loads]
    if installed("jaxmarl"):
        contestants += jaxmarl_contestants()
    if installed("pyRDDLGym-jax"):
        contestants += pyrddlgym_contestants()
    contestants = [each for each in contestants if chosen.only in each.what]
    for contestant in contestants:
        contestant.measure()  # Numba's compilation, and caches
    rounds = [[each.measure() for each in contestants] for _ in range(chosen.repeats)]
    rows = [
        Row(each.what, Spread.of(speeds), each.compile_seconds)
        for each, speeds in zip(contestants, zip(*rounds, strict=True), strict=True)
    ]
    print_machine()
    libraries = ("jax", "jaxmarl", "pyRDDLGym-jax")
    print(", ".join(f"{name} {version(name)}" for name in libraries if installed(name)))
    print_table(
        ("", "best M/s", "median", "least", "compile s"),
        [
            (
                row.what,
                *(
                    f"{speed / 1e6:.2f}" if speed < 1e7 else f"{speed / 1e6:,.0f}"
                    for speed in (
                        row.agent_steps_per_second.high,
                        row.agent_steps_per_second.median,
                        row.agent_steps_per_second.low,
                    )
                ),
                "" if row.compile_seconds is None else f"{row.compile_seconds:.1f}",
            )
            for row in rows
        ],
    )
    print(f"M/s: million agent-steps per CPU-second, of {chosen.repeats} rounds\n")
    write_json(chosen.json, "jax_speed", rows)
    if chosen.only:
        return
    print_table(
        ("n = 100 × 64", "make and reset, CPU s", "compile 100 steps"),
        [
            (name, *(f"{seconds:.2f}" for seconds in compile_seconds(*world)))
            for name, world in WORLDS.items()
        ],
    )


if __name__ == "__main__":
    main()
