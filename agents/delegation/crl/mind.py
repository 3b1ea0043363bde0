"""What collaborative agents know, compute and say to each other; see `agents.delegation.crl.learner` for the equations.

The minds of all agents of a column are one `Minds`, whose fields are nested lists or arrays. The functions index them
as ``minds.reward[i][s][a]``, so they run as they stand on lists of plain numbers, which Python is fastest with, and
compiled by Numba on arrays (`agents.delegation.crl.compiled`): the same floating-point operations in the same order.
`after_step` has the order of events for both. Link i·K + k leads from the neighbour behind slot k of i to i; a message
about the c-th of C connected states goes over link · C + c of the bus.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.delegation.bus import (
    Mail,
    PostRules,
    arrivals,
    check_mail,
    empty_box,
    post,
    send,
    take,
    withdraw,
    word_at,
)
from agents.delegation.crl.advertising import Advertising
from agents.delegation.infos import DELEGATED, DELEGATION, DISCOVERY, KEPT, LOCAL, NOOP

_MOST_SWEEPS: Final = 1000
_STEADY: Final = 1e-9
_MOST_DECAY: Final = 600.0  # exp of more is no float; whatever it multiplies is below MinQ, or 0


class Settings(NamedTuple):
    """Constants of the learner."""

    temperature: float
    min_q: float
    max_q: float
    log_rho: float  # ρ^td = exp(td · log_rho)
    decays_unheard: bool
    drop_at: float  # a neighbour whose decayed value is at most this is dropped; −inf: never
    reward_rate: float  # 1: the latest; 0: the mean of all
    transition_rate: float
    forget_rate: float  # by how much P of other delegations moves towards the mean with each action
    counts_kept: bool  # whether a problem that was kept costs what it will still cost
    prior_local: float  # first Q of local and discovery actions
    discovery_keeps: bool  # a discovery's first Q is V instead: it leaves the problem where it is
    prior_per_neighbor: float  # first Q of a delegation: this × neighbours + `prior_first`
    prior_delegation: float  # reward of a delegation before the first one
    prior_link: float  # connection cost before the first use of the link
    prior_first: float  # the link's cost in the first Q of a delegation
    connected: int = 1  # C: of how many states of a neighbour there are values in the cache, 1 or S


class Minds(NamedTuple):
    """All that n agents with A actions, K delegation slots and S states know: arrays, or nested lists like them."""

    state: Any  # int64[n], the state that the agent is in
    advertised: Any  # float64[n], the value that it last notified others of
    changed: Any  # int64[n], 1 when its value may differ from what it last compared
    kind: Any  # int64[n, A], kind of each action
    slot: Any  # int64[n, A], slot of a delegation, else −1
    offered: Any  # int64[n, A], 1 for an action that the agent has, by what it last saw
    neighbor: Any  # int64[n, K], the agent behind each slot, −1 for none
    cached: Any  # float64[n, C, K], last advertised value of each neighbour, in each of its connected states
    heard: Any  # int64[n, C, K], the step of that; −1 for never
    value: Any  # float64[n, S], V
    q: Any  # float64[n, S, A], Q of the present state, when it was last asked for
    tries: Any  # int64[n, S, A]
    reward: Any  # float64[n, S, A], R without the link
    link: Any  # float64[n, S, A], D
    kept: Any  # float64[n, S, A, S], P(the agent keeps the problem and is in state s')
    arrived: Any  # float64[n, S, A, C], P(the problem comes to the neighbour in its state s'); [n, S, A, 0] for C = 1


_WHOLE: Final = {"state", "changed", "kind", "slot", "offered", "neighbor", "heard", "tries"}


class Audience(NamedTuple):
    """Who listens to whom: a list of links from each agent."""

    first: NDArray[np.int64]  # int64[n], first link from an agent; −1 for none
    following: NDArray[np.int64]  # int64[n · K], the next one from the same agent; −1 for none
    listeners: NDArray[np.int64]  # int64[n], their number
    owed: NDArray[np.uint8]  # uint8[n · K], whether an answer is due on a link


class Column(NamedTuple):
    """The agents of one environment: constants, what they know, and what is under way between them."""

    settings: Settings
    advertising: Advertising
    rules: PostRules  # of the bus
    minds: Minds
    audience: Audience
    mail: Mail


class Events(NamedTuple):
    """What the agents of a column see of one step: arrays, or lists like them."""

    acted: Any  # int64[…], those that acted on a problem, ascending
    actions: Any  # int64[n]
    rewards: Any  # float64[n], what was paid
    links: Any  # float64[n], the part of it that paid for a link
    dops: Any  # int8[n], what became of the problem
    states: Any  # int64[n], the state that each is in now
    changes: Any  # int64[…, 4]: an agent, its slot, who is behind it from now on, its number of neighbours
    seekers: Any  # int64[…], those whose masks say whether they can look for others
    legal: Any  # [n, A], the masks; read for `seekers`
    active: Any  # [n], 0 for agents that are down


class Words(NamedTuple):
    """32-bit words by lane, as `word_at` reads them; not read for what draws nothing."""

    gossip: Any  # n · fanout lanes
    loss: Any  # n · K
    delay: Any  # n · K


def shapes(n: int, actions: int, slots: int, states: int, connected: int = 1) -> Minds:
    """Return the shape of each field."""
    by_state, by_entry = (n, connected, slots), (n, states, actions)
    return Minds(
        state=(n,),
        advertised=(n,),
        changed=(n,),
        kind=(n, actions),
        slot=(n, actions),
        offered=(n, actions),
        neighbor=(n, slots),
        cached=by_state,
        heard=by_state,
        value=(n, states),
        q=by_entry,
        tries=by_entry,
        reward=by_entry,
        link=by_entry,
        kept=(*by_entry, states),
        arrived=(*by_entry, connected if connected > 1 else 0),
    )


def width(actions: int, slots: int, states: int, connected: int = 1) -> int:
    """Return how many numbers a mind is."""
    return sum(math.prod(shape) for shape in shapes(1, actions, slots, states, connected))


def new_minds(kind: NDArray[np.int8], slots: int, states: int, connected: int = 1) -> Minds:
    """Return arrays of agents that have learnt nothing and know nobody; `introduce` tells them of neighbours.

    Args:
        kind: ``int8[n, A]``.
        slots: K.
        states: S.
        connected: C.
    """
    sizes = shapes(len(kind), kind.shape[1], slots, states, connected)
    minds = as_arrays(Minds(*(np.zeros(shape) for shape in sizes)))
    delegates = kind == DELEGATION
    minds.kind[:] = kind
    minds.slot[:] = np.where(delegates, np.cumsum(delegates, axis=1) - 1, -1)
    minds.offered[:] = delegates | (kind == LOCAL)
    minds.neighbor[:] = minds.heard[:] = -1
    return minds


def as_arrays(minds: Minds) -> Minds:
    """Return the minds as new arrays.

    Raises:
        ValueError: Lists that make no array, a NaN, or a fraction where there are whole numbers only.
    """
    fields = {}
    for name, field in zip(Minds._fields, minds, strict=True):
        given = np.asarray(field)
        with np.errstate(invalid="ignore"):
            fields[name] = given.astype(np.int64 if name in _WHOLE else np.float64)
        if not np.array_equal(fields[name], given):
            raise ValueError(f"minds have a {name} that is a NaN or no whole number")
    return Minds(**fields)


def as_lists(minds: Minds) -> Minds:
    """Return the minds as nested lists."""
    return Minds(*(np.asarray(field).tolist() for field in minds))


def aside(column: Column) -> Column:
    """Return the agents for a look: what `choose` and `value_of` write is a copy's."""
    minds = column.minds
    return column._replace(
        minds=minds._replace(
            state=list(minds.state),
            value=[list(value) for value in minds.value],
            q=[[list(q) for q in by_state] for by_state in minds.q],
        )
    )


