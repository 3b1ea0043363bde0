"""SYSADMIN over the length of an episode: does credit over more time cost more samples?

**Task.** ``crl/sysadmin-v0`` with 16 machines on a ring. An episode has T steps, and a learner of REINFORCE's kind sees
one return for all that it did in them.

**Varied.** T = 5, 10, 20 and 40. Rewards come in every step and influence travels one machine a step, so that a longer
episode has more of both: luck in the return, and steps from which to learn.

**Held fixed.** n = 16, and the number of episodes: budgets are in env steps, in proportion to T. The update divides the
learning rate by T (`agents.Reinforce`).

**A good learner.** Needs as many env steps for any T: exponent 0. One for which an episode is worth the same however
long it is has exponent 1; that is what one update an episode comes to. Above 1, longer episodes are worth less.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (T = 20), and §4 (Theorem 4.3),
whose bound has T in it.
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.sysadmin_horizon.analysis import ANALYSIS
from crl_envs.bench.experiments.sysadmin_horizon.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="sysadmin-horizon",
    version=1,
    title="SYSADMIN over the length of an episode",
    statement=__doc__,
    knob="horizon",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
