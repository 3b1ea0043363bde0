"""The message bus: how learners tell each other numbers, and all that they share (Dowling & Haridi 2008, §2, §5.2).

A *link* leads from an agent to one that listens to it; links have numbers 0 … E−1. What is posted on a link waits
for the next sending time; a later post on the same link replaces it (that is what batching saves). A sent message is
lost, or arrives after a delay; when two arrive on one link at the same step, the later sent one counts. Where another
agent takes the sender's place, what waits or is under way is lost (`withdraw`).

The functions work on arrays and are written so that they run as they are and also compiled by Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_keywords, check_probability, keep, shown
from crl_envs.core.stream import lane_word, threshold

_MOST_IN_TRANSIT: Final = 50_000_000


@dataclass(frozen=True)
class MessageBus:
    """How the messages between learners travel.

    Attributes:
        loss: Probability that a message is lost. 0, so that what one says the other hears.
        delay: A message arrives after uniform{0 … `delay`} steps. 0: before the next step.
        batch: Messages are sent at every `batch`-th step only; until then a newer one on the same link replaces the
            older. 1: at once.

    Raises:
        ValueError: A value out of its range.
    """

    loss: float = 0.0
    delay: int = 0
    batch: int = 1

    def __post_init__(self) -> None:
        keep(self, check_probability, "loss")
        keep(self, check_int, "delay", low=0, high=100_000)
        keep(self, check_int, "batch", low=1)

    def rules(self) -> PostRules:
        """Return the constants for the functions of this module."""
        return PostRules(int(threshold(self.loss)), self.delay, self.batch)


def check_bus(name: str, bus: Any) -> MessageBus:
    """Return the bus, or that of a dict of its attributes, as a checkpoint has them."""
    if isinstance(bus, dict):
        check_keywords(name, MessageBus, bus)
        return MessageBus(**bus)
    if not isinstance(bus, MessageBus):
        raise ValueError(f"{name} must be a MessageBus, got {shown(bus)}")
    return bus


class PostRules(NamedTuple):
    """Constants of a bus."""

    loss: int  # threshold in [0, 2^32]
    delay: int  # most further steps
    batch: int  # steps


class Counted(IntEnum):
    """First entries of `Mail.counts`; after them come the numbers of messages that wait and in each box."""

    POSTED = 0
    SENT = 1
    LOST = 2
    DELIVERED = 3
    WAITING = 4


class Mail(NamedTuple):
    """Messages under way on E links: row 0 waits to be sent; rows 1 … L are boxes by the step of arrival (mod L)."""

    carried: NDArray[np.float64]  # float64[1 + L, E], NaN where there is nothing
    boxes: NDArray[np.int64]  # int64[1 + L, E], links of each row, in the order in which they came
    counts: NDArray[np.int64]  # int64[5 + L], see `Counted`


def measurements(counted: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return messages ``[B]`` by what became of them, for the history, out of ``[B, …]`` by `Counted`."""
    kinds = (Counted.SENT, Counted.LOST, Counted.DELIVERED)
    return {f"advertisements_{kind.name.lower()}": counted[:, kind] for kind in kinds}


def empty_mail(rules: PostRules, links: int) -> Mail:
    """Return a bus without messages.

    Raises:
        ValueError: The delay is too long for so many links.
    """
    boxes = rules.delay + 1
    if boxes * links > _MOST_IN_TRANSIT:
        raise ValueError(
            f"delay must be at most {_MOST_IN_TRANSIT // links - 1} for {links} links, got {rules.delay}"
        )
    return Mail(
        carried=np.full((1 + boxes, links), np.nan),
        boxes=np.zeros((1 + boxes, links), np.int64),
        counts=np.zeros(len(Counted) + boxes, np.int64),
    )


