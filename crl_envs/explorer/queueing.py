"""The worlds of the page in which agents on a graph have queues: loads, packets, vehicles."""

from __future__ import annotations

from typing import Final

from crl_envs.access.problem import ACTIONS, AccessProblem
from crl_envs.explorer import touches
from crl_envs.explorer.choices import Choice, World, horizon, n_agents
from crl_envs.load_balancing.problem import LoadBalancingProblem
from crl_envs.routing.problem import RoutingProblem
from crl_envs.traffic.problem import TrafficProblem

_ACCESS: Final = World(
    key="access",
    title="Wireless access",
    about="Users send packets to the access points around them. Two who send to the same one are both lost.",
    problem=AccessProblem,
    choices=(
        n_agents(25, 400, "users"),
        Choice("arrival_rate", "Arrivals", "Probability of a packet in a step.", (0.0, 1.0, 0.05)),
        Choice("deadline", "Deadline (steps)", "How long a packet can be sent.", (1, 7, 1)),
        Choice(
            "observe",
            "What is seen",
            "Packets of one's own, or also the neighbours'.",
            options=("own", "neighborhood"),
        ),
        horizon(5, 100, 1),
    ),
    learner="reinforce-local",
    rival="reinforce-own",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
    actions=ACTIONS,
    touches=touches.USERS,
)

_TRAFFIC: Final = World(
    key="traffic",
    title="Traffic lights",
    about="Each crossing chooses which pair of opposite approaches has green. In a step of change nobody goes.",
    problem=TrafficProblem,
    choices=(
        n_agents(16, 400, "crossings"),
        Choice(
            "boundary",
            "Border",
            "Closed streets, or vehicles that come and go at the border.",
            options=TrafficProblem.boundaries,
        ),
        Choice(
            "arrival_rate",
            "Arrivals λ",
            "Probability of a vehicle at an approach, in a step.",
            (0.0, 0.3, 0.01),
        ),
        Choice("lost_steps", "Lost steps", "Without green, when the phase changes.", (0, 5, 1)),
        horizon(20, 300, 10),
    ),
    learner="reinforce-own",
    rival="traffic-lights",
    episodes=500,
    small={"n_agents": 4, "horizon": 2},
    actions=("north, south green", "east, west green"),
    touches=touches.CROSSINGS,
)

_LOAD_BALANCING: Final = World(
    key="load_balancing",
    title="Load balancing",
    about="Loads enter at one agent. Whoever holds one stores it, or hands it on to a neighbour at a cost.",
    problem=LoadBalancingProblem,
    choices=(
        n_agents(50, 200, "agents"),
        Choice(
            "topology",
            "Topology",
            "Who can hand loads to whom: i to the next nine (a circulant graph, drawn as a ring), or to "
            "ten random agents.",
            options=("grid", "random"),
        ),
        Choice(
            "cost_model",
            "Cost model",
            "discrete: storing is free until an agent is full. gradient: dearer the fuller it is.",
            options=("discrete", "gradient"),
        ),
        Choice(
            "temperature",
            "CRL's temperature T",
            "Higher explores more.",
            (0.1, 5.0, 0.1),
            0.9,
            learner="crl",
        ),
        Choice(
            "capacity",
            "Capacity (loads)",
            "What an agent can store; two servers store 200.",
            (1, 50, 1),
        ),
        Choice(
            "max_in_flight",
            "Loads in flight",
            "How many are under way at once. The paper has 1.",
            (1, 50, 1),
        ),
        Choice(
            "message_loss",
            "Messages lost",
            "Probability that a load is not handed on.",
            (0.0, 0.5, 0.05),
        ),
        Choice(
            "fail_rate",
            "Failures",
            "Probability that an agent fails in a step; each returns with probability 0.1.",
            (0.0, 0.05, 0.005),
        ),
    ),
    learner="crl",
    rival="breadth-first",
    episodes=1,
    progress="utilisation",
    small={"n_agents": 4, "capacity": 1, "server_capacity": 1, "max_steps": 20},
    touches=touches.AGENTS,
)

_ROUTING: Final = World(
    key="routing",
    title="Routing",
    about="Packets queue at each node, which forwards the first of them to a neighbour. Short ways get crowded.",
    problem=RoutingProblem,
    choices=(
        Choice(
            "n_agents",
            "n (nodes)",
            "36: the network of Boyan & Littman; others: a torus.",
            (2, 100, 1),
            36,
        ),
        Choice(
            "load",
            "Load",
            "Packets that enter the network in a step, on average.",
            (0.0, 5.0, 0.25),
        ),
        Choice(
            "loss", "Packets lost", "Probability that a transmission is lost.", (0.0, 0.5, 0.05)
        ),
        Choice(
            "mobility",
            "Mobility",
            "How far nodes move in a step, in sides of a square in which those near each other are linked.",
            (0.0, 0.1, 0.01),
        ),
        Choice("queue_size", "Queue size", "Packets that a node has room for.", (1, 200, 1)),
        horizon(50, 2000, 50),
    ),
    learner="q-routing",
    rival="shortest-path",
    episodes=3,
    progress="delivery_share",
    small={"n_agents": 4, "horizon": 5},
    touches=touches.NODES,
)

QUEUEING: Final = (_LOAD_BALANCING, _ROUTING, _TRAFFIC, _ACCESS)
