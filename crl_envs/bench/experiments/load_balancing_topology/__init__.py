"""Load balancing over the graph: whom can a load be handed to?

**Task.** ``crl/load_balancing-v0`` with 25 agents. The agents begin knowing nothing and fill the graph once, one load
at a time. What is measured is the return of this filling: of agents that learn while they work.

**Varied.** The graph: the paper's grid and random graph (5 successors each), a small world, a scale-free graph and a
torus. The last three are undirected, with 4 neighbours on average. Each is the same in every run.

**Held fixed.** n = 25, capacities, and two servers: agents 22 and 23, on the random graph two beyond one hop from the
entry. How long the ways to room are depends on the graph, and with it both landmarks.

**A good learner.** Does with its neighbours' word on any graph. Where links go both ways a load can come back, and
where a few agents have most of the links all ways lead through the same full agents: independent learners, who know
nothing of what is behind a neighbour, lose most there.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6. Watts &
Strogatz 1998, "Collective Dynamics of 'Small-World' Networks"; Barabási & Albert 1999, "Emergence of Scaling in Random
Networks".
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.load_balancing_topology.analysis import ANALYSIS
from crl_envs.bench.experiments.load_balancing_topology.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="load-balancing-topology",
    version=1,
    title="Load balancing over the graph",
    statement=__doc__,
    knob="topology",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
