"""The VecEnv of `crl_envs.adapters.sb3` against SuperSuit's, on the ring SYSADMIN.

python -m benchmarks.sb3_speed
python -m benchmarks.sb3_speed --repeats 9

Needs ``pip install 'crl-envs[sb3,fast]' supersuit``. SuperSuit's is ``pettingzoo_env_to_vec_env_v1`` and
``concat_vec_envs_v1`` of as many copies in one process. Both are stepped in turn, in CPU time, with the same actions
and without a network. The third is the same environment as anybody's: copies of the ParallelEnv, one after the other.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

import crl_envs
from benchmarks.measure import Spread, cpu_seconds, parser, print_machine, print_table, write_json
from crl_envs.adapters.columns import ParallelColumns
from crl_envs.adapters.library import require
from crl_envs.adapters.sb3 import AgentVecEnv, make_vec_env

CASES = ((5, 4), (10, 4), (50, 4), (50, 16), (200, 16))
ID = "crl/sysadmin-v0"


@dataclass(frozen=True)
class Row:
    """One size: agent-steps a second, and SuperSuit's time over ours.

    Attributes:
        n_agents: In each environment.
        copies: Environments.
        arrays: Ours.
        parallel: Ours over copies of the ParallelEnv.
        supersuit: SuperSuit's.
        ratio: Of the fastest repeats, arrays over supersuit.
    """

    n_agents: int
    copies: int
    arrays: Spread
    parallel: Spread
    supersuit: Spread
    ratio: float


def main() -> None:
    """Print a line for each size."""
    require("supersuit", "3.9", "pip install supersuit")
    asked = parser(__doc__, repeats=5).parse_args()
    print_machine()
    rows = [measure(n, copies, asked.repeats) for n, copies in CASES]
    print_table(
        ("agents × copies", "arrays", "ParallelEnv", "SuperSuit", "arrays / SuperSuit"),
        [
            (
                f"{row.n_agents} × {row.copies}",
                *(f"{speed.high:,.0f}" for speed in (row.arrays, row.parallel, row.supersuit)),
                f"{row.ratio:.1f}",
            )
            for row in rows
        ],
    )
    print("agent-steps per second of CPU time, fastest repeat")
    write_json(asked.json, "sb3_speed", rows)


def measure(n: int, copies: int, repeats: int) -> Row:
    """Step the three in turn."""
    made = (make_vec_env(ID, copies, n_agents=n), _parallel(n, copies), _supersuit(n, copies))
    actions = np.zeros(n * copies, np.int64)
    seconds: list[list[float]] = [[], [], []]
    for env in made:
        env.reset()
    for _ in range(repeats):
        for env, found in zip(made, seconds, strict=True):
            found += cpu_seconds(lambda env=env: env.step(actions), repeats=1, at_least=0.2)  # type: ignore[misc]
    speeds = [Spread.of([n * copies / s for s in found]) for found in seconds]
    return Row(n, copies, *speeds, ratio=speeds[0].high / speeds[2].high)


def _parallel(n: int, copies: int) -> Any:
    return AgentVecEnv(ParallelColumns([crl_envs.make(ID, n_agents=n) for _ in range(copies)]))


def _supersuit(n: int, copies: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import supersuit

        alone = supersuit.pettingzoo_env_to_vec_env_v1(crl_envs.make(ID, n_agents=n))
        return supersuit.concat_vec_envs_v1(
            alone, copies, num_cpus=0, base_class="stable_baselines3"
        )


if __name__ == "__main__":
    main()
