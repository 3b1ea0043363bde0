"""A world as pure functions over an array namespace: NumPy's or JAX's, one environment or a batch of them.

Arrays have the agents first and the batch, if any, last, as those of a `World`. Randomness comes in as words, one an
agent for each purpose that the world draws for; where they come from is the caller's affair. Tables of probabilities
and rewards are arguments, so that they can be mapped over; numbers of agents, graphs and horizons are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Purpose, threshold
from crl_envs.core.topology import Adjacency

Array = Any  # of the namespace
Tables = Mapping[str, Any]
Words = Mapping[Purpose, Array]  # uint32[n, …]

_MOST_CHOSEN = 16  # entries of a table that is looked up by comparing
# The same of agents' own rows; more, since beside a look-up by index XLA makes no vectors of the words that go with it.
_MOST_IN_ROW = 32
_MOST_GATHERED = (
    16  # neighbours up to which all agents get as many places as the best connected one
)


class Chance(NamedTuple):
    """Probabilities as words: an event happens where ``word <= last`` and ``some``, so that 0 is never and 1 always."""

    last: Array  # uint32
    some: Array  # bool

    @classmethod
    def of(cls, probability: NDArray[np.float64]) -> Chance:
        """Return what has these probabilities, in units of 2^−32."""
        return cls.below(threshold(probability))

    @classmethod
    def below(cls, limit: NDArray[np.uint64]) -> Chance:
        """Return what happens with the words below these limits, which are in [0, 2^32]."""
        some = limit > 0
        return cls((limit - some).astype(np.uint32), some)


@dataclass(frozen=True)
class ArrayForm:
    """The dynamics of a world.

    Attributes:
        tables: What `step` and `initial` look up; NumPy arrays, to be moved to a device.
        purposes: What a step draws words for; a reset draws for ``Purpose.INITIAL``.
        initial: ``(xp, tables, words)`` to a state at the start of an episode.
        step: ``(xp, tables, state, action, words)`` to the next state and the rewards ``float32[n, …]``.
        observation: ``(xp, state)`` to ``[n, …]``, or ``[n, k, …]`` for a space of shape (k,).
        state_array: ``(xp, state)`` to ``[d, …]``.
        metrics: ``(xp, state)`` to named measurements.
        terminal: ``(xp, state)`` to ``bool[…]``; None where only the horizon ends an episode.
        lanes: Words that are drawn for each purpose; None: one an agent.
        legal: ``(xp, state, action)`` to ``bool[n, …]``, whether actions in range are legal; None where all are.
        action_mask: ``(xp, state)`` to ``int8[n, A, …]``; None with `legal`.
        info: ``(xp, state)`` to what the agents see beside that, named arrays ``[n, …]``.
    """

    tables: Tables
    purposes: tuple[Purpose, ...]
    initial: Callable[[Any, Tables, Words], Any]
    step: Callable[[Any, Tables, Any, Array, Words], tuple[Any, Array]]
    observation: Callable[[Any, Any], Array]
    state_array: Callable[[Any, Any], Array]
    metrics: Callable[[Any, Any], dict[str, Array]]
    terminal: Callable[[Any, Any], Array] | None = None
    lanes: int | None = None
    legal: Callable[[Any, Any, Array], Array] | None = None
    action_mask: Callable[[Any, Any], Array] | None = None
    info: Callable[[Any, Any], dict[str, Array]] = lambda xp, state: {}


def column(values: Array, like: Array) -> Array:
    """Return ``[n]`` so that it goes with ``[n, …]``."""
    return values.reshape(values.shape + (1,) * (like.ndim - 1))


class Rows(NamedTuple):
    """Each agent's own part of a table; fixed numbers."""

    begins: NDArray[np.integer]  # [n]
    sizes: NDArray[np.integer]  # [n]


def look_up(xp: Any, table: Array, index: Array, rows: Rows | None = None) -> Array:
    """Return ``table[index]``, or each agent's entry at `index` ``[n, …]`` of its own rows.

    In JAX it is found by comparisons where there are few entries: those go through a processor's vectors.
    """
    most = table.shape[0] if rows is None else int(rows.sizes.max())
    if xp is np or most > (_MOST_CHOSEN if rows is None else _MOST_IN_ROW):
        begins = 0 if rows is None else column(xp.asarray(rows.begins, np.int32), index)
        return xp.take(table, begins + index, axis=0)
    if rows is None:
        entries = iter(table)
    else:
        places = (rows.begins + np.minimum(k, rows.sizes - 1) for k in range(most))
        entries = (column(table[place], index) for place in places)
    found = xp.broadcast_to(next(entries), index.shape)
    for k, entry in enumerate(entries, 1):
        found = xp.where(index == k, entry, found)
    return found


