"""When agents advertise their values to those who may delegate to them (Dowling & Haridi 2008, §5.2).

The paper names four ways; each is an object here, and any number of different ones can be used together:
``CRL(env, advertise=(DelegationReturn(), PeriodicGossip(period=100)))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from crl_envs.core.arguments import (
    check_choice,
    check_int,
    check_keywords,
    check_real,
    is_sequence,
    keep,
    shown,
    suggestion,
)


class Advertising(NamedTuple):
    """All strategies in use as constants for `agents.delegation.crl.mind`."""

    returns: int = (
        0  # delegations return 0: nothing; 1: the value before the receiver acts; 2: after
    )
    broadcasts: bool = False
    period: int = 0  # of gossip in steps; 0: none
    fanout: int = 0
    threshold: float = -1.0  # of notification; negative: none


@dataclass(frozen=True)
class DelegationReturn:
    """A delegation that arrives returns the receiver's value to the sender: one message each.

    What the paper's experiments do. A lost delegation returns nothing.

    Attributes:
        when: ``"before"`` the receiver acts on what it was handed (the default: the answer comes with the
            acknowledgement), or ``"after"``, when it has, which tells the sender whether that went well.
    """

    name: str = field(default="return", init=False)
    when: Literal["before", "after"] = "before"

    def __post_init__(self) -> None:
        keep(self, check_choice, "when", ("before", "after"))

    def add_to(self, advertising: Advertising) -> Advertising:
        """Return the constants with this strategy in them."""
        return advertising._replace(returns=1 if self.when == "before" else 2)


@dataclass(frozen=True)
class Broadcast:
    """Whoever has acted on a problem tells all that listen to it: a message to each of them.

    Fast and dear. "Useful in wireless networks", where one transmission reaches all; here each listener counts.
    """

    name: str = field(default="broadcast", init=False)

    def add_to(self, advertising: Advertising) -> Advertising:
        """Return the constants with this strategy in them."""
        return advertising._replace(broadcasts=True)


@dataclass(frozen=True)
class PeriodicGossip:
    """Every agent tells a few random listeners at regular intervals, whether or not anything has changed.

    Attributes:
        period: Steps between an agent's messages; agents take turns, agent i at steps ≡ −i (mod `period`).
        fanout: Listeners drawn each time, with replacement.
    """

    name: str = field(default="gossip", init=False)
    period: int = 50
    fanout: int = 1

    def __post_init__(self) -> None:
        keep(self, check_int, "period", low=1)
        keep(self, check_int, "fanout", low=1, high=1000)

    def add_to(self, advertising: Advertising) -> Advertising:
        """Return the constants with this strategy in them."""
        return advertising._replace(period=self.period, fanout=self.fanout)


@dataclass(frozen=True)
class ConditionalNotification:
    """An agent tells all that listen to it when its value has changed enough since it last did.

    Attributes:
        threshold: How much, in units of reward: at more than this it notifies.
    """

    name: str = field(default="notification", init=False)
    threshold: float = 5.0

    def __post_init__(self) -> None:
        keep(self, check_real, "threshold", low=0.0)

    def add_to(self, advertising: Advertising) -> Advertising:
        """Return the constants with this strategy in them."""
        return advertising._replace(threshold=float(self.threshold))


Advertisement = DelegationReturn | Broadcast | PeriodicGossip | ConditionalNotification

STRATEGIES: Final[dict[str, type[Any]]] = {
    kind().name: kind
    for kind in (DelegationReturn, Broadcast, PeriodicGossip, ConditionalNotification)
}


def strategies(given: Any) -> tuple[Advertisement, ...]:
    """Return strategies out of objects, names, or what a checkpoint says of them; one or several.

    Raises:
        ValueError: Something else, or two of one kind.
    """
    several = given if is_sequence(given) else [given]
    made = tuple(_strategy(one) for one in several)
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        raise ValueError(f"advertise must have each kind of strategy at most once, got {names}")
    return made


def _strategy(given: Any) -> Advertisement:
    if isinstance(given, DelegationReturn | Broadcast | PeriodicGossip | ConditionalNotification):
        return given
    said = dict(given) if isinstance(given, Mapping) else {"name": given}
    name = said.pop("name", None)
    if not isinstance(name, str) or name not in STRATEGIES:
        near = suggestion(name, STRATEGIES)
        raise ValueError(
            f"advertise must name strategies out of {', '.join(STRATEGIES)}, got {shown(name)}{near}"
        )
    check_keywords(name, STRATEGIES[name], said)
    made: Advertisement = STRATEGIES[name](**said)
    return made