def pack(minds: Minds) -> NDArray[np.float64]:
    """Return ``float64[n, W]`` for a checkpoint: field after field."""
    n = len(minds.state)
    fields = [np.asarray(field, np.float64) for field in minds]
    return np.concatenate(
        [field.reshape(n, math.prod(field.shape[1:])) for field in fields], axis=1
    )


def unpack(
    rows: NDArray[np.float64], actions: int, slots: int, states: int, connected: int = 1
) -> Minds:
    """Return the minds, as arrays, that `pack` made ``float64[n, W]`` of.

    Raises:
        ValueError: As `as_arrays`.
    """
    sizes = shapes(len(rows), actions, slots, states, connected)
    ends = np.cumsum([math.prod(shape[1:]) for shape in sizes])
    parts = np.split(rows, ends[:-1], axis=1)
    return as_arrays(Minds(*(p.reshape(size) for p, size in zip(parts, sizes, strict=True))))


def empty_audience(n: int, slots: int) -> Audience:
    """Return that nobody listens to anybody."""
    return Audience(
        first=np.full(n, -1, np.int64),
        following=np.full(n * slots, -1, np.int64),
        listeners=np.zeros(n, np.int64),
        owed=np.zeros(n * slots, np.uint8),
    )


def check_places(column: Column, n: int, actions: int, slots: int, states: int) -> None:
    """Refuse what leads to places that aren't there, where compiled code wouldn't look.

    Args:
        column: Its minds are arrays, as `as_arrays` makes them.
        n: Number of agents.
        actions: A.
        slots: K.
        states: S.

    Raises:
        ValueError: Another shape or dtype, or such a place.
    """
    minds, audience, connected = column.minds, column.audience, column.settings.connected
    check_mail(column.mail, column.rules, n * slots * connected)
    empty = empty_audience(n, slots)
    for name in Audience._fields:
        found, fresh = getattr(audience, name), getattr(empty, name)
        if found.shape != fresh.shape or found.dtype != fresh.dtype:
            raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
    sizes = shapes(n, actions, slots, states, connected)
    for name, found, shape in zip(Minds._fields, minds, sizes, strict=True):
        if found.shape != shape:
            raise ValueError(f"{name} is of shape {found.shape}, not {shape}")
    neighbor, state = minds.neighbor, minds.state
    known = new_minds(minds.kind, slots, 1)
    inside = neighbor.min(initial=-1) >= -1 and neighbor.max(initial=-1) < n
    inside = inside and state.min() >= 0 and state.max() < states
    if not (inside and np.array_equal(minds.slot, known.slot) and known.slot.max() < slots):
        raise ValueError("minds have neighbors, states or slots that aren't there")
    behind, following = neighbor.ravel().tolist(), audience.following.tolist()
    seen = set()
    for j, link in enumerate(audience.first.tolist()):
        while link != -1:
            if not 0 <= link < len(behind) or behind[link] != j or link in seen:
                raise ValueError("first and following have links that aren't there")
            seen.add(link)
            link = following[link]
    if len(seen) != np.count_nonzero(neighbor >= 0):
        raise ValueError("first and following lack links")


