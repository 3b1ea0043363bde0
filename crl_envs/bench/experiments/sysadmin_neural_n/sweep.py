"""Values, tasks and budgets of ``sysadmin-neural-n``.

- Budgets are 600 episodes, 12,000 env steps, for every n. Stable-Baselines3's PPO with the global reward takes 4,000 to
  .9 at n = 5 and n = 10, and nearly all of them at n = 50, where a run is 600,000 agent steps: a minute on a core.
  REINFORCE on the global reward takes about 440 n: it arrives up to n = 20.
- Budgets are whole multiples of 100 env steps, five episodes; see `crl_envs.bench.experiments.neural`. The first
  evaluation comes after as many.
- ε = .1, as in ``sysadmin-n``.
- Evaluations play 64 episodes: at n = 5 their noise is .02 of a score, at n = 50 .005.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep
from crl_envs.bench.experiments.neural import ANONYMOUS, LEARNERS, ROLLOUT, SIZES, grain
from crl_envs.bench.experiments.sysadmin_n.sweep import HORIZON, task

SWEEP: Final = Sweep(
    values=SIZES,
    quick=(5, 10),
    task=task,
    budget=lambda n: 400 * HORIZON,
    first=ROLLOUT,
    evaluations=16,
    unit="env steps",
    episodes=64,
    epsilon=0.1,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "model-based-local",
        "random",
        *LEARNERS,
        *ANONYMOUS,
    ),
    grain=grain,
)
