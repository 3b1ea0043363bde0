"""Baselines for load balancing: against counts and laws that are known, and the compiled loop against the API."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents import Learner
from agents.delegation.breadth_first import BreadthFirst, hops_to
from agents.delegation.shortest_queue import ShortestQueue, draw_first, least_full, mixed
from agents.random_policy import RandomPolicy
from agents.view import Frame, runs_compiled
from crl_envs.wrappers import GlobalReward
from tests.core.toy import TOY
from tests.load_balancing.driving import EVERYTHING
from tests.views import HAS_NUMBA
from tests.wrappers.foreign import COLOURS, Leavers, Spaced
from tests.wrappers.making import make, make_vec

LOADS = "crl/load_balancing-v0"
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="Numba is not installed")

SMALL: dict[str, Any] = {"n_agents": 12, "capacity": 2, "server_capacity": 5, "max_steps": 120}
CYCLES = nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 3), (3, 1), (0, 4), (4, 5), (5, 0), (6, 0)])
WORLDS: dict[str, dict[str, Any]] = {
    "grid": SMALL,
    "random gradient": SMALL | {"topology": "random", "cost_model": "gradient"},
    "spare before": SMALL | {"cost_model": "gradient", "spare": "before"},
    "several in flight": SMALL | {"max_in_flight": 7, "entries": (0, 3)},
    "faults": SMALL | {"fail_rate": 0.1, "return_rate": 0.2, "max_in_flight": 4},
    "lost and late": SMALL | {"message_loss": 0.2, "message_delay": 3, "max_in_flight": 4},
    "memory and timeout": SMALL | {"memory": True, "timeout": 9},
    "a server that joins": SMALL
    | {"join_capacity": 9, "join_at": 15, "discovery": "all", "max_in_flight": 3},
    "cycles": {"topology": CYCLES, "capacity": (0, 2, 1, 0, 3, 1, 9), "max_steps": 60},
    "too many loads": SMALL | {"n_loads": 50},
    "everything": EVERYTHING | {"max_steps": 120},
}
worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)

POLICIES: dict[str, tuple[type[Learner], dict[str, Any]]] = {
    "random": (RandomPolicy, {}),
    "breadth first": (BreadthFirst, {}),
    "two choices": (ShortestQueue, {}),
    "three choices, patient": (ShortestQueue, {"choices": 3, "eager": False}),
    "all choices, patient": (ShortestQueue, {"choices": None, "eager": False}),
}
FUSED = {name: kind for name, kind in POLICIES.items() if kind[0] is not BreadthFirst}
policies = pytest.mark.parametrize(("policy", "config"), POLICIES.values(), ids=POLICIES)
fused_policies = pytest.mark.parametrize(("policy", "config"), FUSED.values(), ids=FUSED)


def steps_of(learner: Learner) -> list[int]:
    return [entry["steps"] for entry in learner.history]


# The compiled loop


@needs_numba
@fused_policies
@worlds
def test_compiled_is_bit_for_bit_the_way_through_the_api(
    world: dict[str, Any], policy: Any, config: dict[str, Any]
) -> None:
    outcomes = []
    for fused in (True, False):
        env = make(LOADS, backend="numba", **world)
        learner = policy(env, seed=5, fused=fused, **config).learn(total_episodes=2)
        clocks = (learner._stream.clock.tolist(), env.unwrapped._stream.clock.tolist())
        outcomes.append((repr(learner.history), env.unwrapped.state().tolist(), clocks))
    assert outcomes[0] == outcomes[1]
    assert max(steps_of(learner)) > 15


@needs_numba
def test_only_a_bare_environment_is_compiled() -> None:
    def is_compiled(env: Any) -> bool:
        return runs_compiled(RandomPolicy(env))

    assert is_compiled(make(LOADS, backend="numba"))
    assert not is_compiled(make(LOADS, backend="numpy"))
    assert not is_compiled(GlobalReward(make(LOADS, backend="numba")))
    assert not is_compiled(make_vec(LOADS, backend="numba"))
    assert not is_compiled(make("crl/sysadmin-v0"))


@needs_numba
@pytest.mark.parametrize("every", [1, 7, 1000])
def test_callbacks_see_the_same_on_both_ways(every: int) -> None:
    seen: dict[bool, list[Any]] = {True: [], False: []}
    for fused, told in seen.items():
        env = make(LOADS, backend="numba", **WORLDS["everything"])
        learner = ShortestQueue(env, seed=2, fused=fused)

        def look(learner: Learner, told: list[Any] = told) -> None:
            state = learner.env.unwrapped.state().tolist()
            told.append((state, learner.measurements()["polls"].tolist()))

        learner.learn(total_episodes=1, step_callback=look, every=every)
    assert seen[True] == seen[False]
    assert len(seen[True]) == math.ceil(120 / every)


# Every policy


@policies
@pytest.mark.parametrize("mode", ["Disabled", "NextStep"])
@pytest.mark.parametrize("name", ["everything", "faults", "random gradient"])
def test_a_column_is_the_single_environment(
    name: str, mode: str, policy: Any, config: dict[str, Any]
) -> None:
    """From the second episode on only in disabled mode, as columns that have ended play on in the other."""
    world, episodes = WORLDS[name], 2 if mode == "Disabled" else 1
    vec = policy(make_vec(LOADS, num_envs=3, autoreset_mode=mode, **world), seed=7, **config)
    vec.learn(total_episodes=episodes)
    for b in range(3):
        single = policy(make(LOADS, **world), seed=7 + b, **config).learn(total_episodes=episodes)
        for ours, theirs in zip(vec.history, single.history, strict=True):
            assert ours.keys() == theirs.keys()
            for key in ours.keys() - {"episode"}:
                assert ours[key][b].tolist() == np.asarray(theirs[key]).tolist(), key
    if policy is ShortestQueue and name == "faults" and mode == "NextStep":
        assert len(set(vec.history[0]["steps"].tolist())) > 1


@policies
def test_same_seed_same_run_in_parts_or_at_once(policy: Any, config: dict[str, Any]) -> None:
    def run(seed: int, parts: list[int]) -> str:
        learner = policy(make(LOADS, **WORLDS["faults"]), seed=seed, **config)
        for part in parts:
            learner.learn(total_episodes=part)
        return repr(learner.history)

    before = repr(np.random.get_state())  # noqa: NPY002
    assert run(1, [3]) == run(1, [1, 0, 2]) != run(2, [3])
    assert repr(np.random.get_state()) == before  # noqa: NPY002


@policies
def test_save_and_load(policy: Any, config: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    world = WORLDS["random gradient"]
    env = make(LOADS, **world)
    learner = policy(env, seed=3, **config).learn(total_episodes=2)
    learner.save(path)
    loaded = Learner.load(path, env)
    assert type(loaded) is policy
    assert loaded.config == learner.config
    loaded.learn(total_episodes=2)
    at_once = policy(make(LOADS, **world), seed=3, **config).learn(total_episodes=4)
    assert repr(loaded.history) == repr(at_once.history)


@policies
def test_under_global_reward_the_same_steps(policy: Any, config: dict[str, Any]) -> None:
    plain, wrapped = make(LOADS, **SMALL), GlobalReward(make(LOADS, **SMALL))
    histories = [policy(env, **config).learn(1).history for env in (plain, wrapped)]
    assert repr(histories[0]) == repr(histories[1])


@policies
def test_act_needs_no_masks_and_disturbs_nothing(policy: Any, config: dict[str, Any]) -> None:
    def peek(learner: Learner) -> None:
        observations = dict.fromkeys(learner.view.agents, np.zeros(4, np.float32))
        state, n = learner.env.unwrapped.state(), learner.view.n_agents
        for deterministic in (False, True):
            acted = list(learner.act(observations, deterministic).values())
            if policy is not RandomPolicy:  # the loads tell who has something to do
                assert [a > 0 for a in acted] == (
                    (state[n : 2 * n] > 0) & (state[-n:] > 0)
                ).tolist()

    world = WORLDS["faults"] | {"max_steps": 40}
    left_alone = policy(make(LOADS, **world), **config).learn(2)
    watched = policy(make(LOADS, **world), **config).learn(2, step_callback=peek)
    assert repr(left_alone.history) == repr(watched.history)


@pytest.mark.parametrize("policy", [BreadthFirst, ShortestQueue])
def test_act_before_learning(policy: Any) -> None:
    env = make(LOADS)
    observations, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=r"learn\(\) must come first"):
        policy(env).act(observations)


@pytest.mark.parametrize("policy", [BreadthFirst, ShortestQueue])
def test_environments_without_loads(policy: Any) -> None:
    with pytest.raises(ValueError, match=r"env\.unwrapped\.capacity or .* got neither"):
        policy(make("crl/bandit-v0"))
    with pytest.raises(ValueError, match=r"env\.unwrapped\.capacity or .* got neither"):
        policy(make_vec("crl/sysadmin-v0", num_envs=2))
    leavers: Any = Leavers()
    for bad in ([1, 2], [1, -1, 1], [1.0, 2.0, 3.0]):
        leavers.capacity = np.array(bad)
        with pytest.raises(
            ValueError, match=r"capacity must have a whole number ≥ 0 for each of 3"
        ):
            policy(leavers)
    leavers.capacity = [1, 1, 1]
    with pytest.raises(ValueError, match=r"infos\['red'\] lacks action_kinds"):
        policy(leavers).learn(1)

    class Telling(Leavers):
        capacity = (1, 1, 1)
        topology = nx.DiGraph([("red", "green"), ("green", "blue"), ("green", "red")])

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            observations, _ = super().reset(seed, options)
            kinds = (("noop", "local"), ("noop", "delegation", "delegation"), ("noop",) * 4)
            told = [{"action_kinds": kind, "dop": "none"} for kind in kinds]
            return observations, dict(zip(COLOURS, told, strict=True))

    Telling.topology.remove_edge("red", "green")
    with pytest.raises(ValueError, match=r"state\(\) must have .* 9 numbers, got .* \(1,\)"):
        policy(Telling()).learn(1)


@pytest.mark.parametrize(
    ("policy", "config", "message"),
    [
        (RandomPolicy, {"seed": -1}, "seed must be an integer in"),
        (RandomPolicy, {"fused": 1}, "fused must be True or False, got 1"),
        (RandomPolicy, {"choices": 2}, "RandomPolicy has no argument 'choices'"),
        (BreadthFirst, {"seed": 0.5}, "seed must be an integer in"),
        (BreadthFirst, {"fused": True}, "BreadthFirst has no argument 'fused'"),
        (ShortestQueue, {"choices": 0}, "choices must be an integer in"),
        (ShortestQueue, {"choices": True}, "choices must be an integer in"),
        (ShortestQueue, {"eager": None}, "eager must be True or False, got None"),
        (ShortestQueue, {"fused": "no"}, "fused must be True or False, got 'no'"),
        (ShortestQueue, {"seed": 2**64}, "seed must be an integer in"),
        (ShortestQueue, {"choice": 2}, r"no argument 'choice' \(did you mean 'choices'"),
    ],
)
def test_bad_arguments(policy: Any, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy(make(LOADS), **config)


# Random


@given(mask=st.lists(st.booleans(), min_size=1, max_size=9).filter(any), at=st.data())
def test_random_gives_each_legal_action_an_equal_part_of_the_words(mask: Any, at: Any) -> None:
    """Exactly: the words from ⌈2³² k/m⌉ up to the next limit are those of the k-th of m legal actions."""
    legal = [a for a, allowed in enumerate(mask) if allowed]
    policy = RandomPolicy(Spaced({"a": spaces.Discrete(2)}, {"a": spaces.Discrete(len(mask))}))
    k = at.draw(st.integers(0, len(legal) - 1))
    low, high = (-(-(2**32) * edge // len(legal)) for edge in (k, k + 1))
    frame = Frame(np.zeros((1, 1), np.intp), np.array([[mask]]), None)
    for word in (low, at.draw(st.integers(low, high - 1)), high - 1):
        words = np.array([[word]], np.uint32)
        assert policy.choose(frame, words)[0, 0] == legal[k]
        if all(mask):
            assert policy.choose(frame._replace(legal=None), words)[0, 0] == legal[k]
    assert policy.choose(frame, None)[0, 0] == legal[0]


def test_random_holders_store_or_delegate_evenly() -> None:
    """30,000 holders of loads among ten actions: χ² with 9 degrees of freedom, false alarm 10⁻⁶ above 46."""
    policy = RandomPolicy(make(LOADS, n_agents=100), seed=4)
    observations = dict.fromkeys(policy.view.agents, 0)
    mask = np.array([0, *[1] * 10], np.int8)[: policy.view.n_actions]
    masks = dict.fromkeys(policy.view.agents, mask)
    drawn = [a for _ in range(300) for a in policy.act(observations, action_masks=masks).values()]
    counts = np.bincount(drawn, minlength=len(mask))
    assert counts[0] == 0
    expected = len(drawn) / (len(mask) - 1)
    assert len(mask) == 11
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 46


def test_random_walk_takes_as_long_as_its_markov_chain_says() -> None:
    """Two agents with room for one load each, and two loads.

    The first is stored after 2 steps on average, with 2/3 at the entry; the second after 6 steps when it is, else
    after 4: 22/3 in all. Within five standard errors, false alarm 6 · 10⁻⁷.
    """
    env = make(LOADS, topology=nx.DiGraph([(0, 1), (1, 0)]), capacity=1)
    steps = steps_of(RandomPolicy(env, seed=1).learn(total_episodes=600))
    assert abs(np.mean(steps) - 22 / 3) < 5 * np.std(steps) / math.sqrt(len(steps))


@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/sysadmin-v0", TOY])
def test_random_on_other_environments_and_their_vector_twins(id: str) -> None:
    vec = RandomPolicy(make_vec(id, num_envs=3, n_agents=5, autoreset_mode="Disabled"), seed=2)
    vec.learn(total_episodes=3)
    for b in range(3):
        single = RandomPolicy(make(id, n_agents=5), seed=2 + b).learn(total_episodes=3)
        for ours, theirs in zip(vec.history, single.history, strict=True):
            for key in ours.keys() - {"episode"}:
                assert ours[key][b].tolist() == np.asarray(theirs[key]).tolist(), key
    assert len({tuple(entry["global_return"]) for entry in vec.history}) > 1


def test_random_where_everyone_differs() -> None:
    """Own action spaces that start anywhere, agents that leave, observations that make no table."""
    env = Leavers()
    RandomPolicy(env, seed=0).learn(total_episodes=60)
    taken = {a: {given[a] for given in env.given if a in given} for a in COLOURS}
    assert taken == {"red": {0, 1}, "green": {1, 2, 3}, "blue": {2, 3, 4, 5}}
    odd = Spaced({"a": spaces.Text(5)}, {"a": spaces.Discrete(3)}, {"a": np.array([0, 0, 1])})
    RandomPolicy(odd).learn(total_episodes=3)
    assert odd.last_actions == {"a": 2}


# Breadth first


def test_breadth_first_fills_the_papers_grid_in_6700_steps() -> None:
    assert steps_of(BreadthFirst(make(LOADS)).learn(1)) == [6700]


@pytest.mark.parametrize("instance_seed", range(4))
def test_breadth_first_is_optimal_on_random_graphs(instance_seed: int) -> None:
    sizes = {"n_agents": 30, "capacity": 5, "server_capacity": 9}
    env = make(LOADS, topology="random", instance_seed=instance_seed, **sizes)
    assert steps_of(BreadthFirst(env).learn(2)) == [env.unwrapped.optimal_steps()] * 2


@pytest.mark.parametrize("entry", [0, 2, 6])
def test_breadth_first_is_optimal_on_cycles(entry: int) -> None:
    world = WORLDS["cycles"] | {"entries": (entry,)}
    env = make(LOADS, **world)
    assert steps_of(BreadthFirst(env).learn(1)) == [env.unwrapped.optimal_steps()]


@st.composite
def digraphs(draw: Any) -> nx.DiGraph:
    n = draw(st.integers(1, 8))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(draw(st.lists(st.sampled_from(pairs), max_size=24)) if pairs else [])
    return graph


@settings(max_examples=60)
@given(graph=digraphs(), memory=st.booleans(), data=st.data())
def test_breadth_first_is_optimal_on_any_graph(graph: Any, memory: bool, data: Any) -> None:
    n = graph.number_of_nodes()
    capacity = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    entry = data.draw(st.integers(0, n - 1))
    room = sum(capacity[i] for i in {entry, *nx.descendants(graph, entry)})
    assume(room > 0)
    arguments = {"capacity": capacity, "entries": (entry,), "memory": memory, "backend": "numpy"}
    loads = data.draw(st.integers(1, room))
    env = make(LOADS, topology=graph, n_loads=loads, max_steps=10_000, **arguments)
    assert steps_of(BreadthFirst(env).learn(1)) == [env.unwrapped.optimal_steps()]


@settings(max_examples=60)
@given(graph=digraphs(), data=st.data())
def test_hops_are_those_of_networkx_among_the_passable(graph: Any, data: Any) -> None:
    n = graph.number_of_nodes()
    passable = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    goals = [i for i in range(n) if passable[i] and data.draw(st.booleans())]
    hops = hops_to(goals, [list(graph.predecessors(i)) for i in range(n)], passable)
    up = graph.subgraph([i for i in range(n) if passable[i]])
    known = nx.multi_source_dijkstra_path_length(up.reverse(), goals, weight=None) if goals else {}
    assert hops == [known.get(i, 2**62) for i in range(n)]


@pytest.mark.parametrize("seed", range(3))
def test_breadth_first_sends_nothing_to_agents_that_are_down(seed: int) -> None:
    env = make(LOADS, **SMALL | {"fail_rate": 0.05, "max_in_flight": 5, "max_steps": 2000})
    entry = BreadthFirst(env, seed=seed).learn(1).history[0]
    assert entry["messages_lost"] == 0
    assert entry["messages_sent"] > 20
    assert entry["utilisation"] == 1.0


def test_breadth_first_goes_around_an_agent_that_is_down() -> None:
    """The short way to the room at 4 is over 1, the long one over 2 and 3."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(5))
    graph.add_edges_from([(0, 1), (1, 4), (0, 2), (2, 3), (3, 4)])
    env = make(LOADS, topology=graph, capacity=(0, 0, 0, 0, 1), backend="numpy")
    policy = BreadthFirst(env)
    frame = policy.view.reset(0)
    policy.begin_episode()
    for down, expected in (((), 2), ((1,), 3), ((1, 3), 1), ((4,), 1), ((2,), 2)):
        env.unwrapped._state.active[:, 0] = [i not in down for i in range(5)]
        assert policy.choose(frame, None)[:, 0].tolist() == [expected, 0, 0, 0, 0]


