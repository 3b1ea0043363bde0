"""The rules of routing on arrays: what a state is, and what happens in a step; `numba_kernel` says the same.

A step, in this order:

1. an agent whose queue has a packet at its head that has been under way for `lifetime` steps drops it, and does nothing
   else; any other that is to forward its head transmits it to the neighbour that it chose; with the probability `loss`
   the transmission is lost and the packet stays where it is;
2. a packet that comes to its destination is delivered and leaves; the others go to the end of their receivers' queues,
   in the order of those who sent them, and are dropped where the queue is full;
3. new packets enter at their sources, in the order of these, and are dropped where the queue is full;
4. nodes that move, move.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Purpose, UInt64Array, lane_words, words

HOLD: Final = 0
FIRST_LINK: Final = 1  # action 1 + k forwards to the neighbour in slot k
OUTSIDE: Final = -1  # where a packet came from that entered here
SIDE: Final = 2**20  # of the square in which nodes move
LEVELS: Final = 8  # of a queue's length as others see it

PURPOSES: Final = (Purpose.ARRIVAL, Purpose.LOAD, Purpose.LINK_LOSS, Purpose.TRANSITION)


class Outcome(IntEnum):
    """What became of what an agent did in the last step."""

    NONE = 0  # it held its packet, or had none
    DELIVERED = 1
    FORWARDED = 2
    LOST = 3  # in the transmission: the packet is still here
    DROPPED = 4  # the receiver's queue was full
    EXPIRED = 5  # its packet's lifetime was over, and it dropped that


class Count(IntEnum):
    """Rows of `State.tally`."""

    TIME = 0
    ARRIVED = 1
    DELIVERED = 2
    DROPPED = 3
    DELAY = 4  # of all packets delivered, in steps
    MESSAGES = 5  # transmissions
    LOST = 6  # of these


class State(NamedTuple):
    """Queues are rings of Q places: the packets of agent i are at ``first … first + length − 1`` (mod Q)."""

    goal: NDArray[np.int32]  # int32[n, Q, B], a packet's destination
    born: NDArray[np.int32]  # int32[n, Q, B], when it entered the network
    since: NDArray[np.int32]  # int32[n, Q, B], when it came into this queue
    via: NDArray[np.int32]  # int32[n, Q, B], who sent it here, or `OUTSIDE`
    first: NDArray[np.int32]  # int32[n, B]
    length: NDArray[np.int32]  # int32[n, B]
    outcome: NDArray[np.int8]  # int8[n, B], see `Outcome`
    delay: NDArray[np.int32]  # int32[n, B], of the packet that the agent delivered in the last step
    dropped: NDArray[np.int32]  # int32[n, B], packets that it dropped in the last step
    place: NDArray[
        np.int32
    ]  # int32[n, 2, B], where nodes are, in [0, SIDE); [0, 2, B] where they have no place
    tally: NDArray[np.int64]  # int64[7, B], see `Count`


class Rules(NamedTuple):
    """The constants that the kernels read."""

    successors: NDArray[np.int32]  # int32[n, K], −1 for none
    queue_size: int
    arrivals: UInt64Array  # uint64[M]: more than k packets enter at an agent where its word isn't below entry k
    loss: int  # the 32-bit threshold
    lifetime: int  # steps; 0: without end
    horizon: int
    pays_delay: bool
    places: bool  # whether nodes have places in the square, of which links depend
    stride: int  # the longest step along a side
    reach: int  # square of the longest link


class Keys(NamedTuple):
    """Keys of the stream for a step: ``uint64[B]`` for each of `PURPOSES`."""

    arrival: UInt64Array
    goal: UInt64Array
    loss: UInt64Array
    motion: UInt64Array


def empty_state(rules: Rules, columns: int) -> State:
    """Return a network without a packet, whose nodes are all in a corner."""
    n, q = rules.successors.shape[0], rules.queue_size

    def zeros(*shape: int) -> NDArray[np.int32]:
        return np.zeros((*shape, columns), np.int32)

    return State(
        goal=zeros(n, q),
        born=zeros(n, q),
        since=zeros(n, q),
        via=zeros(n, q),
        first=zeros(n),
        length=zeros(n),
        outcome=np.zeros((n, columns), np.int8),
        delay=zeros(n),
        dropped=zeros(n),
        place=zeros(n if rules.places else 0, 2),
        tally=np.zeros((len(Count), columns), np.int64),
    )


def begin(rules: Rules, state: State, keys: UInt64Array, drawn: Keys) -> None:
    """Place the nodes, by the keys of `Purpose.INITIAL`, and let the first packets enter."""
    if rules.places:
        n = len(state.place)
        state.place[:] = (words(keys, 2 * n) >> np.uint32(12)).reshape(n, 2, -1)
    _enter(rules, state, drawn)


def advance(rules: Rules, state: State, action: NDArray[np.integer], keys: Keys) -> None:
    """Carry out one step in place. Actions that no link is behind are as `HOLD`.

    Args:
        rules: The constants.
        state: What is changed.
        action: Integers ``[n, B]`` in [0, 1 + K).
        keys: Of the stream.
    """
    state.outcome[:], state.delay[:] = 0, 0
    if state.tally[Count.TIME].all():  # what was dropped before the first step counts with it
        state.dropped[:] = 0
    else:
        state.dropped[:, state.tally[Count.TIME] > 0] = 0
    state.tally[Count.TIME] += 1
    _forward(rules, state, action, keys)
    _enter(rules, state, keys)
    if rules.stride:
        n = len(state.place)
        word = words(keys.motion, 2 * n).reshape(n, 2, -1).astype(np.int64)
        moved = state.place + (word * (2 * rules.stride + 1) >> 32) - rules.stride
        moved = np.abs(moved)
        state.place[:] = np.where(moved < SIDE, moved, 2 * (SIDE - 1) - moved)


def in_reach(rules: Rules, place: NDArray[np.int32], i: Any, j: Any, b: Any) -> NDArray[np.bool_]:
    """Return whether nodes are near enough for a link; arrays of agents and columns that broadcast."""
    x, y = (place[i, axis, b].astype(np.int64) - place[j, axis, b] for axis in (0, 1))
    return np.asarray(x * x + y * y <= rules.reach)


def linked(rules: Rules, state: State) -> NDArray[np.bool_]:
    """Return which slots lead to somebody now: ``bool[n, K, B]``."""
    known = rules.successors >= 0
    n, k = known.shape
    columns = state.length.shape[1]
    if not rules.places:
        return np.broadcast_to(known[..., None], (n, k, columns))
    i, b = np.arange(n)[:, None, None], np.arange(columns)
    return known[..., None] & in_reach(rules, state.place, i, rules.successors[..., None], b)


def level(length: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return a queue's length as others see it: 0 for none, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, … 7 from 64 on."""
    limits = 2 ** np.arange(LEVELS - 1)
    return np.searchsorted(limits, length, side="right").astype(np.int32)


