"""SYSADMIN with neural learners over the number of machines: what does the global reward cost PPO, DQN, MAPPO and QMIX?

**Task.** That of ``sysadmin-n``: ``crl/sysadmin-v0``, a directed ring of machines, each with an agent that sees whether
its own is up and may reboot it; episodes of 20 steps. What is measured is the policy that is executed, of DQN, VDN and
QMIX the greedy one, as the mean return of 64 episodes in another environment.

**Varied.** n. The optimum per machine is the same for every n, to four digits.

**Held fixed.** The ring, the horizon, and the budget: 400 episodes for every n, since an update of a network costs
about the same whatever n is.

**A good learner.** Its need doesn't grow with n. Agents that share a network learn from each other's steps, n samples
in an env step: with local rewards the need may even fall. With the global reward each sample says less, about as 1/n,
and REINFORCE needs in proportion to n; whether networks, critics and mixing do better is the question. Tabular learners
stand beside them; a need below 100 env steps reads as 100.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (Figure 3). The algorithms'
papers are named by `agents.libraries`.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.sysadmin_neural_n.analysis import ANALYSIS
from crl_envs.bench.experiments.sysadmin_neural_n.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="sysadmin-neural-n",
    version=1,
    title="SYSADMIN with neural learners over the number of machines",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
