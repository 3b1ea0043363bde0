"""The array functions of collaborative learning against an agent of dictionaries, written from the equations."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agents.delegation import infos
from agents.delegation.bus import Counted, MessageBus, empty_mail, post
from agents.delegation.crl import mind as core
from agents.delegation.crl.advertising import Advertising
from agents.delegation.crl.learner import CRLConfig

NOBODY = -1


def of_kinds(*kinds: int, states: int = 1, n: int = 1, **config: Any) -> Mind:
    return Mind([list(kinds)] * n, states, **config)


class Mind:
    """A few agents with the same kinds of actions, and short names for what is done to them."""

    def __init__(
        self,
        kinds: list[list[int]],
        states: int = 1,
        tells_costs: bool = True,
        config: CRLConfig | None = None,
        **fields: Any,
    ) -> None:
        kind = np.array(kinds, np.int8)
        slots = int((kind == infos.DELEGATION).sum(axis=1).max(initial=0))
        settings = (config or CRLConfig(**fields)).settings(tells_costs, states)
        connected = settings.connected
        self.minds = core.as_lists(core.new_minds(kind, slots, states, connected))
        self.audience = core.empty_audience(len(kinds), slots)
        self.column = core.Column(
            settings=settings,
            advertising=Advertising(),
            rules=(rules := MessageBus().rules()),
            minds=self.minds,
            audience=self.audience,
            mail=empty_mail(rules, len(kinds) * slots * connected),
        )
        for i in range(len(kinds)):
            core.begin(self.column, i, 0)

    def meet(self, k: int, j: int, neighbors: int, i: int = 0, now: int = 0) -> None:
        core.introduce(self.column, i, k, j, neighbors, now)

    def enter(self, state: int) -> None:
        self.minds.state[0] = state

    def learn(
        self, a: int, reward: float, link: float, dop: int, after: int = 0, there: int = 0
    ) -> None:
        """Agent 0 has acted; it is in state `after` now, the others are in state `there`."""
        states = [after, *[there] * (len(self.minds.state) - 1)]
        one_step = core.Events([0], [a], [reward], [link], [dop], states, [], [], [], [1])
        core.learn(self.column, 0, one_step)

    def hear(self, k: int, value: float, now: int) -> None:
        self.minds.cached[0][0][k] = value
        self.minds.heard[0][0][k] = now

    def hear_of(self, k: int, state: int, value: float, now: int) -> None:
        self.minds.cached[0][state][k] = value
        self.minds.heard[0][state][k] = now

    def v(self, now: int = 0) -> float:
        return core.value_of(self.column, 0, now)

    def q(self, now: int = 0) -> list[float]:
        core.action_values(self.column, 0, now)
        return self.minds.q[0][self.minds.state[0]].copy()

    def notice(self, *legal: int) -> None:
        core.notice(self.minds, 0, legal)

    def choose(self, word: int, legal: Any = None, greedy: bool = False, now: int = 0) -> int:
        actions = len(self.minds.kind[0])
        legal = [1] * actions if legal is None else legal
        return core.choose(self.column, 0, legal, [0.0] * actions, now, word, greedy)


class Textbook:
    """One agent straight from the equations: all experience is kept and everything is worked out from it anew."""

    def __init__(self, kinds: tuple[int, ...], neighbors: int, states: int, c: CRLConfig) -> None:
        self.c, self.states = c, range(states)
        self.actions = [a for a, kind in enumerate(kinds) if kind != infos.NOOP]
        slots = itertools.count()
        self.slot = {a: next(slots) for a, kind in enumerate(kinds) if kind == infos.DELEGATION}
        self.neighbors = neighbors
        # (state, action) → [(reward without link, link, state in which the problem was kept or None)]
        self.past: dict[Any, list[Any]] = defaultdict(list)
        self.heard: dict[int, tuple[float, int]] = {}

    def estimate(self, values: list[float], rate: float) -> float:
        if rate == 0.0:
            return sum(values) / len(values)
        estimate = values[0]
        for value in values[1:]:
            estimate = (1 - rate) * estimate + rate * value
        return estimate

    def r_and_d(self, s: int, a: int) -> float:
        past = self.past[s, a]
        if past:
            return sum(
                self.estimate([step[part] for step in past], self.c.reward_rate) for part in (0, 1)
            )
        if a not in self.slot:
            return self.c.initial_q_local
        return self.c.initial_delegation_reward + self.c.initial_connection_cost

    def keeps(self, s: int, a: int, s2: int) -> float:
        came = [float(self.c.counts_kept and step[2] == s2) for step in self.past[s, a]]
        return self.estimate(came, self.c.transition_rate) if came else 0.0

    def elsewhere(self, a: int, now: int) -> float:
        """Decay(V_j)."""
        first_v = self.c.initial_q_per_neighbor * self.neighbors - self.c.initial_delegation_reward
        value, heard = self.heard.get(self.slot[a], (first_v, 0))  # so that Q is that of Table 1
        if self.c.decay_rate == 0 or (self.slot[a] not in self.heard and not self.c.decays_unheard):
            return value
        return max(self.c.min_q, value * (1 + self.c.decay_rate) ** (now - heard))

    def model(self, now: int) -> None:
        """Work out all of Q(s, a) but V: (R + D + P(leaves) Decay(V_j), P(kept, s'))."""
        self.known = {}
        for s, a in itertools.product(self.states, self.actions):
            stay = [self.keeps(s, a, s2) for s2 in self.states]
            there = self.elsewhere(a, now) if a in self.slot else 0.0
            self.known[s, a] = self.r_and_d(s, a) + (1 - sum(stay)) * there, stay

    def q(self, s: int, a: int, v: dict[int, float]) -> float:
        leaving, stay = self.known[s, a]
        total = leaving + sum(p * v[s2] for s2, p in enumerate(stay))
        return min(self.c.max_q, max(self.c.min_q, total))

    def solve(self, now: int) -> dict[int, float]:
        """V by iteration from below, from which it rises to the least solution: never leaving is worth MinQ."""
        self.model(now)
        v = dict.fromkeys(self.states, self.c.min_q)
        for _ in range(100_000):
            new = {s: max(self.q(s, a, v) for a in self.actions) for s in self.states}
            change = max(abs(new[s] - v[s]) for s in self.states)
            v = new
            if change < 1e-13:
                break
        return v


KINDS = (infos.NOOP, infos.LOCAL, infos.DELEGATION, infos.DELEGATION, infos.LOCAL)
CONFIGS = st.builds(
    CRLConfig,
    reward_rate=st.sampled_from([0.0, 0.3, 1.0]),
    transition_rate=st.sampled_from([0.0, 0.2, 1.0]),
    decay_rate=st.sampled_from([0.0, 0.01, 0.5]),
    decays_unheard=st.booleans(),
    counts_kept=st.booleans(),
    initial_q_local=st.sampled_from([-3.0, -7.5]),
    initial_connection_cost=st.sampled_from([-10.0, -1.5]),
    initial_delegation_reward=st.sampled_from([-2.0, 0.0]),
    max_q=st.sampled_from([0.0, -4.0]),
)
# (action, state after, reward without link, link, what became of the problem)
OUTCOMES = st.tuples(
    st.sampled_from([1, 2, 3, 4]),
    st.integers(0, 2),
    st.floats(-30.0, -0.5),
    st.floats(-12.0, 0.0),
    st.sampled_from([infos.SOLVED, infos.DELEGATED, infos.KEPT]),
)
ADVERTS = st.tuples(st.integers(0, 1), st.floats(-150.0, 0.0))
HISTORIES = st.lists(st.one_of(OUTCOMES, ADVERTS), max_size=25)


def relive(config: CRLConfig, states: int, history: list[Any]) -> tuple[Mind, Textbook, int]:
    """Two agents that have lived through the same history, and the present step."""
    mind = Mind([list(KINDS)] * 3, states, config=config)
    book = Textbook(KINDS, 2, states, config)
    for k in range(2):
        mind.meet(k, k + 1, neighbors=2)
    state = 0
    for now, event in enumerate(history, start=1):
        if len(event) == 2:
            value = min(event[1], config.max_q)  # nobody's value is higher
            mind.hear(event[0], value, now)
            book.heard[event[0]] = (value, now)
            continue
        a, after, reward, link, dop = event
        after %= states
        if dop == infos.DELEGATED and a not in book.slot:
            dop = infos.SOLVED
        mind.learn(a, reward + link, link, dop, after)
        book.past[state, a].append((reward, link, after if dop == infos.KEPT else None))
        mind.enter(after)
        state = after
    return mind, book, len(history)


@given(config=CONFIGS, history=HISTORIES, waits=st.integers(0, 40))
def test_one_state_agrees_with_the_equations(
    config: CRLConfig, history: list[Any], waits: int
) -> None:
    mind, book, now = relive(config, 1, history)
    v = book.solve(now + waits)
    # Iteration stops at changes of 1e-13, and an action keeps the problem with probability ≤ 25/26.
    assert mind.v(now + waits) == pytest.approx(v[0], abs=1e-8)
    q = mind.q(now + waits)
    assert q[0] == -math.inf
    for a in book.actions:
        assert q[a] == pytest.approx(book.q(0, a, v), abs=1e-8), a


@given(config=CONFIGS, history=HISTORIES)
def test_several_states_agree_with_the_equations(config: CRLConfig, history: list[Any]) -> None:
    mind, book, now = relive(config, 3, history)
    v = book.solve(now)
    for s in book.states:
        mind.enter(s)
        assert mind.v(now) == pytest.approx(v[s], abs=1e-6)
        q = mind.q(now)
        for a in book.actions:
            assert q[a] == pytest.approx(book.q(s, a, v), abs=1e-6), (s, a)


@given(config=CONFIGS, history=HISTORIES, states=st.sampled_from([1, 2, 3]))
def test_the_value_is_a_fixed_point_of_the_bellman_equation(
    config: CRLConfig, history: list[Any], states: int
) -> None:
    mind, _, now = relive(config, states, history)
    for s in range(states):
        mind.enter(s)
        q = mind.q(now)  # from the V that has just been solved for
        best = max(config.min_q, min(config.max_q, max(q)))
        assert abs(best - mind.minds.value[0][s]) < 1e-9 * (1 + abs(best))


@given(config=CONFIGS, history=HISTORIES, states=st.sampled_from([1, 3]))
def test_values_stay_between_the_floor_and_the_ceiling(
    config: CRLConfig, history: list[Any], states: int
) -> None:
    mind, book, now = relive(config, states, history)
    for later in (now, now + 30, now + 1000):
        assert config.min_q <= mind.v(later) <= config.max_q
        q = mind.q(later)
        assert all(config.min_q <= q[a] <= config.max_q for a in book.actions)


@pytest.mark.parametrize("neighbors", [1, 2, 9])
@pytest.mark.parametrize("tells_costs", [True, False])
def test_first_values_are_those_of_table_1(neighbors: int, tells_costs: bool) -> None:
    kinds = [infos.NOOP, infos.LOCAL, *[infos.DELEGATION] * neighbors, infos.DISCOVERY]
    mind = Mind([kinds] * (neighbors + 1), tells_costs=tells_costs)
    for k in range(neighbors):
        mind.meet(k, k + 1, neighbors)
    mind.notice(*[1] * len(kinds))
    delegations = [pytest.approx(-3.0 * neighbors - 10.0)] * neighbors
    assert mind.q() == [-math.inf, -3.0, *delegations, -3.0]
    assert mind.v() == -3.0


def test_an_action_that_never_gets_rid_of_the_problem_is_worth_the_floor() -> None:
    mind = of_kinds(infos.NOOP, infos.LOCAL, infos.DELEGATION, n=2)
    mind.meet(0, 1, 1)
    for _ in range(3):
        mind.learn(1, -1.0, 0.0, infos.KEPT)
        mind.learn(2, -10.0, -10.0, infos.KEPT)
    assert mind.v() == -200.0
    assert mind.q() == [-math.inf, -200.0, -200.0]


def test_going_in_circles_among_states_is_worth_the_floor() -> None:
    mind = of_kinds(infos.LOCAL, states=2)
    for here, there in ((0, 1), (1, 0)):
        mind.enter(here)
        mind.learn(0, -1.0, 0.0, infos.KEPT, there)
    mind.enter(0)
    assert mind.v() == pytest.approx(-200.0)


def test_the_solution_with_one_state_counts_repeated_failures() -> None:
    """A store that fails three times of four, at −1 each, costs 4 in all: c / (1 − p)."""
    mind = of_kinds(infos.NOOP, infos.LOCAL, reward_rate=0.0)
    for dop in (infos.KEPT, infos.KEPT, infos.SOLVED, infos.KEPT):
        mind.learn(1, -1.0, 0.0, dop)
    assert mind.v() == pytest.approx(-4.0)


def test_the_advertised_value_leaves_out_the_cost_of_getting_here() -> None:
    mind = of_kinds(infos.NOOP, infos.LOCAL, infos.DELEGATION, n=2)
    mind.meet(0, 1, 1)
    mind.hear(0, -5.0, 1)
    mind.learn(2, -12.0, -10.0, infos.DELEGATED)
    assert mind.q(1)[2] == -2.0 - 10.0 - 5.0
    assert mind.v(1) == -3.0


@given(
    value=st.floats(-200.0, -1e-3),
    rate=st.floats(1e-4, 10.0),
    times=st.lists(st.integers(0, 60), min_size=2, max_size=6),
)
def test_a_silent_neighbour_looks_dearer_with_time_down_to_the_floor(
    value: float, rate: float, times: list[int]
) -> None:
    mind = of_kinds(infos.NOOP, infos.DELEGATION, n=2, decay_rate=rate)
    mind.meet(0, 1, 1)
    mind.hear(0, value, 7)
    told = [core.decayed(mind.column, 0, 0, 0, 7 + td) for td in sorted(times)]
    for later, td in zip(told, sorted(times), strict=True):
        assert later == pytest.approx(max(-200.0, value * (1 + rate) ** td), rel=1e-9)
    assert told == sorted(told, reverse=True)
    assert core.decayed(mind.column, 0, 0, 0, 7) == pytest.approx(value)


@pytest.mark.parametrize(("value", "expected"), [(-1.0, -200.0), (0.0, 0.0), (-200.0, -200.0)])
@pytest.mark.parametrize(("rate", "silence"), [(0.01, 400_000), (1.0, 2000), (10.0, 500)])
def test_decay_over_the_longest_silence_is_the_floor_or_nothing(
    value: float, expected: float, rate: float, silence: int
) -> None:
    """ρ^td is more than a float can hold; V·ρ^td is MinQ, or 0 for a neighbour that solves for nothing."""
    mind = of_kinds(infos.NOOP, infos.DELEGATION, n=2, decay_rate=rate)
    mind.meet(0, 1, 1)
    mind.hear(0, value, 0)
    assert core.decayed(mind.column, 0, 0, 0, silence) == expected


def test_first_values_do_not_age_unless_asked_to() -> None:
    for ages in (False, True):
        mind = of_kinds(infos.NOOP, infos.DELEGATION, n=2, decay_rate=0.1, decays_unheard=ages)
        mind.meet(0, 1, 1, now=3)
        assert mind.q(3)[1] == pytest.approx(-13.0)
        assert (mind.q(13)[1] < -13.1) == ages


def test_a_dropped_neighbour_is_not_chosen_until_it_is_heard_of_again() -> None:
    mind = of_kinds(
        infos.NOOP, infos.DELEGATION, infos.DELEGATION, n=3, decay_rate=0.1, drop_below=-50.0
    )
    mind.meet(0, 1, 2)
    mind.meet(1, 2, 2)
    mind.hear(0, -10.0, 0)
    mind.hear(1, -10.0, 0)
    words = np.linspace(0, 2**32 - 1, 200).astype(int).tolist()
    assert {mind.choose(word) for word in words} == {1, 2}
    mind.hear(1, -20.0, 20)  # by now the other has decayed to −67
    assert mind.q(20)[1] == -math.inf
    assert {mind.choose(word, now=20) for word in words} == {2}
    assert mind.choose(0, now=20, greedy=True) == 2
    mind.hear(0, -10.0, 21)
    assert mind.q(21)[1] > -math.inf
    assert {mind.choose(word, now=21) for word in words} == {1, 2}


def test_an_agent_whose_every_neighbour_is_dropped_still_acts_and_is_worth_the_floor() -> None:
    mind = of_kinds(infos.NOOP, *[infos.DELEGATION] * 2, n=3, drop_below=-50.0)
    for k in range(2):
        mind.meet(k, k + 1, 2)
        mind.hear(k, -60.0, 1)
    assert mind.v(1) == -200.0
    words = np.linspace(0, 2**32 - 1, 200).astype(int).tolist()
    assert {mind.choose(word, legal=[0, 1, 1], now=1) for word in words} == {1, 2}
    assert mind.choose(words[3], legal=[0, 0, 1], now=1) == 2


def test_nobody_is_dropped_before_it_has_been_heard_of() -> None:
    mind = of_kinds(infos.NOOP, infos.DELEGATION, n=2, drop_below=-1.0, decays_unheard=False)
    mind.meet(0, 1, 1)
    assert mind.q()[1] == -13.0


@pytest.mark.parametrize("boltzmann", ["divide", "multiply"])
@pytest.mark.parametrize("temperature", [0.5, 0.9, 4.0])
def test_choices_are_as_frequent_as_boltzmann_has_it(boltzmann: str, temperature: float) -> None:
    """40,000 words: each action within five standard errors (and three words), false alarm 4 · 10⁻⁶ in all."""
    kinds = [infos.NOOP, *[infos.LOCAL] * 4]
    mind = of_kinds(*kinds, temperature=temperature, boltzmann=boltzmann)
    for a, cost in enumerate([-1.0, -1.5, -2.5, -4.0], start=1):
        mind.learn(a, cost, 0.0, infos.SOLVED)
    legal = [0, 1, 1, 0, 1]
    factor = temperature if boltzmann == "multiply" else 1 / temperature
    weight = np.exp(np.array([-np.inf, -1.0, -1.5, -np.inf, -4.0]) * factor)
    p = weight / weight.sum()
    words = np.random.default_rng(3).integers(2**32, size=40_000).tolist()
    seen = np.bincount([mind.choose(word, legal) for word in words], minlength=5)
    assert (abs(seen - 40_000 * p) <= 5 * np.sqrt(40_000 * p * (1 - p)) + 3 * (p > 0)).all()


@given(word=st.integers(0, 2**32 - 1), legal=st.lists(st.booleans(), min_size=6, max_size=6))
def test_only_what_is_legal_is_chosen(word: int, legal: list[bool]) -> None:
    assume(any(legal))
    mind = of_kinds(infos.NOOP, infos.NOOP, infos.LOCAL, infos.DELEGATION, infos.DELEGATION, 3, n=3)
    mind.meet(0, 1, 1)  # nobody is behind the second slot
    mind.notice(*legal)
    for greedy in (False, True):
        chosen = mind.choose(word, legal, greedy)
        assert legal[chosen]
        if any(legal[2:]):
            assert chosen >= 2
        else:
            assert chosen == legal.index(True)


@given(costs=st.lists(st.integers(-9, 0), min_size=3, max_size=3))
def test_greedy_takes_the_first_of_the_best(costs: list[int]) -> None:
    mind = of_kinds(infos.NOOP, *[infos.LOCAL] * 3)
    for a, cost in enumerate(costs, start=1):
        mind.learn(a, float(cost), 0.0, infos.SOLVED)
    assert mind.choose(0, greedy=True) == 1 + costs.index(max(costs))
    best_legal = max(costs[:2])
    assert mind.choose(0, [1, 1, 1, 0], greedy=True) == 1 + costs.index(best_legal)


def test_discovery_is_open_when_it_was_last_seen_to_be_legal() -> None:
    mind = of_kinds(infos.NOOP, infos.LOCAL, infos.DISCOVERY)
    assert mind.q()[2] == -math.inf
    mind.notice(1, 0, 0)  # no problem at hand: the mask says nothing
    assert mind.q()[2] == -math.inf
    mind.notice(0, 1, 1)
    assert mind.q()[2] == -3.0
    mind.notice(1, 0, 0)
    assert mind.q()[2] == -3.0
    mind.notice(0, 1, 0)
    assert mind.q()[2] == -math.inf


MEETINGS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(NOBODY, 4)), max_size=40
)


