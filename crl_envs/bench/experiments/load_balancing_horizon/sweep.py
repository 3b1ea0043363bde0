"""Values, tasks and budgets of ``load-balancing-horizon``.

- The budget is one episode; nothing is learnt before it.
- ε = .15: with up to half of the loads CRL scores .85 to .87, and the learners from which it is to be told, dvf,
  independent-q and ant-colony, .4 to .84. With all of them everybody is above: there look at the scores.
- 85 loads are four agents' room: with 20 the entry has room for all of them, and there is nothing to learn.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task, Unit

VALUES: Final = (85, 170, 340, 680, 1360)
QUICK: Final = (85, 340)
FIRST: Final = 1
EVALUATIONS: Final = 1
UNIT: Final[Unit] = "episodes"
EPISODES: Final = 1
EPSILON: Final = 0.15
BASELINES: Final = (
    "crl",
    "dvf",
    "independent-q",
    "ant-colony",
    "breadth-first",
    "shortest-queue",
    "random",
)


def task(n_loads: int) -> Task:
    """The paper's grid with that many loads."""
    return Task("crl/load_balancing-v0", {"n_agents": 50, "n_loads": n_loads})


def budget(n_loads: int) -> int:
    """Episodes."""
    return 1
