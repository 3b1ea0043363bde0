"""SYSADMIN's experiments: over machines, noise, the horizon and the network, and over machines with neural learners.

Where nothing else is said, ε = .1. At .8 of the gain, Figure 3's level, the order of the learners is the same, and all
are there sooner. Random actions are among the baselines of ``sysadmin-n`` only: they score 0 by definition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiment import (
    Analysis,
    Experiment,
    Reference,
    Task,
    Value,
    best_by_value,
    comparison,
    losses,
    scaling_verdict,
    score_verdict,
)
from crl_envs.bench.experiments.neural import ANONYMOUS, LEARNERS, NEURAL, verdict

HORIZON: Final = 20
# Where their number isn't varied: local and global REINFORCE are five times apart.
MACHINES: Final = 16
_ANCHOR: Final = 8
_EPISODES: Final = 70  # what REINFORCE on local rewards takes to .9 at T = 20, at any n


# The first evaluation comes after one episode, since learners of a model need few: one or two with the local rewards,
# about n / 15 with the global. Learners update at an episode's end.
_BY_EPISODES: Final[dict[str, Any]] = {
    "first": HORIZON,
    "evaluations": 24,
    "grain": lambda value: HORIZON,
}


def over_machines(n: int) -> Task:
    """Return the ring of n machines."""
    return Task("crl/sysadmin-v0", {"n_agents": n, "horizon": HORIZON})


def guides(values: Sequence[Value]) -> list[Reference]:
    """Return growth as n and as ln n from one point: 70 episodes at n = 8. The paper has no constants for SYSADMIN."""
    sizes = [int(value) for value in values]
    steps = HORIZON * _EPISODES
    through = f"through {steps:,} env steps at n = {_ANCHOR}"
    linear = [steps * n / _ANCHOR for n in sizes]
    logarithmic = [steps * math.log(n) / math.log(_ANCHOR) for n in sizes]
    return [
        Reference(f"guide: proportional to n, {through}", sizes, linear),
        Reference(f"guide: proportional to ln n, {through}", sizes, logarithmic),
    ]


def verdict_over_machines(summary: Mapping[str, Any]) -> list[str]:
    """Say the exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
        *comparison(summary, "n", "model-based-global", "model-based-local"),
    ]


SYSADMIN_N: Final = Experiment(
    **_BY_EPISODES,
    name="sysadmin-n",
    title="SYSADMIN over the number of machines",
    statement="""\
SYSADMIN over the number of machines: how much more training does a team need when there are more of it?

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
""",
    knob="n",
    values=(8, 16, 32, 64),  # more would cost as n²: n = 128 more than all of these together
    quick=(8, 16, 32),
    task=over_machines,
    # REINFORCE on the global reward stays above .9 after about 22 n episodes, so that most of its runs arrive at every
    # n; a third less would censor most of them.
    budget=lambda n: HORIZON * (120 + 26 * n),
    episodes=32,  # at n = 8 their noise is .02 of a score, at n = 64 .006
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
        "model-based-local",
        "model-based-global",
        "random",
    ),
    analysis=Analysis(scaling=True, references=guides, verdict=verdict_over_machines),
)


def verdict_over_noise(summary: Mapping[str, Any]) -> list[str]:
    """Say final scores, what the noise costs, and the global reward's price where both arrive."""
    return [
        *score_verdict(summary, "noise"),
        *losses(summary, "noise"),
        *comparison(summary, "noise", "reinforce-global", "reinforce-local"),
    ]


SYSADMIN_NOISE: Final = Experiment(
    **_BY_EPISODES,
    name="sysadmin-noise",
    title="SYSADMIN over noise on the rewards",
    statement="""\
SYSADMIN over noise on the rewards: what if agents measure what they earn with an error?

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
""",
    knob="noise",
    values=(0.0, 0.3, 1.0, 3.0),  # .1 changes nothing
    quick=(0.0, 1.0),
    task=lambda noise: Task(
        "crl/sysadmin-v0", {"n_agents": MACHINES, "horizon": HORIZON}, reward_noise=noise
    ),
    # Nearly twice what REINFORCE on the global reward takes without noise.
    budget=lambda noise: HORIZON * 600,
    episodes=32,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
        "model-based-local",
    ),
    analysis=Analysis(scaling=False, verdict=verdict_over_noise),
)


