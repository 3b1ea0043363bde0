"""The learners of the paper's §4: their equations on two agents, one result in every view, and what they achieve."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents import Learner, RandomPolicy
from agents.delegation.ant_colony import AntColony, Hop, visited
from agents.delegation.distributed_value_functions import DistributedValueFunctions
from agents.delegation.independent_q import IndependentQ
from agents.delegation.table import draw
from agents.learner import read_checkpoint, write_checkpoint
from crl_envs.wrappers import GlobalReward
from tests.agents.delegation.relay import Relay
from tests.load_balancing.driving import EVERYTHING
from tests.wrappers.making import make, make_vec

LOADS = "crl/load_balancing-v0"
STORE, HAND_ON = 1, 2
HARD_BUS = {"loss": 0.2, "delay": 4, "batch": 3}

LEARNERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "independent": (IndependentQ, {}),
    "independent, nothing follows": (IndependentQ, {"after_delegation": "nothing"}),
    "distributed values": (DistributedValueFunctions, {}),
    "distributed values, bad bus": (
        DistributedValueFunctions,
        {"bus": HARD_BUS, "weight_neighbor": "mean", "counts": "neighborhood", "discount": 0.9},
    ),
    "ants": (AntColony, {}),
    "ants, other clock": (
        AntColony,
        {"evaporates": "step", "evaporation": 0.01, "counts_loops": True, "patience": 3},
    ),
}
learners = pytest.mark.parametrize(("kind", "config"), LEARNERS.values(), ids=LEARNERS)
kinds = pytest.mark.parametrize("kind", [IndependentQ, DistributedValueFunctions, AntColony])

TINY = {"n_agents": 10, "capacity": 4, "server_capacity": 9, "max_steps": 2000}
WORLDS: dict[str, dict[str, Any]] = {
    "tiny": TINY,
    "several in flight, gradient": TINY
    | {"max_in_flight": 5, "cost_model": "gradient", "max_steps": 250},
    "everything": EVERYTHING | {"max_steps": 100},
}
worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)

LINE = nx.DiGraph([(0, 1), (1, 0)])


def scripted(learner: Any, actions: list[int]) -> Any:
    """Let the learner's agents, one load in flight, do what is written."""
    script = iter(actions)

    def choose(frame: Any, words: Any) -> Any:
        return np.where(frame.legal[:, :, 0], 0, next(script))  # the no-op is legal without a load

    learner.choose = choose
    return learner.learn(total_episodes=1)


def on_the_line(kind: type[Any], n_loads: int = 2, **config: Any) -> Any:
    """0 stores a load, fails to store the next one, hands it on to 1, which stores it."""
    env = make(LOADS, topology=LINE, capacity=(1, 1), n_loads=n_loads)
    return scripted(kind(env, **config), [STORE, STORE, HAND_ON, STORE])


# The equations


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # (−4 + 0)/2 = −2. (−2 − 200 + max(−2, −4))/2 = −102. (−4 − 12 + 0)/2 = −8. 1 stores: (−4 + 0)/2.
        ({"after_delegation": "nothing"}, [[-102, -8], [-2, -4]]),
        # Delegating: (−4 − 12 + max(−102, −4))/2 = −10.
        ({"after_delegation": "own"}, [[-102, -10], [-2, -4]]),
        # (−2 − 200 − 2/2)/2 = −101.5; (−4 − 12 − 4/2)/2 = −9.
        ({"after_delegation": "own", "discount": 0.5}, [[-101.5, -9], [-2, -4]]),
        # At α = 1 the latest target: −200 + max(0, −4); −12 − 4.
        ({"after_delegation": "own", "learning_rate": 1.0}, [[-200, -16], [0, -4]]),
        ({"after_delegation": "nothing", "min_q": -50.0}, [[-50, -8], [-2, -4]]),
    ],
)
def test_independent_updates_on_a_line(config: Any, expected: Any) -> None:
    learner = on_the_line(IndependentQ, initial_q=-4.0, **{"learning_rate": 0.5, **config})
    assert learner.table[0, :, 0, 1:].tolist() == expected
    assert learner.values()[:, 0, 0].tolist() == [max(row) for row in expected]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # As independent learners until 0 hands on, to 1 who has said nothing: (−4 − 12 − 4)/2 = −10.
        ({}, [[-102, -10], [-2, -4]]),
        # Failing (−2 − 200 + ½ max(−2, −4))/2 = −101.5, handing on (−4 − 12 − 4/4)/2 = −8.5.
        ({"weight_self": 0.5, "weight_neighbor": 0.25}, [[-101.5, -8.5], [-2, -4]]),
        ({"discount": 0.5}, [[-101.5, -9], [-2, -4]]),
        ({"weight_neighbor": "mean"}, [[-102, -10], [-2, -4]]),  # of one neighbour
        # Both count: failing (−2 − 200 − 2 − 4)/2 = −104, handing on (−4 − 12 + max(−104, −4) − 4)/2 = −12.
        ({"counts": "neighborhood"}, [[-104, -12], [-2, -4]]),
    ],
)
def test_distributed_updates_on_a_line(config: Any, expected: Any) -> None:
    learner = on_the_line(
        DistributedValueFunctions, initial_q=-4.0, **{"learning_rate": 0.5, **config}
    )
    assert learner.table[0, :, 0, 1:].tolist() == expected
    # Each of the four updates was told to the other: −2, then V_0 and V_1 at the end.
    assert learner.history[0]["advertisements_sent"] == 4
    assert learner.history[0]["advertisements_delivered"] == 4
    v0, v1 = (max(row) for row in expected)
    assert learner.heard[0, :, HAND_ON].tolist() == [v1, v0]


