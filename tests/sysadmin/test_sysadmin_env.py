"""SYSADMIN's arguments, observations, information and memory."""

from __future__ import annotations

import importlib.util
import tracemalloc
from typing import Any

import networkx as nx
import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.sysadmin import StatusLoadWorld, SysadminWorld
from crl_envs.sysadmin.world import make_world

SYSADMIN = "crl/sysadmin-v0"


def make(**kwargs: Any) -> Any:
    return crl_envs.make(SYSADMIN, **kwargs)


class TestArguments:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"n_agents": 0}, "n_agents must be an integer in .1, 100000000., got 0"),
            ({"n_agents": 2.0}, "n_agents must be"),
            ({"n_agents": True}, "n_agents must be"),
            ({"n_agents": 10**8 + 1}, "n_agents must be"),
            (
                {"dynamics": "rings"},
                r"dynamics must be one of .* got 'rings' \(did you mean 'ring'",
            ),
            ({"dynamics": None}, "dynamics must be one of"),
            ({"topology": "rings"}, "topology must be one of .* got 'rings'"),
            ({"topology": nx.Graph()}, "topology must have at least one node"),
            ({"topology": nx.Graph([(0, 0)])}, "topology must have no self-loops"),
            (
                {"topology": nx.path_graph(3), "n_agents": 4},
                "n_agents must be 3, the number of nodes",
            ),
            ({"observe": "all"}, "observe must be one of 'own', 'neighborhood', got 'all'"),
            ({"relabel": 1}, "relabel must be True or False, got 1"),
            ({"horizon": 0}, r"horizon must be an integer in \[1, 1099511627776\], got 0"),
            ({"horizon": None}, "horizon must be"),
            ({"start_up": 1.1}, "start_up must be a finite number in .0, 1., got 1.1"),
            ({"start_up": -0.1}, "start_up must be"),
            ({"start_up": float("nan")}, "start_up must be"),
            ({"start_up": "0.5"}, "start_up must be"),
            ({"instance_seed": -1}, "instance_seed must be"),
            ({"instance_seed": 2**64}, "instance_seed must be"),
            ({"instance_seed": None}, "instance_seed must be"),
            ({"backend": "torch"}, "backend must be one of 'auto', 'numpy', 'numba', got 'torch'"),
            ({"render_mode": "film"}, "render_mode must be"),
            (
                {"n_agents": 10_000, "topology": "star", "observe": "neighborhood"},
                "observe='neighborhood' needs n_agents",
            ),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    @pytest.mark.parametrize("entry", ["make", "make_vec", "make_gym_vec"])
    def test_bad(self, entry: str, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            getattr(crl_envs, entry)(SYSADMIN, **kwargs)

    def test_numba_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without Numba: auto is NumPy, and numba says what to install."""
        monkeypatch.setattr("crl_envs.core.backend.has_numba", lambda: False)
        assert make_world(backend="auto").backend == "numpy"
        with pytest.raises(
            ValueError, match=r"backend='numba' needs Numba: pip install 'crl-envs\[fast\]'"
        ):
            make_world(backend="numba")

    @pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
    def test_numba_by_default(self) -> None:
        assert make_world().backend == "numba"

    def test_world_of_each_dynamics(self) -> None:
        assert isinstance(make_world(dynamics="status-load"), StatusLoadWorld)
        for dynamics in ("ring", "ring-bidirectional", "ippc2011", "lock"):
            assert isinstance(make_world(dynamics=dynamics), SysadminWorld)
        with pytest.raises(ValueError, match="is StatusLoadWorld's"):
            SysadminWorld(dynamics="status-load")

    def test_defaults(self) -> None:
        env = make()
        assert len(env.possible_agents) == 10
        assert list(env.topology.edges) == [(i, (i + 1) % 10) for i in range(10)]

    def test_graph_gives_the_size_and_the_edges(self) -> None:
        graph = nx.DiGraph({"a": ["c"], "b": ["a", "c"], "c": []})
        env = make(topology=graph)
        assert len(env.possible_agents) == 3
        assert sorted(env.topology.edges) == [(0, 2), (1, 0), (1, 2)]

    @pytest.mark.parametrize("dynamics", ["ring-bidirectional", "ippc2011", "status-load"])
    def test_ring_goes_both_ways_elsewhere(self, dynamics: str) -> None:
        assert sorted(make(n_agents=3, dynamics=dynamics).topology.edges) == sorted(
            nx.complete_graph(3, nx.DiGraph).edges
        )

    def test_random_topology_comes_from_the_instance_seed(self) -> None:
        edges = [
            make_world(n_agents=40, topology="random", instance_seed=s).edges for s in (0, 0, 1)
        ]
        np.testing.assert_array_equal(edges[0], edges[1])
        assert not np.array_equal(edges[0], edges[2])

    def test_instance_seed_leaves_the_episodes_alone(self) -> None:
        one, other = (make(n_agents=50, instance_seed=seed) for seed in (0, 1))
        assert one.reset(seed=0)[0] == other.reset(seed=0)[0]
        actions = dict.fromkeys(one.agents, 0)
        assert one.step(actions)[0] == other.step(actions)[0]


class TestObservations:
    @pytest.mark.parametrize(("dynamics", "values"), [("ring", 2), ("status-load", 9)])
    def test_own(self, dynamics: str, values: int) -> None:
        env = make(n_agents=5, dynamics=dynamics)
        observations, _ = env.reset(seed=0)
        assert env.observation_space("agent_0") == spaces.Discrete(values)
        assert list(observations.values()) == env.state().tolist()

    @pytest.mark.parametrize(("dynamics", "values"), [("ring", 2), ("status-load", 9)])
    @pytest.mark.parametrize("topology", ["ring", "star", "random", "alone"])
    def test_neighborhood(self, dynamics: str, values: int, topology: str) -> None:
        """Own state, then those of infos' neighbours in their order, then the mark for nobody."""
        where = (
            {"topology": nx.empty_graph(1)}
            if topology == "alone"
            else {"topology": topology, "n_agents": 7}
        )
        env = make(dynamics=dynamics, observe="neighborhood", **where)
        observations, infos = env.reset(seed=1)
        state = dict(zip(env.possible_agents, env.state().tolist(), strict=True))
        degrees = [len(info["neighbors"]) for info in infos.values()]
        for agent, observed in observations.items():
            near = infos[agent]["neighbors"]
            expected = [state[agent], *(state[other] for other in near)]
            assert observed.tolist() == expected + [values] * (max(degrees) - len(near))
        sizes = [values] * (1 + min(degrees)) + [values + 1] * (max(degrees) - min(degrees))
        assert env.observation_space("agent_0") == spaces.MultiDiscrete(sizes, dtype=np.uint8)

    def test_neighbors_of_the_directed_ring_are_both(self) -> None:
        _, infos = make(n_agents=5).reset(seed=0)
        assert infos["agent_0"]["neighbors"] == ("agent_1", "agent_4")


class TestEpisodes:
    @pytest.mark.parametrize("dynamics", ["ring", "status-load"])
    @pytest.mark.parametrize("horizon", [1, 20])
    def test_truncated_at_the_horizon(self, dynamics: str, horizon: int) -> None:
        env = make(n_agents=2, dynamics=dynamics, horizon=horizon)
        for seed in (0, None):
            env.reset(seed=seed)
            steps = 0
            while env.agents:
                _, _, terminations, truncations, _ = env.step(dict.fromkeys(env.agents, 0))
                steps += 1
                assert not any(terminations.values())
                assert set(truncations.values()) == {steps == horizon}
            assert steps == horizon

    def test_a_reboot_brings_every_machine_up(self) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 4, n_agents=6)
        before, _ = vec.reset(seed=0)
        observations, rewards, *_ = vec.step(np.ones((4, 6), np.uint8))
        assert (before == 0).any()
        assert (observations == 1).all()
        assert (rewards == 0).all()

    def test_share_up(self) -> None:
        env = make(n_agents=8)
        env.reset(seed=2)
        assert env.metrics() == {"up": env.state().mean()}
        assert 0 < env.metrics()["up"] < 1

    def test_shares_of_status_and_load(self) -> None:
        env = make(n_agents=200, dynamics="status-load")
        env.reset(seed=0)
        for _ in range(2):
            env.step(dict.fromkeys(env.agents, 0))
        status, load = np.divmod(env.state(), 3)
        shares = env.metrics()
        assert shares == {
            "good": (status == 0).mean(),
            "faulty": (status == 1).mean(),
            "dead": (status == 2).mean(),
            "loaded": (load == 1).mean(),
        }
        assert all(0 < share < 1 for share in shares.values())


def test_rewards_are_the_local_ones() -> None:
    """ippc2011: up − .75 · reboot in all four cases."""
    world = SysadminWorld(n_agents=4, dynamics="ippc2011")
    state, action = (
        np.array([[0], [0], [1], [1]], np.uint8),
        np.array([[0], [1], [0], [1]], np.uint8),
    )
    reward = world.reward(state, action, state, Stream(1))
    assert reward[:, 0].tolist() == [0.0, -0.75, 1.0, 0.25]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_memory_of_a_million_machines(backend: str) -> None:
    """From nothing to a step and its state: under 100 MB, 100 bytes an agent."""
    if backend == "numba":
        pytest.importorskip("numba")
        warm = crl_envs.make_vec(SYSADMIN, 1, n_agents=2, backend=backend)
        warm.reset(seed=0)
        warm.step(np.zeros((1, 2), np.uint8))
    actions = np.zeros((1, 1_000_000), np.uint8)
    tracemalloc.start()
    try:
        vec = crl_envs.make_vec(SYSADMIN, 1, n_agents=1_000_000, backend=backend)
        vec.reset(seed=0)
        vec.step(actions)
        state = vec.state()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert state.shape == (1, 1_000_000)
    assert peak < 100e6