@given(meetings=MEETINGS)
def test_who_listens_to_whom_follows_every_meeting(meetings: list[tuple[int, int, int]]) -> None:
    mind = of_kinds(infos.NOOP, *[infos.DELEGATION] * 3, n=5)
    listeners: dict[int, set[int]] = {j: set() for j in range(5)}
    for i, k, j in meetings:
        link = i * 3 + k
        mind.audience.owed[link] = 1
        for links in listeners.values():
            met_before = link in links
            links.discard(link)
            if met_before:
                mind.meet(k, j, 1, i=i)
                break
        else:
            mind.meet(k, j, 1, i=i)
        if j != NOBODY:
            listeners[j].add(link)
        for agent, expected in listeners.items():
            listed, link_of = [], int(mind.audience.first[agent])
            while link_of >= 0:
                listed.append(link_of)
                link_of = int(mind.audience.following[link_of])
            assert len(listed) == len(set(listed)) == mind.audience.listeners[agent]
            assert set(listed) == expected


@pytest.mark.parametrize("other", [NOBODY, 2])
def test_meeting_somebody_else_forgets_all_about_the_one_before(other: int) -> None:
    mind = of_kinds(infos.NOOP, infos.LOCAL, infos.DELEGATION, n=3, decay_rate=0.01)
    mind.meet(0, 1, 1)
    mind.hear(0, 0.0, 4)
    for _ in range(3):
        mind.learn(2, -10.0, -10.0, infos.KEPT)
        mind.learn(2, -12.0, -10.0, infos.DELEGATED)
    mind.audience.owed[0] = 1
    mind.meet(0, other, 4, now=9)
    assert mind.audience.owed[0] == 0
    assert mind.audience.listeners.tolist() == [0, 0, int(other == 2)]
    if other == NOBODY:
        assert mind.q(9)[2] == -math.inf
    else:
        assert mind.q(9)[2] == pytest.approx(-3.0 * 4 - 10.0)
        mind.learn(
            2, -5.0, -1.0, infos.DELEGATED
        )  # the first of a new series: no mean with the old
        assert mind.q(9)[2] == pytest.approx(-5.0 + (-22.0 + 12.0))