def test_what_a_neighbour_says_counts_from_the_next_step() -> None:
    """1 fails to store and says so; only then does 0 hand on another load to it."""
    env = make(LOADS, topology=LINE, capacity=(0, 1), n_loads=2, max_steps=5)
    learner = DistributedValueFunctions(env, learning_rate=1.0)
    scripted(learner, [HAND_ON, STORE, HAND_ON, STORE, HAND_ON])
    # 0 → 1 costs 12; stored; 12 again; failure: max(−200 + max(0, 0), MinQ), V_1 stays 0; 1 → 0: −12 + V_0 = −24.
    assert learner.table[0, :, 0, 1:].tolist() == [[0.0, -12.0], [-200.0, -12.0]]
    assert learner.heard[0, :, HAND_ON].tolist() == [-12.0, 0.0]


def test_the_mean_weighs_by_the_number_of_neighbours() -> None:
    """0 hands on a load to 1, of whom it thinks −4: −12 − 4/3 with three neighbours."""
    star = nx.DiGraph([(0, 1), (0, 2), (0, 3)])
    for counts, follows in (("receiver", -4 / 3), ("neighborhood", -4 / 3 * 3 - 4)):
        env = make(LOADS, topology=star, capacity=(1, 1, 1, 1), n_loads=1)
        learner = DistributedValueFunctions(
            env, learning_rate=1.0, initial_q=-4.0, weight_neighbor="mean", counts=counts
        )
        scripted(learner, [HAND_ON, STORE])
        assert learner.table[0, 0, 0, HAND_ON] == pytest.approx(-12 + follows)
        assert learner.history[0]["advertisements_sent"] == 1  # 1 to 0; nobody delegates to 0


@pytest.mark.parametrize("evaporates", ["update", "step"])
@pytest.mark.parametrize("punishes", [True, False])
def test_pheromone_on_a_line(evaporates: str, punishes: bool) -> None:
    rho, delta, kappa, xi = 0.2, 0.3, 10.0, 0.05
    learner = on_the_line(
        AntColony,
        evaporation=rho,
        deposit=delta,
        cost_scale=kappa,
        local_update=xi,
        min_pheromone=1e-6,
        initial_pheromone=0.5,
        evaporates=evaporates,
        punishes=punishes,
    )
    used, failed = 1 - xi, kappa / (kappa + 200) if punishes else 1.0
    if evaporates == "update":
        fade = 1 - rho
        store = (0.5 * used * fade + delta) * used * failed * fade  # stores; fails; is passed again
        hand_on = 0.5 * fade * used * fade + delta * kappa / (kappa + 212)
        there, idle = [0.5 * used * fade + delta, 0.5 * fade], 0.5 * fade**2
    else:
        fade = (1 - rho) ** 3  # all four steps, the first before the first deposit
        store = (0.5 * (1 - rho) * used + delta) * used * failed * fade
        hand_on = 0.5 * (1 - rho) ** 4 * used + delta * kappa / (kappa + 212)
        there, idle = [0.5 * (1 - rho) ** 4 * used + delta, 0.5 * (1 - rho) ** 4], None
    assert learner.table[0, 0, 0, 1:].tolist() == pytest.approx([store, hand_on])
    assert learner.table[0, 1, 0, 1:].tolist() == pytest.approx(there)
    assert idle is None or learner.table[0, 0, 0, 0] == pytest.approx(idle)
    assert learner.history[0]["backward_ants"] == 2
    assert learner.history[0]["backward_ant_messages"] == 1


