"""What a collaborative learner computes: values, choice, learning, advertising.

See `agents.delegation.crl.learner` for the meaning and the sources. All that an agent knows is one row of
numbers, its *mind*; where what stands in it is said by `Layout`. The functions are written so that they run as
they are, on lists, and also compiled by Numba, on arrays, inside a loop over a whole episode: both do the same
floating-point operations in the same order. Link i·K + k leads from the neighbour behind slot k of i to i.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.delegation.bus import Mail, PostRules, arrivals, empty_box, post, send, take
from agents.delegation.crl.advertising import Advertising
from agents.delegation.infos import DELEGATED, DELEGATION, DISCOVERY, KEPT, LOCAL, NONE, NOOP

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
    counts_kept: bool  # whether a problem that was kept costs what it will still cost
    prior_local: float  # first Q of local and discovery actions
    prior_per_neighbor: (
        float  # first Q of a delegation: this times the neighbours, plus `prior_first`
    )
    prior_delegation: float  # reward of a delegation before the first one
    prior_link: float  # connection cost before the first use of the link
    prior_first: float  # the link's cost in the first Q of a delegation


class Layout(NamedTuple):
    """Sizes of a mind with A actions, K delegation slots and S states, and where its parts begin."""

    actions: int
    slots: int
    states: int
    state: int  # the state that the agent is in
    told: int  # the value that it last notified others of
    stirred: int  # whether its value may have changed since it was last compared
    kind: int  # A: kind of each action
    slot: int  # A: slot of a delegation, else −1
    open: int  # A: whether it has the action, by what it last saw
    neighbor: int  # K: the agent behind each slot, −1 for none
    cached: int  # K: last advertised value of each neighbour
    heard: int  # K: when; −1 for never
    value: int  # S: V
    q: int  # S·A: Q of the present state, when it was last asked for
    tries: int  # S·A
    reward: int  # S·A: R without the link
    link: int  # S·A: D
    kept: int  # S·A·S: P(the agent keeps the problem and is in state s')
    width: int


class Audience(NamedTuple):
    """Who listens to whom: a list of links from each agent."""

    first: NDArray[np.int64]  # int64[n], first link from an agent; −1 for none
    following: NDArray[np.int64]  # int64[n · K], the next one from the same agent; −1 for none
    listeners: NDArray[np.int64]  # int64[n], their number
    owed: NDArray[np.uint8]  # uint8[n · K], whether an answer is due on a link


def layout(actions: int, slots: int, states: int) -> Layout:
    """The layout for A actions, K slots and S states."""
    table = states * actions
    sizes = [1, 1, 1, *[actions] * 3, *[slots] * 3, states, *[table] * 4, table * states]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return Layout(actions, slots, states, *starts)


def new_minds(kind: NDArray[np.int8], lay: Layout) -> NDArray[np.float64]:
    """``float64[n, W]``: agents that have learnt nothing and know nobody; `meet` introduces them.

    Args:
        kind: ``int8[n, A]``.
        lay: The layout.
    """
    n, a = kind.shape
    minds = np.zeros((n, lay.width))
    delegates = kind == DELEGATION
    minds[:, lay.kind : lay.kind + a] = kind
    minds[:, lay.slot : lay.slot + a] = np.where(delegates, np.cumsum(delegates, axis=1) - 1, -1)
    minds[:, lay.open : lay.open + a] = delegates | (kind == LOCAL)
    minds[:, lay.neighbor : lay.neighbor + lay.slots] = -1
    minds[:, lay.heard : lay.heard + lay.slots] = -1
    return minds


def empty_audience(n: int, slots: int) -> Audience:
    """Nobody listens to anybody."""
    return Audience(
        first=np.full(n, -1, np.int64),
        following=np.full(n * slots, -1, np.int64),
        listeners=np.zeros(n, np.int64),
        owed=np.zeros(n * slots, np.uint8),
    )


def check_places(lay: Layout, minds: NDArray[np.float64], audience: Audience) -> None:
    """Refuse minds and lists of links that lead to places that aren't there: compiled code doesn't look.

    Args:
        lay: Layout of the minds.
        minds: ``float64[n, W]``, all of them.
        audience: Who listens to whom; a list for each agent of the links of those that have it as a neighbour.

    Raises:
        ValueError: Another shape or dtype, or such a place.
    """
    n, a = len(minds), lay.actions
    if lay != layout(lay.actions, lay.slots, lay.states):
        raise ValueError(f"layout is none of minds: {lay}")
    empty = empty_audience(n, lay.slots)
    for name in Audience._fields:
        found, fresh = getattr(audience, name), getattr(empty, name)
        if found.shape != fresh.shape or found.dtype != fresh.dtype:
            raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
    if minds.shape != (n, lay.width) or minds.dtype != np.float64 or np.isnan(minds).any():
        raise ValueError(f"minds are {minds.dtype} of shape {minds.shape}, or have a NaN")
    state, kind = minds[:, lay.state], minds[:, lay.kind : lay.kind + a]
    neighbor = minds[:, lay.neighbor : lay.neighbor + lay.slots]
    known = new_minds(kind.clip(-1, 99).astype(np.int8), lay)
    whole = (neighbor == np.floor(neighbor)).all() and (state == np.floor(state)).all()
    inside = neighbor.min(initial=-1) >= -1 and neighbor.max(initial=-1) < n
    inside = inside and state.min() >= 0 and state.max() < lay.states
    slots = slice(lay.slot, lay.slot + a)
    if not (whole and inside and np.array_equal(minds[:, slots], known[:, slots])):
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


def meet(
    settings: Settings,
    lay: Layout,
    minds: Any,
    audience: Audience,
    i: int,
    k: int,
    j: int,
    neighbors: int,
    now: int,
) -> None:
    """Agent i has j behind slot k (nobody when j is −1): what it knew of another one there is void.

    Args:
        settings: Constants.
        lay: Layout of the minds.
        minds: All of them.
        audience: Who listens to whom.
        i: The agent.
        k: Its slot.
        j: The neighbour.
        neighbors: How many neighbours i has with it, for the first Q (Table 1).
        now: Present step.
    """
    mind = minds[i]
    link = i * lay.slots + k
    before = int(mind[lay.neighbor + k])
    if before >= 0:
        unlink(audience, before, link)
    mind[lay.neighbor + k] = j
    mind[lay.stirred] = 1.0
    if j < 0:
        return
    audience.listeners[j] += 1
    audience.following[link] = audience.first[j]
    audience.first[j] = link
    first_q = settings.prior_per_neighbor * neighbors + settings.prior_first
    mind[lay.cached + k] = first_q - settings.prior_delegation - settings.prior_link
    mind[lay.heard + k] = now if settings.decays_unheard else -1.0
    for a in range(lay.actions):
        if mind[lay.slot + a] == k:
            for s in range(lay.states):
                entry = s * lay.actions + a
                mind[lay.tries + entry] = 0.0
                mind[lay.reward + entry] = settings.prior_delegation
                mind[lay.link + entry] = settings.prior_link
                for s2 in range(lay.states):
                    mind[lay.kept + entry * lay.states + s2] = 0.0


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


def begin(settings: Settings, lay: Layout, mind: Any, now: int) -> None:
    """Give an agent's local and discovery actions their first Q (Table 1); it has nothing new to say."""
    for a in range(lay.actions):
        if mind[lay.kind + a] == LOCAL or mind[lay.kind + a] == DISCOVERY:
            for s in range(lay.states):
                mind[lay.reward + s * lay.actions + a] = settings.prior_local
    mind[lay.told] = value_of(settings, lay, mind, now)
    mind[lay.stirred] = 0.0


