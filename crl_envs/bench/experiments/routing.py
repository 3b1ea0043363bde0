"""Routing over the load: who learns to go round what is crowded, while packets come."""

from __future__ import annotations

from typing import Final

from crl_envs.bench.experiment import Analysis, Experiment, Task, best_by_value, score_verdict

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
