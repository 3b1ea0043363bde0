"""When agents advertise: the number of messages and who gets them, on the real learner and small environments."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents import CRL
from agents.delegation.bus import Counted
from agents.delegation.crl.advertising import (
    STRATEGIES,
    Broadcast,
    ConditionalNotification,
    DelegationReturn,
    PeriodicGossip,
    strategies,
)
from agents.delegation.crl.mind import Minds
from tests.wrappers.making import make, make_vec

LOAD_BALANCING = "crl/load_balancing-v0"
SMALL = {"n_agents": 10, "out_degree": 3, "capacity": 3, "servers": (), "max_in_flight": 4}
LOSSY = SMALL | {"message_loss": 0.3, "message_delay": 2, "n_loads": 300, "max_steps": 250}
EVERY_KIND = (
    DelegationReturn(when="after"),
    Broadcast(),
    PeriodicGossip(period=7, fanout=2),
    ConditionalNotification(threshold=1.5),
)


class Watched:
    """A learner through the API, with the numbers of each step: what was done, and messages by what became of them."""

    def __init__(self, arguments: dict[str, Any], **config: Any) -> None:
        self.env = make(LOAD_BALANCING, **arguments)
        self.learner = CRL(self.env, fused=False, **config)
        self.steps: list[dict[str, Any]] = []
        self._before = np.zeros(len(Counted), int)

    def learn(self, look: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        def note(learner: Any) -> None:
            counts = learner.columns[0].mail.counts[: len(Counted)].copy()
            new = counts - self._before
            self._before = counts
            infos = learner.view.infos
            step = {
                "dops": [info["dop"] for info in infos.values()],
                "active": [info["active"] for info in infos.values()],
                "posted": int(new[Counted.POSTED]),
                "sent": int(new[Counted.SENT]),
                "listeners": learner.columns[0].audience.listeners.copy(),
                "now": int(learner.now[0]),
            }
            self.steps.append(step)
            if look is not None:
                look(step)

        entry = self.learner.learn(total_episodes=1, step_callback=note).history[-1]
        return entry

    @property
    def minds(self) -> Minds:
        return self.learner.columns[0].minds


def count(steps: list[dict[str, Any]], dop: str) -> int:
    return sum(step["dops"].count(dop) for step in steps)


@pytest.mark.parametrize("arguments", [SMALL, LOSSY])
def test_a_delegation_that_arrives_returns_one_message_and_a_lost_one_none(
    arguments: dict[str, Any],
) -> None:
    watched = Watched(arguments, seed=2)
    entry = watched.learn()
    for step in watched.steps:
        assert step["posted"] == step["sent"] == step["dops"].count("delegated")
    delegated = count(watched.steps, "delegated")
    assert entry["advertisements_sent"] == entry["advertisements_delivered"] == delegated > 20
    assert entry["messages_sent"] - entry["messages_lost"] == delegated
    assert (entry["messages_lost"] > 0) == (arguments is LOSSY)


def test_a_return_before_the_receiver_acts_tells_its_value_at_that_moment() -> None:
    """On a chain 0 → 1 of capacity 0 and 2: 1's value is that of its last experience of storing."""
    graph = nx.DiGraph([(0, 1)])
    arguments = {"topology": graph, "capacity": [0, 2]}
    watched = Watched(arguments, seed=0)
    values = []

    def look(step: dict[str, Any]) -> None:
        if step["dops"][0] == "delegated":
            values.append(watched.minds.cached[0][0][0])

    watched.learn(look)
    # Before its first store agent 1 hopes for −3 (Table 1); after it, it knows that a store costs nothing.
    assert values == [-3.0, 0.0]


def test_a_return_after_the_receiver_acts_tells_how_that_went() -> None:
    graph = nx.DiGraph([(0, 1)])
    watched = Watched(
        {"topology": graph, "capacity": [0, 2]}, seed=0, advertise=DelegationReturn("after")
    )
    heard = []

    def look(step: dict[str, Any]) -> None:
        if step["dops"][0] == "delegated":
            assert step["posted"] == 0
            assert watched.learner.columns[0].audience.owed[0] == 1
        if step["dops"][1] != "none":
            assert step["posted"] == 1
            assert watched.learner.columns[0].audience.owed[0] == 0
            heard.append(watched.minds.cached[0][0][0])

    watched.learn(look)
    assert heard == [0.0, 0.0]  # it has stored


def test_after_is_one_answer_when_the_receiver_acts_next_however_often_it_was_asked() -> None:
    """On a ring i → i + 1, where it is known who was asked."""
    watched = Watched(
        LOSSY | {"out_degree": 1, "n_agents": 6}, seed=5, advertise=DelegationReturn("after")
    )
    waits = [False] * 6  # whether i − 1 waits for an answer of i
    answers = 0

    def look(step: dict[str, Any]) -> None:
        nonlocal answers
        acted = [dop != "none" for dop in step["dops"]]
        due = sum(a and w for a, w in zip(acted, waits, strict=True))
        assert step["posted"] == due
        answers += due
        for i in range(6):
            waits[i] = (waits[i] and not acted[i]) or step["dops"][i - 1] == "delegated"
        assert watched.learner.columns[0].audience.owed.tolist() == [
            waits[(i + 1) % 6] for i in range(6)
        ]

    watched.learn(look)
    assert 20 < answers < count(watched.steps, "delegated")


