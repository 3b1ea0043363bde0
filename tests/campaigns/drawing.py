"""Random arguments and calls, sound and unsound."""

from __future__ import annotations

import math
import random
from typing import Any

import networkx as nx
import numpy as np

from crl_envs.core import Optimum

# What no numeric argument takes, or takes only as the whole number or probability that it is.
BAD: list[Any] = [
    *(math.nan, math.inf, -math.inf, -1, -0.5, 1.5, 2**70, -(2**70), 10**400, 10**5000, 1e300),
    *(
        "",
        "3",
        "ring",
        b"0.5",
        None,
        True,
        np.True_,
        1j,
        [],
        [1, 2],
        {},
        (),
        object(),
        np.array([]),
    ),
    *(np.nan, np.float32("inf"), np.array(3), np.array([[1]]), "x" * 10_000, 200_000_000, 99_999),
]


def graph(rng: random.Random, n: int) -> nx.DiGraph:
    """A digraph of n agents in which much is reached from agent 0."""
    made = nx.DiGraph()
    nodes = list(range(n))
    rng.shuffle(nodes)
    made.add_nodes_from(nodes)
    made.add_edges_from((rng.randrange(i), i) for i in range(1, n))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    made.add_edges_from(rng.sample(pairs, rng.randint(0, len(pairs))) if pairs else [])
    return made


def load_balancing(rng: random.Random, faults: float = 0.3) -> dict[str, Any]:
    """Arguments of a small load-balancing problem; each fault is on with probability `faults`."""
    n = rng.randint(1, 6)
    made: dict[str, Any] = {
        "topology": graph(rng, n),
        "capacity": [rng.randint(0, 3) + (i == 0) for i in range(n)],
        "max_steps": rng.choice([1, 5, 60]),
        "cost_model": rng.choice(["discrete", "gradient"]),
        "spare": rng.choice(["after", "before", "next"]),
        "n_loads": rng.choice([None, 1, 4, 50]),
    }
    some: dict[str, Any] = {
        "max_in_flight": rng.choice([2, 7]),
        "entries": rng.sample(range(n), rng.randint(1, n)),
        "arrival_rate": rng.choice([0.3, 4.0]),
        "departure_rate": rng.choice([0.02, 0.7]),
        "message_loss": rng.choice([0.1, 1.0]),
        "message_delay": rng.choice([1, 4, 100]),
        "fail_rate": rng.choice([0.05, 0.5, 1.0]),
        "join_capacity": rng.choice([1, 5]),
        "memory": True,
        "timeout": rng.choice([1, 3, 20]),
        "min_q_value": rng.choice([0.0, -1.0, -1e30]),
        "connection_cost": rng.choice([0.0, -3.5]),
        "delegation_reward": rng.choice([0.0, -0.25]),
    }
    made |= {name: value for name, value in some.items() if rng.random() < faults}
    if "fail_rate" in made:
        made["return_rate"] = rng.choice([0.0, 0.3, 1.0])
    if "join_capacity" in made:
        made["join_at"] = rng.choice(["full", 1, 9])
    if rng.random() < faults:
        made["discovery"] = rng.choice(["all", "entry_neighbors"])
        made["discover"] = rng.choice(["any", "again", *["joined"] * ("join_capacity" in made)])
        made["discovery_rate"] = rng.choice([0.4, 1.0])
        made["discovery_slots"] = rng.choice([1, 3])
        made["discovery_cost"] = rng.choice([0.0, -10.0])
    if "departure_rate" in made and rng.random() < 0.5:
        made["n_loads"] = "endless"
    return made


def sysadmin(rng: random.Random) -> dict[str, Any]:
    """Arguments of a small SYSADMIN."""
    n = rng.randint(1, 6)
    made: dict[str, Any] = {
        "n_agents": n,
        "dynamics": rng.choice(["ring", "ring-bidirectional", "ippc2011", "lock", "status-load"]),
        "topology": rng.choice(
            ["ring", "star", "legs", "ring_of_rings", "grid", "random", graph(rng, n)]
        ),
        "observe": rng.choice(["own", "neighborhood"]),
        "relabel": rng.random() < 0.5,
        "horizon": rng.choice([1, 3, 20]),
        "start_up": rng.choice([0.0, 0.5, 1.0]),
    }
    return {name: value for name, value in made.items() if name == "n_agents" or rng.random() < 0.6}


def bandit(rng: random.Random) -> dict[str, Any]:
    """Arguments of a small bandit."""
    return {
        "n_agents": rng.randint(1, 6),
        "p_correct": rng.choice([0.0, 0.3, 1.0]),
        "p_wrong": rng.choice([0.0, 0.9]),
        "instance_seed": rng.choice([0, 5, 2**64 - 1]),
    }


WORLDS: dict[str, Any] = {
    "crl/load_balancing-v0": load_balancing,
    "crl/sysadmin-v0": sysadmin,
    "crl/bandit-v0": bandit,
}


def actions(rng: random.Random, env: Any, infos: dict[str, Any]) -> dict[str, int]:
    """Mostly legal actions of the live agents."""
    chosen = {}
    for agent in env.agents:
        mask = infos[agent]["action_mask"]
        legal = np.flatnonzero(mask).tolist() if rng.random() < 0.8 else range(len(mask))
        chosen[agent] = rng.choice(legal)
    return chosen


def allows(optimum: Optimum, total: float, deterministic: bool) -> bool:
    """Whether a return may be what a policy got, where chance can't lift it above its expectation."""
    return not deterministic or total <= optimum.value + 1e-4 * (1 + abs(optimum.value))