def notice(lay: Layout, mind: Any, legal: Any) -> None:
    """An agent sees what is legal: with a problem at hand, that tells whether it can look for others."""
    at_work = False
    for a in range(lay.actions):
        if mind[lay.kind + a] > NOOP and legal[a]:
            at_work = True
    if at_work:
        for a in range(lay.actions):
            if mind[lay.kind + a] == DISCOVERY:
                mind[lay.open + a] = 1.0 if legal[a] else 0.0


def clamp(settings: Settings, value: float) -> float:
    """The value within [MinQ, MaxQ]."""
    if value < settings.min_q:
        return settings.min_q
    if value > settings.max_q:
        return settings.max_q
    return value


def decayed(settings: Settings, lay: Layout, mind: Any, k: int, now: int) -> float:
    """Decay(V_j) = V_j · ρ^td of the neighbour behind slot k (§5.3)."""
    value = mind[lay.cached + k]
    heard = mind[lay.heard + k]
    if settings.log_rho > 0.0 and heard >= 0.0:
        return clamp(settings, value * math.exp(min(settings.log_rho * (now - heard), _MOST_DECAY)))
    return value  # type: ignore[no-any-return]


def leaving_value(settings: Settings, lay: Layout, mind: Any, s: int, a: int, now: int) -> float:
    """R + D and, with the probability that the problem leaves, what it is worth where it goes.

    −inf for an action that the agent doesn't have in view: a no-op, one that isn't open, a delegation to nobody or
    to a neighbour that has been dropped.
    """
    if mind[lay.kind + a] <= NOOP or mind[lay.open + a] == 0.0:
        return -math.inf
    entry = s * lay.actions + a
    worth = mind[lay.reward + entry] + mind[lay.link + entry]
    k = int(mind[lay.slot + a])
    if k >= 0:
        if mind[lay.neighbor + k] < 0.0:
            return -math.inf
        there = decayed(settings, lay, mind, k, now)
        if there <= settings.drop_at and mind[lay.heard + k] >= 0.0:
            return -math.inf
        leaves = 1.0
        for s2 in range(lay.states):
            leaves -= mind[lay.kept + entry * lay.states + s2]
        worth += leaves * there
    return worth  # type: ignore[no-any-return]