def same_episodes(values: Sequence[Value]) -> list[Reference]:
    """Return as many episodes at every horizon."""
    horizons = [int(value) for value in values]
    steps = [_EPISODES * horizon for horizon in horizons]
    return [Reference(f"guide: {_EPISODES} episodes", horizons, steps)]


def verdict_over_horizon(summary: Mapping[str, Any]) -> list[str]:
    """Say the exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "horizon"),
        *comparison(summary, "horizon", "reinforce-global", "reinforce-local"),
    ]


SYSADMIN_HORIZON: Final = Experiment(
    name="sysadmin-horizon",
    title="SYSADMIN over the length of an episode",
    statement="""\
SYSADMIN over the length of an episode: does credit over more time cost more samples?

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
""",
    knob="horizon",
    values=(5, 10, 20, 40),  # 80 would cost as much as all others together
    quick=(5, 20),
    task=lambda horizon: Task("crl/sysadmin-v0", {"n_agents": MACHINES, "horizon": horizon}),
    # REINFORCE on the global reward takes 300 to 400 episodes to .9 for T up to 20, and 600 for 40.
    budget=lambda horizon: 800 * horizon,
    first=40,  # one episode of the longest, eight of the shortest
    evaluations=24,
    episodes=32,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
    ),
    grain=lambda horizon: horizon,
    analysis=Analysis(scaling=True, references=same_episodes, verdict=verdict_over_horizon),
)


def on_graph(topology: str) -> Task:
    """Return nine machines on that graph; ``"random"`` is the one of instance seed 0."""
    return Task(
        "crl/sysadmin-v0",
        {
            "n_agents": 9,
            "dynamics": "ring-bidirectional",
            "topology": topology,
            "horizon": HORIZON,
        },
    )


def verdict_over_graphs(summary: Mapping[str, Any]) -> list[str]:
    """Say final scores, and the best learner on each graph."""
    return [*score_verdict(summary, "topology"), *best_by_value(summary, "topology")]


SYSADMIN_TOPOLOGY: Final = Experiment(
    **_BY_EPISODES,
    name="sysadmin-topology",
    title="SYSADMIN over the network",
    statement="""\
SYSADMIN over the network: whose rewards does an agent's action move?

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
""",
    knob="topology",
    values=("ring", "star", "legs", "ring_of_rings", "grid", "random"),
    quick=("ring", "star"),
    task=on_graph,
    budget=lambda topology: HORIZON * 500,  # after which no learner gains much
    episodes=64,  # nine machines need more than 32 for the noise that sysadmin-n has at 16
    # Agents that see their own machine reach .65 on the densest graphs, with the global reward .55 within the budget.
    # Half of the way is where all arrive on every graph, so that it says how fast they are; how good is in the scores.
    epsilon=0.5,
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "reinforce-own",
        "decomposed-reinforce",
    ),
    analysis=Analysis(scaling=False, verdict=verdict_over_graphs),
)


SYSADMIN_NEURAL_N: Final = Experiment(
    **NEURAL,
    name="sysadmin-neural-n",
    title="SYSADMIN with neural learners over the number of machines",
    statement="""\
SYSADMIN with neural learners over the number of machines: what does the global reward cost PPO, DQN, MAPPO and QMIX?

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
""",
    task=over_machines,
    # With local rewards all arrive long before; with the global one DQN, RLlib's PPO, and PPO that can't tell agents
    # apart do at n = 50, REINFORCE up to n = 10. At n = 50 a run is 400,000 agent steps: half a minute on a core and
    # more, for RLlib two minutes.
    budget=lambda n: 400 * HORIZON,
    # Between evaluations are five episodes, or a multiple.
    episodes=64,  # at n = 5 their noise is .02 of a score, at n = 50 .005
    baselines=(
        "reinforce-local",
        "reinforce-global",
        "model-based-local",
        "random",
        *LEARNERS,
        *ANONYMOUS,
    ),
    analysis=Analysis(scaling=True, references=guides, verdict=verdict),
)