def test_breadth_first_holds_on_to_what_finds_no_room() -> None:
    graph = nx.DiGraph([(0, 1), (2, 0)])
    env = make(LOADS, topology=graph, capacity=(1, 2, 9), n_loads=5, max_steps=50)
    entry = BreadthFirst(env).learn(1).history[0]
    assert (entry["steps"], entry["load"].tolist()) == (50, [1, 2, 0])
    assert (entry["queued"], entry["remaining"]) == (1, 1)
    assert entry["messages_sent"] == 2


def test_breadth_first_takes_the_ways_that_have_been_discovered() -> None:
    env = make(
        LOADS,
        topology=nx.DiGraph([(0, 1), (2, 0)]),
        capacity=(0, 0, 1),
        discovery="all",
        discover="any",
    )
    policy = BreadthFirst(env)
    frame = policy.view.reset(0)
    policy.begin_episode()
    assert policy.choose(frame, None)[0, 0] == 1  # nowhere to go
    discover = np.array([[policy.view.n_actions - 1], [0], [0]])
    frame = policy.view.step(discover).frame
    assert policy.view.infos["agent_0"]["neighbors"] == ("agent_1", "agent_2")
    assert policy.choose(frame, None)[:, 0].tolist() == [3, 0, 0]


# Shortest queue


