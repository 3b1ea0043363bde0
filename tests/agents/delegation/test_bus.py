"""The message bus against a list of messages kept in plain Python, and what its counters promise."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import CRL, DistributedValueFunctions, Learner
from agents.delegation.bus import (
    Counted,
    Mail,
    MessageBus,
    PostRules,
    arrivals,
    empty_box,
    empty_mail,
    post,
    send,
    take,
)

BUSES = st.builds(
    MessageBus,
    loss=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    delay=st.integers(0, 4),
    batch=st.integers(1, 4),
)


class Post:
    """A bus of the real functions: `step` sends, then delivers to those who are up."""

    def __init__(self, bus: MessageBus, links: int) -> None:
        self.rules: PostRules = bus.rules()
        self.mail: Mail = empty_mail(self.rules, links)

    def step(self, now: int, loss: Any, delay: Any, up: Any) -> list[tuple[int, float]]:
        send(self.rules, self.mail, now, loss, delay)
        box = now % (self.rules.delay + 1)
        got = []
        for position in range(arrivals(self.mail, box)):
            link = int(self.mail.boxes[1 + box, position])
            value = take(self.mail, box, link, bool(up[link]))
            if up[link]:
                got.append((link, value))
        empty_box(self.mail, box)
        return got

    def count(self, what: Counted) -> int:
        return int(self.mail.counts[what])


class PlainPost:
    """The same as lists of messages: what `agents.delegation.bus` says in words."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.waiting: dict[int, float] = {}
        self.under_way: dict[tuple[int, int], float] = {}  # (step of arrival, link)
        self.count: Counter[str] = Counter()

    def post(self, link: int, value: float) -> None:
        self.count["posted"] += 1
        self.count["replaced while waiting"] += link in self.waiting
        self.waiting[link] = value

    def step(self, now: int, loss: Any, delay: Any, up: Any) -> list[tuple[int, float]]:
        if now % self.bus.batch == 0:
            for link, value in self.waiting.items():
                self.count["sent"] += 1
                if loss[link] < self.bus.loss * 2**32:
                    self.count["lost"] += 1
                    continue
                arrival = (now + int(delay[link]) * (self.bus.delay + 1) // 2**32, link)
                self.count["replaced under way"] += arrival in self.under_way
                self.under_way[arrival] = value
            self.waiting = {}
        due = {link: v for (step, link), v in self.under_way.items() if step == now}
        self.under_way = {key: v for key, v in self.under_way.items() if key[0] > now}
        self.count["delivered"] += sum(bool(up[link]) for link in due)
        self.count["lost"] += sum(not up[link] for link in due)
        return [(link, value) for link, value in due.items() if up[link]]


@given(bus=BUSES, links=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_agrees_with_a_list_of_messages_and_accounts_for_each_of_them(
    bus: MessageBus, links: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    real, plain = Post(bus, links), PlainPost(bus)
    number = 0.0
    for now in range(1, 30):
        for link in rng.integers(links, size=rng.integers(0, 4)).tolist():
            number -= 1.0  # every message has a number of its own
            post(real.mail, link, number)
            plain.post(link, number)
        loss, delay = rng.integers(2**32, size=(2, links), dtype=np.uint32)
        up = rng.random(links) < 0.8
        got = real.step(now, loss, delay, up)
        assert sorted(got) == sorted(plain.step(now, loss, delay, up))
        assert len({link for link, _ in got}) == len(got)
        waiting, in_boxes = len(plain.waiting), len(plain.under_way)
        assert real.count(Counted.WAITING) == waiting
        assert real.mail.counts[Counted.WAITING + 1 :].sum() == in_boxes
        assert np.count_nonzero(~np.isnan(real.mail.carried)) == waiting + in_boxes
        for name in ("posted", "sent", "lost", "delivered"):
            assert real.count(Counted[name.upper()]) == plain.count[name], name
        assert real.count(Counted.POSTED) == (
            real.count(Counted.SENT) + waiting + plain.count["replaced while waiting"]
        )
        assert real.count(Counted.SENT) == (
            real.count(Counted.LOST)
            + real.count(Counted.DELIVERED)
            + in_boxes
            + plain.count["replaced under way"]
        )


def flood(bus: MessageBus, steps: int, links: int = 50) -> list[list[tuple[int, float]]]:
    """A message on each link at each step, its value the step: what arrived when."""
    rng = np.random.default_rng(5)
    line = Post(bus, links)
    received = []
    for now in range(1, steps + 1):
        for link in range(links):
            post(line.mail, link, float(now))
        words = rng.integers(2**32, size=(2, links), dtype=np.uint32)
        received.append(line.step(now, *words, np.ones(links)))
    return received


def test_without_loss_or_delay_all_arrive_at_once() -> None:
    for now, got in enumerate(flood(MessageBus(), 20), start=1):
        assert got == [(link, float(now)) for link in range(50)]


def test_with_certain_loss_nothing_arrives() -> None:
    assert not any(flood(MessageBus(loss=1.0), 20))


@pytest.mark.parametrize("loss", [0.03, 0.3, 0.9])
def test_messages_are_lost_as_often_as_they_should_be(loss: float) -> None:
    """20,000 messages: within five standard errors, false alarm 6 · 10⁻⁷."""
    got = sum(map(len, flood(MessageBus(loss=loss), 400)))
    assert abs(got / 20_000 - (1 - loss)) < 5 * math.sqrt(loss * (1 - loss) / 20_000)


def test_each_delay_up_to_the_longest_is_equally_likely() -> None:
    """One message in flight on a link at a time; 10,000 of them: within five standard errors at each of the four
    delays, false alarm 3 · 10⁻⁶."""
    rng = np.random.default_rng(6)
    line, links, rounds = Post(MessageBus(delay=3), 100), 100, 100
    taken = np.zeros(4, int)
    for now in range(1, 4 * rounds + 1):
        if now % 4 == 1:
            for link in range(links):
                post(line.mail, link, float(now))
        words = rng.integers(2**32, size=(2, links), dtype=np.uint32)
        for _, value in line.step(now, *words, np.ones(links)):
            taken[now - int(value)] += 1
    assert taken.sum() == links * rounds
    assert (abs(taken / taken.sum() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / taken.sum())).all()


def test_the_later_sent_of_two_that_arrive_together_counts() -> None:
    line = Post(MessageBus(delay=1), 1)
    late, prompt = np.array([2**32 - 1], np.uint32), np.zeros(1, np.uint32)
    post(line.mail, 0, -1.0)
    assert line.step(1, prompt, late, [1]) == []
    post(line.mail, 0, -2.0)
    assert line.step(2, prompt, prompt, [1]) == [(0, -2.0)]
    assert line.step(3, prompt, prompt, [1]) == []
    assert line.count(Counted.SENT) == 2
    assert line.count(Counted.DELIVERED) == 1
    assert line.count(Counted.LOST) == 0


@pytest.mark.parametrize("batch", [2, 5, 7])
def test_a_batching_bus_sends_the_newest_at_multiples_of_its_period(batch: int) -> None:
    for now, got in enumerate(flood(MessageBus(batch=batch), 30, links=3), start=1):
        expected = [(link, float(now)) for link in range(3)] if now % batch == 0 else []
        assert got == expected


def test_batching_sends_fewer_messages() -> None:
    sent = [sum(map(len, flood(MessageBus(batch=batch), 60))) for batch in (1, 3, 10)]
    assert sent == [3000, 1000, 300]


def test_a_message_to_somebody_who_is_down_is_lost() -> None:
    line = Post(MessageBus(), 2)
    post(line.mail, 0, -1.0)
    post(line.mail, 1, -2.0)
    words = np.zeros(2, np.uint32)
    assert line.step(1, words, words, [0, 1]) == [(1, -2.0)]
    assert line.count(Counted.LOST) == 1
    assert line.step(2, words, words, [1, 1]) == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("loss", bad) for bad in (-0.1, 1.1, math.nan, "0", None, True)),
        *(("delay", bad) for bad in (-1, 0.5, 100_001, "1", True)),
        *(("batch", bad) for bad in (0, -2, 1.5, None)),
    ],
)
def test_bad_settings_are_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got "):
        MessageBus(**{name: bad})


@pytest.mark.parametrize("learner", [CRL, DistributedValueFunctions])
def test_a_bus_with_an_unknown_setting_is_refused_by_name(learner: type[Learner]) -> None:
    with pytest.raises(ValueError, match=r"^bus has no argument 'los'"):
        learner.config_class(bus={"los": 0.5})


def test_a_delay_that_would_need_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"delay must be at most 49 for 1000000 links, got 50"):
        empty_mail(MessageBus(delay=50).rules(), 1_000_000)