@pytest.mark.parametrize("connected_states", [False, True])
def test_what_the_one_before_has_said_is_not_heard_as_the_new_ones(connected_states: bool) -> None:
    """One message is under way and one waits when agent 2 takes agent 1's place behind agent 0's slot."""
    kinds = infos.NOOP, infos.LOCAL, infos.DELEGATION
    mind = of_kinds(*kinds, states=2, n=3, connected_states=connected_states)
    bus, each = MessageBus(delay=1).rules(), mind.column.settings.connected
    mind.column = mind.column._replace(rules=bus, mail=(mail := empty_mail(bus, 3 * each)))
    mind.meet(0, 1, 1)
    mind.meet(0, 2, 1, i=1)
    late = core.Words(None, None, np.full(3 * each, 2**31, np.uint32))
    post(mail, 0, -90.0)
    post(mail, each, -50.0)  # to agent 1
    core.deliver(mind.column, [1, 1, 1], late, 1)
    post(mail, 0, -80.0)
    mind.meet(0, 2, 1, now=1)
    first = mind.minds.cached[0][0][0]
    for now in (2, 3):
        core.deliver(mind.column, [1, 1, 1], late, now)
    assert mind.minds.cached[0][0][0] == first
    assert mind.minds.cached[1][0][0] == -50.0
    assert mail.counts[[Counted.SENT, Counted.LOST, Counted.DELIVERED]].tolist() == [2, 1, 1]
    assert np.isnan(mail.carried).all()