def value_of(settings: Settings, lay: Layout, mind: Any, now: int) -> float:
    """Solve V(s) = max_a Q(s, a) of one agent; return that of the state it is in, which is what it advertises.

    With one state V = max_a c_a / (1 − p_a), where p_a is the probability that action a keeps the problem and c_a
    what else Q(s, a) is made of, which is left in the mind; with more states, these are sweeps of value iteration
    until they are steady. An action that never gets rid of the problem is worth MinQ.
    """
    states, actions = lay.states, lay.actions
    for _ in range(_MOST_SWEEPS):
        change = 0.0
        for s in range(states):
            best = settings.min_q
            for a in range(actions):
                entry = s * actions + a
                worth = leaving_value(settings, lay, mind, s, a, now)
                mind[lay.q + entry] = worth
                stays = mind[lay.kept + entry * states + s]
                if worth == -math.inf or stays >= 1.0:
                    continue
                if states > 1:
                    for s2 in range(states):
                        if s2 != s:
                            worth += mind[lay.kept + entry * states + s2] * mind[lay.value + s2]
                best = max(best, worth / (1.0 - stays))
            best = clamp(settings, best)
            change = max(change, abs(best - mind[lay.value + s]))
            mind[lay.value + s] = best
        if states == 1 or change < _STEADY:
            break
    return mind[lay.value + int(mind[lay.state])]  # type: ignore[no-any-return]


