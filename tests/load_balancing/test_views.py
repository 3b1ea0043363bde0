"""One stream, three views: dicts, arrays and single agents, NumPy and Numba, bit for bit."""

import networkx as nx
import numpy as np
import pytest

from crl_envs.load_balancing import LoadBalancingWorld, Outcome
from crl_envs.load_balancing.rules import KINDS, Dop
from tests.load_balancing.driving import EVERYTHING
from tests.views import assert_verbs_agree, assert_views_agree

ARGUMENTS = {
    "paper": {},
    "gradient-episodes": {
        "cost_model": "gradient",
        "n_agents": 8,
        "capacity": 2,
        "server_capacity": 4,
        "message_loss": 0.3,
    },
    "graph": {"topology": nx.path_graph(5), "capacity": 2, "max_in_flight": 3, "max_steps": 60},
    "everything": EVERYTHING | {"max_steps": 300},
    "costs that float32 rounds": {
        "n_agents": 6,
        "capacity": 1,
        "servers": (),
        "message_loss": 0.3,
        "connection_cost": -0.3,
        "delegation_reward": -0.1,
        "cost_model": "gradient",
        "spare": "next",
        "discovery": "all",
        "discovery_cost": -0.7,
    },
}


def single(said):
    """A float of an info as the arrays hold it; it must be the same number there."""
    assert float(np.float32(said)) == said
    return np.float32(said)


CODES = {
    "connection_cost": single,
    "outcome": lambda said: Outcome[said.upper()].value,
    "dop": lambda said: Dop[said.upper()].value,
    "action_kinds": lambda said: [KINDS.index(kind) for kind in said],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_three_views_agree(name):
    played = assert_views_agree(
        "crl/load_balancing-v0",
        ARGUMENTS[name],
        steps=400,
        num_envs=3,
        seed=11,
        translate=CODES,
    )
    assert played.illegal > 0
    assert played.episodes > 0 or name == "paper"


def test_the_world_functions_by_themselves():
    for arguments in ARGUMENTS.values():
        assert_verbs_agree(LoadBalancingWorld(**arguments))
