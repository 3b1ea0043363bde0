"""Values, tasks and budgets of ``load-balancing-noise``.

- The budget is one episode, a filling; nothing is learnt before it.
- ε = .02, as in ``load-balancing-n``.
- Of the policies that read no rewards only the shortest queue is here: they score the same at every σ.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task, Unit

N_AGENTS: Final = 10
VALUES: Final = (0.0, 3.0, 10.0, 30.0, 100.0)
QUICK: Final = (0.0, 30.0)
FIRST: Final = 1
EVALUATIONS: Final = 1
UNIT: Final[Unit] = "episodes"
EPISODES: Final = 1
EPSILON: Final = 0.02
BASELINES: Final = ("crl", "dvf", "independent-q", "ant-colony", "shortest-queue")


def task(noise: float) -> Task:
    """The grid of 10 with noise of that standard deviation."""
    return Task("crl/load_balancing-v0", {"n_agents": N_AGENTS}, noise)


def budget(noise: float) -> int:
    """Episodes."""
    return 1