# Connected states


def connected(**config: Any) -> Mind:
    """An agent that can only delegate to agent 1, both with three states."""
    mind = of_kinds(infos.NOOP, infos.DELEGATION, states=3, n=2, connected_states=True, **config)
    mind.meet(0, 1, 1)
    return mind


def test_the_bellman_sum_runs_over_the_neighbours_connected_states() -> None:
    """Q = R + D + Σ_s' P(s') V_j(s') + P(kept) V: one of four lost, two came in state 2, one in state 0."""
    mind = connected()
    for state, value in enumerate((-10.0, -20.0, -40.0)):
        mind.hear_of(0, state, value, 1)
    for there in (0, 2, 2):
        mind.learn(1, -12.0, -10.0, infos.DELEGATED, there=there)
    mind.learn(1, -12.0, -10.0, infos.KEPT)
    leaving = -12.0 + 0.25 * -10.0 + 0.5 * -40.0
    assert mind.v(1) == pytest.approx(leaving / 0.75)
    assert mind.q(1)[1] == pytest.approx(leaving / 0.75)


def test_p_of_delegations_that_were_not_tried_moves_towards_the_mean() -> None:
    """Of those that have been tried in this state; other actions and states, and who was just tried, stay."""
    kinds = (infos.NOOP, infos.LOCAL, *(infos.DELEGATION,) * 4)
    settings = {"connected_states": True, "transition_rate": 1.0, "forget_rate": 0.25}
    mind = of_kinds(*kinds, states=2, n=5, **settings)
    for k in range(4):
        mind.meet(k, k + 1, 4)
    mind.learn(1, -200.0, 0.0, infos.KEPT)
    assert mind.minds.kept[0][0][1] == [1.0, 0.0]
    mind.learn(2, -10.0, -10.0, infos.KEPT)
    mind.learn(3, -12.0, -10.0, infos.DELEGATED, there=1)  # now the means are 1/2
    assert [mind.minds.kept[0][0][a][0] for a in range(6)] == [0, 1, 0.875, 0, 0, 0]
    assert [mind.minds.arrived[0][0][a] for a in range(6)][2:] == [
        [0, 0.125],
        [0, 1],
        [0, 0],
        [0, 0],
    ]
    mind.learn(4, -12.0, -10.0, infos.DELEGATED, there=0)
    mean = 0.875 / 3
    expected = [0, 1, 0.875 + 0.25 * (mean - 0.875), 0.25 * mean, 0, 0]
    assert [mind.minds.kept[0][0][a][0] for a in range(6)] == pytest.approx(expected)
    assert all(p == [0, 0] for p in mind.minds.kept[0][1])


