"""SYSADMIN over the network: whose rewards does an agent's action move?

**Task.** ``crl/sysadmin-v0`` with 9 machines and ``dynamics="ring-bidirectional"``, which works on any graph: a machine
that is up stays up with probability .95 · .5^(neighbours down), one that is down comes back with a twentieth of that.
Nine is the most for which the optimum of any graph is exact.

**Varied.** The graph: a ring, a star, three legs, a ring of rings, a square lattice and a random graph.

**Held fixed.** n = 9, the horizon 20, and what an agent sees: its own machine. The optimum is that of agents who see
all machines, and where a machine has many neighbours it matters how many of them are down. So the best that agents with
this view can do is below 1, and by how much differs between graphs: compare learners on a graph, not graphs.

**A good learner.** Finds out whose rewards matter. On the star all depends on the hub, which should be rebooted for its
neighbours' sake; an agent that sees its own reward alone doesn't learn it. Elsewhere own rewards do about as well, and
are learnt from sooner.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §2 and §5. Graphs as in Guestrin,
Koller, Parr & Venkataraman 2003, "Efficient Solution Algorithms for Factored MDPs".
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.sysadmin_topology.analysis import ANALYSIS
from crl_envs.bench.experiments.sysadmin_topology.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="sysadmin-topology",
    version=1,
    title="SYSADMIN over the network",
    statement=__doc__,
    knob="topology",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
