"""Load balancing's experiments: over agents, noise, the number of loads and the graph, and filling after filling.

A run of the first four is one episode, a filling, measured while it is learnt from; nothing is learnt before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from crl_envs.bench.experiment import (
    Analysis,
    Experiment,
    Task,
    best_by_value,
    losses,
    score_verdict,
)

if TYPE_CHECKING:
    import networkx as nx

LEARNERS: Final = (
    "crl",
    "dvf",
    "independent-q",
    "ant-colony",
    "breadth-first",
    "shortest-queue",
    "random",
)
# What a filling is measured by. Its compiled learners are fastest on the ParallelEnv.
_FILLING: Final[dict[str, Any]] = {
    "budget": lambda value: 1,
    "first": 1,
    "evaluations": 1,
    "unit": "episodes",
    "episodes": 1,
    "compiled": True,
}

LOAD_BALANCING_N: Final = Experiment(
    **_FILLING,
    name="load-balancing-n",
    title="Load balancing over the number of agents",
    statement="""\
Load balancing over the number of agents: how near the least cost do agents come that learn while they work?

**Task.** ``crl/load_balancing-v0`` on the paper's grid, i → i + 1 … i + 9 (fewer successors below 45 agents). The
agents begin knowing nothing and fill the graph once, one load at a time. What is measured is the return of this
filling: of agents that learn while they work. Score 0 is a random walk, 1 the exact optimum, each load on a shortest
way to the nearest room.

**Varied.** n, and with it the loads that are to be stored: all that there is room for.

**Held fixed.** Capacities, 20 and 200 for each of the two servers, which stand at the far end of the grid; one entry.
With more agents the ways get longer, and the servers hold a smaller part of the loads.

**A good learner.** Finds the next free place from what its neighbours tell it. Random walks take 4 times as many steps
as needed with 10 agents and 18 times as many with 50, so that most of the scale is spent on not walking at random: look
at the last few hundredths.

**Why one filling.** The next is worse. What agents know at its beginning is that everything is full, and everything is
empty again. ``docs/bench/experiments.md`` has the numbers.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6.
""",
    knob="n",
    # More than 50 are left out for the time that learners without compiled code take: at 80 as much as at all of these
    # together. ``crl-envs reproduce crl-scale`` has CRL with up to 5,000.
    values=(10, 20, 30, 50),
    quick=(10, 20),
    task=lambda n: Task("crl/load_balancing-v0", {"n_agents": n}),
    # Random walks are so dear that a rule without any memory, the shortest queue, has .97 to .99: a level of .9 or .95
    # would tell few apart. At .98 a filling costs about twice the least with 50 agents.
    epsilon=0.02,
    baselines=LEARNERS,
    analysis=Analysis(
        scaling=False, verdict=lambda found: [*score_verdict(found, "n"), *losses(found, "n")]
    ),
)

LOAD_BALANCING_NOISE: Final = Experiment(
    **_FILLING,
    name="load-balancing-noise",
    title="Load balancing over noise on the rewards",
    statement="""\
Load balancing over noise on the rewards: what if agents don't know exactly what an action cost them?

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
""",
    knob="noise",
    values=(0.0, 3.0, 10.0, 30.0, 100.0),
    quick=(0.0, 30.0),
    task=lambda noise: Task("crl/load_balancing-v0", {"n_agents": 10}, reward_noise=noise),
    epsilon=0.02,
    # Of the policies that read no rewards only the shortest queue is here: they score the same at every σ.
    baselines=("crl", "dvf", "independent-q", "ant-colony", "shortest-queue"),
    analysis=Analysis(
        scaling=False,
        verdict=lambda found: [*score_verdict(found, "noise"), *losses(found, "noise")],
    ),
)

LOAD_BALANCING_HORIZON: Final = Experiment(
    **_FILLING,
    name="load-balancing-horizon",
    title="Load balancing over the number of loads",
    statement="""\
Load balancing over the number of loads: is what is learnt on the first loads worth its price on those that follow?

**Task.** ``crl/load_balancing-v0`` on the paper's grid of 50 agents. The agents begin knowing nothing and store one
load after another. What is measured is the return of this: of agents that learn while they work.

**Varied.** The number of loads: 85, 170, 340, 680 and 1,360, which is all that there is room for. It is the length of
the episode: how long agents have to learn, and how hard it gets at the end.

**Held fixed.** The paper's grid and capacities. The optimum is exact for each number of loads.

