"""The environment of `crl_envs.adapters.torchrl` against TorchRL's own wrapper, on the ring SYSADMIN.

python -m benchmarks.torchrl_speed
python -m benchmarks.torchrl_speed --repeats 9

Needs ``pip install 'crl-envs[torchrl,fast]'``. TorchRL's is a ``SerialEnv`` of as many ``PettingZooWrapper`` in one
process, of environments without infos, which it can't read. Both are stepped and reset in turn, in CPU time, with the
same actions and without a network. The third is the same environment as anybody's: copies of the ParallelEnv, one after
the other.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch
from pettingzoo.utils.wrappers import BaseParallelWrapper
from torchrl.envs import MarlGroupMapType, PettingZooWrapper, SerialEnv

import crl_envs
from benchmarks.measure import Against, parser, print_against, print_machine, write_json
from crl_envs.adapters.columns import ParallelColumns
from crl_envs.adapters.torchrl import ColumnsEnv, make_env

CASES = ((5, 1), (5, 16), (50, 1), (50, 16), (200, 16))
ID = "crl/sysadmin-v0"


def main() -> None:
    """Print a line for each size."""
    asked = parser(__doc__, repeats=5).parse_args()
    print_machine()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "PettingZoo in TorchRL is tested using")
    rows = [measure(n, copies, asked.repeats) for n, copies in CASES]
    print_against(rows, "PettingZooWrapper")
    write_json(asked.json, "torchrl_speed", rows)


def measure(n: int, copies: int, repeats: int) -> Against:
    """Step the three in turn."""
    made = (make_env(ID, copies, n_agents=n), _parallel(n, copies), _wrapper(n, copies))
    actions = torch.zeros((copies, n), dtype=torch.int64)
    seen = [env.reset() for env in made]

    def step(k: int) -> None:
        seen[k]["agents", "action"] = actions
        _, seen[k] = made[k].step_and_maybe_reset(seen[k])

    return Against.of(n, copies, [partial(step, k) for k in range(len(made))], repeats)


def _parallel(n: int, copies: int) -> Any:
    return ColumnsEnv(ParallelColumns([crl_envs.make(ID, n_agents=n) for _ in range(copies)]))


def _wrapper(n: int, copies: int) -> Any:
    def one() -> Any:
        return PettingZooWrapper(
            _WithoutInfos(crl_envs.make(ID, n_agents=n)),
            group_map=MarlGroupMapType.ALL_IN_ONE_GROUP,
            return_state=False,
            use_mask=False,
            done_on_any=False,
        )

    return SerialEnv(copies, one)


class _WithoutInfos(BaseParallelWrapper):
    """Infos of numbers are all that the wrapper reads; ours have the ids of neighbours."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, {agent: {} for agent in infos}

    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        return *rest, {agent: {} for agent in infos}


if __name__ == "__main__":
    main()
