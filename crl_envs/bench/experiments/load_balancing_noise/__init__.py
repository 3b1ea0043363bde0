"""Load balancing over noise on the rewards: what if agents don't know exactly what an action cost them?

**Task.** ``crl/load_balancing-v0`` on a grid of 10 agents. The agents begin knowing nothing and fill the graph once,
one load at a time. What is measured is the return of this filling: of agents that learn while they work. Each agent's
reward of each step has Gaussian noise of its own, with standard deviation σ. A delegation costs 12, a failed store 200.
Returns are measured without the noise, so that the optimum stays exact.

**Varied.** σ = 0, 3, 10, 30 and 100: from a quarter of a delegation's cost to half of that of a failure.

**Held fixed.** n = 10: wrappers keep learners from their compiled code, and so few agents are cheap without it. Lost
messages would have been the other choice, but with them the environment knows no optimum (``crl-envs reproduce
crl-loss`` has them).

**A good learner.** Sees through the noise that a failure costs 200. CRL takes the latest reward for the truth, and
begins to fail where noise looks like a failure. The shortest queue reads no rewards: its score is the same at each σ.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6; the noise
isn't the paper's.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.load_balancing_noise.analysis import ANALYSIS
from crl_envs.bench.experiments.load_balancing_noise.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="load-balancing-noise",
    version=1,
    title="Load balancing over noise on the rewards",
    statement=__doc__,
    knob="noise",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