def check_mail(mail: Mail, rules: PostRules, links: int) -> None:
    """Refuse messages in places that aren't there: compiled code doesn't look.

    Raises:
        ValueError: Another shape or dtype, or such a place.
    """
    for name, fresh in zip(Mail._fields, empty_mail(rules, links), strict=True):
        found = getattr(mail, name)
        if found.shape != fresh.shape or found.dtype != fresh.dtype:
            raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
    if (
        mail.counts.min() < 0
        or mail.boxes.min(initial=0) < 0
        or mail.boxes.max(initial=-1) >= links
    ):
        raise ValueError("boxes have links that aren't there, or counts are impossible")
    lengths = mail.counts[Counted.WAITING :].tolist()
    for row, carried, length in zip(mail.boxes, mail.carried, lengths, strict=True):
        if not np.array_equal(np.sort(row[:length]), np.flatnonzero(~np.isnan(carried))):
            raise ValueError("boxes have links that aren't there, or counts are impossible")


_POSTED, _SENT, _LOST = int(Counted.POSTED), int(Counted.SENT), int(Counted.LOST)
_DELIVERED, _WAITING = int(Counted.DELIVERED), int(Counted.WAITING)


def put(mail: Mail, row: int, link: int, value: float) -> None:
    """Lay a message into a row, in the place of an older one on the same link."""
    if math.isnan(mail.carried[row, link]):
        mail.boxes[row, mail.counts[_WAITING + row]] = link
        mail.counts[_WAITING + row] += 1
    mail.carried[row, link] = value


def post(mail: Mail, link: int, value: float) -> None:
    """Give the bus a value to carry over a link."""
    mail.counts[_POSTED] += 1
    put(mail, 0, link, value)


def word_at(words: Any, lane: int) -> int:
    """Return a lane's word out of ``uint32[…]``, or of the stream whose key, an int, `words` is."""
    return lane_word(words, lane) if isinstance(words, int) else int(words[lane])


def send(rules: PostRules, mail: Mail, now: int, loss_words: Any, delay_words: Any) -> None:
    """At a sending time, send all that waits.

    Args:
        rules: The bus.
        mail: Its messages.
        now: The present step.
        loss_words: By link, as `word_at` reads them; read where something waits, and not without loss.
        delay_words: As `loss_words`.
    """
    if now % rules.batch != 0:
        return
    for position in range(mail.counts[_WAITING]):
        link = mail.boxes[0, position]
        value = mail.carried[0, link]
        mail.carried[0, link] = math.nan
        mail.counts[_SENT] += 1
        if rules.loss > 0 and word_at(loss_words, link) < rules.loss:
            mail.counts[_LOST] += 1
            continue
        arrival = now
        if rules.delay > 0:
            arrival += (word_at(delay_words, link) * (rules.delay + 1)) >> 32
        put(mail, 1 + arrival % (rules.delay + 1), link, value)
    mail.counts[_WAITING] = 0


def arrivals(mail: Mail, box: int) -> int:
    """Return how many messages lie in a box."""
    return mail.counts[_WAITING + 1 + box]  # type: ignore[no-any-return]


def take(mail: Mail, box: int, link: int, received: bool) -> float:
    """Take a message out of a box, and count it as delivered or lost."""
    value = float(mail.carried[1 + box, link])
    mail.carried[1 + box, link] = math.nan
    mail.counts[_DELIVERED if received else _LOST] += 1
    return value


def withdraw(mail: Mail, link: int) -> None:
    """Lose what waits or is under way on a link, which leads from somebody else from now on."""
    for row in range(mail.carried.shape[0]):
        if math.isnan(mail.carried[row, link]):
            continue
        mail.carried[row, link] = math.nan
        last = mail.counts[_WAITING + row] - 1
        position = 0
        while mail.boxes[row, position] != link:
            position += 1
        mail.boxes[row, position] = mail.boxes[row, last]
        mail.counts[_WAITING + row] = last
        if row > 0:  # it has been sent
            mail.counts[_LOST] += 1


def empty_box(mail: Mail, box: int) -> None:
    """Forget the list of links of a box whose messages have all been taken."""
    mail.counts[_WAITING + 1 + box] = 0


JITABLE: Final[tuple[Callable[..., Any], ...]] = (
    put,
    post,
    send,
    arrivals,
    take,
    withdraw,
    empty_box,
)
