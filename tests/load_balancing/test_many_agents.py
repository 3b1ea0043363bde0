"""Among many agents the loads are looked for: the same numbers as by looking at everybody, bit for bit."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.load_balancing import LoadBalancingProblem, world
from crl_envs.load_balancing.graphs import grid_hops, grid_successors, hops_from
from crl_envs.load_balancing.rules import Count
from crl_envs.testing.compare import difference
from tests.load_balancing.driving import EVERYTHING

CASES: dict[str, dict[str, Any]] = {
    "paper": {},
    "gradient": {"cost_model": "gradient", "capacity": 2, "server_capacity": 3, "spare": "next"},
    "many": {"max_in_flight": 15, "capacity": [0, 1, 2] * 10, "entries": (3, 1, 4)},
    "everything": EVERYTHING | {"backend": "numpy"},
}


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("name", CASES)
def test_many_agents_are_stepped_as_few(
    name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"n_agents": 30, "max_steps": 60, "n_loads": 25} | CASES[name]
    ways = (0, True), (10**9, True), (10**9, False)  # from how many agents on, fresh arrays
    made = [
        crl_envs.make_vec("crl/load_balancing-v0", 7, autoreset_mode=mode, copy=copy, **given)
        for _, copy in ways
    ]
    returned: list[Any] = [None] * len(ways)
    rng = np.random.default_rng(0)
    n_actions = int(made[0].world.single_action_space.n)
    illegal = 0
    for step in range(130):
        again = step == 0 or (mode == "Disabled" and made[0].finished.all())
        actions = rng.integers(0, n_actions, (7, made[0].n_agents)).astype(np.uint8)
        if step:
            mask = returned[0][-1]["action_mask"]
            legal = mask[np.arange(7)[:, None], np.arange(made[0].n_agents), actions]
            wild = rng.random(actions.shape) < 0.1
            actions = np.where((legal > 0) | wild, actions, mask.argmax(axis=2)).astype(np.uint8)
        for i, (many, _) in enumerate(ways):
            monkeypatch.setattr(world, "_MANY", many)
            vec = made[i]
            returned[i] = vec.reset(seed=step) if again else vec.step(actions)
            returned[i] = (*returned[i][:-1], vec.metrics(), vec.state(), returned[i][-1])
        assert not difference(returned[0], returned[1])
        assert not difference(returned[0], returned[2])
        illegal += int(returned[0][-1]["illegal_action"].sum())
    assert illegal > 20


def test_a_subclass_has_its_say_among_many_agents() -> None:
    class Free(world.LoadBalancingWorld):
        def reward(self, state: Any, action: Any, next_state: Any, stream: Any) -> Any:
            return 0 * super().reward(state, action, next_state, stream)

    vec = crl_envs.core.WorldVectorEnv(Free(n_agents=5000))
    vec.reset(seed=0)
    actions = np.zeros((1, 5000), np.uint8)
    actions[0, 0] = 2
    assert not vec.step(actions)[1].any()


def test_another_thread_may_look_at_any_moment() -> None:
    class Shared(world.LoadBalancingWorld):
        """What keeps the last observation, from where a second thread can take it, is looked at by that thread."""

        meanwhile: Any = None

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "_last" and value is not None and self.meanwhile is not None:
                state, self.__dict__["meanwhile"] = self.meanwhile, None
                self.observation(state)

    made = [cls(n_agents=5000) for cls in (world.LoadBalancingWorld, Shared)]
    stream = crl_envs.core.stream.Stream(1)
    stream.seed(0)
    empty = made[0].initial(stream)
    full = empty._replace(load=empty.load + 20)
    plain, shared = made
    shared.observation(empty)
    shared.__dict__["meanwhile"] = full
    assert np.array_equal(shared.observation(empty), plain.observation(empty))


@pytest.mark.parametrize(("n", "degree"), [(1, 0), (5, 0), (7, 1), (12, 3), (12, 11), (50, 9)])
def test_hops_on_the_grid_are_those_of_a_search(n: int, degree: int) -> None:
    for entries in ([0], [n - 1], [n // 2, 0], list(range(n))):
        start = np.unique(entries)
        found = grid_hops(n, degree, start)
        assert found.tolist() == hops_from(grid_successors(n, degree), n, start).tolist()


def test_hops_are_networkx_shortest_paths() -> None:
    graph = nx.gnp_random_graph(60, 0.03, seed=2, directed=True)
    problem = LoadBalancingProblem(topology=graph, entries=(3, 40))
    found = nx.multi_source_dijkstra_path_length(graph, {3, 40})
    assert problem.hops.tolist() == [found.get(i, -1) for i in range(60)]
    assert -1 in found.values() or len(found) < 60


@pytest.mark.parametrize("loads", [3, 70, 1000])
def test_loads_enter_in_turn_at_once(loads: int) -> None:
    """The nth at the nth entry, around, in the nth place, as if one after another."""
    vec = crl_envs.make_vec(
        "crl/load_balancing-v0", 2, n_agents=30, entries=(7, 2, 9), n_loads=loads, max_in_flight=70
    )
    vec.reset(seed=0)
    inside = min(loads, 70)
    assert (vec._state.tally[Count.ENTERED] == inside).all()
    expected = [(7, 2, 9)[k % 3] if k < inside else -1 for k in range(70)]
    assert vec._state.at.T.tolist() == [expected, expected]