def test_pheromone_stays_within_its_limits() -> None:
    learner = on_the_line(AntColony, evaporation=0.9, deposit=1.0, min_pheromone=0.2)
    assert learner.table.min() == 0.2
    assert learner.table.max() == 1.0


def test_loops_are_taken_out_of_paths() -> None:
    path: list[Hop] = []
    for agent, cost in ((3, 1.0), (5, 2.0), (7, 4.0), (5, 8.0), (9, 16.0)):
        path = visited(path, agent, 2, cost)
    assert path == [Hop(3, 2, 1.0), Hop(5, 2, 8.0), Hop(9, 2, 16.0)]
    assert visited(path, 3, 1, 0.5) == [Hop(3, 1, 0.5)]
    assert visited(path, 3, 1, 0.5, counts_loops=True) == [Hop(3, 1, 25.5)]
    # Who fails and then goes on with the same problem has paid for both.
    assert visited(path, 9, 4, 0.25)[-1] == Hop(9, 4, 16.25)


def test_draws_are_in_proportion_to_the_weights() -> None:
    weights = [0.0, 1.0, 0.0, 3.0, 0.0]
    words = np.arange(4096) * 2**20 + 7
    counts = np.bincount([draw(weights, int(word)) for word in words], minlength=5)
    assert counts.tolist() == [0, 1024, 0, 3072, 0]
    assert draw([1.0, 0.0], 2**32 - 1) == 0
    assert draw([0.1] * 10, 2**32 - 1) == 9


# Whose path is it


def test_paths_are_those_that_the_loads_took() -> None:
    """Several in flight, no agent delegates to the entry, none is late: the world's own memory agrees."""
    graph = nx.DiGraph([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (2, 5), (3, 5), (3, 1), (4, 5)])
    env = make(LOADS, topology=graph, capacity=(1, 2, 2, 2, 3, 40), max_in_flight=7, memory=True)
    learner = AntColony(env, min_pheromone=1.0)  # at random
    retraced: list[tuple[set[int], set[int]]] = []
    choose, retrace = learner.choose, learner._retrace
    took: list[set[int]] = []

    def note(frame: Any, words: Any) -> Any:
        actions = choose(frame, words)
        state, world = env.unwrapped._state, env.unwrapped.world
        places = state.head[:, 0]
        took[:] = [
            set(np.flatnonzero(state.visited[places[i], :, 0]).tolist())
            for i in range(6)
            if places[i] >= 0 and actions[i, 0] == STORE and state.load[i, 0] < world.capacity[i]
        ]
        return actions

    def check(b: int, path: Any) -> None:
        retraced.append((took.pop(0), {hop.agent for hop in path}))
        retrace(b, path)

    learner.choose, learner._retrace = note, check  # type: ignore[method-assign]
    learner.learn(total_episodes=2)
    assert len(retraced) == 100
    assert all(real == known for real, known in retraced)
    assert len({tuple(sorted(known)) for _, known in retraced}) > 8


def test_idle_agents_forget_what_does_not_come() -> None:
    world = TINY | {"timeout": 3, "max_in_flight": 6, "n_loads": 400, "max_steps": 300}
    waiting = {}
    for patience in (4, 10**9):
        learner = AntColony(make(LOADS, **world), patience=patience).learn(total_episodes=1)
        waiting[patience] = sum(len(coming) for coming in learner._coming[0])
    assert learner.history[0]["timed_out"] > 20
    assert waiting[4] < waiting[10**9]


# One result


def arrays_of(learner: Any) -> dict[str, Any]:
    return {name: array.copy() for name, array in learner.get_arrays().items()}


