"""Bad arguments are ValueErrors that name the argument, its value and what is allowed."""

import networkx as nx
import pytest

import crl_envs

BAD = [
    ("n_agents", 0),
    ("n_agents", 2.5),
    ("topology", "gird"),
    ("topology", nx.DiGraph([(0, 0)])),
    ("topology", nx.DiGraph()),
    ("out_degree", 50),
    ("capacity", -1),
    ("capacity", [1, 2]),
    ("servers", [50]),
    ("servers", [3, 3]),
    ("server_capacity", -5),
    ("entries", ()),
    ("entries", 0),
    ("cost_model", "steep"),
    ("n_loads", 0),
    ("n_loads", "many"),
    ("max_in_flight", 0),
    ("arrival_rate", 0.0),
    ("arrival_rate", float("nan")),
    ("departure_rate", 1.0),
    ("message_loss", 1.5),
    ("message_delay", -1),
    ("join_at", 0),
    ("join_at", "later"),
    ("fail_rate", -0.1),
    ("return_rate", 2),
    ("join_capacity", -1),
    ("discovery", "on"),
    ("discover", "nothing"),
    ("discovery_rate", "often"),
    ("memory", 1),
    ("memory", "long"),
    ("timeout", 0),
    ("min_q_value", 3.0),
    ("connection_cost", float("-inf")),
    ("discovery_cost", 1.0),
    ("spare", "later"),
    ("max_steps", 0),
    ("instance_seed", -1),
    ("backend", "fortran"),
    ("render_mode", "film"),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{n}-{i}" for i, (n, _) in enumerate(BAD)])
def test_a_bad_argument_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        crl_envs.make("crl/load_balancing-v0", **{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"join_capacity": 3, "join_at": "later"}, "join_at"),
        ({"join_capacity": 3, "join_at": 0}, "join_at"),
        ({"discovery": "all", "discover": "joined"}, "join_capacity"),
        ({"topology": nx.path_graph(4), "n_agents": 5}, "n_agents must be 4"),
        ({"topology": nx.path_graph(4), "out_degree": 2}, "out_degree"),
        ({"topology": "random", "n_agents": 5, "out_degree": 4}, "servers"),
        ({"departure_rate": 0.9, "capacity": 1000}, "departure_rate"),
    ],
)
def test_bad_combinations(arguments, message):
    with pytest.raises(ValueError, match=message):
        crl_envs.make("crl/load_balancing-v0", **arguments)


def test_near_matches_are_suggested():
    with pytest.raises(ValueError, match="did you mean 'grid'"):
        crl_envs.make("crl/load_balancing-v0", topology="gird")
    with pytest.raises(ValueError, match="did you mean 'message_loss'"):
        crl_envs.make("crl/load_balancing-v0", mesage_loss=0.1)
