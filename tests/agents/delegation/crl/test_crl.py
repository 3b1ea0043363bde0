"""The collaborative learner: one result on every path, in every view, with every fault, and on others' environments."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import CRL, Learner
from agents.delegation.crl.advertising import (
    Broadcast,
    ConditionalNotification,
    DelegationReturn,
    PeriodicGossip,
)
from agents.learner import read_checkpoint, write_checkpoint
from crl_envs.wrappers import GlobalReward
from tests.agents.delegation.relay import GRAPH, Relay
from tests.load_balancing.driving import EVERYTHING
from tests.views import HAS_NUMBA
from tests.wrappers.making import make, make_vec

LOAD_BALANCING = "crl/load_balancing-v0"
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="the fast extra is not installed")
compiles = pytest.mark.xdist_group("compiled load balancing")

SMALL = {"n_agents": 12, "out_degree": 3, "capacity": 2, "server_capacity": 5, "max_steps": 3000}
BUSY = SMALL | {"max_in_flight": 6}
ENVS: dict[str, dict[str, Any]] = {
    "paper": {"n_loads": 500},
    "paper, random graph, gradient": {
        "topology": "random",
        "cost_model": "gradient",
        "capacity": 5,
    },
    "small": SMALL,
    "gradient before": SMALL | {"cost_model": "gradient", "spare": "before"},
    "gradient next": SMALL | {"cost_model": "gradient", "spare": "next"},
    "several in flight": BUSY,
    "arrivals": BUSY | {"arrival_rate": 0.7, "entries": (3, 0, 7)},
    "departures": BUSY | {"departure_rate": 0.05, "n_loads": 150, "max_steps": 150},
    "loss and delay": BUSY | {"message_loss": 0.3, "message_delay": 4},
    "failures": BUSY | {"fail_rate": 0.05, "return_rate": 0.3},
    "memory": BUSY | {"memory": True, "max_steps": 300},
    "timeout": BUSY | {"timeout": 6, "message_delay": 2},
    "a graph": {"topology": GRAPH, "capacity": [0, 1, 2, 3, 4, 5]},
    "alone": {"n_agents": 1, "capacity": 5},
    "odd costs": BUSY | {"message_loss": 0.2, "connection_cost": -0.3, "delegation_reward": -1.7},
    "a server that joins": SMALL
    | {"join_capacity": 9, "discovery": "entry_neighbors", "max_steps": 1200},
    "discovery": BUSY
    | {"discovery": "all", "discover": "any", "discovery_rate": 0.5, "message_loss": 0.2}
    | {"discovery_slots": 2, "max_steps": 150, "discovery_cost": -10.0},
    "a few steps": BUSY | {"max_steps": 60, "message_loss": 0.2},
    "found again": SMALL
    | {"discovery": "all", "discover": "again", "discovery_rate": 0.7, "max_steps": 400},
    "everything": EVERYTHING | {"max_steps": 120},
    "everything, gradient": EVERYTHING
    | {"max_steps": 120, "cost_model": "gradient", "spare": "before"},
}
HARD_BUS = {"loss": 0.2, "delay": 4, "batch": 3}
LEARNERS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "returns after": {"advertise": DelegationReturn("after")},
    "broadcast": {"advertise": Broadcast()},
    "gossip": {"advertise": PeriodicGossip(period=5, fanout=2)},
    "notification": {"advertise": ConditionalNotification(1.0)},
    "all over a bad bus": {
        "advertise": ("return", "broadcast", PeriodicGossip(3), ConditionalNotification(0.5)),
        "bus": HARD_BUS,
    },
    "silence": {"advertise": ()},
    "lossy returns": {"bus": {"loss": 0.5}},
    "late returns": {"bus": {"delay": 7}, "advertise": DelegationReturn("after")},
    "decay": {"decay_rate": 0.01, "decays_unheard": False},
    "decay and drops": {"decay_rate": 0.2, "drop_below": -40.0, "decays_unheard": True},
    "means": {"reward_rate": 0.0, "counts_kept": False},
    "observations as states": {"states": "observation"},
    "connected states": {
        "states": "observation",
        "connected_states": True,
        "decay_rate": 0.01,
        "drop_below": -190.0,
        "advertise": ("return", "broadcast", PeriodicGossip(3), ConditionalNotification(0.5)),
        "bus": HARD_BUS,
    },
    "discovery is worth V": {"initial_q_discovery": "value"},
    "exponential": {"reward_rate": 0.3, "transition_rate": 0.2},
    "other numbers": {
        "temperature": 3.0,
        "boltzmann": "multiply",
        "initial_q_local": -7.0,
        "initial_q_per_neighbor": -1.0,
        "min_q": -150.0,
        "max_q": -1.0,
    },
}


def learnt(arguments: dict[str, Any], episodes: int = 1, seed: int = 4, **config: Any) -> CRL:
    return CRL(make(LOAD_BALANCING, **arguments), seed=seed, **config).learn(episodes)


def assert_same_arrays(one: CRL, other: CRL) -> None:
    a, b = one.get_arrays(), other.get_arrays()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def assert_same(one: CRL, other: CRL) -> None:
    """Two learners, and their environments, are in the same state, bit for bit."""
    assert repr(one.history) == repr(other.history)
    assert one.env_steps.tolist() == other.env_steps.tolist()
    assert_same_arrays(one, other)
    envs = [learner.env.unwrapped for learner in (one, other)]
    assert envs[0].state().tolist() == envs[1].state().tolist()
    assert repr(envs[0].metrics()) == repr(envs[1].metrics())
    for _ in range(2):  # the second time, the streams of the environments have gone on alike
        resets = [env.reset() for env in envs]
        assert repr(resets[0]) == repr(resets[1])
        observations, infos = resets[0]
        masks = {agent: info["action_mask"] for agent, info in infos.items()}
        for deterministic in (False, True):
            acted = [
                learner.act(observations, deterministic, action_masks=masks)
                for learner in (one, other)
            ]
            assert acted[0] == acted[1]


CASES = [
    *(
        pytest.param(env, "the paper's", marks=[pytest.mark.slow] * env.startswith("paper, "))
        for env in ENVS
    ),
    *(("several in flight", learner) for learner in LEARNERS if learner != "the paper's"),
    *(("everything", learner) for learner in LEARNERS if learner != "the paper's"),
    ("a server that joins", "all over a bad bus"),
    ("failures", "all over a bad bus"),
    ("discovery", "decay and drops"),
    ("alone", "all over a bad bus"),
    ("gradient next", "connected states"),
    ("discovery", "connected states"),
    ("found again", "decay and drops"),
    ("failures", "observations as states"),
    ("a server that joins", "discovery is worth V"),
]


@needs_numba
@compiles
@pytest.mark.parametrize(("env", "learner"), CASES)
def test_the_compiled_path_is_the_api_bit_for_bit(env: str, learner: str) -> None:
    one, other = (learnt(ENVS[env], fused=fused, **LEARNERS[learner]) for fused in (True, False))
    assert other.history[0]["steps"] > 1
    assert_same(one, other)


@needs_numba
@compiles
@pytest.mark.parametrize(
    ("env", "learner"),
    [
        ("small", "the paper's"),
        ("gradient before", "all over a bad bus"),
        ("failures", "late returns"),
        ("discovery", "the paper's"),
        ("a server that joins", "decay and drops"),
        ("everything", "all over a bad bus"),
    ],
)
def test_further_episodes_are_the_same_on_both_paths(env: str, learner: str) -> None:
    one, other = (learnt(ENVS[env], 3, fused=fused, **LEARNERS[learner]) for fused in (True, False))
    assert len(one.history) == 3
    assert_same(one, other)


@needs_numba
@compiles
def test_paths_can_take_turns() -> None:
    """The first episode compiled and the second not, or the other way round."""
    config = LEARNERS["all over a bad bus"]
    whole = learnt(ENVS["loss and delay"], 2, fused=False, **config)
    for first in (True, False):
        learner = learnt(ENVS["loss and delay"], 1, fused=first, **config)
        object.__setattr__(learner.config, "fused", not first)
        learner.learn(total_episodes=1)
        assert_same(learner, copy.deepcopy(whole))


def watched(arguments: dict[str, Any], every: int, episodes: int = 2, **config: Any) -> list[Any]:
    """What a step callback sees: everything that it could ask for."""
    seen = []

    def look(learner: Learner) -> None:
        env = learner.env.unwrapped
        arrays = {name: array.tolist() for name, array in learner.get_arrays().items()}
        measured = repr(env.metrics()), env.state().tolist(), learner.values().tolist()
        seen.append((learner.elapsed, *measured, repr(arrays)))

    CRL(make(LOAD_BALANCING, **arguments), seed=2, **config).learn(
        total_episodes=episodes, step_callback=look, every=every
    )
    return seen


@needs_numba
@compiles
@pytest.mark.parametrize(("every", "episodes"), [(1, 1), (7, 2), (10**9, 2)])
def test_step_callbacks_see_the_same_at_the_same_steps(every: int, episodes: int) -> None:
    arguments, config = ENVS["loss and delay"], LEARNERS["all over a bad bus"]
    compiled, plain = (
        watched(arguments, every, episodes, fused=fused, **config) for fused in (True, False)
    )
    assert compiled == plain
    assert len(plain) >= episodes
    if every == 7:
        assert [step for step, *_ in plain][:3] == [7, 14, 21]


def test_looking_at_every_step_changes_nothing() -> None:
    one = learnt(ENVS["several in flight"], 2)
    other = CRL(make(LOAD_BALANCING, **ENVS["several in flight"]), seed=4)
    other.learn(total_episodes=2, step_callback=lambda learner: learner.values())
    assert_same(one, other)


@pytest.mark.parametrize(
    ("env", "learner"),
    [
        ("several in flight", "the paper's"),
        ("everything", "all over a bad bus"),
        ("discovery", "decay and drops"),
        ("a few steps", "connected states"),
    ],
)
def test_a_column_of_a_vector_env_is_the_dict_env_with_its_seed(env: str, learner: str) -> None:
    vec = make_vec(LOAD_BALANCING, num_envs=2, autoreset_mode="Disabled", **ENVS[env])
    batch = CRL(vec, seed=10, **LEARNERS[learner]).learn(total_episodes=2)
    for b in range(2):
        single = learnt(ENVS[env], 2, seed=10 + b, fused=False, **LEARNERS[learner])
        for k, entry in enumerate(single.history):
            column = {
                name: value if name == "episode" else value[b].tolist()
                for name, value in batch.history[k].items()
            }
            expected = {name: np.asarray(value).tolist() for name, value in entry.items()}
            assert column == expected
        arrays = batch.get_arrays()
        for name, value in single.get_arrays().items():
            np.testing.assert_array_equal(arrays[name][b], value[0], err_msg=name)
    assert batch.values().shape == (make(LOAD_BALANCING, **ENVS[env]).world.n_agents, 2)
    steps = [entry["steps"] for entry in batch.history]
    assert env != "several in flight" or len(set(np.ravel(steps))) > 2


@pytest.mark.parametrize("learner", ["the paper's", "all over a bad bus"])
@pytest.mark.parametrize("env", ["several in flight", "everything"])
def test_two_calls_of_learn_are_one(env: str, learner: str) -> None:
    one = learnt(ENVS[env], 2, fused=False, **LEARNERS[learner])
    other = learnt(ENVS[env], 1, fused=False, **LEARNERS[learner])
    other.learn(total_episodes=1)
    assert_same(one, other)


@pytest.mark.parametrize(
    ("env", "learner"),
    [
        *product(
            ["small", "discovery", "everything"],
            ["the paper's", "all over a bad bus", "late returns"],
        ),
        ("a few steps", "connected states"),
    ],
)
def test_a_learner_from_a_checkpoint_goes_on_as_if_it_had_never_stopped(
    env: str, learner: str, tmp_path: Path
) -> None:
    """Messages that are under way when the first episode ends arrive in the next one."""
    one = learnt(ENVS[env], 1, fused=False, **LEARNERS[learner])
    if learner != "the paper's":
        mail = one.columns[0].mail
        assert (~np.isnan(mail.carried)).any(), "nothing was under way"
    one.save(tmp_path / "learner.npz")
    other = CRL.load(tmp_path / "learner.npz", copy.deepcopy(one.env))
    assert repr(other.history) == repr(one.history)
    assert_same_arrays(one, other)
    for each in (one, other):
        each.learn(total_episodes=1)
    assert_same(one, other)


def test_a_vector_learner_from_a_checkpoint_goes_on_as_if_it_had_never_stopped(
    tmp_path: Path,
) -> None:
    vec = make_vec(LOAD_BALANCING, num_envs=2, autoreset_mode="Disabled", **SMALL)
    one = CRL(vec, seed=1, bus=HARD_BUS).learn(total_episodes=1)
    one.save(tmp_path / "learner.npz")
    other = CRL.load(tmp_path / "learner.npz", copy.deepcopy(vec))
    for each in (one, other):
        each.learn(total_episodes=1)
    assert repr(one.history) == repr(other.history)
    assert_same_arrays(one, other)


def test_a_loaded_learner_acts_at_once(tmp_path: Path) -> None:
    one = learnt(SMALL, fused=False)
    one.save(tmp_path / "learner.npz")
    other = CRL.load(tmp_path / "learner.npz", make(LOAD_BALANCING, **SMALL))
    observations, infos = make(LOAD_BALANCING, **SMALL).reset(seed=0)
    masks = {agent: info["action_mask"] for agent, info in infos.items()}
    acted = [
        [learner.act(observations, greedy, action_masks=masks) for greedy in (False, True)]
        for learner in (one, other)
    ]
    assert acted[0] == acted[1]
    assert one.values().tolist() == other.values().tolist()


def test_the_same_seed_gives_the_same_and_another_seed_another_run() -> None:
    runs = [learnt(ENVS["everything"], 1, seed=seed, fused=False) for seed in (1, 1, 2)]
    assert_same(runs[0], runs[1])
    assert repr(runs[0].history) != repr(runs[2].history)
    np.random.default_rng(0)
    assert learnt(SMALL, seed=2**64 - 1, fused=False).history[0]["remaining"] == 0


@pytest.mark.parametrize("fused", [False, pytest.param(True, marks=[needs_numba, compiles])])
def test_acting_changes_nothing(fused: bool) -> None:
    config = {"decay_rate": 0.01, "temperature": 50.0}  # at which actions differ from draw to draw
    one, other = (learnt(SMALL, fused=fused, **config) for _ in range(2))
    env = make(LOAD_BALANCING, **SMALL)
    observations, infos = env.reset(seed=7)
    masks = {agent: info["action_mask"] for agent, info in infos.items()}
    drawn = set()
    for _ in range(50):
        actions = one.act(observations, action_masks=masks)
        drawn.add(actions["agent_0"])
        assert all(masks[agent][action] for agent, action in actions.items())
        assert set(actions.values()) - {actions["agent_0"]} <= {0}
    assert len(drawn) > 1
    assert_same_arrays(one, other)
    for each in (one, other):
        each.learn(total_episodes=1)
    assert repr(one.history) == repr(other.history)


def test_acting_and_asking_for_values_need_experience() -> None:
    learner = CRL(make(LOAD_BALANCING, **SMALL))
    with pytest.raises(ValueError, match=r"learn\(\) must come first"):
        learner.act({"agent_0": np.zeros(4, np.float32)})
    with pytest.raises(ValueError, match=r"learn\(\) must come first"):
        learner.values()


def test_greedy_action_is_the_best_of_the_legal_ones() -> None:
    """After learning, a full entry hands on to somebody; where only storing is legal it stores."""
    learner = learnt(SMALL, fused=False)
    n_actions = learner.view.n_actions
    everything = np.ones(n_actions, np.int8)
    everything[0] = 0
    seen = {"agent_0": np.zeros(4, np.float32)}
    assert learner.act(seen, True, action_masks={"agent_0": everything})["agent_0"] >= 1
    only_store = np.eye(n_actions, dtype=np.int8)[1]
    assert learner.act(seen, True, action_masks={"agent_0": only_store})["agent_0"] == 1


# Conservation and ends

FAULTS = st.fixed_dictionaries(
    {
        "n_agents": st.integers(1, 9),
        "topology": st.sampled_from(["grid", "random"]),
        "servers": st.just(()),
        "capacity": st.integers(1, 4),
        "cost_model": st.sampled_from(["discrete", "gradient"]),
        "n_loads": st.one_of(st.integers(1, 40), st.just("endless")),
        "max_in_flight": st.integers(1, 6),
        "arrival_rate": st.one_of(st.none(), st.floats(0.1, 3.0)),
        "departure_rate": st.sampled_from([0.0, 0.1]),
        "message_loss": st.sampled_from([0.0, 0.3, 1.0]),
        "message_delay": st.integers(0, 3),
        "fail_rate": st.sampled_from([0.0, 0.1, 1.0]),
        "return_rate": st.sampled_from([0.0, 0.5]),
        "join_capacity": st.integers(0, 3),
        "join_at": st.one_of(st.just("full"), st.integers(1, 20)),
        "discovery": st.sampled_from(["off", "entry_neighbors", "all"]),
        "discover": st.just("any"),
        "memory": st.booleans(),
        "timeout": st.one_of(st.none(), st.integers(1, 12)),
        "max_steps": st.just(40),
    }
)


@settings(max_examples=40)
@given(arguments=FAULTS, learner=st.sampled_from(list(LEARNERS)), seed=st.integers(0, 5))
def test_no_load_is_made_or_lost_whatever_fails(
    arguments: dict[str, Any], learner: str, seed: int
) -> None:
    steps = []

    def look(learner: Learner) -> None:
        m = learner.env.metrics()
        places = ("stored", "queued", "on_wire", "departed", "timed_out")
        assert m["loads_in"] == sum(m[place] for place in places)
        values = learner.values()
        assert (values >= learner.config.min_q).all() and (values <= learner.config.max_q).all()
        steps.append(learner.elapsed)

    made = CRL(
        make(LOAD_BALANCING, backend="numpy", **arguments), seed=seed, **LEARNERS[learner]
    ).learn(total_episodes=1, step_callback=look)
    entry = made.history[0]
    assert steps == list(range(1, entry["steps"] + 1))
    if entry["steps"] < 40:
        assert entry["remaining"] == entry["backlog"] == entry["queued"] == entry["on_wire"] == 0
    sent, lost = entry["advertisements_sent"], entry["advertisements_lost"]
    assert sent >= lost + entry["advertisements_delivered"]


@pytest.mark.parametrize("fused", [False, pytest.param(True, marks=[needs_numba, compiles])])
def test_more_loads_than_room_last_until_the_horizon_and_history_says_what_remains(
    fused: bool,
) -> None:
    arguments = {"n_agents": 6, "capacity": 2, "servers": (), "n_loads": 30, "max_steps": 700}
    learner = learnt(arguments, 2, fused=fused)
    for entry in learner.history:
        assert entry["steps"] == 700
        assert entry["stored"] == 12
        assert entry["queued"] == 1
        assert entry["remaining"] == 30 - 13
        assert entry["utilisation"] == 1.0
    assert learner.env.agents == []


# Headline numbers


@needs_numba
@compiles
@pytest.mark.parametrize(
    ("cost_model", "steps", "error"), [("discrete", 7980, 110), ("gradient", 9730, 140)]
)
def test_the_grid_is_filled_in_as_many_steps_as_the_specification_says(
    cost_model: str, steps: int, error: int
) -> None:
    """20 seeds within four standard errors of the difference; false alarm 6 · 10⁻⁵ if the seeds were drawn anew.

    The specification gives mean ± error of a few seeds; taken as the mean's standard error, which is at most what it
    can mean. The bound is about ±6 %: it tells a good from a bad learner, and not one good one from another.
    """
    env = make(LOAD_BALANCING, cost_model=cost_model)
    entries = [CRL(env, seed=100 + s).learn(total_episodes=1).history[0] for s in range(20)]
    assert {entry["stored"] for entry in entries} == {1360}
    taken = np.array([entry["steps"] for entry in entries])
    assert (taken >= env.optimal_steps()).all()
    standard_error = math.hypot(taken.std(ddof=1) / math.sqrt(len(taken)), error)
    assert abs(taken.mean() - steps) < 4 * standard_error


# Other environments


def test_runs_with_global_rewards_and_measures_the_local_ones() -> None:
    env = make(LOAD_BALANCING, **SMALL)
    learner = CRL(GlobalReward(env), seed=1).learn(total_episodes=2)
    assert [entry["stored"] for entry in learner.history] == [30, 30]
    own = learnt(SMALL, 1, seed=1, fused=False)
    assert repr(learner.history) != repr(own.history)
    for entry in learner.history:
        assert entry["local_return_mean"] == pytest.approx(entry["global_return"])
        assert entry["local_return_mean"] <= -10.0


CHEAP_LINKS = {
    "temperature": 0.2,
    "initial_connection_cost": -1.0,
    "initial_delegation_reward": -1.0,
}
TELLS = {
    "neighbors and costs": {"tells": ("neighbors", "connection_cost")},
    "neighbors": {"tells": ("neighbors",)},
    "topology": {"tells": (), "topology": True},
    "topology and costs": {"tells": ("connection_cost",), "topology": True},
}


@pytest.mark.parametrize("name", TELLS)
def test_finds_the_shortest_way_in_somebody_elses_environment(name: str) -> None:
    """Four actions are the shortest way, and at T = 0.2 any other next step costs e⁻¹⁰ or less of the probability:
    the last 50 parcels of three seeds hardly ever stray. Demanded are 4.5 actions on average; uniform actions take
    dozens."""
    assert nx.shortest_path_length(GRAPH, "a", "f") == 3
    for seed in range(3):
        env = Relay(parcels=75, **TELLS[name])
        learner = CRL(env, seed=seed, **CHEAP_LINKS).learn(total_episodes=2)
        assert len(env.trips) == 150
        assert np.mean(env.trips[:10]) > 4.5  # it had to be learnt
        assert np.mean(env.trips[-50:]) <= 4.5
        assert min(env.trips) == 4
        values = dict(zip(learner.view.agents, learner.values()[:, 0], strict=True))
        assert [values[a] for a in "fdba"] == pytest.approx([0.0, -2.0, -4.0, -6.0])
        assert len(learner.columns[0].minds.kind[0]) == 5  # of the agent that has most
        assert learner.settings.prior_link == (-1.0 if "connection_cost" in env.tells else 0.0)


def test_values_under_loss_are_those_of_the_expected_number_of_tries() -> None:
    """A way of three links that each lose half of all messages: each costs 1 a loss and 2 in the end, 3 on average.

    A link's cost is estimated from 400 passes: ± √2 / √400 of 3, 2.4 %; 15 % is six standard errors.
    """
    env = Relay(parcels=400, loss=0.5, horizon=100_000)
    learner = CRL(env, reward_rate=0.0, **CHEAP_LINKS).learn(total_episodes=1)
    values = dict(zip(learner.view.agents, learner.values()[:, 0], strict=True))
    assert [values[a] for a in "dba"] == pytest.approx([-3.0, -6.0, -9.0], rel=0.15)


def test_states_that_are_told_apart_are_acted_on_apart() -> None:
    """Ordinary parcels are delivered at once, which a learner with one state can't know; urgent ones travel to f.

    Of the last 100 parcels half are ordinary, ± 5 in the standard error; five of these, false alarm 6 · 10⁻⁷. One or
    two may stray.
    """
    apart, together = (
        Relay(parcels=150, observes="urgency", horizon=100_000) for _ in ("observation", "one")
    )
    learner = CRL(apart, states="observation", seed=1, **CHEAP_LINKS).learn(total_episodes=2)
    assert len(learner.columns[0].minds.value[0]) == 2
    at_once, along_the_way = (apart.trips[-100:].count(actions) for actions in (1, 4))
    assert at_once + along_the_way >= 90
    assert abs(at_once - 50) < 25 + 10
    learner = CRL(together, states="one", seed=1, **CHEAP_LINKS).learn(total_episodes=2)
    assert len(learner.columns[0].minds.value[0]) == 1
    assert together.trips[-100:].count(4) >= 90


def test_only_observations_that_make_a_table_can_be_told_apart() -> None:
    with pytest.raises(ValueError, match=r"Box.* bound|bound.* Box"):
        CRL(Relay(), states="observation")
    CRL(Relay(), states="one").learn(total_episodes=1)  # where they don't matter, any will do


# Bad input


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("temperature", bad) for bad in (0, -1.0, math.inf, math.nan, "1", True)),
        ("boltzmann", "softmax"),
        *(("decay_rate", bad) for bad in (-0.01, 10.5, math.nan)),
        ("decays_unheard", 1),
        ("counts_kept", "yes"),
        *(("drop_below", bad) for bad in (0.1, math.nan, "low")),
        *(("reward_rate", bad) for bad in (-0.1, 1.1)),
        *(("transition_rate", bad) for bad in (-0.1, 2)),
        ("states", "two"),
        ("advertise", "shout"),
        ("advertise", ("gossip", "gossip")),
        ("bus", 3),
        ("bus", None),
        *((f"initial_{what}", 1.0) for what in ("q_local", "q_per_neighbor")),
        *((f"initial_{what}", 1.0) for what in ("connection_cost", "delegation_reward")),
        ("max_q", 0.5),
        ("min_q", 1.0),
        *(("seed", bad) for bad in (-1, 2**64, 1.5)),
        ("fused", None),
    ],
)
def test_bad_settings_are_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must"):
        CRL(make(LOAD_BALANCING, **SMALL), **{name: bad})


def test_a_floor_above_the_ceiling_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^min_q must be a finite number in \[-1e\+30, -5\], got -4"
    ):
        CRL(make(LOAD_BALANCING, **SMALL), min_q=-4.0, max_q=-5.0)


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"CRL has no argument 'temperatur' \(did you mean"):
        CRL(make(LOAD_BALANCING, **SMALL), temperatur=1.0)
    with pytest.raises(ValueError, match="losses"):
        CRL(make(LOAD_BALANCING, **SMALL), bus={"losses": 0.1})


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/sysadmin-v0"])
def test_an_environment_that_hands_on_nothing_is_refused(id: str, vector: bool) -> None:
    env = make_vec(id, num_envs=2, n_agents=3) if vector else make(id, n_agents=3)
    with pytest.raises(ValueError, match=r"how work is handed on: infos.* lacks action_kinds"):
        CRL(env).learn(total_episodes=1)


def spoilt(change: Callable[[dict[str, Any], bool], Any], **arguments: Any) -> Relay:
    """A relay whose infos are changed: ``change(infos, at_reset)``."""

    class Spoilt(Relay):
        def _tell(self, outcomes: Any = None) -> Any:
            infos = super()._tell(outcomes)
            change(infos, outcomes is None)
            return infos

    return Spoilt(**arguments)


def drop_everything(infos: dict[str, Any], at_reset: bool) -> None:
    for info in infos.values():
        info.clear()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_everything, r"infos\['f'\] lacks action_kinds"),
        (lambda infos, _: infos["c"].pop("dop"), r"infos\['c'\] lacks dop"),
        (lambda infos, _: infos["d"].update(neighbors=("f", "x")), r"\['d'\].*ids.*got 'x'"),
        (
            lambda infos, _: infos["d"].update(neighbors=("f", "b", "a", "c")),
            r"infos\['d'\]\['neighbors'\] must have an entry for each delegation action.* got 4",
        ),
        (
            lambda infos, at_reset: at_reset or infos["a"].update(dop="gone"),
            r"infos\['a'\]\['dop'\] must be one of none, solved, delegated, kept, got 'gone'",
        ),
        (
            lambda infos, _: infos["e"].update(action_kinds=("noop", "local")),
            r"infos\['e'\]\['action_kinds'\] must have one of .* for each of 3 actions",
        ),
        (
            lambda infos, _: infos["e"].update(action_kinds=("noop", "local", "fly")),
            r"infos\['e'\]\['action_kinds'\] must have one of .*'fly'",
        ),
    ],
)
def test_infos_that_make_no_sense_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CRL(spoilt(change)).learn(total_episodes=1)


def test_an_agent_can_have_no_more_neighbours_than_delegation_actions() -> None:
    """b has two delegation actions; that others have three doesn't make room for a third neighbour."""
    env = spoilt(lambda infos, _: infos["b"].update(neighbors=("d", "a", "c")))
    with pytest.raises(ValueError, match=r"infos\['b'\]\['neighbors'\] must have"):
        CRL(env).learn(total_episodes=1)


