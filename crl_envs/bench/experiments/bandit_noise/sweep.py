"""Values, tasks and budgets of ``bandit-noise``.

- Budgets are 1,000 trials and 2.5 times what least squares takes in theory: enough for correlation at every noise, and
  for REINFORCE on the global reward up to z = .3 in most runs.
- The first evaluation comes after two trials: at z = .1 the local means need about five.
- ε = .1 is P ≥ .9, as in ``bandit-n``: at most three of 64 agents wrong.
- Evaluations play 1,024 trials. Their noise is .003 of a score at z = .1 and .02 at .4, where rewards hardly differ.
- Random actions are left out of the baselines: they score 0 by definition. ``*-n`` shows that they do.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task
from crl_envs.bounds import least_squares_trials

N_AGENTS: Final = 64


def task(noise: float) -> Task:
    """The bandit whose wrong action pays as often as its right one doesn't."""
    pays = {"p_correct": round(1 - noise, 9), "p_wrong": noise}
    return Task("crl/bandit-v0", {"n_agents": N_AGENTS, **pays})


def budget(noise: float) -> int:
    """Trials, in hundreds."""
    in_theory = least_squares_trials(N_AGENTS, p_correct=1 - noise, p_wrong=noise)
    return 100 * round((1000 + 2.5 * in_theory) / 100)


SWEEP: Final = Sweep(
    values=(0.1, 0.2, 0.3, 0.4),
    quick=(0.1, 0.3),
    task=task,
    budget=budget,
    first=2,
    evaluations=32,
    unit="env steps",
    episodes=1024,
    epsilon=0.1,
    baselines=(
        "local-means",
        "global-least-squares",
        "correlation",
        "reinforce-local",
        "reinforce-global",
    ),
)
