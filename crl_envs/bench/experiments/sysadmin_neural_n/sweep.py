"""Values, tasks and budgets of ``sysadmin-neural-n``.

- Budgets are 400 episodes, 8,000 env steps, for every n. With local rewards all arrive long before; with the global one
  DQN, RLlib's PPO, and PPO that can't tell agents apart do at n = 50, REINFORCE up to n = 10.
  At n = 50 a run is 400,000 agent steps: half a minute on a core and more, for RLlib two minutes.
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