def test_neither_neighbours_nor_topology() -> None:
    with pytest.raises(ValueError, match=r"who the neighbors are, .* got neither"):
        CRL(Relay(tells=())).learn(total_episodes=1)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.path_graph(4, nx.DiGraph), "topology must have the nodes 0 … 5 or the agents' ids"),
        (nx.cycle_graph(6, nx.DiGraph), "as many delegation actions as successors .* got 3 and 1"),
        (nx.reverse(GRAPH), "as many delegation actions as successors"),
    ],
)
def test_a_topology_that_does_not_fit_the_actions(graph: Any, message: str) -> None:
    env = Relay(tells=(), topology=True)
    env.topology = graph
    with pytest.raises(ValueError, match=message):
        CRL(env).learn(total_episodes=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "learner.npz"
    learnt(SMALL, fused=False, bus={"delay": 2}).save(path)
    return path


@pytest.mark.parametrize(
    "env",
    [
        make(LOAD_BALANCING, **SMALL | {"n_agents": 13}),
        make(LOAD_BALANCING, **SMALL | {"out_degree": 4}),
        make_vec(LOAD_BALANCING, num_envs=2, **SMALL),
        make("crl/bandit-v0"),
        None,
    ],
    ids=["agents", "slots", "columns", "bandit", "none"],
)
def test_a_checkpoint_of_another_shape_is_refused(saved: Path, env: Any) -> None:
    with pytest.raises(ValueError, match=r"learner\.npz doesn't fit CRL on"):
        CRL.load(saved, env)


def test_a_checkpoint_with_other_kinds_of_action_is_refused(saved: Path) -> None:
    """As many actions and slots, but the last is now a discovery: seen when the environment first tells."""
    env = make(LOAD_BALANCING, **SMALL | {"out_degree": 1, "discovery": "all"})
    with pytest.raises(ValueError, match=r"kinds of action|doesn't fit CRL"):
        CRL.load(saved, env).learn(total_episodes=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("learnt_mail_boxes"),
        lambda a: a.update(learnt_mail_boxes=a["learnt_mail_boxes"][:, :2]),
        lambda a: a.update(learnt_mail_counts=a["learnt_mail_counts"][:, :-1]),
        lambda a: a.update(learnt_mail_carried=a["learnt_mail_carried"].astype(np.int64)),
        lambda a: a["learnt_mail_counts"].__setitem__((0, 4), 10_000),
        lambda a: a["learnt_mail_boxes"].__setitem__((0, 0, 0), -7),
        lambda a: a.update(learnt_audience_first=a["learnt_audience_first"][:, :3]),
        lambda a: a["learnt_audience_first"].__setitem__((0, 0), 10_000),
        lambda a: a["learnt_audience_following"].__setitem__((0, 0), -9),
        lambda a: a.update(learnt_minds=np.full_like(a["learnt_minds"], np.nan)),
        lambda a: a.update(learnt_now=a["learnt_now"][:0]),
        lambda a: a.update(learnt_now=-1 - a["learnt_now"]),
    ],
    ids=range(12),
)
def test_a_checkpoint_that_makes_no_sense_is_refused(
    saved: Path, change: Any, tmp_path: Path
) -> None:
    """Not least because compiled code doesn't check the places that it writes to."""
    meta, arrays = read_checkpoint(saved)
    change(arrays)
    meta.pop("format")
    write_checkpoint(tmp_path / "odd.npz", meta, arrays)
    with pytest.raises(ValueError, match=r"odd\.npz doesn't fit CRL on"):
        CRL.load(tmp_path / "odd.npz", make(LOAD_BALANCING, **SMALL))
