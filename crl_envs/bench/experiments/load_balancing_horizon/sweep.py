"""Values, tasks and budgets of ``load-balancing-horizon``.

- The budget is one episode; nothing is learnt before it.
- ε = .15: with up to half of the loads CRL scores .85 to .87, and the learners from which it is to be told, dvf,
  independent-q and ant-colony, .4 to .84. With all of them everybody is above: there look at the scores.
- 85 loads are four agents' room: with 20 the entry has room for all of them, and there is nothing to learn.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task
from crl_envs.bench.experiments.filling import filling


def task(n_loads: int) -> Task:
    """The paper's grid with that many loads."""
    return Task("crl/load_balancing-v0", {"n_agents": 50, "n_loads": n_loads})


SWEEP: Final = filling(
    values=(85, 170, 340, 680, 1360),
    quick=(85, 340),
    task=task,
    epsilon=0.15,
)
