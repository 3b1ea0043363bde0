"""Load balancing, filling after filling, over the number of agents: who gets better with experience?

**Task.** ``crl/load_balancing-v0`` on the paper's grid with a tenth of its capacities, filled ten times in a row:
each filling begins with an empty graph and with what the agents have learnt. What is measured are these fillings
themselves, the ones learnt from: means of those since the last evaluation, the first of which comes after the first.
Score 0 is a random walk, 1 the exact optimum.

**Varied.** n, and with it the loads that are to be stored: all that there is room for.

**Held fixed.** Capacities, 2 and 20 for each of the two servers; one entry; ten fillings, each cut off after 11,000
steps.

**A good learner.** Its last fillings are no worse than its first. Collaborative reinforcement learning is made for one
graph that fills up: its second filling is worse than its first, because it begins with what was true when everything
was full, and what it loses there is seen. PPO begins at random and needs many fillings, but it learns a policy that is
to hold at any moment of a filling, of what an agent observes: its own load and queue, not its neighbours' words. The
shortest queue learns nothing and shows what looking at neighbours is worth.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6; Huang &
Ontañón 2022, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms".
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.load_balancing_fillings_n.analysis import ANALYSIS
from crl_envs.bench.experiments.load_balancing_fillings_n.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="load-balancing-fillings-n",
    version=1,
    title="Load balancing, filling after filling, over the number of agents",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
