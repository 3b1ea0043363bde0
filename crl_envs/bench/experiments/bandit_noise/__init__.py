"""The bandit over the noise in its rewards: how often the right action doesn't pay.

**Task.** ``crl/bandit-v0`` with 64 agents: the right action pays 1 with probability 1 − z, the wrong one with z. A
score is P, twice the share of agents right less one, whatever z is: the optimum, 1 − z, moves with it.

**Varied.** z = .1, .2 (the paper's), .3 and .4. At ½ there would be nothing to learn. A local learner has this noise in
its reward, a global one that of all 64 agents, and beside it the other agents' exploring.

**Held fixed.** n = 64, large enough for the global reward to be hard and small enough for z = .4 to be affordable; the
right actions.

**A good learner.** Least squares needs n (1 + 2.7 q) trials to P ≥ .9, q = z (1 − z)/(½ − z)² being noise over signal
variance; the 1 is the other agents' exploring. Local means need 6, 9, 17 and 67 trials by their exact law: a 27th to a
63rd of that, the less the noisier the rewards. Both are drawn.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (Figure 2, at z = .2).
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.bandit_noise.analysis import ANALYSIS
from crl_envs.bench.experiments.bandit_noise.sweep import SWEEP
from crl_envs.bench.experiments.experiment import Experiment

EXPERIMENT: Final = Experiment(
    name="bandit-noise",
    version=1,
    title="The bandit over the noise in its rewards",
    statement=__doc__,
    knob="noise",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
