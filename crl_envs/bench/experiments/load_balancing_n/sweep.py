"""Values, tasks and budgets of ``load-balancing-n``.

- The budget is one episode, a filling; nothing is learnt before it.
- ε = .02. Random walks are so dear that a rule without any memory, the shortest queue, has .97 to .99: a level of .9
  or .95 would tell few apart. At .98 a filling costs about twice the least with 50 agents.
- More than 50 agents are left out for the time that learners without compiled code take: at 80 as much as at all of
  these together. ``crl-envs reproduce crl-scale`` has CRL with up to 5,000.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task
from crl_envs.bench.experiments.filling import filling


def task(n: int) -> Task:
    """The grid of n agents."""
    return Task("crl/load_balancing-v0", {"n_agents": n})


SWEEP: Final = filling(
    values=(10, 20, 30, 50),
    quick=(10, 20),
    task=task,
    epsilon=0.02,
)
