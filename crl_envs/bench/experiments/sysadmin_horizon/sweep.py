"""Values, tasks and budgets of ``sysadmin-horizon``.

- Budgets are 800 episodes. REINFORCE on the global reward takes 300 to 400 to .9 for T up to 20, and 600 for 40.
- T = 80 is left out: it would cost as much as all others together.
- The first evaluation comes after 40 env steps, one episode of the longest and eight of the shortest.
- Episodes and ε are those of ``sysadmin-n``.
- Random actions are left out of the baselines: they score 0 by definition. ``*-n`` shows that they do.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task

N_AGENTS: Final = 16


def task(horizon: int) -> Task:
    """The ring of 16 with episodes of that length."""
    return Task("crl/sysadmin-v0", {"n_agents": N_AGENTS, "horizon": horizon})


def budget(horizon: int) -> int:
    """Env steps."""
    return 800 * horizon


def grain(horizon: int) -> int:
    """An episode's steps: learners update at its end."""
    return horizon


SWEEP: Final = Sweep(
    values=(5, 10, 20, 40),
    quick=(5, 20),
    task=task,
    budget=budget,
    first=40,
    evaluations=24,
    unit="env steps",
    episodes=32,
    epsilon=0.1,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
    ),
    grain=grain,
)
