"""One rule on a graph: agent-steps per CPU-second of its kernel beside SYSADMIN's own, and of the dict views.

    python -m benchmarks.local_rule_speed [--repeats 9] [--backend numba] [--json PATH]

SYSADMIN's ring is a local rule of two states and two actions; `rule` steps it by the kernel of all rules, `sysadmin` by
the one that is written for it, to the same numbers. Where COGNAC is installed (``pip install cognac``, Python ≥ 3.12)
its SysAdmin, machines with a status and a load, is stepped as well, on a directed ring and with actions that are drawn
beforehand, beside our ``dynamics="status-load"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

import crl_envs
from benchmarks.measure import Spread, cpu_seconds, parser, print_machine, print_table, write_json
from crl_envs.core.backend import resolve_backend
from crl_envs.core.stream import Stream
from crl_envs.local_rule import LocalRule, LocalRuleProblem, LocalRuleWorld
from crl_envs.sysadmin import SysadminProblem, SysadminWorld

RING = 1_000_000
DICTS = (200, 1000)


@dataclass(frozen=True)
class Row:
    """One measurement."""

    what: str
    n_agents: int
    agent_steps_per_second: Spread  # low is the slowest repeat


def as_rule() -> LocalRule:
    """SYSADMIN's ring as four tables."""
    model = SysadminProblem(n_agents=3).factored_model()
    own = model.transition[:4].reshape(2, 2, 2, 2)  # [parent, own, action, next]
    return LocalRule(
        signal=[[0, 0], [1, 1]],
        transition=own.transpose(1, 2, 0, 3),
        reward=model.reward[0][:, :, None],
        start=model.start[0],
        states=("down", "up"),
        actions=("leave it alone", "reboot"),
    )


def world_step(world: Any) -> Callable[[], object]:
    """One step of a million agents in one column."""
    stream = Stream(1)
    stream.seed(0)
    state = world.initial(stream)
    action = np.random.default_rng(0).integers(0, 2, (world.n_agents, 1), np.uint8)

    def step() -> None:
        nonlocal state
        stream.advance()
        state, _ = world.step(state, action, stream)

    return step


def dict_step(env: Any) -> Callable[[], object]:
    """One step of a ParallelEnv, by actions that are there already."""
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    names = list(env.possible_agents)
    chosen = cycle(
        [dict(zip(names, rng.integers(0, 2, len(names)).tolist(), strict=True)) for _ in range(16)]
    )

    def step() -> None:
        if not env.agents:
            env.reset()
        env.step(next(chosen))

    return step


def cognac_step(n: int) -> Callable[[], object] | None:
    """A step of COGNAC's SysAdmin on a ring; None where it isn't installed."""
    try:
        from cognac.env import SysAdminNetworkEnvironment
    except ImportError:
        return None
    ring = np.roll(np.eye(n, dtype=int), 1, axis=1)
    return dict_step(SysAdminNetworkEnvironment(ring, max_steps=20))


def cases(backend: str) -> Iterator[tuple[str, int, Callable[[], object] | None]]:
    """What is measured: name, number of agents, a step."""
    rule = as_rule()
    ring: dict[str, Any] = {"topology": "directed_ring", "backend": backend}
    yield "sysadmin, arrays", RING, world_step(SysadminWorld(n_agents=RING, backend=backend))
    yield "rule, arrays", RING, world_step(LocalRuleWorld(LocalRuleProblem(rule, RING, **ring)))
    for n in DICTS:
        given: dict[str, Any] = {"n_agents": n, "backend": backend}
        yield "sysadmin, dicts", n, dict_step(crl_envs.make("crl/sysadmin-v0", **given))
        given |= {"topology": "directed_ring"}
        yield (
            "rule, dicts",
            n,
            dict_step(crl_envs.make("crl/local_rule-v0", rule=rule, **given)),
        )
        given |= {"dynamics": "status-load"}
        yield "sysadmin status-load, dicts", n, dict_step(crl_envs.make("crl/sysadmin-v0", **given))
        yield "COGNAC's SysAdmin, dicts", n, cognac_step(n)


def main() -> None:
    """Print agent-steps per CPU-second, and the ratio to the first row of each size."""
    options = parser(__doc__, repeats=9)
    options.add_argument("--backend", choices=("numpy", "numba"), default="auto")
    chosen = options.parse_args()
    rows: list[Row] = []
    print_machine()
    for name, n, step in cases(resolve_backend(chosen.backend)):
        if step is not None:
            seconds = cpu_seconds(step, chosen.repeats, at_least=0.05)
            rows.append(Row(name, n, Spread.of([n / s for s in seconds])))
    first = {row.n_agents: row.agent_steps_per_second.median for row in reversed(rows)}
    print_table(
        ("what", "agents", "M/s best", "M/s median", "M/s worst", "ratio of medians"),
        [
            (
                row.what,
                f"{row.n_agents:,}",
                *(f"{getattr(row.agent_steps_per_second, k) / 1e6:.3g}" for k in ("high", "median", "low")),
                f"{row.agent_steps_per_second.median / first[row.n_agents]:.3g}",
            )
            for row in rows
        ],
    )  # fmt: skip
    print("M/s: million agent-steps per CPU-second; the ratio is to the first row of the size")
    write_json(chosen.json, "local_rule_speed", rows)


if __name__ == "__main__":
    main()
