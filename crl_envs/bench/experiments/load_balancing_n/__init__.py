"""Load balancing over the number of agents: how near the least cost do agents come that learn while they work?

**Task.** ``crl/load_balancing-v0`` on the paper's grid, i → i + 1 … i + 9 (fewer successors below 45 agents). The
agents begin knowing nothing and fill the graph once, one load at a time. What is measured is the return of this
filling: of agents that learn while they work. Score 0 is a random walk, 1 the exact optimum, each load on a shortest
way to the nearest room.

**Varied.** n, and with it the loads that are to be stored: all that there is room for.

**Held fixed.** Capacities, 20 and 200 for each of the two servers, which stand at the far end of the grid; one entry.
With more agents the ways get longer, and the servers hold a smaller part of the loads.

**A good learner.** Finds the next free place from what its neighbours tell it. Random walks take 4 times as many steps
as needed with 10 agents and 18 times as many with 50, so that most of the scale is spent on not walking at random: look
at the last few hundredths.

**Why one filling.** The next is worse. What agents know at its beginning is that everything is full, and everything is
empty again. ``docs/bench/experiments.md`` has the numbers.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.load_balancing_n.analysis import ANALYSIS
from crl_envs.bench.experiments.load_balancing_n.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="load-balancing-n",
    version=1,
    title="Load balancing over the number of agents",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
