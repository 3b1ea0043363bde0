"""Values, tasks and budgets of ``load-balancing-fillings-n``.

- The budget is ten fillings; means are taken over the 1st, 2nd, 3rd, 4th to 6th and 7th to 10th. Learners of tables are
  as bad or as good in the 5th as in the 10th.
- A tenth of the paper's capacities: a random walk fills the graph in about 1,000 steps with 10 agents and 2,800 with
  20. With all of them it is 9,600 and 27,500, and ten fillings by neural learners would take an hour.
- A filling is cut off after 11,000 steps. A network that has learnt to hand every load on, which costs its agent 12
  where storing in vain costs 200, may never store the last ones. By then it has paid as much as a random walk at
  n = 20, and twice as much at n = 10: going round in circles never scores above 0.
- ε = .1: CRL's later fillings are below .9, its first one above.
- More than 20 agents are left out for the time that neural learners take.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from crl_envs.bench.experiments.experiment import Task
from crl_envs.bench.experiments.filling import LEARNERS, filling

MAX_STEPS: Final = 11_000


def task(n: int) -> Task:
    """The grid of n agents with a tenth of the room."""
    room = {"capacity": 2, "server_capacity": 20}
    return Task("crl/load_balancing-v0", {"n_agents": n, "max_steps": MAX_STEPS, **room})


SWEEP: Final = replace(
    filling(
        values=(10, 20),
        quick=(10,),
        task=task,
        epsilon=0.1,
        baselines=(*LEARNERS, "sb3-maskable-ppo", "sb3-maskable-ppo-global"),
    ),
    budget=lambda n: 10,
    evaluations=5,
)