def paid(rules: Rules, state: State) -> NDArray[np.float32]:
    """Return the rewards ``float32[n, B]`` of the step that led to a state."""
    if rules.pays_delay:
        share = 1.0 - state.delay / rules.horizon
        return np.where(state.outcome == int(Outcome.DELIVERED), share, 0.0).astype(np.float32)
    left = np.maximum(rules.horizon + 1 - state.tally[Count.TIME], 1)
    waits = state.length + state.dropped * left
    return np.asarray(0.0 - waits / rules.queue_size, np.float32)


def _forward(rules: Rules, state: State, action: NDArray[np.integer], keys: Keys) -> None:
    columns = state.length.shape[1]
    if rules.lifetime:
        i, b = np.nonzero(state.length)
        head = state.first[i, b]
        over = state.tally[Count.TIME, b] - state.born[i, head, b] > rules.lifetime
        i, b = i[over], b[over]
        state.first[i, b] = (head[over] + 1) % rules.queue_size
        state.length[i, b] -= 1
        state.outcome[i, b] = Outcome.EXPIRED
        state.dropped[i, b] += 1
        state.tally[Count.DROPPED] += np.bincount(b, minlength=columns)
    can = (action > HOLD) & (state.length > 0)
    if rules.lifetime:
        can &= state.outcome == int(Outcome.NONE)
    i, b = np.nonzero(can)
    if not i.size:
        return
    j = rules.successors[i, action[i, b].astype(np.int64) - FIRST_LINK]
    there = j >= 0
    if rules.places:
        there &= in_reach(rules, state.place, i, j, b)
    if not there.all():
        i, b, j = i[there], b[there], j[there]
    state.tally[Count.MESSAGES] += np.bincount(b, minlength=columns)
    if rules.loss:
        lost = lane_words(keys.loss[b], i) < rules.loss
        state.outcome[i[lost], b[lost]] = Outcome.LOST
        state.tally[Count.LOST] += np.bincount(b[lost], minlength=columns)
        i, b, j = i[~lost], b[~lost], j[~lost]
    head = state.first[i, b]
    goal, born = state.goal[i, head, b], state.born[i, head, b]
    state.first[i, b] = (head + 1) % rules.queue_size
    state.length[i, b] -= 1
    home = goal == j
    state.outcome[i, b] = np.where(home, Outcome.DELIVERED, Outcome.FORWARDED)
    delay = state.tally[Count.TIME, b[home]] - born[home]
    state.delay[i[home], b[home]] = delay
    state.tally[Count.DELIVERED] += np.bincount(b[home], minlength=columns)
    np.add.at(state.tally[Count.DELAY], b[home], delay)
    i, b, j, goal, born = (part[~home] for part in (i, b, j, goal, born))
    refused = _queue(rules, state, j, b, goal, born, i)
    state.outcome[i[refused], b[refused]] = Outcome.DROPPED


