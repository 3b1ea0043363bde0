"""The VecEnv of `crl_envs.adapters.sb3` against SuperSuit's, on the ring SYSADMIN.

python -m benchmarks.sb3_speed
python -m benchmarks.sb3_speed --repeats 9

Needs ``pip install 'crl-envs[sb3,fast]' supersuit``. SuperSuit's is ``pettingzoo_env_to_vec_env_v1`` and
``concat_vec_envs_v1`` of as many copies in one process. Both are stepped in turn, in CPU time, with the same actions
and without a network. The third is the same environment as anybody's: copies of the ParallelEnv, one after the other.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

import crl_envs
from benchmarks.measure import Against, parser, print_against, print_machine, write_json
from crl_envs.adapters.columns import ParallelColumns
from crl_envs.adapters.library import require
from crl_envs.adapters.sb3 import AgentVecEnv, make_vec_env

CASES = ((5, 4), (10, 4), (50, 4), (50, 16), (200, 16))
ID = "crl/sysadmin-v0"


def main() -> None:
    """Print a line for each size."""
    require("supersuit", "3.9", "pip install supersuit")
    asked = parser(__doc__, repeats=5).parse_args()
    print_machine()
    rows = [measure(n, copies, asked.repeats) for n, copies in CASES]
    print_against(rows, "SuperSuit")
    write_json(asked.json, "sb3_speed", rows)


def measure(n: int, copies: int, repeats: int) -> Against:
    """Step the three in turn."""
    made = (make_vec_env(ID, copies, n_agents=n), _parallel(n, copies), _supersuit(n, copies))
    actions = np.zeros(n * copies, np.int64)
    for env in made:
        env.reset()
    return Against.of(n, copies, [partial(env.step, actions) for env in made], repeats)


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