def action_values(settings: Settings, lay: Layout, mind: Any, now: int) -> int:
    """Leave Q(s, ·) of the present state in the mind, −inf for what isn't in view; return where it begins."""
    value_of(settings, lay, mind, now)
    start = lay.q + int(mind[lay.state]) * lay.actions
    for a in range(lay.actions):
        worth = mind[start + a]
        if worth > -math.inf:
            for s2 in range(lay.states):
                kept = mind[lay.kept + (start - lay.q + a) * lay.states + s2]
                worth += kept * mind[lay.value + s2]
            mind[start + a] = clamp(settings, worth)
    return start


def choose(
    settings: Settings,
    lay: Layout,
    mind: Any,
    legal: Any,
    weights: Any,
    now: int,
    word: Any,
    greedy: bool,
) -> int:
    """An agent's action: Boltzmann over Q among the legal ones, or the best of them (§6.1).

    Args:
        settings: Constants.
        lay: Layout of the mind.
        mind: The agent's.
        legal: ``[A]``, non-zero where the action is allowed.
        weights: ``[A]``, overwritten.
        now: Present step.
        word: A uniform 32-bit word; not used when greedy.
        greedy: Whether to take the first of the best.

    Returns:
        The first legal action when only no-ops are legal.
    """
    first_legal = -1
    at_work = False
    for a in range(lay.actions):
        if legal[a]:
            first_legal = a if first_legal < 0 else first_legal
            at_work = at_work or mind[lay.kind + a] > NOOP
    if not at_work:
        return first_legal
    start = action_values(settings, lay, mind, now)
    best = -math.inf
    for a in range(lay.actions):
        if legal[a] and mind[start + a] > best:
            best = mind[start + a]
    total = 0.0
    last = first_legal
    for a in range(lay.actions):
        weights[a] = 0.0
        if not legal[a] or mind[lay.kind + a] <= NOOP:
            continue
        if best == -math.inf:  # all that is legal leads to dropped neighbours: any of it
            weights[a] = 1.0
        else:
            weights[a] = math.exp((mind[start + a] - best) / settings.temperature)
        if greedy and weights[a] == 1.0:
            return a
        total += weights[a]
        last = a
    target = (float(word) + 0.5) * 2.0**-32 * total
    below = 0.0
    for a in range(lay.actions):
        below += weights[a]
        if target < below:
            return a
    return last


def blend(old: float, new: float, rate: float, tries: float) -> float:
    """An estimate after one more observation: the latest, an exponential mean, or (rate 0) the mean of all."""
    if rate == 1.0 or tries == 1.0:
        return new
    if rate == 0.0:
        return old + (new - old) / tries
    return old + rate * (new - old)


def learn(
    settings: Settings,
    lay: Layout,
    mind: Any,
    a: int,
    reward: float,
    link: float,
    dop: int,
    s2: int,
) -> None:
    """Take in the outcome of one action.

    Args:
        settings: Constants.
        lay: Layout of the mind.
        mind: The agent's; its state is the one in which it acted.
        a: The action.
        reward: What the agent was paid for it.
        link: The part of it that paid for a link.
        dop: What became of the problem.
        s2: The state that the agent is in now.
    """
    entry = int(mind[lay.state]) * lay.actions + a
    mind[lay.tries + entry] += 1.0
    tries = mind[lay.tries + entry]
    rate = settings.reward_rate
    mind[lay.reward + entry] = blend(mind[lay.reward + entry], reward - link, rate, tries)
    mind[lay.link + entry] = blend(mind[lay.link + entry], link, rate, tries)
    for s in range(lay.states):
        came = 1.0 if settings.counts_kept and dop == KEPT and s == s2 else 0.0
        place = lay.kept + entry * lay.states + s
        mind[place] = blend(mind[place], came, settings.transition_rate, tries)
    mind[lay.stirred] = 1.0


def tell_all(audience: Audience, mail: Mail, j: int, value: float) -> None:
    """Post j's value to everybody who listens to it."""
    link = audience.first[j]
    while link >= 0:
        post(mail, link, value)
        link = audience.following[link]


