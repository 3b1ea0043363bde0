"""Values, tasks and budgets of ``load-balancing-noise``.

- The budget is one episode, a filling; nothing is learnt before it.
- ε = .02, as in ``load-balancing-n``.
- Of the policies that read no rewards only the shortest queue is here: they score the same at every σ.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task
from crl_envs.bench.experiments.filling import filling

N_AGENTS: Final = 10


def task(noise: float) -> Task:
    """The grid of 10 with noise of that standard deviation."""
    return Task("crl/load_balancing-v0", {"n_agents": N_AGENTS}, noise)


SWEEP: Final = filling(
    values=(0.0, 3.0, 10.0, 30.0, 100.0),
    quick=(0.0, 30.0),
    task=task,
    epsilon=0.02,
    baselines=("crl", "dvf", "independent-q", "ant-colony", "shortest-queue"),
)