**A good learner.** Pays little for its first mistakes. As long as neighbours have room, asking them for the shortest
queue is optimal, and whoever tries out instead pays for it: CRL about twice the least. It turns round at the end. The
last places are far away and hard to find, so that all loads together cost a random walk 35 times as much as the first
half of them, and what has been learnt about the ways is worth most.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6.
""",
    knob="horizon",
    # 85 loads are four agents' room: with 20 the entry has room for all of them, and there is nothing to learn.
    values=(85, 170, 340, 680, 1360),
    quick=(85, 340),
    task=lambda loads: Task("crl/load_balancing-v0", {"n_agents": 50, "n_loads": loads}),
    # With up to half of the loads CRL scores .85 to .87, and the learners to distinguish it from, dvf,
    # independent-q and ant-colony, .4 to .84. With all of them everybody is above: there look at the scores.
    epsilon=0.15,
    baselines=LEARNERS,
    analysis=Analysis(
        scaling=False,
        verdict=lambda found: [*score_verdict(found, "horizon"), *losses(found, "horizon")],
    ),
)


def on_graph(topology: str) -> Task:
    """Return 25 agents on that graph; servers 22 and 23 where networkx draws it."""
    if topology in ("grid", "random"):
        return Task("crl/load_balancing-v0", {"n_agents": 25, "topology": topology})
    return Task("crl/load_balancing-v0", {"topology": _graph(topology), "servers": (22, 23)})


def _graph(topology: str) -> nx.Graph:
    """Return one of networkx's graphs, drawn with seed 1; the graph is in a run's record."""
    import networkx as nx

    if topology == "small_world":
        return nx.connected_watts_strogatz_graph(25, 4, 0.2, seed=1)
    if topology == "scale_free":
        return nx.barabasi_albert_graph(25, 2, seed=1)
    return nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5, periodic=True))


LOAD_BALANCING_TOPOLOGY: Final = Experiment(
    **_FILLING,
    name="load-balancing-topology",
    title="Load balancing over the graph",
    statement="""\
Load balancing over the graph: whom can a load be handed to?

**Task.** ``crl/load_balancing-v0`` with 25 agents. The agents begin knowing nothing and fill the graph once, one load
at a time. What is measured is the return of this filling: of agents that learn while they work.

**Varied.** The graph: the paper's grid and random graph (5 successors each), a small world, a scale-free graph and a
torus. The last three are undirected, with 4 neighbours on average. Each is the same in every run.

**Held fixed.** n = 25, capacities, and two servers: agents 22 and 23, on the random graph two beyond one hop from the
entry. How long the ways to room are depends on the graph, and with it both landmarks.

**A good learner.** Does with its neighbours' word on any graph. Where links go both ways a load can come back, and
where a few agents have most of the links all ways lead through the same full agents: independent learners, who know
nothing of what is behind a neighbour, lose most there.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6. Watts &
Strogatz 1998, "Collective Dynamics of 'Small-World' Networks"; Barabási & Albert 1999, "Emergence of Scaling in Random
Networks".
""",
    knob="topology",
    values=("grid", "random", "small_world", "scale_free", "torus"),
    quick=("grid", "scale_free"),
    task=on_graph,
    epsilon=0.02,
    baselines=LEARNERS,
    analysis=Analysis(scaling=False, verdict=lambda found: score_verdict(found, "topology")),
)


def several(n: int) -> Task:
    """Return the grid of n agents with a tenth of the paper's capacities, each filling cut off after 11,000 steps.

    A random walk fills it in about 1,000 steps with 10 agents and 2,800 with 20. With the paper's capacities it is
    9,600 and 27,500, and ten fillings by neural learners would take an hour.

    A network that has learnt to hand every load on, which costs its agent 12 where storing in vain costs 200, may never
    store the last ones. At the cut it has paid as much as a random walk at n = 20, and twice as much at n = 10: going
    round in circles never scores above 0.
    """
    room = {"capacity": 2, "server_capacity": 20}
    return Task("crl/load_balancing-v0", {"n_agents": n, "max_steps": 11_000, **room})


LOAD_BALANCING_FILLINGS_N: Final = Experiment(
    **{
        **_FILLING,
        # Means are taken over the 1st, 2nd, 3rd, 4th to 6th and 7th to 10th filling. Learners of tables are as bad or
        # as good in the 5th as in the 10th.
        "budget": lambda n: 10,
        "evaluations": 5,
    },
    name="load-balancing-fillings-n",
    title="Load balancing, filling after filling, over the number of agents",
    statement="""\
Load balancing, filling after filling, over the number of agents: who gets better with experience?

**Task.** ``crl/load_balancing-v0`` on the paper's grid with a tenth of its capacities, filled ten times in a row:
each filling begins with an empty graph and with what the agents have learnt. What is measured are these fillings
themselves, the ones learnt from: means of those since the last evaluation, the first of which comes after the first.
Score 0 is a random walk, 1 the exact optimum.

**Varied.** n, and with it the loads that are to be stored: all that there is room for.

**Held fixed.** Capacities, 2 and 20 for each of the two servers; one entry; ten fillings, each cut off after 11,000
steps.

**A good learner.** Its last fillings are no worse than its first. Collaborative reinforcement learning is made for one
graph that fills up: its second filling is worse than its first, because it begins with what was true when everything
was full, and what it loses there is seen. PPO begins at random and needs many fillings, but it learns a policy that is
to hold at any moment of a filling, of what an agent observes: its own load and queue, not its neighbours' words. The
shortest queue learns nothing and shows what looking at neighbours is worth.

Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5 and §6; Huang &
Ontañón 2022, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms".
""",
    knob="n",
    values=(10, 20),  # more are left out for the time that neural learners take
    quick=(10,),
    task=several,
    epsilon=0.1,  # CRL's later fillings are below .9, its first one above
    baselines=(*LEARNERS, "sb3-maskable-ppo", "sb3-maskable-ppo-global"),
    # Not as scaling: samples would be fillings, of which a bad one has many times the steps of a good one, and scores
    # fall after the first one where a learner's memory misleads it. The learning curves show both.
    analysis=Analysis(
        scaling=False,
        verdict=lambda found: [
            *score_verdict(found, "n"),
            *best_by_value(found, "n"),
            *losses(found, "n"),
        ],
    ),
)