def after_step(column: Column, events: Events, words: Words, now: int) -> None:
    """Let the agents of a column take in a step and advertise: the order of events, in Python and compiled.

    Args:
        column: The agents.
        events: What came of the step.
        words: For gossip and the bus.
        now: The number of steps with this one.
    """
    minds, advertising = column.minds, column.advertising
    for i in events.acted:
        learn(column, i, events)
    if len(minds.value[0]) > 1:
        for i in range(len(minds.state)):
            minds.state[i] = events.states[i]
    for change in events.changes:
        introduce(column, change[0], change[1], change[2], change[3], now)
    for i in events.seekers:
        notice(minds, i, events.legal[i])
    if advertising.returns:
        return_values(column, events, now)
    if advertising.broadcasts or advertising.period > 0 or advertising.threshold >= 0.0:
        advertise_unasked(column, events, words.gossip, now)
    deliver(column, events.active, words, now)


def introduce(column: Column, i: int, k: int, j: int, neighbors: int, now: int) -> None:
    """Put j behind slot k of agent i (nobody when j is −1): what it knew of another one there is void, messages too.

    The first Q (Table 1) depends on the number of `neighbors` that i has, with j.
    """
    settings, minds, audience = column.settings, column.minds, column.audience
    link = i * len(minds.neighbor[i]) + k
    before = minds.neighbor[i][k]
    if before >= 0:
        unlink(audience, before, link)
        for c in range(settings.connected):
            withdraw(column.mail, link * settings.connected + c)
    minds.neighbor[i][k] = j
    minds.changed[i] = 1
    if j < 0:
        return
    audience.listeners[j] += 1
    audience.following[link] = audience.first[j]
    audience.first[j] = link
    first_q = settings.prior_per_neighbor * neighbors + settings.prior_first
    for c in range(settings.connected):
        minds.cached[i][c][k] = first_q - settings.prior_delegation - settings.prior_link
        minds.heard[i][c][k] = now if settings.decays_unheard else -1
    states = len(minds.value[i])
    for a in range(len(minds.slot[i])):
        if minds.slot[i][a] == k:
            for s in range(states):
                minds.tries[i][s][a] = 0
                minds.reward[i][s][a] = settings.prior_delegation
                minds.link[i][s][a] = settings.prior_link
                for s2 in range(states):
                    minds.kept[i][s][a][s2] = 0.0
                for c in range(len(minds.arrived[i][s][a])):
                    minds.arrived[i][s][a][c] = 0.0