def _enter(rules: Rules, state: State, keys: Keys) -> None:
    n, columns = state.length.shape
    word = words(keys.arrival, n)
    if not (word >= rules.arrivals[0]).any():
        return
    count = np.searchsorted(rules.arrivals, word, side="right")  # more than k where word ≥ entry k
    node, b = np.nonzero(count)
    each = count[node, b]
    k = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    node, b = np.repeat(node, each), np.repeat(b, each)
    drawn = lane_words(keys.goal[b], node * len(rules.arrivals) + k).astype(np.int64)
    goal = drawn * (n - 1) >> 32
    goal += goal >= node
    state.tally[Count.ARRIVED] += np.bincount(b, minlength=columns)
    _queue(rules, state, node, b, goal, state.tally[Count.TIME, b], np.full(node.size, OUTSIDE))


def _queue(
    rules: Rules,
    state: State,
    node: NDArray[Any],
    b: NDArray[Any],
    goal: NDArray[Any],
    born: NDArray[Any],
    via: NDArray[Any],
) -> NDArray[np.bool_]:
    """Put packets, in their order, at the end of queues; return which ones found theirs full."""
    columns = state.length.shape[1]
    queue = node.astype(np.int64) * columns + b
    order = np.argsort(queue, kind="stable")
    ordered = queue[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.empty(queue.size, np.int64)  # among those for the same queue
    rank[order] = np.arange(queue.size) - np.repeat(starts, np.diff(starts, append=queue.size))
    end = state.length[node, b] + rank
    refused = np.asarray(end >= rules.queue_size)
    if refused.any():
        np.add.at(state.dropped, (node[refused], b[refused]), 1)
        state.tally[Count.DROPPED] += np.bincount(b[refused], minlength=columns)
    taken = ~refused
    i, c = node[taken], b[taken]
    at = (state.first[i, c] + end[taken]) % rules.queue_size
    state.goal[i, at, c], state.born[i, at, c], state.via[i, at, c] = (
        part[taken] for part in (goal, born, via)
    )
    state.since[i, at, c] = state.tally[Count.TIME, c]
    np.add.at(state.length, (i, c), 1)
    return refused
