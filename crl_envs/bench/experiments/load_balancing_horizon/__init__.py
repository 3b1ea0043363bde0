"""Load balancing over the number of loads: is what is learnt on the first loads worth its price on those that follow?

**Task.** ``crl/load_balancing-v0`` on the paper's grid of 50 agents. The agents begin knowing nothing and store one
load after another. What is measured is the return of this: of agents that learn while they work.

**Varied.** The number of loads: 85, 170, 340, 680 and 1,360, which is all that there is room for. It is the length of
the episode: how long agents have to learn, and how hard it gets at the end.

**Held fixed.** The paper's grid and capacities. The optimum is exact for each number of loads.

**A good learner.** Pays little for its first mistakes. As long as neighbours have room, asking them for the shortest
queue is optimal, and whoever tries out instead pays for it: CRL about twice the least. It turns round at the end. The
last places are far away and hard to find, so that all loads together cost a random walk 35 times as much as the first
half of them, and what has been learnt about the ways is worth most.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.load_balancing_horizon.analysis import ANALYSIS
from crl_envs.bench.experiments.load_balancing_horizon.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="load-balancing-horizon",
    version=1,
    title="Load balancing over the number of loads",
    statement=__doc__,
    knob="horizon",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