def unlink(audience: Audience, j: int, link: int) -> None:
    """Take a link out of those that lead from j."""
    audience.listeners[j] -= 1
    audience.owed[link] = 0
    after = audience.following[link]
    audience.following[link] = -1
    if audience.first[j] == link:
        audience.first[j] = after
        return
    e = audience.first[j]
    while audience.following[e] != link:
        e = audience.following[e]
    audience.following[e] = after


def begin(column: Column, i: int, now: int) -> None:
    """Give an agent's local and discovery actions their first Q (Table 1); it has nothing new to say."""
    minds, settings = column.minds, column.settings
    for a in range(len(minds.kind[i])):
        for s in range(len(minds.value[i])):
            if minds.kind[i][a] == DISCOVERY and settings.discovery_keeps:
                minds.kept[i][s][a][s] = 1.0
            elif minds.kind[i][a] == LOCAL or minds.kind[i][a] == DISCOVERY:
                minds.reward[i][s][a] = settings.prior_local
    minds.advertised[i] = value_of(column, i, now)
    minds.changed[i] = 0


def notice(minds: Minds, i: int, legal: Any) -> None:
    """Show an agent what is legal: with a problem at hand, that tells whether it can look for others."""
    kind, offered = minds.kind[i], minds.offered[i]
    at_work = False
    for a in range(len(kind)):
        if kind[a] > NOOP and legal[a]:
            at_work = True
    if at_work:
        for a in range(len(kind)):
            if kind[a] == DISCOVERY:
                offered[a] = 1 if legal[a] else 0


def clamp(settings: Settings, value: float) -> float:
    """Return the value within [MinQ, MaxQ]."""
    if value < settings.min_q:
        return settings.min_q
    if value > settings.max_q:
        return settings.max_q
    return value


def decayed(column: Column, i: int, k: int, c: int, now: int) -> float:
    """Return Decay(V_j(c)) = V_j(c) · ρ^td of the neighbour behind slot k in its connected state c (§5.3)."""
    settings = column.settings
    value, heard = column.minds.cached[i][c][k], column.minds.heard[i][c][k]
    if settings.log_rho > 0.0 and heard >= 0:
        return clamp(settings, value * math.exp(min(settings.log_rho * (now - heard), _MOST_DECAY)))
    return value  # type: ignore[no-any-return]


