"""The bandit with neural learners over the number of agents: what does the global reward cost PPO, DQN, MAPPO and QMIX?

**Task.** That of ``bandit-n``: ``crl/bandit-v0``, one state and one step, the right action pays 1 with probability .8,
the wrong one with .2. What is measured is the policy that is executed, of DQN, VDN, QMIX and the estimators the greedy
one, as the mean reward of 1,024 trials.

**Varied.** n. An agent's share in the global reward is 1/n.

**Held fixed.** The probabilities and the instance, as in ``bandit-n``, and the budget: 3,000 trials for every n.

**A good learner.** All that there is to learn is which action is whose right one, n bits, and nothing carries over from
one agent to another: a shared network must keep agents apart by their numbers, and sharing can only cost. Theorem 3.1's
bound, the theory of least squares and of local means, and the seeds' own learners stand beside. A need below 100 trials
reads as 100.

**Not here.** Learners whose network isn't told for whom it acts: all agents observe the same, half of them are to do
one thing and half the other.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 (Theorem 3.1) and §5 (Figure
2). The algorithms' papers are named by `agents.libraries`.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.bandit_neural_n.analysis import ANALYSIS
from crl_envs.bench.experiments.bandit_neural_n.sweep import SWEEP
from crl_envs.bench.experiments.experiment import Experiment

EXPERIMENT: Final = Experiment(
    name="bandit-neural-n",
    version=1,
    title="The bandit with neural learners over the number of agents",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
