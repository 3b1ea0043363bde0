"""What a hand can do to one agent of a running world: break it, infect it, fill its queues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crl_envs.load_balancing.rules import State as Loads
from crl_envs.routing.rules import Count, Outcome
from crl_envs.routing.rules import State as Packets
from crl_envs.sysadmin.dynamics import DEAD, GOOD


@dataclass(frozen=True)
class Touch:
    """One thing that can be done to an agent.

    Attributes:
        name: Short, and the same in an address.
        title: What the page calls it.
        done: What is so after it, behind the agent's number.
        apply: Called with the world, its state of one column, which it changes in place, and the agent's number.
    """

    name: str
    title: str
    done: str
    apply: Callable[[Any, Any, int], None]


def put(state: int) -> Callable[[Any, Any, int], None]:
    """Return what puts an agent in a state, in worlds whose state is ``[n, B]``."""

    def apply(world: Any, column: Any, agent: int) -> None:
        column[agent] = state

    return apply


def _machine(status: int) -> Callable[[Any, Any, int], None]:
    def apply(world: Any, column: Any, agent: int) -> None:
        if world.n_values == 2:  # up or down; else 3 · status + load
            column[agent] = status == GOOD
        else:
            column[agent] = 3 * status + column[agent] % 3

    return apply


def _flip(world: Any, ballot: Any, agent: int) -> None:
    ballot.vote[agent] ^= 1


def _burn(level: int) -> Callable[[Any, Any, int], None]:
    def apply(world: Any, fire: Any, agent: int) -> None:
        fire.level[world.problem.houses[agent]] = level

    return apply


def _give_packet(world: Any, air: Any, agent: int) -> None:
    air.queue[agent] |= 1 << (world.problem.deadline - 1)


def _take_packets(world: Any, air: Any, agent: int) -> None:
    air.queue[agent] = 0


def _jam(world: Any, traffic: Any, agent: int) -> None:
    room = world.problem.capacity - traffic.queue[:, agent]
    traffic.counts[1] += room.sum(axis=0, dtype=np.int64)  # they count as arrivals
    traffic.queue[:, agent] += room


def _clear(world: Any, traffic: Any, agent: int) -> None:
    traffic.counts[2] += traffic.queue[:, agent].sum(
        axis=0, dtype=np.int64
    )  # they count as having left
    traffic.queue[:, agent] = 0


def _fail(world: Any, loads: Loads, agent: int) -> None:
    loads.active[agent] = 0
    loads.head[agent] = -1  # it acts on nothing until it is back


def _return(world: Any, loads: Loads, agent: int) -> None:
    loads.active[agent] = 1


def _drop_queue(world: Any, packets: Packets, agent: int) -> None:
    packets.tally[Count.DROPPED] += packets.length[agent]
    packets.length[agent] = 0
    packets.outcome[agent] = Outcome.NONE


MACHINES: Final = (
    Touch("break", "Break it", "is down", _machine(DEAD)),
    Touch("reboot", "Reboot it", "is up", _machine(GOOD)),
)
PEOPLE: Final = (
    Touch("infect", "Infect it", "is infected", put(1)),
    Touch("heal", "Heal it", "is healthy", put(0)),
)
VOTERS: Final = (Touch("flip", "Flip its vote", "votes the other way", _flip),)
HOUSES: Final = (
    Touch("kindle", "Set its houses on fire", "has houses that burn at level 2", _burn(2)),
    Touch("quench", "Put its fires out", "has houses without fire", _burn(0)),
)
USERS: Final = (
    Touch("packet", "Give it a packet", "has a new packet", _give_packet),
    Touch("empty", "Take its packets", "has nothing to send", _take_packets),
)
CROSSINGS: Final = (
    Touch("block", "Block it: fill its queues", "has four full queues", _jam),
    Touch("clear", "Clear its queues", "has no queues", _clear),
)
AGENTS: Final = (
    Touch("break", "Break it", "has failed", _fail),
    Touch("reboot", "Bring it back", "is back", _return),
)
NODES: Final = (Touch("drop", "Drop its queue", "has lost the packets of its queue", _drop_queue),)
