"""The bandit over the number of agents: one state, one step, a hidden right action for each agent.

**Task.** ``crl/bandit-v0``: the right action pays 1 with probability .8, the wrong one with .2, and a trial is one
step. What is measured is the greedy read-out of what was learnt, of REINFORCE the policy that is executed, as the mean
reward of 256 trials. Its score, (U − ½)/(.8 − ½), is the P of the paper's Figure 2: twice the share of agents right,
less one.

**Varied.** n. Agents don't influence each other, so that the problem of each stays the same and only what the global
reward says about one of them changes: its share in that is 1/n.

**Held fixed.** The probabilities, which are the paper's, and the instance: the right actions are drawn once for each n,
and seeds draw the exploration and the rewards.

**A good learner.** From its own reward an agent needs the same eight trials or so whatever n is. From the global one
the number grows about as n for all known learners, and Theorem 3.1 says that it must grow as n / ln n at least. Both
are drawn, with the O(log n) of Lemma 4.2 and the theory of least squares.

**Not here.** `agents.DetectingMatrix` needs rewards without noise, and `agents.AdaptiveHalving` a number of trials that
is known beforehand: it stops learning there, so that it has no curve.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 (Theorem 3.1), §4 (Lemma 4.2)
and §5 (Figure 2).
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.bandit_n.analysis import ANALYSIS
from crl_envs.bench.experiments.bandit_n.sweep import SWEEP
from crl_envs.bench.experiments.experiment import Experiment

EXPERIMENT: Final = Experiment(
    name="bandit-n",
    version=1,
    title="The bandit over the number of agents",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
