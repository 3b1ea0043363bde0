"""Values, tasks and budgets of ``sysadmin-noise``.

- Budgets are 600 episodes for every σ, nearly twice what REINFORCE on the global reward takes without noise.
- σ = .1 is left out: it changes nothing.
- First evaluation, episodes and ε are those of ``sysadmin-n``.
- Random actions are left out of the baselines: they score 0 by definition. ``*-n`` shows that they do.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Task, Unit

N_AGENTS: Final = 16
HORIZON: Final = 20
VALUES: Final = (0.0, 0.3, 1.0, 3.0)
QUICK: Final = (0.0, 1.0)
FIRST: Final = HORIZON
EVALUATIONS: Final = 24
UNIT: Final[Unit] = "env steps"
EPISODES: Final = 32
EPSILON: Final = 0.1
BASELINES: Final = (
    "reinforce-local",
    "reinforce-global",
    "reinforce-own",
    "decomposed-reinforce",
    "model-based-local",
)


def task(noise: float) -> Task:
    """The ring of 16 with noise of that standard deviation."""
    return Task("crl/sysadmin-v0", {"n_agents": N_AGENTS, "horizon": HORIZON}, noise)


def budget(noise: float) -> int:
    """Env steps."""
    return HORIZON * 600


def grain(noise: float) -> int:
    """An episode's steps: learners update at its end."""
    return HORIZON