def test_broadcast_is_a_message_to_each_listener_of_whoever_acted() -> None:
    watched = Watched(
        LOSSY | {"topology": "random", "fail_rate": 0.05}, seed=3, advertise=Broadcast()
    )
    watched.learn()
    predecessors = [watched.env.topology.in_degree(i) for i in range(10)]
    assert len(set(predecessors)) > 1
    for step in watched.steps:
        assert step["listeners"].tolist() == predecessors
        told = sum(
            predecessors[i]
            for i, dop in enumerate(step["dops"])
            if dop != "none" and step["active"][i]
        )
        assert step["posted"] == step["sent"] == told
    assert sum(step["posted"] for step in watched.steps) > 100
    silent = [
        not step["active"][i] and d != "none"
        for step in watched.steps
        for i, d in enumerate(step["dops"])
    ]
    assert any(silent), "somebody failed in the step in which it acted"


@pytest.mark.parametrize(("period", "fanout"), [(1, 1), (4, 1), (4, 3), (50, 2)])
def test_gossip_is_fanout_messages_at_each_turn(period: int, fanout: int) -> None:
    watched = Watched(LOSSY, seed=1, advertise=PeriodicGossip(period=period, fanout=fanout))
    entry = watched.learn()
    for step in watched.steps:
        turns = sum((step["now"] + i) % period == 0 for i in range(10))
        assert step["posted"] == turns * fanout
        # Two to the same listener in one step are one message.
        assert (turns > 0) <= step["sent"] <= step["posted"]
        if fanout == 1:
            assert step["sent"] == step["posted"]
    assert entry["advertisements_sent"] == sum(step["sent"] for step in watched.steps) > 0


def test_gossip_reaches_all_listeners_equally_often() -> None:
    """2,500 messages to three listeners of each: within five standard errors, false alarm 2 · 10⁻⁵ in all."""
    watched = Watched(LOSSY, seed=1, advertise=PeriodicGossip(period=1))
    heard = np.zeros((10, 3), int)

    def look(step: dict[str, Any]) -> None:
        for i in range(10):
            times = watched.minds.heard[i][0]
            heard[i] += [time == step["now"] for time in times]

    watched.learn(look)
    steps = len(watched.steps)
    assert heard.sum() == 10 * steps
    assert (abs(heard / steps - 1 / 3) < 5 * np.sqrt(2 / 9 / steps)).all()


def test_an_agent_that_is_down_neither_speaks_nor_hears() -> None:
    """A failed agent's turn at gossip is skipped, and what is sent to it is lost."""
    watched = Watched(
        LOSSY | {"fail_rate": 0.1, "return_rate": 0.1}, seed=1, advertise=PeriodicGossip(period=1)
    )

    def look(step: dict[str, Any]) -> None:
        assert step["posted"] == sum(step["active"])
        for i in np.flatnonzero(np.logical_not(step["active"])):
            times = watched.minds.heard[i][0]
            assert step["now"] not in times

    entry = watched.learn(look)
    assert entry["advertisements_lost"] > 0
    assert (
        entry["advertisements_sent"]
        == entry["advertisements_lost"] + entry["advertisements_delivered"]
    )


@pytest.mark.parametrize("threshold", [0.0, 3.0, 8.0])
def test_notification_speaks_when_a_value_has_moved_by_more_than_the_threshold(
    threshold: float,
) -> None:
    watched = Watched(SMALL, seed=4, advertise=ConditionalNotification(threshold=threshold))
    told = np.full(10, -3.0)  # what everybody starts with
    jumps = []

    def look(step: dict[str, Any]) -> None:
        learner = watched.learner
        values = learner.values()[:, 0]
        expected = 0
        for i in range(10):
            now_told = watched.minds.advertised[i]
            if now_told != told[i]:
                jumps.append(abs(now_told - told[i]))
                assert jumps[-1] > threshold
                expected += int(step["listeners"][i])
                told[i] = now_told
            if not watched.minds.changed[i]:
                assert abs(values[i] - told[i]) <= threshold
        assert step["posted"] == step["sent"] == expected

    entry = watched.learn(look)
    assert len(jumps) > 0
    assert entry["advertisements_sent"] == 3 * len(jumps)


def test_notification_below_the_threshold_is_silent() -> None:
    """No value is ever further than 200 from another."""
    entry = Watched(SMALL, seed=4, advertise=ConditionalNotification(threshold=200.0)).learn()
    assert entry["advertisements_sent"] == 0


def test_higher_thresholds_say_less() -> None:
    sent = [
        Watched(SMALL, seed=4, advertise=ConditionalNotification(threshold)).learn()
        for threshold in (0.0, 50.0, 150.0)
    ]
    numbers = [entry["advertisements_sent"] / entry["steps"] for entry in sent]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[-1]


