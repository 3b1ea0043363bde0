"""Values, tasks and budgets of ``sysadmin-noise``.

- Budgets are 600 episodes for every σ, nearly twice what REINFORCE on the global reward takes without noise.
- σ = .1 is left out: it changes nothing.
- First evaluation, episodes and ε are those of ``sysadmin-n``.
- Random actions are left out of the baselines: they score 0 by definition. ``*-n`` shows that they do.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task

N_AGENTS: Final = 16
HORIZON: Final = 20


def task(noise: float) -> Task:
    """The ring of 16 with noise of that standard deviation."""
    return Task("crl/sysadmin-v0", {"n_agents": N_AGENTS, "horizon": HORIZON}, noise)


def budget(noise: float) -> int:
    """Env steps."""
    return HORIZON * 600


def grain(noise: float) -> int:
    """An episode's steps: learners update at its end."""
    return HORIZON


SWEEP: Final = Sweep(
    values=(0.0, 0.3, 1.0, 3.0),
    quick=(0.0, 1.0),
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
    ),
    grain=grain,
)
