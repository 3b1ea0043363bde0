"""Values, tasks and budgets of ``sysadmin-n``.

- Budgets are 120 + 26 n episodes. REINFORCE on the global reward stays above .9 after about 22 n, so that most of its
  runs arrive at every n; a third less would censor most of them. More sizes would cost as n²: n = 128 more than all
  of these together.
- The first evaluation comes after one episode, since learners of a model need few: with the local rewards one or two,
  with the global one about n / 15.
- ε = .1: at .8 of the gain, Figure 3's level, the order of the learners is the same, and all are there sooner.
- Evaluations play 32 episodes: at n = 8 their noise is .02 of a score, at n = 64 .006.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task

HORIZON: Final = 20


def task(n: int) -> Task:
    """The ring of n machines."""
    return Task("crl/sysadmin-v0", {"n_agents": n, "horizon": HORIZON})


def budget(n: int) -> int:
    """Env steps."""
    return HORIZON * (120 + 26 * n)


def grain(n: int) -> int:
    """An episode's steps: learners update at its end."""
    return HORIZON


SWEEP: Final = Sweep(
    values=(8, 16, 32, 64),
    quick=(8, 16, 32),
    task=task,
    budget=budget,
    first=HORIZON,
    evaluations=24,
    unit="env steps",
    episodes=32,
    epsilon=0.1,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
        "model-based-local",
        "model-based-global",
        "random",
    ),
    grain=grain,
)
