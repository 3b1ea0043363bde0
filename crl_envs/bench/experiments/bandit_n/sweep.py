"""Values, tasks and budgets of ``bandit-n``.

- Budgets are 25 n + 300 trials. Least squares needs 5.8 n to P ≥ .9, correlation 7.5 n, and REINFORCE on the global
  reward some 20 n: all of them arrive, with a margin for unlucky runs. Half as much would censor REINFORCE.
- The first evaluation comes after two trials, since learners from local rewards need about ten.
- ε = .1 is P ≥ .9, the level at which Figure 2 (right) can be reproduced. With few agents the share of agents right
  moves in coarse steps: at n = 16 the level asks for all of them.
- Evaluations play 256 trials: at n = 16 their noise is .02 of a score, at n = 256 .005.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task


def task(n: int) -> Task:
    """The bandit with n agents."""
    return Task("crl/bandit-v0", {"n_agents": n})


def budget(n: int) -> int:
    """Trials."""
    return 25 * n + 300


SWEEP: Final = Sweep(
    values=(16, 32, 64, 128, 256),
    quick=(16, 64),
    task=task,
    budget=budget,
    first=2,
    evaluations=32,
    unit="env steps",
    episodes=256,
    epsilon=0.1,
    baselines=(
        "local-means",
        "global-least-squares",
        "global-least-squares-hadamard",
        "correlation",
        "reinforce-local",
        "reinforce-global",
        "random",
    ),
)
