"""Values, tasks and budgets of ``sysadmin-topology``.

- Budgets are 500 episodes, after which no learner gains much.
- ε = .5: agents that see their own machine reach .65 on the densest graphs, with the global reward .55 within the
  budget. Half of the way is where all arrive on every graph, so that it says how fast they are; how good is in the
  scores.
- ``"random"`` is the graph of instance seed 0.
- Evaluations play 64 episodes: nine machines need more than 32 for the noise that ``sysadmin-n`` has at 16.
- Random actions are left out of the baselines: they score 0 by definition. ``*-n`` shows that they do.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Sweep, Task

N_AGENTS: Final = 9
HORIZON: Final = 20


def task(topology: str) -> Task:
    """Nine machines on that graph."""
    return Task(
        "crl/sysadmin-v0",
        {
            "n_agents": N_AGENTS,
            "dynamics": "ring-bidirectional",
            "topology": topology,
            "horizon": HORIZON,
        },
    )


def budget(topology: str) -> int:
    """Env steps."""
    return HORIZON * 500


def grain(topology: str) -> int:
    """An episode's steps: learners update at its end."""
    return HORIZON


SWEEP: Final = Sweep(
    values=("ring", "star", "legs", "ring_of_rings", "grid", "random"),
    quick=("ring", "star"),
    task=task,
    budget=budget,
    first=HORIZON,
    evaluations=24,
    unit="env steps",
    episodes=64,
    epsilon=0.5,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
    ),
    grain=grain,
)