def test_where_no_delegation_fails_there_is_nothing_to_forget() -> None:
    mind = of_kinds(*KINDS, n=3, forget_rate=0.5)
    for k in range(2):
        mind.meet(k, k + 1, 2)
    for a in (2, 3, 1, 3):
        mind.learn(a, -12.0, -10.0, infos.DELEGATED if a > 1 else infos.SOLVED)
    assert [p for (p,) in mind.minds.kept[0][0]] == [0.0] * 5


def test_each_state_of_the_agent_has_its_own_arrivals() -> None:
    mind = connected()
    for state, value in enumerate((-10.0, -20.0, -40.0)):
        mind.hear_of(0, state, value, 1)
    for s, there in ((0, 2), (1, 0)):
        mind.enter(s)
        mind.learn(1, -12.0, -10.0, infos.DELEGATED, after=s, there=there)
    found = []
    for s in range(3):
        mind.enter(s)
        found.append(mind.v(1))
    assert found == pytest.approx([-52.0, -22.0, -12.0 - 70.0 / 3])


def test_each_connected_state_decays_since_it_was_heard_of() -> None:
    mind = connected(decay_rate=0.1)
    for state, (value, heard) in enumerate([(-10.0, 4), (-20.0, 9), (-40.0, 0)]):
        mind.hear_of(0, state, value, heard)
    for there in (0, 1):
        mind.learn(1, -12.0, -10.0, infos.DELEGATED, there=there)
    there = 0.5 * (-10.0 * 1.1**6 + -20.0 * 1.1)
    assert mind.v(10) == pytest.approx(-12.0 + there)


