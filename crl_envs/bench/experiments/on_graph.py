"""Worlds on a graph in which own, neighbours' and team's interest part, over the number of agents.

All have the same learners: REINFORCE by the own reward, by the mean of it and the neighbours', and by the team's, and
a rule that is known to work. Where the optimum is a bound, nobody reaches a score of 1; the rule says what can be had.
Where no learner comes near .9, what is counted are the samples to half of the optimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crl_envs.bench.experiment import (
    Analysis,
    Experiment,
    Task,
    comparison,
    scaling_verdict,
    score_verdict,
)


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Say final scores, exponents, and what the own and the global reward cost."""
    return [
        *score_verdict(summary, "n"),
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
        *comparison(summary, "n", "reinforce-own", "reinforce-local"),
    ]


_SHARED: Final[dict[str, Any]] = {
    "knob": "n",
    "evaluations": 12,
    "episodes": 32,
    "baselines": (
        "fixed-rule",
        "reinforce-own",
        "reinforce-local",
        "reinforce-global",
        "random",
    ),
    "analysis": Analysis(scaling=True, verdict=verdict),
}

EPIDEMIC_N: Final = Experiment(
    **_SHARED,
    name="epidemic-n",
    title="The epidemic over the number of people",
    statement="""\
The epidemic over the number of people: who isolates, when it helps nobody but the neighbours?

**Task.** ``crl/epidemic-v0`` on its torus: infected agents who isolate pay for it and gain nothing, their neighbours
stay healthy. Episodes of 50 steps, 400 of them to learn from.

**Varied.** n. On the torus everybody has four neighbours, so that only the share of one agent in the global reward
depends on n.

**Held fixed.** The rates, which are the world's defaults.

**A good learner.** Isolates when infected. By the own reward no agent does; by the neighbours' it may find it at any n;
by the global one it has to find it in the noise of all others. The optimum is a bound: isolating when infected scores
about .96 of it.

Qu, Wierman & Li 2020, "Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked Systems", §2
(SIS epidemics as networked systems).
""",
    values=(9, 100, 900),
    quick=(9, 100),
    task=lambda n: Task("crl/epidemic-v0", {"n_agents": n, "horizon": 50}),
    budget=lambda n: 400 * 50,
    first=50,
    grain=lambda n: 50,
)

CONSENSUS_N: Final = Experiment(
    **_SHARED,
    name="consensus-n",
    epsilon=0.5,
    title="Consensus over the number of voters",
    statement="""\
Consensus over the number of voters: one reward at the end for what only all together can know.

**Task.** ``crl/consensus-v0`` on its ring of radius 3: 2n steps, and 1 for voting what most voted at first.

**Varied.** n, and with it the steps that the news takes around the ring.

**Held fixed.** The radius; no vote flips. About 20,000 steps to learn from, so that there are fewer episodes where they
are longer.

**A good learner.** Random votes are right half of the time, a score of 0; keeping one's first vote is right a little
more often. The rule of Gács, Kurdyumov & Levin solves .76 to .9 of the episodes. A table of seven votes has 128 rows an
agent, and the reward comes once an episode.

Land & Belew 1995, "No perfect two-state cellular automata for density classification exists" (their task is that of
§1 here: all cells in the state of the first majority).
""",
    values=(9, 99, 499),  # episodes take 2n steps, so that n = 999 would cost four times as much
    quick=(9, 99),
    task=lambda n: Task("crl/consensus-v0", {"n_agents": n}),
    budget=lambda n: 2 * n * max(1, round(20_000 / (2 * n))),
    first=998,
    grain=lambda n: 2 * n,
)

FIREFIGHTING_N: Final = Experiment(
    **_SHARED,
    name="firefighting-n",
    epsilon=0.5,
    title="Firefighting over the number of agents",
    statement="""\
Firefighting over the number of agents: whom does one help at a house that is half one's own?

**Task.** ``crl/firefighting-v0`` in a row, the levels of the own two houses observed; episodes of 10 steps, 2,000 of
them to learn from.

**Varied.** n. A house has two neighbours and two who may fight it, whatever n is.

**Held fixed.** The rates, which are the world's defaults.

**A good learner.** Goes where it burns, and parts with its neighbours so that two fight where that is worth it. The
optimum is known up to four agents; here it is a bound, no fire at all, and the rule of fighting where it burns most
says what can be had.

Oliehoek, Spaan, Whiteson & Vlassis 2008, "Exploiting locality of interaction in factored Dec-POMDPs", §2 (the
problem).
""",
    values=(10, 100, 1000),
    quick=(10, 100),
    task=lambda n: Task("crl/firefighting-v0", {"n_agents": n, "observe": "levels", "horizon": 10}),
    budget=lambda n: 2000 * 10,
    first=10,
    grain=lambda n: 10,
)