def test_without_a_strategy_nobody_says_anything() -> None:
    watched = Watched(LOSSY, seed=1, advertise=())
    entry = watched.learn()
    sent = [entry[f"advertisements_{what}"] for what in ("sent", "lost", "delivered")]
    assert sent == [0, 0, 0]
    assert np.max(watched.minds.heard) <= 0
    assert count(watched.steps, "delegated") > 20


def test_strategies_together_say_at_most_what_each_says_and_at_least_the_most() -> None:
    """In one step a message replaces another one on the same link, so that together they send no more than in sum."""
    watched = Watched(LOSSY, seed=6, advertise=(DelegationReturn(), Broadcast(), PeriodicGossip(5)))
    watched.learn()
    for step in watched.steps:
        acted = [i for i, dop in enumerate(step["dops"]) if dop != "none"]
        returns = step["dops"].count("delegated")
        broadcast = sum(int(step["listeners"][i]) for i in acted)
        gossip = sum((step["now"] + i) % 5 == 0 for i in range(10))
        assert step["posted"] == returns + broadcast + gossip
        assert max(returns, broadcast, gossip) <= step["sent"] <= step["posted"]


def test_batching_says_less() -> None:
    entries = [
        Watched(LOSSY, seed=6, advertise=Broadcast(), bus={"batch": batch}).learn()
        for batch in (1, 5)
    ]
    assert 0 < entries[1]["advertisements_sent"] < entries[0]["advertisements_sent"] / 2


@pytest.mark.parametrize("vector", [False, True])
def test_counts_of_a_second_episode_start_anew(vector: bool) -> None:
    arguments = SMALL | {"n_loads": 20}
    if vector:
        env = make_vec(LOAD_BALANCING, num_envs=2, autoreset_mode="Disabled", **arguments)
    else:
        env = make(LOAD_BALANCING, **arguments)
    learner = CRL(env, fused=False, seed=1).learn(total_episodes=3)
    for entry in learner.history:  # nothing is lost here, so that each delegation is answered
        assert np.all(entry["advertisements_sent"] == entry["messages_sent"])
        assert np.all(entry["advertisements_delivered"] == entry["messages_sent"])


@pytest.mark.parametrize("kind", STRATEGIES.values(), ids=STRATEGIES)
def test_names_objects_and_what_checkpoints_say_are_the_same_strategy(kind: type[Any]) -> None:
    strategy = kind()
    for said in (strategy.name, strategy, asdict(strategy), [strategy], (asdict(strategy),)):
        assert strategies(said) == (strategy,)


def test_arguments_of_strategies_in_dicts_are_kept() -> None:
    assert strategies([asdict(one) for one in EVERY_KIND]) == EVERY_KIND
    mixed = ["broadcast", {"name": "gossip", "period": 3}, DelegationReturn()]
    assert strategies(mixed) == (Broadcast(), PeriodicGossip(3, 1), DelegationReturn())
    assert strategies(()) == ()


@pytest.mark.parametrize("several", list(itertools.combinations(EVERY_KIND, 2)))
def test_a_checkpoint_keeps_strategies_and_bus(several: Any, tmp_path: Path) -> None:
    env = make(LOAD_BALANCING, **SMALL)
    bus = {"loss": 0.25, "delay": 2, "batch": 3}
    learner = CRL(env, advertise=several, bus=bus, fused=False).learn(total_episodes=1)
    learner.save(tmp_path / "learner.npz")
    other = CRL.load(tmp_path / "learner.npz", make(LOAD_BALANCING, **SMALL))
    assert other.config == learner.config
    assert other.config.advertise == several
    assert asdict(other.config.bus) == bus


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: strategies("brodcast"), r"advertise must name .*'brodcast' \(did you mean 'broa"),
        (lambda: strategies([Broadcast(), "broadcast"]), "each kind of strategy at most once"),
        (lambda: strategies([PeriodicGossip(2), PeriodicGossip(3)]), "at most once"),
        (lambda: strategies(3), "advertise must name strategies out of .*, got 3"),
        (lambda: strategies(None), "advertise must name strategies out of .*, got None"),
        (lambda: strategies({"period": 3}), "advertise must name strategies"),
        (lambda: strategies({"name": "gossip", "periode": 3}), "periode"),
        (lambda: DelegationReturn("later"), "when must be one of 'before', 'after'"),
        (lambda: PeriodicGossip(0), "period must be an integer ≥ 1, got 0"),
        (lambda: PeriodicGossip(2.5), "period must be an integer ≥ 1, got 2.5"),
        (lambda: PeriodicGossip(fanout=0), "fanout must be an integer in"),
        (lambda: PeriodicGossip(fanout=1001), "fanout must be an integer in"),
        (lambda: ConditionalNotification(-0.1), "threshold must be a finite number"),
        (lambda: ConditionalNotification(float("inf")), "threshold must be a finite number"),
    ],
)
def test_bad_strategies_are_refused(make_it: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_it()