def leaving_value(column: Column, i: int, s: int, a: int, now: int) -> float:
    """Return R + D and, with the probability that the problem leaves, what it is worth where it goes.

    −inf for an action that the agent doesn't have in view: a no-op, one that isn't offered, a delegation to nobody or
    to a neighbour that has been dropped.
    """
    minds = column.minds
    if minds.kind[i][a] <= NOOP or minds.offered[i][a] == 0:
        return -math.inf
    worth = minds.reward[i][s][a] + minds.link[i][s][a]
    settings, k = column.settings, minds.slot[i][a]
    if k >= 0:
        if minds.neighbor[i][k] < 0:
            return -math.inf
        there = minds.cached[i][0][k]
        heard = minds.heard[i][0][k]
        if settings.connected > 1:
            there = expected(column, i, s, a, now)
            for c in range(settings.connected):
                heard = max(heard, minds.heard[i][c][k])
        elif settings.log_rho > 0.0:
            there = decayed(column, i, k, 0, now)
        if there <= settings.drop_at and heard >= 0:
            return -math.inf
        leaves = 1.0
        for share in minds.kept[i][s][a]:
            leaves -= share
        worth += leaves * there
    return worth  # type: ignore[no-any-return]


def expected(column: Column, i: int, s: int, a: int, now: int) -> float:
    """Return Σ_s' P(s'|s,a) Decay(V_j(s')) over the states in which a neighbour gets problems that reach it.

    Each is as likely as any other before the first that has.
    """
    minds, k = column.minds, column.minds.slot[i][a]
    arrived, connected = minds.arrived[i][s][a], column.settings.connected
    total = 0.0
    for c in range(connected):
        total += arrived[c]
    worth = 0.0
    for c in range(connected):
        share = arrived[c] / total if total > 0.0 else 1.0 / connected
        if share > 0.0:
            worth += share * decayed(column, i, k, c, now)
    return worth


def value_of(column: Column, i: int, now: int) -> float:
    """Solve V(s) = max_a Q(s, a) of one agent; return that of the state it is in, which is what it advertises.

    With one state V = max_a c_a / (1 − p_a), where p_a is the probability that action a keeps the problem and c_a
    what else Q(s, a) is made of, which is left in `q`; with more states, these are sweeps of value iteration until
    they are steady. An action that never gets rid of the problem is worth MinQ.
    """
    settings, minds = column.settings, column.minds
    value, q, kept = minds.value[i], minds.q[i], minds.kept[i]
    states, actions = len(value), len(minds.kind[i])
    for sweep in range(_MOST_SWEEPS):
        change = 0.0
        for s in range(states):
            best = settings.min_q
            for a in range(actions):
                if sweep == 0:
                    q[s][a] = leaving_value(column, i, s, a, now)
                worth = q[s][a]
                stays = kept[s][a][s]
                if worth == -math.inf or stays >= 1.0:
                    continue
                if states > 1:
                    for s2 in range(states):
                        if s2 != s:
                            worth += kept[s][a][s2] * value[s2]
                worth /= 1.0 - stays
                if worth > best:
                    best = worth
            best = clamp(settings, best)
            change = max(change, abs(best - value[s]))
            value[s] = best
        if states == 1 or change < _STEADY:
            break
    return value[minds.state[i]]  # type: ignore[no-any-return]


def action_values(column: Column, i: int, now: int) -> None:
    """Leave Q(s, ·) of the present state in `q`, −inf for what isn't in view."""
    value_of(column, i, now)
    minds = column.minds
    s = minds.state[i]
    value, q, kept = minds.value[i], minds.q[i][s], minds.kept[i][s]
    for a in range(len(q)):
        worth = q[a]
        if worth > -math.inf:
            for s2 in range(len(value)):
                worth += kept[a][s2] * value[s2]
            q[a] = clamp(column.settings, worth)


