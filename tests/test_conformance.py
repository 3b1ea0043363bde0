"""Every id, with a matrix of arguments, against our conformance kit and PettingZoo's own tests."""

import warnings

import networkx as nx
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from pettingzoo.utils.conversions import parallel_to_aec

import crl_envs
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward
from tests.decpomdp.models import random_model
from tests.load_balancing.driving import EVERYTHING
from tests.worlds import needed

RING = nx.cycle_graph(5, create_using=nx.DiGraph)

CASES = {
    "bandit": ("crl/bandit-v0", {}),
    "bandit-one": ("crl/bandit-v0", {"n_agents": 1}),
    "bandit-sure": ("crl/bandit-v0", {"p_correct": 1.0, "p_wrong": 0.0, "n_agents": 7}),
    "bar": ("crl/bar-v0", {"n_agents": 9}),
    "bar-one": ("crl/bar-v0", {"n_agents": 1, "n_nights": 2}),
    "consensus": ("crl/consensus-v0", {"n_agents": 7}),
    "consensus-torus": (
        "crl/consensus-v0",
        {"n_agents": 9, "topology": "torus", "flip": 0.1, "horizon": 6},
    ),
    "coordination": ("crl/coordination_game-v0", {}),
    "coordination-noise": (
        "crl/coordination_game-v0",
        {"noise": 5.0, "observe": "neighborhood", "relabel": True, "horizon": 4, "n_agents": 5},
    ),
    "coordination-coins": (
        "crl/coordination_game-v0",
        {"payoffs": "stochastic-climbing", "topology": "star", "observe": "neighborhood"},
    ),
    "coordination-random": (
        "crl/coordination_game-v0",
        {"payoffs": "random", "topology": "grid", "n_actions": 4, "horizon": 3},
    ),
    "broadcast": ("crl/broadcast-v0", {}),
    "tiger": ("crl/tiger-v0", {}),
    "dec-pomdp": ("crl/dec_pomdp-v0", needed("crl/dec_pomdp-v0")),
    "dec-pomdp-uneven": ("crl/dec_pomdp-v0", {"model": random_model(3), "horizon": 5}),
    "access": ("crl/access-v0", {}),
    "access-seen": (
        "crl/access-v0",
        {"n_agents": 7, "observe": "neighborhood", "success_rate": 0.7, "deadline": 3},
    ),
    "epidemic": ("crl/epidemic-v0", {"n_agents": 12}),
    "epidemic-seen": (
        "crl/epidemic-v0",
        {"n_agents": 6, "topology": "star", "observe": "neighborhood", "relabel": True},
    ),
    "firefighting": ("crl/firefighting-v0", {}),
    "routing": ("crl/routing-v0", {"horizon": 30, "load": 6.0, "queue_size": 4}),
    "routing-moving": (
        "crl/routing-v0",
        {
            "n_agents": 6,
            "topology": "geometric",
            "mobility": 0.1,
            "loss": 0.2,
            "lifetime": 9,
            "observe": "queues",
            "reward": "delay",
            "horizon": 20,
        },
    ),
    "traffic": ("crl/traffic-v0", {"n_agents": 9}),
    "traffic-open": (
        "crl/traffic-v0",
        {"n_agents": 6, "boundary": "open", "observe": "neighborhood", "lost_steps": 2},
    ),
    "firefighting-grid": (
        "crl/firefighting-v0",
        {"n_agents": 6, "layout": "grid", "observe": "levels"},
    ),
    "local-rule": ("crl/local_rule-v0", needed("crl/local_rule-v0")),
    "local-rule-graph": (
        "crl/local_rule-v0",
        needed("crl/local_rule-v0", topology=RING, observe="neighborhood", backend="numpy"),
    ),
    "sysadmin-lock": ("crl/sysadmin-v0", {"dynamics": "lock", "topology": RING}),
    "sysadmin": ("crl/sysadmin-v0", {}),
    "sysadmin-numpy": ("crl/sysadmin-v0", {"backend": "numpy", "n_agents": 3}),
    "sysadmin-bidirectional": (
        "crl/sysadmin-v0",
        {"dynamics": "ring-bidirectional", "observe": "neighborhood"},
    ),
    "sysadmin-ippc": ("crl/sysadmin-v0", {"dynamics": "ippc2011", "topology": "star"}),
    "sysadmin-status-load": (
        "crl/sysadmin-v0",
        {"dynamics": "status-load", "topology": "grid", "observe": "neighborhood"},
    ),
    "sysadmin-graph": ("crl/sysadmin-v0", {"topology": RING, "relabel": True, "horizon": 7}),
    "sysadmin-rings": ("crl/sysadmin-v0", {"topology": "ring_of_rings", "n_agents": 17}),
    "sysadmin-legs": ("crl/sysadmin-v0", {"topology": "legs", "n_agents": 8}),
    "sysadmin-random": ("crl/sysadmin-v0", {"topology": "random", "observe": "neighborhood"}),
    "load-small": ("crl/load_balancing-v0", {"n_agents": 6, "capacity": 2, "server_capacity": 5}),
    "load-gradient": (
        "crl/load_balancing-v0",
        {"cost_model": "gradient", "topology": "random", "n_agents": 15, "max_steps": 50},
    ),
    "load-graph": ("crl/load_balancing-v0", {"topology": RING, "capacity": 3, "max_steps": 50}),
    "load-everything": ("crl/load_balancing-v0", EVERYTHING | {"max_steps": 50}),
    "load-numpy": (
        "crl/load_balancing-v0",
        EVERYTHING | {"max_steps": 40, "backend": "numpy", "cost_model": "gradient"},
    ),
    "load-paper": ("crl/load_balancing-v0", {"max_steps": 40}),
}

# Load balancing on the paper's clock draws nothing at random once the topology is fixed.
# So do games without noise.
DETERMINISTIC = {
    "bandit-sure",
    "bar",
    "bar-one",
    "coordination",
    "coordination-random",
    "load-small",
    "load-gradient",
    "load-graph",
    "load-paper",
}

# Advice on spaces and shapes that PettingZoo gives about any env with discrete or with sparse observations.
EXPECTED = (
    "Observation is not a NumPy array",
    "Observation numpy array is all zeros",
    "Observation space for each agent probably should be gymnasium.spaces.box or",
)


@pytest.fixture(params=CASES)
def case(request):
    id, arguments = CASES[request.param]
    return request.param, lambda: crl_envs.make(id, **arguments)


def expecting_only_advice(test, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        test(*args, **kwargs)
    unexpected = [str(w.message) for w in caught if not str(w.message).startswith(EXPECTED)]
    assert not unexpected


def test_our_kit(case):
    name, env_fn = case
    check_parallel_env(env_fn, stochastic=name not in DETERMINISTIC)


def test_our_kit_on_the_global_reward(case):
    name, env_fn = case
    check_parallel_env(lambda: GlobalReward(env_fn()), stochastic=name not in DETERMINISTIC)


def test_pettingzoo_parallel(case):
    expecting_only_advice(parallel_api_test, case[1](), num_cycles=60)
    expecting_only_advice(parallel_seed_test, case[1], num_cycles=25)


def test_pettingzoo_aec(case):
    expecting_only_advice(api_test, parallel_to_aec(case[1]()), num_cycles=55)
    expecting_only_advice(seed_test, lambda: parallel_to_aec(case[1]()), num_cycles=10)


def test_every_id_is_covered():
    assert {id for id, _ in CASES.values()} == set(crl_envs.registered_ids())