@given(config=CONFIGS, history=HISTORIES)
def test_with_one_state_connected_states_change_nothing(
    config: CRLConfig, history: list[Any]
) -> None:
    one, _, now = relive(config, 1, history)
    other, _, _ = relive(replace(config, connected_states=True), 1, history)
    assert one.q(now) == other.q(now)
    assert one.minds == other.minds


def test_an_answer_is_about_the_state_in_which_the_problem_came() -> None:
    """The others advertise every state in which they have acted, and the present one."""
    mind = Mind([[infos.NOOP, infos.LOCAL, infos.DELEGATION]] * 2, 3, connected_states=True)
    mind.meet(0, 1, 1)
    mind.minds.state[1] = 2
    acted = core.Events(
        [0], [2, 0], [-12.0, 0.0], [-10.0, 0.0], [infos.DELEGATED, 0], [0, 2], [], [], [], [1, 1]
    )
    column = mind.column._replace(advertising=Advertising(returns=1))
    words = core.Words([], [], [])
    core.after_step(column, acted, words, 1)
    assert [told[0] for told in mind.minds.heard[0]] == [0, 0, 1]
    assert mind.minds.cached[0][2][0] == -3.0
    mind.minds.tries[1][0][1] = 1
    nothing = core.Events([1], [0, 1], [0.0] * 2, [0.0] * 2, [0, 1], [0, 1], [], [], [], [1, 1])
    column = column._replace(advertising=Advertising(broadcasts=True))
    core.after_step(column, nothing, words, 5)
    assert [told[0] for told in mind.minds.heard[0]] == [5, 5, 5]  # 0 and 2: acted; 1: it is there
    assert mind.minds.cached[0][2][0] == 0.0  # what it stored in state 2 cost nothing


@pytest.mark.parametrize(("first", "cost"), [("local", -3.0), ("value", None)])
def test_the_first_q_of_a_discovery(first: str, cost: float | None) -> None:
    """Table 1's, or that of an action that costs nothing and keeps the problem."""
    mind = of_kinds(infos.NOOP, infos.LOCAL, infos.DISCOVERY, initial_q_discovery=first)
    mind.notice(0, 1, 1)
    mind.learn(1, -30.0, 0.0, infos.SOLVED)
    assert mind.v() == (-30.0 if cost is None else cost)
    assert mind.q()[2] == (-30.0 if cost is None else cost)
    mind.learn(2, -10.0, -10.0, infos.KEPT)
    assert mind.q()[2] == -40.0