def assert_same(one: Any, other: Any) -> None:
    assert repr(one.history) == repr(other.history)
    a, b = arrays_of(one), arrays_of(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@worlds
@learners
def test_a_column_of_a_vector_env_is_the_dict_env_with_its_seed(
    kind: Any, config: Any, world: Any
) -> None:
    vec = make_vec(LOADS, num_envs=2, autoreset_mode="Disabled", **world)
    batch = kind(vec, seed=10, **config).learn(total_episodes=1)
    for b in range(2):
        single = kind(make(LOADS, **world), seed=10 + b, **config).learn(total_episodes=1)
        expected = {name: np.asarray(value).tolist() for name, value in single.history[0].items()}
        column = {
            name: value if name == "episode" else value[b].tolist()
            for name, value in batch.history[0].items()
        }
        assert column == expected
        arrays = arrays_of(batch)
        for name, value in arrays_of(single).items():
            whole = arrays[name] if name == "kind" else arrays[name][b : b + 1]
            np.testing.assert_array_equal(whole, value, err_msg=name)


@pytest.mark.parametrize("world", [WORLDS["everything"], TINY], ids=["everything", "tiny"])
@learners
def test_from_a_checkpoint_learning_goes_on_as_if_it_had_never_stopped(
    kind: Any, config: Any, world: Any, tmp_path: Path
) -> None:
    world = world | {"max_steps": 100}
    whole = kind(make(LOADS, **world), seed=3, **config).learn(total_episodes=3)
    one = kind(make(LOADS, **world), seed=3, **config).learn(total_episodes=1)
    one.save(tmp_path / "learner.npz")
    other = Learner.load(tmp_path / "learner.npz", copy.deepcopy(one.env))
    assert type(other) is kind
    assert other.config == one.config
    assert_same(one, other)
    for learner in (one, other):
        learner.learn(total_episodes=2)
        assert_same(learner, whole)


def test_messages_under_way_are_in_the_checkpoint(tmp_path: Path) -> None:
    env = make(LOADS, **TINY)
    learner = DistributedValueFunctions(env, bus={"delay": 40}).learn(total_episodes=1)
    assert learner.get_arrays()["mail_under_way"].any()
    learner.save(tmp_path / "learner.npz")
    loaded = DistributedValueFunctions.load(tmp_path / "learner.npz", env)
    assert_same(learner, loaded)


def test_messages_under_way_from_somebody_else_are_lost() -> None:
    env = make(LOADS, **TINY)
    learner = DistributedValueFunctions(env, bus={"delay": 40}).learn(total_episodes=1)
    before = learner.get_arrays()["mail_under_way"][0]
    link = int(before.any(axis=0).argmax())
    learner.introduce(0, *divmod(link, learner.heard.shape[2]))
    after = learner.get_arrays()["mail_under_way"][0]
    assert not after[:, link].any()
    assert np.array_equal(np.delete(after, link, 1), np.delete(before, link, 1))
    learner.learn(total_episodes=1)


@learners
def test_same_seed_same_run_and_another_seed_another(kind: Any, config: Any) -> None:
    runs = [
        kind(make(LOADS, **WORLDS["everything"]), seed=seed, **config).learn(total_episodes=1)
        for seed in (1, 1, 2)
    ]
    assert_same(runs[0], runs[1])
    assert repr(runs[0].history) != repr(runs[2].history)


@learners
def test_acting_changes_nothing_and_obeys_masks(kind: Any, config: Any) -> None:
    learner = kind(make(LOADS, **TINY), seed=1, **config).learn(total_episodes=1)
    before = arrays_of(learner)
    env = make(LOADS, **TINY)
    observations, infos = env.reset(seed=0)
    masks = {agent: info["action_mask"].copy() for agent, info in infos.items()}
    masks["agent_0"][STORE] = 0
    drawn = set()
    for deterministic in (False,) * 60 + (True,):
        actions = learner.act(observations, deterministic, action_masks=masks)
        assert all(masks[agent][action] for agent, action in actions.items())
        drawn.add(actions["agent_0"])
    assert len(drawn) > 1
    for name, array in arrays_of(learner).items():
        np.testing.assert_array_equal(array, before[name])


@kinds
def test_greedy_is_the_best_of_what_is_legal(kind: Any) -> None:
    learner = kind(make(LOADS, **TINY)).learn(total_episodes=1)
    everything = np.ones(learner.view.n_actions, np.int8)
    seen = {"agent_0": np.zeros(4, np.float32)}
    action = learner.act(seen, True, action_masks={"agent_0": everything})["agent_0"]
    assert action == 1 + learner.table[0, 0, 0, 1:].argmax()


def test_observations_can_be_told_apart() -> None:
    """Ordinary parcels can be delivered at once, urgent ones only at f: one state can't know."""
    env = Relay(parcels=150, observes="urgency", horizon=100_000)
    learner = DistributedValueFunctions(env, states="observation", temperature=0.2, seed=1)
    learner.learn(total_episodes=2)
    assert learner.table.shape[2] == 2
    assert env.trips[-100:].count(1) + env.trips[-100:].count(4) >= 90
    assert env.trips[-100:].count(1) > 20


# What they achieve


@learners
def test_no_load_is_lost_whatever_fails(kind: Any, config: Any) -> None:
    history = kind(make(LOADS, **WORLDS["everything"]), **config).learn(2).history
    for m in history:
        places = ("stored", "queued", "on_wire", "departed", "timed_out")
        assert m["loads_in"] == sum(m[place] for place in places)
    assert sum(m["stored"] + m["departed"] for m in history) > 30


def first_episodes(kind: Any, **config: Any) -> Any:
    vec = make_vec(LOADS, num_envs=8, autoreset_mode="Disabled", **TINY)
    entry = kind(vec, seed=0, **config).learn(total_episodes=1).history[0]
    assert entry["stored"].tolist() == [50] * 8
    return entry


@pytest.mark.parametrize(
    ("kind", "most"), [(IndependentQ, 0.6), (DistributedValueFunctions, 0.5), (AntColony, 0.7)]
)
def test_stores_all_loads_in_fewer_steps_than_random_actions(kind: Any, most: float) -> None:
    """50 loads on ten agents, 190 steps at best. Random actions take 565 ± 80 (one run), independent learners 252 ± 5,
    distributed values 238 ± 3, ants 310 ± 30: .45, .42 and .55 of it. Of means of 8 runs, with a standard error of 5 %
    for random actions and 3 % for ants, the bounds are 3.5 standard errors and more away."""
    random = first_episodes(RandomPolicy, fused=False)["steps"].mean()
    entry = first_episodes(kind)
    assert (entry["steps"] >= 190).all()
    assert entry["steps"].mean() < most * random


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "steps"),
    [(IndependentQ, 17_300), (DistributedValueFunctions, 8_900), (AntColony, 12_150)],
)
def test_on_the_papers_grid(kind: Any, steps: int) -> None:
    """Means of five runs; their standard deviations are 70, 20 and 670. Random actions take 120,000, CRL 8,000."""
    vec = make_vec(LOADS, num_envs=5, autoreset_mode="Disabled")
    entry = kind(vec, seed=300).learn(total_episodes=1).history[0]
    assert entry["stored"].tolist() == [1360] * 5
    assert abs(entry["steps"].mean() / steps - 1) < 0.12


