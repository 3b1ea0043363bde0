"""One stream, three views: dicts, arrays and single agents, NumPy and Numba, bit for bit."""

import networkx as nx
import pytest

from tests.load_balancing.driving import EVERYTHING
from tests.views import assert_views_agree

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
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_three_views_agree_for_a_thousand_steps(name):
    assert_views_agree(
        "crl/load_balancing-v0", ARGUMENTS[name], steps=1000, num_envs=3, seed=11
    )
