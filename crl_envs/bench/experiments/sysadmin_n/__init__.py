"""SYSADMIN over the number of machines: how much more training does a team need when there are more of it?

**Task.** ``crl/sysadmin-v0`` as it comes: a directed ring of machines, each with an agent that sees whether its own is
up and may reboot it; episodes of 20 steps. What is measured is the policy that is executed (of planners, the plan), as
the mean return of 32 episodes in another environment.

**Varied.** n. In a machine's law there are its own state, that of the machine before it and its agent's action, and
nothing of n. The optimum per machine is the same for every n, to four digits: only the learning can get harder.

**Held fixed.** The ring, and the horizon, which ``sysadmin-horizon`` varies.

**A good learner.** Learning from own and neighbours' rewards takes about 70 episodes for any n. REINFORCE on the global
reward takes about 22 n, since the others' luck is in every return that an agent sees. How much more can be made of the
global reward, model-based-global and decomposed-reinforce show: they take it apart. Two guides are drawn, one
proportional to n and one to ln n.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (Figure 3) and §4 (Theorem
4.3).
"""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiments.experiment import Experiment
from crl_envs.bench.experiments.sysadmin_n.analysis import ANALYSIS
from crl_envs.bench.experiments.sysadmin_n.sweep import SWEEP

EXPERIMENT: Final = Experiment(
    name="sysadmin-n",
    version=1,
    title="SYSADMIN over the number of machines",
    statement=__doc__,
    knob="n",
    analysis=ANALYSIS,
    **vars(SWEEP),
)