def choose(
    column: Column, i: int, legal: Any, weights: Any, now: int, word: Any, greedy: bool
) -> int:
    """Return an agent's action: Boltzmann over Q among the legal ones, or the best of them (§6.1).

    Args:
        column: The agents.
        i: The agent.
        legal: ``[A]``, non-zero where the action is allowed.
        weights: ``[A]``, overwritten.
        now: Present step.
        word: A uniform 32-bit word; not used when greedy.
        greedy: Whether to take the first of the best.

    Returns:
        The first legal action when only no-ops are legal.
    """
    settings, minds = column.settings, column.minds
    kind = minds.kind[i]
    actions = len(kind)
    first_legal = -1
    at_work = False
    for a in range(actions):
        if legal[a]:
            first_legal = a if first_legal < 0 else first_legal
            at_work = at_work or kind[a] > NOOP
    if not at_work:
        return first_legal
    action_values(column, i, now)
    q = minds.q[i][minds.state[i]]
    best = -math.inf
    for a in range(actions):
        if legal[a] and q[a] > best:
            best = q[a]
    total = 0.0
    last = first_legal
    for a in range(actions):
        weights[a] = 0.0
        if not legal[a] or kind[a] <= NOOP:
            continue
        if best == -math.inf:  # all that is legal leads to dropped neighbours: any of it
            weights[a] = 1.0
        else:
            weights[a] = math.exp((q[a] - best) / settings.temperature)
        if greedy and weights[a] == 1.0:
            return a
        total += weights[a]
        last = a
    target = (float(word) + 0.5) * 2.0**-32 * total
    below = 0.0
    for a in range(actions):
        below += weights[a]
        if target < below:
            return a
    return last


def blend(old: float, new: float, rate: float, tries: int) -> float:
    """Return an estimate after one more observation: the latest, an exponential mean, or (rate 0) the mean of all."""
    if rate == 1.0 or tries == 1:
        return new
    if rate == 0.0:
        return old + (new - old) / tries
    return old + rate * (new - old)


def learn(column: Column, i: int, events: Events) -> None:
    """Take in what came of agent i's action in the state that it was in."""
    settings, minds = column.settings, column.minds
    s, a, paid = minds.state[i], events.actions[i], events.links[i]
    rewards, links, kept = minds.reward[i][s], minds.link[i][s], minds.kept[i][s][a]
    tries = minds.tries[i][s][a] + 1
    minds.tries[i][s][a] = tries
    rewards[a] = blend(rewards[a], events.rewards[i] - paid, settings.reward_rate, tries)
    links[a] = blend(links[a], paid, settings.reward_rate, tries)
    keeps = settings.counts_kept and events.dops[i] == KEPT
    for s2 in range(len(kept)):
        came = 1.0 if keeps and s2 == events.states[i] else 0.0
        kept[s2] = blend(kept[s2], came, settings.transition_rate, tries)
    if settings.connected > 1 and minds.slot[i][a] >= 0:
        arrived, j = minds.arrived[i][s][a], minds.neighbor[i][minds.slot[i][a]]
        for c in range(settings.connected):
            came = 1.0 if events.dops[i] == DELEGATED and c == events.states[j] else 0.0
            arrived[c] = blend(arrived[c], came, settings.transition_rate, tries)
    if settings.forget_rate > 0.0:
        forget(column, i, s, a)
    minds.changed[i] = 1


def forget(column: Column, i: int, s: int, a: int) -> None:
    """Let P of agent i's delegations but `a` move towards the mean over those that it has tried in state s.

    The longer ago one was tried, the less it is known by itself, and the more as one of them.
    """
    settings, minds = column.settings, column.minds
    tried = 0
    for b in range(len(minds.slot[i])):
        if minds.slot[i][b] >= 0 and minds.tries[i][s][b] > 0:
            tried += 1
    if tried == 0:
        return
    for table in (minds.kept[i][s], minds.arrived[i][s]):
        for s2 in range(len(table[a])):
            total = 0.0
            for b in range(len(table)):
                if minds.slot[i][b] >= 0 and minds.tries[i][s][b] > 0:
                    total += table[b][s2]
            for b in range(len(table)):
                if b != a and minds.slot[i][b] >= 0 and minds.tries[i][s][b] > 0:
                    table[b][s2] += settings.forget_rate * (total / tried - table[b][s2])


