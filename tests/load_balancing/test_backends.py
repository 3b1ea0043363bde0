"""The NumPy and the Numba dynamics are two programs; they must agree in every bit of the state."""

import networkx as nx
import numpy as np
import pytest

from crl_envs.load_balancing import LoadBalancingWorld
from tests.load_balancing.driving import EVERYTHING, assert_same_state, rollout

pytest.importorskip("numba", reason="the fast extra is not installed")

ARGUMENTS = {
    "paper-grid": {},
    "paper-random": {"topology": "random"},
    "gradient": {"cost_model": "gradient", "n_agents": 20, "capacity": 2, "server_capacity": 5},
    "many": {"max_in_flight": 40, "n_agents": 30},
    "poisson": {"arrival_rate": 1.7, "max_in_flight": 20, "entries": (3, 1, 4), "capacity": 2},
    "busy-poisson": {"arrival_rate": 60.0, "max_in_flight": 200, "capacity": 1},
    "departures": {"departure_rate": 0.4, "n_loads": "endless", "max_in_flight": 5},
    "loss": {"message_loss": 0.5},
    "delay": {"message_delay": 7, "max_in_flight": 10},
    "faults": {"fail_rate": 0.2, "return_rate": 0.3, "max_in_flight": 10},
    "certain-faults": {"fail_rate": 1.0, "return_rate": 1.0, "message_loss": 1.0},
    "join": {
        "n_agents": 6,
        "capacity": 1,
        "server_capacity": 2,
        "join_capacity": 9,
        "discovery": "entry_neighbors",
    },
    "memory": {"memory": True, "n_agents": 15, "max_in_flight": 4},
    "memory, least recent": {"memory": "least_recent", "n_agents": 7, "max_in_flight": 3},
    "memory, few ways": {"memory": True, "n_agents": 7, "out_degree": 2, "capacity": 1},
    "found again": {
        "n_agents": 9,
        "out_degree": 2,
        "discovery": "all",
        "discover": "again",
        "discovery_rate": 0.6,
        "discovery_slots": 3,
        "max_in_flight": 5,
    },
    "timeout": {"timeout": 6, "max_in_flight": 7, "capacity": 1, "server_capacity": 1},
    "graph": {
        "topology": nx.cycle_graph(7, create_using=nx.DiGraph),
        "capacity": [3, 0, 1, 2, 0, 0, 5],
    },
    "alone": {"n_agents": 1},
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("columns", [1, 5])
def test_backends_agree_bit_for_bit(name, columns):
    worlds = [LoadBalancingWorld(**ARGUMENTS[name], backend=b) for b in ("numpy", "numba")]
    runs = [rollout(world, columns, 400, seed=7, wild=0.1) for world in worlds]
    for by_numpy, by_numba in zip(*runs, strict=True):
        assert_same_state(by_numpy[2], by_numba[2])
        if by_numpy[3] is not None:
            np.testing.assert_array_equal(by_numpy[3], by_numba[3])


def test_everything_happens_in_the_everything_case():
    """Otherwise the comparison above would compare nothing."""
    world = LoadBalancingWorld(**EVERYTHING, backend="numba")
    outcomes = set()
    for _, _, state, _ in rollout(world, 5, 400, seed=7, wild=0.1):
        outcomes |= set(np.unique(state.outcome).tolist())
    metrics = world.metrics(state)
    assert outcomes == set(range(8))
    for count in ("departed", "timed_out", "messages_lost", "stored"):
        assert (metrics[count] > 0).all(), count
    assert (state.found >= 0).any()
    assert (state.load[-1] > 0).any(), "the server that joined stored nothing"