def happens(
    xp: Any, word: Array, chance: Chance, index: Array | None = None, rows: Rows | None = None
) -> Array:
    """Return where the event of the chance that `look_up` finds, or of the only one, happens: ``bool``."""
    if index is None:
        return (word <= chance.last) & chance.some
    some = look_up(xp, chance.some, index, rows)
    return (word <= look_up(xp, chance.last, index, rows)) & some


def pick(xp: Any, values: Array, index: Array) -> Array:
    """Return from ``[n, …, B]`` each column's own entry ``[…, B]`` of an index ``[B]``; or of one number without B."""
    at = index.reshape((1,) * (values.ndim - index.ndim) + index.shape)
    return xp.take_along_axis(values, at, axis=0)[0]


def repeated(xp: Any, going: Any, body: Any, carried: Array) -> Array:
    """Return what is carried when it has gone through ``body`` for as long as it was ``going``."""
    if xp is not np:
        from jax.lax import while_loop

        return while_loop(going, body, carried)
    while going(carried):
        carried = body(carried)
    return carried


Count = Callable[[Any, Array, Callable[[Array, Array], Array]], Array]


def counting(sources: Adjacency) -> Count:
    """Return a function that counts for each agent those of its sources for which something holds.

    It is called as ``count(xp, values, test)`` with values ``[n, …]``; ``test(theirs, own)`` gives 0 or 1, and 0 for
    theirs of 0. It returns ``int32[n, …]``.

    Args:
        sources: For each agent those that count. Where all have theirs at the same distances around the ring 0 … n−1,
            values are rolled; where nobody has many, they are gathered; else they are added up edge by edge.
    """
    n, degree = sources.degree.size, sources.degree
    most = int(degree.max(initial=0))
    owners = np.repeat(np.arange(n), degree)
    if most == 0:
        return lambda xp, values, test: xp.zeros(values.shape, np.int32)
    if (degree == most).all() and most <= _MOST_GATHERED:
        distances = np.sort((owners - sources.indices).reshape(n, most) % n, axis=1)
        if (distances == distances[0]).all():
            return _rolling(distances[0].tolist())
    if most <= _MOST_GATHERED:
        places = np.full((most, n), n)
        within = np.arange(owners.size) - sources.indptr[owners]
        places[within, owners] = sources.indices
        return _gathering(places)
    return _scattering(sources.indices, owners)


def _rolled(xp: Any, values: Array, distance: int) -> Array:
    if xp is np or values.size != len(values) or not distance:
        return xp.roll(values, distance, axis=0)
    # Of one environment XLA would go through a concatenation, and all that is fused with it, number by number.
    room = xp.zeros((distance + len(values), *values.shape[1:]), values.dtype)
    return room.at[distance:].set(values).at[:distance].set(values[-distance:])[: len(values)]


def _rolling(distances: list[int]) -> Count:
    def count(xp: Any, values: Array, test: Any) -> Array:
        found = [test(_rolled(xp, values, d), values).astype(np.int32) for d in distances]
        return sum(found[1:], start=found[0])

    return count


def _gathering(places: NDArray[np.int64]) -> Count:
    def count(xp: Any, values: Array, test: Any) -> Array:
        nobody = xp.zeros((1, *values.shape[1:]), values.dtype)
        known = xp.concatenate([values, nobody])
        found = [test(known[at], values).astype(np.int32) for at in places]
        return sum(found[1:], start=found[0])

    return count


def _scattering(sources: NDArray[np.int64], targets: NDArray[np.int64]) -> Count:
    def count(xp: Any, values: Array, test: Any) -> Array:
        found = test(values[sources], values[targets]).astype(np.int32)
        total = xp.zeros(values.shape, np.int32)
        if xp is np:
            np.add.at(total, targets, found)
            return total
        return total.at[targets].add(found)

    return count
