"""The message bus: how learners tell each other numbers, and all that they share (Dowling & Haridi 2008, §2, §5.2).

A *link* leads from an agent to one that listens to it; links have numbers 0 … E−1. What is posted on a link waits
for the next sending time; a later post on the same link replaces it (that is what batching saves). A sent message is
lost, or arrives after a delay; when two arrive on one link at the same step, the later sent one counts.

The functions work on arrays and are written so that they run as they are and also compiled by Numba.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_probability
from crl_envs.core.stream import threshold

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
        check_probability("loss", self.loss)
        check_int("delay", self.delay, low=0, high=100_000)
        check_int("batch", self.batch, low=1)

    def rules(self) -> PostRules:
        """The constants for the functions of this module."""
        return PostRules(int(threshold(self.loss)), self.delay, self.batch)


class PostRules(NamedTuple):
    """Constants of a bus."""

    loss: int  # threshold in [0, 2^32]
    delay: int  # most further steps
    batch: int  # steps


class Counted(IntEnum):
    """Entries of `Mail.count`."""

    POSTED = 0
    SENT = 1
    LOST = 2
    DELIVERED = 3
    WAITING = 4


class Mail(NamedTuple):
    """Messages under way on E links; those in transit lie in L = delay + 1 boxes, by the step at which they arrive."""

    waiting: NDArray[np.uint8]  # uint8[E], whether something is posted on the link
    posted: NDArray[np.float64]  # float64[E], what
    outbox: NDArray[np.int64]  # int64[E], the links on which something waits, in order of posting
    moving: NDArray[np.uint8]  # uint8[L, E]
    carried: NDArray[np.float64]  # float64[L, E]
    box: NDArray[np.int64]  # int64[L, E], links of each box
    in_box: NDArray[np.int64]  # int64[L], their number
    count: NDArray[np.int64]  # int64[5], see `Counted`


def empty_mail(rules: PostRules, links: int) -> Mail:
    """No message anywhere.

    Raises:
        ValueError: The delay is too long for so many links.
    """
    boxes = rules.delay + 1
    if boxes * links > _MOST_IN_TRANSIT:
        raise ValueError(
            f"delay must be at most {_MOST_IN_TRANSIT // links - 1} for {links} links, got {rules.delay}"
        )
    return Mail(
        waiting=np.zeros(links, np.uint8),
        posted=np.zeros(links),
        outbox=np.zeros(links, np.int64),
        moving=np.zeros((boxes, links), np.uint8),
        carried=np.zeros((boxes, links)),
        box=np.zeros((boxes, links), np.int64),
        in_box=np.zeros(boxes, np.int64),
        count=np.zeros(len(Counted), np.int64),
    )


_POSTED, _SENT, _LOST = int(Counted.POSTED), int(Counted.SENT), int(Counted.LOST)
_DELIVERED, _WAITING = int(Counted.DELIVERED), int(Counted.WAITING)


def post(mail: Mail, link: int, value: float) -> None:
    """Give the bus a value to carry over a link."""
    mail.count[_POSTED] += 1
    mail.posted[link] = value
    if mail.waiting[link] == 0:
        mail.waiting[link] = 1
        mail.outbox[mail.count[_WAITING]] = link
        mail.count[_WAITING] += 1


def send(rules: PostRules, mail: Mail, now: int, loss_words: Any, delay_words: Any) -> None:
    """At a sending time, send all that waits.

    Args:
        rules: The bus.
        mail: Its messages.
        now: The present step.
        loss_words: ``uint32[E]``, one for each link that is waiting; anything else may be in the others.
        delay_words: As `loss_words`.
    """
    if now % rules.batch != 0:
        return
    for k in range(mail.count[_WAITING]):
        link = mail.outbox[k]
        mail.waiting[link] = 0
        mail.count[_SENT] += 1
        if rules.loss > 0 and np.int64(loss_words[link]) < rules.loss:
            mail.count[_LOST] += 1
            continue
        arrival = now
        if rules.delay > 0:
            arrival += (np.int64(delay_words[link]) * (rules.delay + 1)) >> 32
        b = arrival % (rules.delay + 1)
        mail.carried[b, link] = mail.posted[link]
        if mail.moving[b, link] == 0:
            mail.moving[b, link] = 1
            mail.box[b, mail.in_box[b]] = link
            mail.in_box[b] += 1
    mail.count[_WAITING] = 0


JITABLE: Final = (post, send)