def test_later_episodes_are_solved_too() -> None:
    """The agents, emptied, have learnt that they are full: independent ones for which a delegation closes the matter
    never get over it, the others do, though it takes as long as random actions do, or longer."""
    for kind in (IndependentQ, DistributedValueFunctions, AntColony):
        history = kind(make(LOADS, **TINY), seed=2).learn(total_episodes=3).history
        assert [entry["stored"] for entry in history] == [50, 50, 50], kind
    env = make(LOADS, **TINY | {"max_steps": 1000})
    stuck = IndependentQ(env, seed=2, after_delegation="nothing")
    assert stuck.learn(total_episodes=2).history[1]["stored"] < 25


def test_who_tells_more_than_others_is_counted() -> None:
    """A distributed value goes to all four that can delegate to an agent, whenever it acts."""
    env = make(LOADS, **TINY, out_degree=4)
    entry = DistributedValueFunctions(env, seed=1).learn(1).history[0]
    assert entry["advertisements_sent"] == 4 * entry["steps"]
    assert entry["advertisements_delivered"] == entry["advertisements_sent"]
    lossy = DistributedValueFunctions(make(LOADS, **TINY), seed=1, bus={"loss": 0.5}).learn(1)
    sent, lost = (lossy.history[0][f"advertisements_{what}"] for what in ("sent", "lost"))
    assert abs(lost / sent - 0.5) < 5 * 0.5 / math.sqrt(sent)
    assert lossy.history[0]["advertisements_delivered"] == sent - lost


def test_finds_the_shortest_way_in_somebody_elses_environment() -> None:
    """Four actions are the shortest way, and independent learners have no means of finding it."""
    taken = {}
    for kind, config in (
        (IndependentQ, {"temperature": 0.2}),
        (DistributedValueFunctions, {"temperature": 0.2}),
        (AntColony, {"cost_scale": 1.0, "power": 4.0}),
    ):
        env = Relay(parcels=150)
        kind(env, seed=1, **config).learn(total_episodes=1)
        assert np.mean(env.trips[:10]) > 4.5
        taken[kind] = np.mean(env.trips[-50:])
    assert taken[DistributedValueFunctions] <= 4.1
    assert taken[AntColony] <= 6.0
    assert taken[IndependentQ] > 8.0


