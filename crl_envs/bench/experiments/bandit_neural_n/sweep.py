"""Values, tasks and budgets of ``bandit-neural-n``.

- Budgets are 3,000 trials for every n. All arrive with local rewards; with the global one the PPO of
  Stable-Baselines3 and of RLlib, and REINFORCE, do at n = 50. A run of Stable-Baselines3's is then 150,000 agent steps,
  some ten seconds on a core.
- Budgets are whole multiples of 100 trials; see `crl_envs.bench.experiments.neural`. The first evaluation comes after
  as many, when the local means have long arrived: ``bandit-n`` looks closer.
- ε = .1 is P ≥ .9, as in ``bandit-n``: at n = 5 all agents right, and nearly sure of it.
- Evaluations play 1,024 trials: at n = 5 their noise is .02 of a score, at n = 50 .006.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.bandit_n.sweep import task
from crl_envs.bench.experiments.experiment import Sweep
from crl_envs.bench.experiments.neural import LEARNERS, ROLLOUT, SIZES, grain

SWEEP: Final = Sweep(
    values=SIZES,
    quick=(5, 10),
    task=task,
    budget=lambda n: 3000,
    first=ROLLOUT,
    evaluations=16,
    unit="env steps",
    episodes=1024,
    epsilon=0.1,
    baselines=(
        "local-means",
        "global-least-squares",
        "correlation",
        "reinforce-local",
        "reinforce-global",
        "random",
        *LEARNERS,
    ),
    grain=grain,
)
