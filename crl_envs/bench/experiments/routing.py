"""Routing: over the load, who learns to go round what is crowded; over the nodes, for whose queues one learns."""

from __future__ import annotations

import math
from typing import Final

from crl_envs.bench.experiment import Analysis, Experiment, Task, best_by_value, score_verdict
from crl_envs.bench.experiments.on_graph import verdict

ROUTING_LOAD: Final = Experiment(
    name="routing-load",
    title="Routing over the load",
    statement="""\
Routing over the load: who finds ways round the nodes that all shortest paths pass?

**Task.** ``crl/routing-v0`` on Boyan & Littman's network of 36 nodes, ten episodes of 1,000 steps in a row: each begins
with empty queues and with what the nodes have learnt. What is measured are these episodes themselves, the ones learnt
from, by ``reward="delay"``: a packet counts 1 − delay / 1,000 if it is delivered. Score 0 is a random walk, 1 the bound
by distances and flows.

**Varied.** The load, packets that enter in a step. Shortest paths carry about 2.2, flows 3.889.

**Held fixed.** Queues of 100 packets; nothing is lost.

**A good learner.** Is as fast as shortest paths where there is room for all, and goes round the middle where there
isn't. Learning has its price: packets of the first episode are sent by those who know nothing.

Boyan & Littman 1994, "Packet routing in dynamically changing networks: a reinforcement learning approach", §3.
""",
    knob="load",
    values=(1.0, 2.0, 2.5, 3.0, 3.5),
    quick=(1.0, 2.5),
    task=lambda load: Task("crl/routing-v0", {"load": load, "reward": "delay"}),
    budget=lambda load: 10,
    first=1,
    evaluations=5,
    unit="episodes",
    episodes=1,
    epsilon=0.05,
    baselines=("shortest-path", "q-routing", "sample", "ant-net", "backpressure", "random"),
    analysis=Analysis(
        scaling=False,
        verdict=lambda found: [*score_verdict(found, "load"), *best_by_value(found, "load")],
    ),
)

ROUTING_N: Final = Experiment(
    name="routing-n",
    epsilon=0.7,
    title="Routing over the number of nodes",
    statement="""\
Routing over the number of nodes: what is sent away is gone from the own queue, but not from the network.

**Task.** ``crl/routing-v0`` on a torus, the destination of the first packet observed; episodes of 100 steps that begin
with empty queues, 400 of them to learn from. The reward is minus the own queue.

**Varied.** n, square numbers, and with it the destinations, so that a table has n + 1 rows.

**Held fixed.** Packets for each link: √n / 2 enter in a step, as ways grow as √n; queues of 20.

**A good learner.** Sends a packet nearer to where it goes. By the own reward it needn't: whichever neighbour has it,
the own queue is shorter. Shortest paths score about .99 here; what is counted are the samples to .3.

Boyan & Littman 1994, "Packet routing in dynamically changing networks: a reinforcement learning approach", §2.
""",
    knob="n",
    values=(9, 36, 100),
    quick=(9, 36),
    task=lambda n: Task(
        "crl/routing-v0",
        {
            "n_agents": n,
            "topology": "torus",
            "load": math.sqrt(n) / 2,
            "queue_size": 20,
            "horizon": 100,
        },
    ),
    budget=lambda n: 400 * 100,
    first=100,
    evaluations=12,
    grain=lambda n: 100,
    episodes=32,
    baselines=(
        "shortest-path",
        "q-routing",
        "reinforce-own",
        "reinforce-local",
        "reinforce-global",
        "random",
    ),
    analysis=Analysis(scaling=True, verdict=verdict),
)