@kinds
def test_learns_under_global_rewards_and_in_step_mode(kind: Any) -> None:
    assert kind(GlobalReward(make(LOADS, **TINY))).learn(1).history[0]["stored"] == 50
    vec = make_vec(LOADS, num_envs=2, **TINY | {"max_steps": 40, "n_loads": 1000})
    assert kind(vec).learn(total_episodes=2).history[1]["steps"].tolist() == [40, 40]


# Bad input


@pytest.mark.parametrize(
    ("kind", "name", "bad"),
    [
        *((IndependentQ, "learning_rate", bad) for bad in (0, 1.1, math.nan, "1", True)),
        *((IndependentQ, "temperature", bad) for bad in (0, -1.0, math.inf)),
        *((IndependentQ, "discount", bad) for bad in (-0.1, 1.1)),
        (IndependentQ, "after_delegation", "theirs"),
        (IndependentQ, "states", "two"),
        (IndependentQ, "initial_q", math.nan),
        *((IndependentQ, "min_q", bad) for bad in (1.0, math.inf)),
        *((kind, "seed", bad) for kind in (IndependentQ, AntColony) for bad in (-1, 2**64, 0.5)),
        (DistributedValueFunctions, "learning_rate", 0),
        *((DistributedValueFunctions, "weight_self", bad) for bad in (-1.0, "mean")),
        *((DistributedValueFunctions, "weight_neighbor", bad) for bad in (-1.0, "sum", None)),
        (DistributedValueFunctions, "counts", "all"),
        *((DistributedValueFunctions, "bus", bad) for bad in (None, 3)),
        *((AntColony, "evaporation", bad) for bad in (-0.1, 1.1)),
        (AntColony, "evaporates", "often"),
        (AntColony, "deposit", 2.0),
        *((AntColony, "cost_scale", bad) for bad in (0.0, -1.0)),
        (AntColony, "local_update", 1.5),
        (AntColony, "power", 0.0),
        *((AntColony, "min_pheromone", bad) for bad in (0.0, 1.1)),
        *((AntColony, "initial_pheromone", bad) for bad in (0.001, 1.1)),
        *((AntColony, flag, 1) for flag in ("punishes", "counts_loops")),
        *((AntColony, "patience", bad) for bad in (0, 1.5)),
    ],
)
def test_bad_settings_are_refused_by_name(kind: Any, name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must"):
        kind(make(LOADS, **TINY), **{name: bad})


@kinds
def test_what_does_not_fit_is_refused(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__} has no argument 'sed'"):
        kind(make(LOADS, **TINY), sed=1)
    for env in (make("crl/bandit-v0"), make_vec("crl/sysadmin-v0", num_envs=2, n_agents=3)):
        with pytest.raises(ValueError, match=r"how work is handed on: infos.* lacks action_kinds"):
            kind(env).learn(total_episodes=1)
    with pytest.raises(ValueError, match=r"learn\(\) must come first"):
        kind(make(LOADS, **TINY)).act({"agent_0": np.zeros(4, np.float32)})
    path = tmp_path / "learner.npz"
    kind(make(LOADS, **TINY | {"out_degree": 5})).learn(total_episodes=1).save(path)
    others = [TINY | {"n_agents": 11}, TINY | {"out_degree": 4}]
    for env in (*(make(LOADS, **other) for other in others), make_vec(LOADS, 2, **TINY), None):
        with pytest.raises(ValueError, match=rf"learner\.npz doesn't fit {kind.__name__} on"):
            kind.load(path, env)
    other = make(LOADS, **TINY | {"out_degree": 3, "discovery": "all"})  # as many actions
    with pytest.raises(ValueError, match="kinds of action"):
        kind.load(path, other).learn(total_episodes=1)
    meta, arrays = read_checkpoint(path)
    arrays["learnt_behind"][0, 0, 2] = 99
    meta.pop("format")
    write_checkpoint(path, meta, arrays)
    with pytest.raises(ValueError, match=r"behind must be in \[-1, 9\]"):
        kind.load(path, make(LOADS, **TINY | {"out_degree": 5}))


@kinds
def test_a_table_too_large_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="at most 50000000 entries are allowed"):
        kind(make_vec(LOADS, num_envs=100_000))