def tell(column: Column, j: int, link: int) -> None:
    """Post j's value over a link, as `value_of` has left it: of its state, or of each connected one.

    Connected are the present state and those in which it has acted on a problem.
    """
    minds, connected = column.minds, column.settings.connected
    values, state = minds.value[j], minds.state[j]
    if connected == 1:
        post(column.mail, link, values[state])
        return
    for c in range(connected):
        known = c == state
        for tries in minds.tries[j][c]:
            known = known or tries > 0
        if known:
            post(column.mail, link * connected + c, values[c])


def post_to_all(column: Column, j: int) -> None:
    """Post j's value to everybody who listens to it."""
    link = column.audience.first[j]
    while link >= 0:
        tell(column, j, link)
        link = column.audience.following[link]


def return_values(column: Column, events: Events, now: int) -> None:
    """Answer those who have delegated: at once, or when the receiver has next acted."""
    minds, audience, mail = column.minds, column.audience, column.mail
    later = column.advertising.returns == 2
    if later:
        for j in events.acted:
            value_of(column, j, now)
            link = audience.first[j]
            while link >= 0:
                if audience.owed[link]:
                    audience.owed[link] = 0
                    tell(column, j, link)
                link = audience.following[link]
    for i in events.acted:
        if events.dops[i] == DELEGATED:
            k = minds.slot[i][events.actions[i]]
            link = i * len(minds.neighbor[i]) + k
            if later:
                audience.owed[link] = 1
            else:
                j, connected = minds.neighbor[i][k], column.settings.connected
                there = link if connected == 1 else link * connected + minds.state[j]
                post(mail, there, value_of(column, j, now))


def advertise_unasked(column: Column, events: Events, words: Any, now: int) -> None:
    """Broadcast, gossip and notify, as the strategies have it; agents that are down are silent.

    Args:
        column: The agents, having learnt from the step.
        events: What came of the step.
        words: n · fanout lanes, for the agents whose turn it is.
        now: The steps that have passed.
    """
    minds, audience, advertising = column.minds, column.audience, column.advertising
    n, active = len(minds.state), events.active
    if advertising.broadcasts:
        for i in events.acted:
            if active[i]:
                value_of(column, i, now)
                post_to_all(column, i)
    if advertising.period > 0:
        for i in range((-now) % advertising.period, n, advertising.period):
            if active[i] and audience.listeners[i] > 0:
                value_of(column, i, now)
                for lane in range(i * advertising.fanout, (i + 1) * advertising.fanout):
                    link = audience.first[i]
                    for _ in range((word_at(words, lane) * int(audience.listeners[i])) >> 32):
                        link = audience.following[link]
                    tell(column, i, link)
    if advertising.threshold >= 0.0:
        for i in range(n):
            if minds.changed[i] and active[i]:
                minds.changed[i] = 0
                value = value_of(column, i, now)
                if abs(value - minds.advertised[i]) > advertising.threshold:
                    minds.advertised[i] = value
                    post_to_all(column, i)


def deliver(column: Column, active: Any, words: Words, now: int) -> None:
    """Send what waits and let arrivals into the caches; one to an agent that is down is lost."""
    minds, mail = column.minds, column.mail
    send(column.rules, mail, now, words.loss, words.delay)
    box = now % (column.rules.delay + 1)
    slots, connected = len(minds.neighbor[0]), column.settings.connected
    for position in range(arrivals(mail, box)):
        link = mail.boxes[1 + box, position]
        c = link % connected
        i, k = link // connected // slots, link // connected % slots
        value = take(mail, box, link, active[i] != 0)
        if active[i] and minds.neighbor[i][k] >= 0:
            minds.cached[i][c][k] = value
            minds.heard[i][c][k] = now
            minds.changed[i] = 1
    empty_box(mail, box)


JITABLE: Final[tuple[Callable[..., Any], ...]] = (
    after_step,
    introduce,
    unlink,
    notice,
    clamp,
    decayed,
    leaving_value,
    expected,
    value_of,
    action_values,
    choose,
    blend,
    learn,
    forget,
    tell,
    post_to_all,
    return_values,
    advertise_unasked,
    deliver,
)
