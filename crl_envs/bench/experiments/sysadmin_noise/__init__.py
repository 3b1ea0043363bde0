"""SYSADMIN over noise on the rewards: what if agents measure what they earn with an error?

**Task.** ``crl/sysadmin-v0`` with 16 machines, horizon 20. Each agent's reward of each step has Gaussian noise of its
own, with standard deviation σ; the rewards themselves are 0 or 1. Returns are measured without it, so that the
landmarks are the same for every σ.

**Varied.** σ = 0, .3, 1 and 3. At 1 an agent's reward of one step says little, at 3 hardly the sum of an episode does.

**Held fixed.** n = 16, where local and global REINFORCE are five times apart without noise; and the learning rates,
which were chosen without noise: to set them anew for each σ would be another experiment.

**A good learner.** Averages the noise away. One that plans with the means of all rewards so far, as model-based-local
does, doesn't notice even σ = 3; decomposed-reinforce, which regresses the team's reward, is slowed down and goes on.
REINFORCE forgets each episode, and with its learning rate of 3 the noise moves its policies more than the reward does.
The team's mean has a sixteenth of the noise's variance, which makes up for little: an agent's share in it is a
sixteenth too.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5; the noise isn't the paper's.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.sysadmin_noise.analysis import ANALYSIS
from crl_envs.bench.experiments.sysadmin_noise.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="sysadmin-noise",
    version=1,
    title="SYSADMIN over noise on the rewards",
    statement=__doc__,
    knob="noise",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