def test_mixer_has_the_published_values() -> None:
    """MurmurHash3_x86_32 of the empty string is the finaliser of its seed."""
    assert [mixed(w) for w in (0, 1, 0xFFFFFFFF)] == [0, 0x514E28B7, 0x81F16F39]


@given(size=st.integers(1, 20), word=st.integers(0, 2**32 - 1), data=st.data())
def test_drawing_without_replacement(size: int, word: int, data: Any) -> None:
    count = data.draw(st.integers(0, size))
    items = [*range(100, 100 + size), 7]
    draw_first(items, size, count, word)
    assert sorted(items[:size]) == list(range(100, 100 + size))
    assert items[size] == 7
    fewer = list(range(100, 100 + size))
    draw_first(fewer, size, count // 2, word)
    assert fewer[: count // 2] == items[: count // 2]


def test_all_ordered_pairs_are_drawn_equally_often() -> None:
    """Of 5 items, 20 pairs, 100,000 draws: χ² with 19 degrees of freedom, false alarm 10⁻⁶ above 65."""
    words = np.random.default_rng(3).integers(2**32, size=100_000).tolist()
    counts = np.zeros((5, 5))
    for word in words:
        items = [0, 1, 2, 3, 4]
        draw_first(items, 5, 2, word)
        counts[items[0], items[1]] += 1
    assert np.trace(counts) == 0
    assert ((counts - 5000) ** 2 / 5000).sum() - 5 * 5000 < 65


@given(data=st.data(), n=st.integers(2, 9), asked=st.integers(0, 8))
def test_the_least_full_active_one_is_taken(data: Any, n: int, asked: int) -> None:
    def numbers(high: int) -> Any:
        return np.array(data.draw(st.lists(st.integers(0, high), min_size=n, max_size=n)))

    capacity, queued, active = numbers(4), numbers(3), numbers(1)
    stored = np.minimum(numbers(4), capacity)
    queued[0] += 1  # the load at hand
    neighbor = data.draw(st.permutations(range(1, n)))
    slots = data.draw(st.permutations(range(n - 1)))[:asked]
    fractions = {
        k: (stored[j] + queued[j]) / capacity[j] if capacity[j] else math.inf
        for k, j in enumerate(neighbor)
        if k in slots and active[j]
    }
    best = min((k for k in slots if k in fractions), key=fractions.__getitem__, default=-1)
    keeps = stored[0] < capacity[0] and (
        best == -1 or (stored[0] + queued[0] - 1) / capacity[0] <= fractions[best]
    )
    chosen = least_full(stored, queued, capacity, active, neighbor, slots, len(slots), 0)
    assert chosen == (-1 if keeps else best)


def star(leaves: int) -> nx.DiGraph:
    return nx.DiGraph([(0, leaf) for leaf in range(1, leaves + 1)])


@pytest.mark.parametrize("choices", [None, 6, 99])
def test_asking_everybody_keeps_a_star_level(choices: int | None) -> None:
    env = make(LOADS, topology=star(6), capacity=(0, *[5] * 6), max_steps=100)
    spreads = []

    def look(learner: Learner) -> None:
        load = learner.env.unwrapped.state()[1:7]
        spreads.append(int(load.max() - load.min()))

    entry = ShortestQueue(env, choices=choices).learn(1, step_callback=look).history[0]
    assert (entry["steps"], entry["stored"], max(spreads)) == (60, 30, 1)
    assert entry["polls"] == 2 * 6 * 30


def test_polls_are_two_a_neighbour_asked() -> None:
    env = make(LOADS, topology=star(6), capacity=(3, *[50] * 6), n_loads=20)
    entry = ShortestQueue(env, choices=2).learn(1).history[0]
    assert (entry["steps"], entry["polls"]) == (3 + 2 * 17, 2 * 2 * 17)
    entry = ShortestQueue(env, choices=2, eager=False).learn(1).history[0]
    assert (
        entry["polls"] == 2 * 2 * 20
    )  # also by those who store in the end; leaves have nobody to ask


@needs_numba
@pytest.mark.parametrize("choices", [1, 2, 3])
def test_power_of_d_choices(choices: int) -> None:
    """As many loads as agents: the share s_k with at least k is that of Mitzenmacher's fluid limit (2001, §2).

    ds_k/dt = s_(k−1)^d − s_k^d up to t = 1. Independent agents would have a standard error of at most 0.5/√4000, these
    a smaller one; within five, false alarm below 6 · 10⁻⁷ each.
    """
    n, episodes, parts = 250, 16, 2000
    share = np.array([1.0, *[0.0] * 10])
    for _ in range(parts):
        share[1:] += (share[:-1] ** choices - share[1:] ** choices) / parts
    env = make(LOADS, topology=star(n), capacity=(0, *[n] * n), n_loads=n, backend="numba")
    history = ShortestQueue(env, choices=choices, seed=1).learn(episodes).history
    load = np.array([entry["load"][1:] for entry in history])
    for k in (1, 2, 3, 4):
        assert abs(np.mean(load >= k) - share[k]) < 5 * 0.5 / math.sqrt(load.size)


@settings(max_examples=40)
@given(graph=digraphs(), capacity=st.integers(1, 6), seed=st.integers(0, 99), data=st.data())
def test_patient_agents_that_ask_everybody_equalise(
    graph: Any, capacity: int, seed: int, data: Any
) -> None:
    """Nobody stores above a neighbour: along no edge the stored loads fall by more than one."""
    room = capacity * len({0, *nx.descendants(graph, 0)})
    loads = data.draw(st.integers(1, room))
    env = make(LOADS, topology=graph, capacity=capacity, n_loads=loads, max_steps=300)

    def look(learner: Learner) -> None:
        load = learner.env.unwrapped.state()
        assert all(load[i] <= load[j] + 1 for i, j in graph.edges)

    ShortestQueue(env, choices=None, eager=False, seed=seed).learn(1, step_callback=look)


def test_patience_equalises_a_half_full_grid() -> None:
    def spread(**config: Any) -> float:
        env = make(LOADS, n_agents=20, servers=(), n_loads=200)
        entry = ShortestQueue(env, **config).learn(1).history[0]
        return float(entry["equalisation"])  # % of the capacity; 50 is all or nothing

    assert spread(choices=None, eager=False) < 10
    assert spread(choices=2, eager=False) < 15
    assert spread(choices=2, eager=True) > 40


def test_full_agents_pass_loads_on_and_lonely_ones_keep_trying() -> None:
    chain = nx.path_graph(3, create_using=nx.DiGraph)
    env = make(LOADS, topology=chain, capacity=(0, 0, 2), n_loads=3, max_steps=20)
    entry = ShortestQueue(env).learn(1).history[0]
    assert (entry["steps"], entry["stored"], entry["queued"]) == (20, 2, 1)
    assert (entry["messages_sent"], entry["polls"]) == (6, 12)


@pytest.mark.parametrize("eager", [True, False])
def test_inactive_neighbours_are_asked_in_vain(eager: bool) -> None:
    env = make(LOADS, topology=star(2), capacity=(1, 5, 5), backend="numpy")
    policy = ShortestQueue(env, eager=eager)
    frame = policy.view.reset(0)
    policy.begin_episode()
    state = env.unwrapped._state
    state.load[:, 0] = [1, 0, 4]
    for active, expected in (([1, 1, 1], 2), ([1, 0, 1], 3), ([1, 0, 0], 1)):
        state.active[:, 0] = active
        for word in (None, np.full((3, 1), 12345, np.uint32)):
            assert policy.choose(frame, word)[0, 0] == expected


def test_history_has_polls_in_every_column() -> None:
    vec = make_vec(LOADS, num_envs=2, autoreset_mode="Disabled", **SMALL)
    history = ShortestQueue(vec).learn(2).history
    assert [entry["polls"].shape for entry in history] == [(2,), (2,)]
    assert (history[0]["polls"] > 0).all()
    assert "polls" not in RandomPolicy(make(LOADS, **SMALL)).learn(1).history[0]