def return_values(
    settings: Settings,
    lay: Layout,
    minds: Any,
    audience: Audience,
    mail: Mail,
    after: bool,
    actions: Any,
    dops: Any,
    now: int,
) -> None:
    """Answer those who have delegated: at once, or (`after`) when the receiver has next acted."""
    if after:
        for j in range(len(minds)):
            if dops[j] != NONE:
                value = value_of(settings, lay, minds[j], now)
                link = audience.first[j]
                while link >= 0:
                    if audience.owed[link]:
                        audience.owed[link] = 0
                        post(mail, link, value)
                    link = audience.following[link]
    for i in range(len(minds)):
        if dops[i] == DELEGATED:
            k = int(minds[i][lay.slot + actions[i]])
            link = i * lay.slots + k
            if after:
                audience.owed[link] = 1
            else:
                j = int(minds[i][lay.neighbor + k])
                post(mail, link, value_of(settings, lay, minds[j], now))


def advertise_unasked(
    settings: Settings,
    lay: Layout,
    advertising: Advertising,
    minds: Any,
    audience: Audience,
    mail: Mail,
    dops: Any,
    active: Any,
    now: int,
    gossip_words: Any,
) -> None:
    """Broadcast, gossip and notify, as the strategies have it; agents that are down are silent.

    Args:
        settings: Constants.
        lay: Layout of the minds.
        advertising: The strategies.
        minds: All agents', having learnt from the step.
        audience: Who listens to whom.
        mail: The bus.
        dops: ``[n]``, what became of what they acted on.
        active: ``[n]``, non-zero for agents that are up.
        now: The steps that have passed.
        gossip_words: ``uint32[n · fanout]``, for the agents whose turn it is.
    """
    n = len(minds)
    if advertising.broadcasts:
        for i in range(n):
            if dops[i] != NONE and active[i]:
                tell_all(audience, mail, i, value_of(settings, lay, minds[i], now))
    if advertising.period > 0:
        for i in range((-now) % advertising.period, n, advertising.period):
            if active[i] and audience.listeners[i] > 0:
                value = value_of(settings, lay, minds[i], now)
                for turn in range(advertising.fanout):
                    word = int(gossip_words[i * advertising.fanout + turn])
                    link = audience.first[i]
                    for _ in range((word * int(audience.listeners[i])) >> 32):
                        link = audience.following[link]
                    post(mail, link, value)
    if advertising.threshold >= 0.0:
        for i in range(n):
            if minds[i][lay.stirred] and active[i]:
                minds[i][lay.stirred] = 0.0
                value = value_of(settings, lay, minds[i], now)
                if abs(value - minds[i][lay.told]) > advertising.threshold:
                    minds[i][lay.told] = value
                    tell_all(audience, mail, i, value)


def deliver(
    rules: PostRules,
    lay: Layout,
    minds: Any,
    mail: Mail,
    active: Any,
    now: int,
    loss_words: Any,
    delay_words: Any,
) -> None:
    """Send what waits and let arrivals into the caches; one to an agent that is down is lost."""
    send(rules, mail, now, loss_words, delay_words)
    box = now % (rules.delay + 1)
    for position in range(arrivals(mail, box)):
        link = mail.boxes[1 + box, position]
        i, k = link // lay.slots, link % lay.slots
        value = take(mail, box, link, active[i] != 0)
        if active[i] and minds[i][lay.neighbor + k] >= 0.0:
            minds[i][lay.cached + k] = value
            minds[i][lay.heard + k] = now
            minds[i][lay.stirred] = 1.0
    empty_box(mail, box)


JITABLE: Final[tuple[Callable[..., Any], ...]] = (
    meet,
    unlink,
    begin,
    notice,
    clamp,
    decayed,
    leaving_value,
    value_of,
    action_values,
    choose,
    blend,
    learn,
    tell_all,
    return_values,
    advertise_unasked,
    deliver,
)
LEAVES: Final = (clamp, decayed, leaving_value)  # worth copying into their callers