COORDINATION_GAME_N: Final = Experiment(
    **_SHARED,
    name="coordination-game-n",
    epsilon=0.5,
    title="Coordination games over the number of agents",
    statement="""\
Coordination games over the number of agents: the climbing game on every edge of a ring.

**Task.** ``crl/coordination_game-v0``: each agent plays climbing with both neighbours and gets half of what the two
games pay, once an episode. Action 0 is best if both neighbours take it, and costs 15 with each that takes action 1.

**Varied.** n. The best joint action pays each agent 11, whatever n is.

**Held fixed.** The payoffs, without noise; 5,000 trials to learn from.

**A good learner.** Finds that all should take action 0, although whoever tries it first is punished. Policy gradients
go where the others already are: all 2, or 1 and 2.

Claus & Boutilier 1998, "The Dynamics of Reinforcement Learning in Cooperative Multiagent Systems", §4 (the climbing
game).
""",
    values=(10, 100, 1000),
    quick=(10, 100),
    task=lambda n: Task("crl/coordination_game-v0", {"n_agents": n}),
    budget=lambda n: 5000,
    first=2,
)

ACCESS_N: Final = Experiment(
    **{
        **_SHARED,
        "baselines": ("localized-aloha", *_SHARED["baselines"]),
    },
    name="access-n",
    epsilon=0.5,
    title="Wireless access over the number of users",
    statement="""\
Wireless access over the number of users: who waits, when sending costs nothing but the neighbours' packets?

**Task.** ``crl/access-v0`` on K × K cells: whoever has a packet may send it to a point at a corner of its cell, where
it collides with those of others. Episodes of 20 steps, 1,000 of them to learn from.

**Varied.** n = K², with K = 3, 10, 31. A point is at four cells whatever n is, but at the border there are fewer,
so that they are scarce with few users: .44, .81 and .94 of a point a user.

**Held fixed.** The rates, which are the world's defaults: half a packet a user and step, which is dropped after two.

**A good learner.** Finds a point of its own, and waits where there is none. By the own reward an agent always sends; by
the neighbours' it may see what it costs them. The optimum is a bound, which a central matching comes to within 4 %; all
who send below right, a fixed rule, are never disturbed.

Qu, Wierman & Li 2020, "Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked Systems", §2
(wireless multiple access as a networked system).
""",
    values=(9, 100, 961),
    quick=(9, 100),
    task=lambda n: Task("crl/access-v0", {"n_agents": n, "horizon": 20}),
    budget=lambda n: 1000 * 20,
    first=20,
    grain=lambda n: 20,
)

TRAFFIC_N: Final = Experiment(
    **{
        **_SHARED,
        "baselines": ("traffic-lights", *_SHARED["baselines"][1:]),
    },
    name="traffic-n",
    epsilon=0.7,
    title="Traffic lights over the number of crossings",
    statement="""\
Traffic lights over the number of crossings: does it pay to count what waits elsewhere?

**Task.** ``crl/traffic-v0`` on its torus, the phase and the vehicles of both pairs of approaches observed in bins;
episodes of 100 steps that begin without vehicles, 300 of them to learn from.

**Varied.** n, square numbers.

**Held fixed.** Arrivals and turns, which are the world's defaults.

**A good learner.** Gives green to the pair of approaches where more vehicles wait, and doesn't switch for one or two.
The optimum is a bound, nobody waiting for more than a step, which nobody comes near: green for the longer pair scores
about .6. What is counted are the samples to .3, half of that.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §1 (traffic lights) and §3
(100,000 of them).
""",
    values=(16, 100, 961),
    quick=(16, 100),
    task=lambda n: Task("crl/traffic-v0", {"n_agents": n, "horizon": 100}),
    budget=lambda n: 300 * 100,
    first=100,
    grain=lambda n: 100,
)
