"""What a collaborative learner computes, on arrays: model, values, choice, learning, advertising.

See `agents.crl` for the meaning and the sources. These functions are written so that they run as they are, one
agent at a time, and also compiled by Numba inside a loop over a whole episode (`agents.crl_fused`): both do the same
floating-point operations in the same order. Indices: agent i, state s, action a, delegation slot k; link
i·K + k leads from the neighbour behind slot k of i to i.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.advertising import Advertising
from agents.bus import Mail, PostRules, post, send

ABSENT: Final = -1  # an action that this agent doesn't have
NOOP: Final = 0
LOCAL: Final = 1
DELEGATION: Final = 2
DISCOVERY: Final = 3

NONE: Final = 0  # what became of the problem that an agent acted on
SOLVED: Final = 1
DELEGATED: Final = 2
KEPT: Final = 3

_MOST_SWEEPS: Final = 1000
_STEADY: Final = 1e-9


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
    prior_local: float  # first Q of local and discovery actions
    prior_per_neighbor: float  # first Q of a delegation: this times the neighbours, plus the link's cost
    prior_delegation: float  # reward of a delegation before the first one
    prior_link: float  # connection cost before the first use of the link
    prior_first: float  # the link's cost in the first Q of a delegation


class Model(NamedTuple):
    """What n agents know, with S states, A actions and K delegation slots each."""

    kind: NDArray[np.int8]  # int8[n, A]
    slot: NDArray[np.int32]  # int32[n, A], of a delegation; else −1
    neighbor: NDArray[np.int32]  # int32[n, K], the agent behind a slot, −1 for none
    open: NDArray[np.uint8]  # uint8[n, A], whether the agent has the action, by what it last saw
    tries: NDArray[np.int64]  # int64[n, S, A]
    reward: NDArray[np.float64]  # float64[n, S, A], R without the link
    link: NDArray[np.float64]  # float64[n, S, A], D
    kept: NDArray[np.float64]  # float64[n, S, A, S], P(the agent keeps the problem, in state s')
    value: NDArray[np.float64]  # float64[n, S], V
    cached: NDArray[np.float64]  # float64[n, K], last advertised value of each neighbour
    heard: NDArray[np.int64]  # int64[n, K], when; −1 for never
    state: NDArray[np.int64]  # int64[n], the state that each agent is in
    first: NDArray[np.int64]  # int64[n], first of the links that lead from an agent; −1 for none
    following: NDArray[np.int64]  # int64[n · K], the next link from the same agent; −1 for none
    listeners: NDArray[np.int64]  # int64[n], number of those links
    owed: NDArray[np.uint8]  # uint8[n · K], whether an answer is due on a link
    told: NDArray[np.float64]  # float64[n], value that the agent last notified others of
    stirred: NDArray[np.uint8]  # uint8[n], whether its value may have changed since it was last compared
    q: NDArray[np.float64]  # float64[A], scratch
    weight: NDArray[np.float64]  # float64[A], scratch


def new_model(kind: NDArray[np.int8], slots: int, states: int) -> Model:
    """Agents that have learnt nothing and know nobody; `meet` introduces them.

    Args:
        kind: ``int8[n, A]``.
        slots: K.
        states: S.
    """
    n, a = kind.shape
    slot = np.where(kind == DELEGATION, np.cumsum(kind == DELEGATION, axis=1) - 1, -1)
    table = (n, states, a)
    return Model(
        kind=kind,
        slot=slot.astype(np.int32),
        neighbor=np.full((n, slots), -1, np.int32),
        open=((kind == LOCAL) | (kind == DELEGATION)).astype(np.uint8),
        tries=np.zeros(table, np.int64),
        reward=np.zeros(table),
        link=np.zeros(table),
        kept=np.zeros((*table, states)),
        value=np.zeros((n, states)),
        cached=np.zeros((n, slots)),
        heard=np.full((n, slots), -1, np.int64),
        state=np.zeros(n, np.int64),
        first=np.full(n, -1, np.int64),
        following=np.full(n * slots, -1, np.int64),
        listeners=np.zeros(n, np.int64),
        owed=np.zeros(n * slots, np.uint8),
        told=np.zeros(n),
        stirred=np.zeros(n, np.uint8),
        q=np.zeros(a),
        weight=np.zeros(a),
    )


def meet(
    settings: Settings, model: Model, i: int, k: int, j: int, neighbors: int, now: int
) -> None:
    """Agent i has j behind slot k (nobody when j is −1): what it knew of another one there is void.

    Args:
        settings: Constants.
        model: What the agents know.
        i: The agent.
        k: Its slot.
        j: The neighbour.
        neighbors: How many neighbours i has with it, for the first Q (Table 1).
        now: Present step.
    """
    slots = model.neighbor.shape[1]
    before = model.neighbor[i, k]
    link = i * slots + k
    if before >= 0:
        unlink(model, before, link)
    model.neighbor[i, k] = j
    model.stirred[i] = 1
    if j < 0:
        return
    model.listeners[j] += 1
    model.following[link] = model.first[j]
    model.first[j] = link
    first_q = settings.prior_per_neighbor * neighbors + settings.prior_first
    model.cached[i, k] = first_q - settings.prior_delegation - settings.prior_link
    model.heard[i, k] = now if settings.decays_unheard else -1
    for a in range(model.kind.shape[1]):
        if model.slot[i, a] == k:
            for s in range(model.value.shape[1]):
                model.tries[i, s, a] = 0
                model.reward[i, s, a] = settings.prior_delegation
                model.link[i, s, a] = settings.prior_link
                for s2 in range(model.value.shape[1]):
                    model.kept[i, s, a, s2] = 0.0


def unlink(model: Model, j: int, link: int) -> None:
    """Take a link out of those that lead from j."""
    model.listeners[j] -= 1
    model.owed[link] = 0
    after = model.following[link]
    model.following[link] = -1
    if model.first[j] == link:
        model.first[j] = after
        return
    e = model.first[j]
    while model.following[e] != link:
        e = model.following[e]
    model.following[e] = after


def begin(settings: Settings, model: Model, now: int) -> None:
    """Give every local and discovery action its first Q (Table 1); nobody has anything new to say."""
    for i in range(model.kind.shape[0]):
        for a in range(model.kind.shape[1]):
            if model.kind[i, a] == LOCAL or model.kind[i, a] == DISCOVERY:
                for s in range(model.value.shape[1]):
                    model.reward[i, s, a] = settings.prior_local
        model.told[i] = value_of(settings, model, i, now)
        model.stirred[i] = 0


def notice(model: Model, i: int, legal: Any) -> None:
    """Agent i sees what is legal: with a problem at hand, that tells whether it can look for others."""
    at_work = False
    for a in range(model.kind.shape[1]):
        if model.kind[i, a] > NOOP and legal[a]:
            at_work = True
    if at_work:
        for a in range(model.kind.shape[1]):
            if model.kind[i, a] == DISCOVERY:
                model.open[i, a] = 1 if legal[a] else 0


def clamp(settings: Settings, value: float) -> float:
    """The value within [MinQ, MaxQ]."""
    if value < settings.min_q:
        return settings.min_q
    if value > settings.max_q:
        return settings.max_q
    return value


def decayed(settings: Settings, model: Model, i: int, k: int, now: int) -> float:
    """Decay(V_j) = V_j · ρ^td of the neighbour behind slot k (§5.3)."""
    value = model.cached[i, k]
    if settings.log_rho > 0.0 and model.heard[i, k] >= 0:
        value = clamp(settings, value * math.exp(settings.log_rho * (now - model.heard[i, k])))
    return value


def in_view(settings: Settings, model: Model, i: int, a: int, now: int) -> bool:
    """Whether action a is one that agent i has: not a no-op, open, and not towards a dropped neighbour."""
    if model.kind[i, a] <= NOOP or model.open[i, a] == 0:
        return False
    k = model.slot[i, a]
    if k < 0:
        return True
    if model.neighbor[i, k] < 0:
        return False
    return bool(model.heard[i, k] < 0 or decayed(settings, model, i, k, now) > settings.drop_at)


def leaving_value(settings: Settings, model: Model, i: int, s: int, a: int, now: int) -> float:
    """R + D and, with the probability that the problem leaves, what it is worth where it goes."""
    value = model.reward[i, s, a] + model.link[i, s, a]
    k = model.slot[i, a]
    if k >= 0:
        leaves = 1.0
        for s2 in range(model.value.shape[1]):
            leaves -= model.kept[i, s, a, s2]
        value += leaves * decayed(settings, model, i, k, now)
    return value


def back_up(settings: Settings, model: Model, i: int, now: int) -> None:
    """Solve V_i(s) = max_a Q_i(s, a) for all states of one agent, given what it has been told.

    With one state V = max_a c_a / (1 − p_a), where p_a is the probability that action a keeps the problem and c_a
    what else Q_i(s, a) is made of; with more, these are sweeps of value iteration until they are steady.
    """
    states = model.value.shape[1]
    for _ in range(_MOST_SWEEPS):
        change = 0.0
        for s in range(states):
            best = settings.min_q
            for a in range(model.kind.shape[1]):
                if not in_view(settings, model, i, a, now):
                    continue
                stays = model.kept[i, s, a, s]
                if stays >= 1.0:
                    continue  # an action that never gets rid of the problem is worth MinQ
                worth = leaving_value(settings, model, i, s, a, now)
                for s2 in range(states):
                    if s2 != s:
                        worth += model.kept[i, s, a, s2] * model.value[i, s2]
                best = max(best, worth / (1.0 - stays))
            best = clamp(settings, best)
            change = max(change, abs(best - model.value[i, s]))
            model.value[i, s] = best
        if states == 1 or change < _STEADY:
            return


def value_of(settings: Settings, model: Model, i: int, now: int) -> float:
    """V_i of the state that agent i is in: what it advertises."""
    back_up(settings, model, i, now)
    return float(model.value[i, model.state[i]])


def action_values(settings: Settings, model: Model, i: int, now: int) -> None:
    """Write Q_i(s, a) of the present state to `model.q`; −inf for actions that the agent doesn't have in view."""
    back_up(settings, model, i, now)
    s = model.state[i]
    for a in range(model.kind.shape[1]):
        if not in_view(settings, model, i, a, now):
            model.q[a] = -math.inf
            continue
        worth = leaving_value(settings, model, i, s, a, now)
        for s2 in range(model.value.shape[1]):
            worth += model.kept[i, s, a, s2] * model.value[i, s2]
        model.q[a] = clamp(settings, worth)


def choose(
    settings: Settings, model: Model, i: int, legal: Any, now: int, word: Any, greedy: bool
) -> int:
    """The action of agent i: Boltzmann over Q among the legal ones, or the best of them (§6.1).

    Args:
        settings: Constants.
        model: What the agents know.
        i: The agent.
        legal: ``[A]``, non-zero where the action is allowed.
        now: Present step.
        word: A uniform 32-bit word; not used when greedy.
        greedy: Whether to take the first of the best.

    Returns:
        The no-op (the first legal action) when nothing else is legal.
    """
    n_actions = model.kind.shape[1]
    first_legal = -1
    at_work = False
    for a in range(n_actions):
        if legal[a]:
            first_legal = a if first_legal < 0 else first_legal
            at_work = at_work or model.kind[i, a] > NOOP
    if not at_work:
        return first_legal
    action_values(settings, model, i, now)
    best = -math.inf
    for a in range(n_actions):
        if legal[a] and model.q[a] > best:
            best = model.q[a]
    total = 0.0
    last = first_legal
    for a in range(n_actions):
        model.weight[a] = 0.0
        if not legal[a] or model.kind[i, a] <= NOOP:
            continue
        if best == -math.inf:  # all that is legal leads to dropped neighbours: any of it
            model.weight[a] = 1.0
        else:
            model.weight[a] = math.exp((model.q[a] - best) / settings.temperature)
        if greedy and model.weight[a] == 1.0:
            return a
        total += model.weight[a]
        last = a
    target = (np.float64(word) + 0.5) * 2.0**-32 * total
    below = 0.0
    for a in range(n_actions):
        below += model.weight[a]
        if target < below:
            return a
    return last


def blend(old: float, new: float, rate: float, tries: int) -> float:
    """An estimate after one more observation: the latest, an exponential mean, or (rate 0) the mean of all."""
    if rate == 1.0 or tries == 1:
        return new
    if rate == 0.0:
        return old + (new - old) / tries
    return old + rate * (new - old)


def learn(
    settings: Settings, model: Model, i: int, a: int, reward: float, link: float, dop: int, s2: int
) -> None:
    """Take in the outcome of one action of agent i.

    Args:
        settings: Constants.
        model: What the agents know; agent i's state is the one in which it acted.
        i: The agent.
        a: Its action.
        reward: What it was paid for it.
        link: The part of it that paid for a link.
        dop: What became of the problem.
        s2: The state that the agent is in now.
    """
    s = model.state[i]
    model.tries[i, s, a] += 1
    tries = model.tries[i, s, a]
    model.reward[i, s, a] = blend(
        model.reward[i, s, a], reward - link, settings.reward_rate, tries
    )
    model.link[i, s, a] = blend(model.link[i, s, a], link, settings.reward_rate, tries)
    for other in range(model.value.shape[1]):
        came = 1.0 if dop == KEPT and other == s2 else 0.0
        model.kept[i, s, a, other] = blend(
            model.kept[i, s, a, other], came, settings.transition_rate, tries
        )
    model.stirred[i] = 1


def tell_all(mail: Mail, model: Model, j: int, value: float) -> None:
    """Post j's value to everybody who listens to it."""
    link = model.first[j]
    while link >= 0:
        post(mail, link, value)
        link = model.following[link]


def advertise(
    settings: Settings,
    advertising: Advertising,
    model: Model,
    mail: Mail,
    actions: Any,
    dops: Any,
    active: Any,
    now: int,
    gossip_words: Any,
) -> None:
    """Let the agents post what their strategies have them say at the end of a step.

    Args:
        settings: Constants.
        advertising: The strategies.
        model: What the agents know, having learnt from the step.
        mail: The bus.
        actions: ``[n]``, what they did.
        dops: ``[n]``, what became of what they acted on.
        active: ``[n]``, non-zero for agents that are up; the others are silent.
        now: The steps that have passed.
        gossip_words: ``uint32[n · fanout]``, for the agents whose turn it is.
    """
    n, slots = model.neighbor.shape
    if advertising.returns > 0:
        for i in range(n):
            if dops[i] == NONE:
                continue
            if advertising.returns == 2:
                link = model.first[i]
                while link >= 0:
                    if model.owed[link]:
                        model.owed[link] = 0
                        post(mail, link, value_of(settings, model, i, now))
                    link = model.following[link]
        for i in range(n):
            if dops[i] == DELEGATED:
                k = model.slot[i, actions[i]]
                j = model.neighbor[i, k]
                if advertising.returns == 2:
                    model.owed[i * slots + k] = 1
                elif active[j]:
                    post(mail, i * slots + k, value_of(settings, model, j, now))
    if advertising.broadcasts:
        for i in range(n):
            if dops[i] != NONE and active[i]:
                tell_all(mail, model, i, value_of(settings, model, i, now))
    if advertising.period > 0:
        for i in range((-now) % advertising.period, n, advertising.period):
            if active[i] and model.listeners[i] > 0:
                value = value_of(settings, model, i, now)
                for turn in range(advertising.fanout):
                    word = np.int64(gossip_words[i * advertising.fanout + turn])
                    pick = (word * model.listeners[i]) >> 32
                    link = model.first[i]
                    for _ in range(pick):
                        link = model.following[link]
                    post(mail, link, value)
    if advertising.threshold >= 0.0:
        for i in range(n):
            if model.stirred[i] and active[i]:
                model.stirred[i] = 0
                value = value_of(settings, model, i, now)
                if abs(value - model.told[i]) > advertising.threshold:
                    model.told[i] = value
                    tell_all(mail, model, i, value)


def deliver(
    rules: PostRules,
    model: Model,
    mail: Mail,
    active: Any,
    now: int,
    loss_words: Any,
    delay_words: Any,
) -> None:
    """Send what waits and let arrivals into the caches; one to an agent that is down is lost."""
    send(rules, mail, now, loss_words, delay_words)
    slots = model.neighbor.shape[1]
    b = now % (rules.delay + 1)
    for position in range(mail.in_box[b]):
        link = mail.box[b, position]
        mail.moving[b, link] = 0
        i, k = link // slots, link % slots
        if not active[i]:
            mail.count[2] += 1  # Counted.LOST
            continue
        mail.count[3] += 1  # Counted.DELIVERED
        if model.neighbor[i, k] >= 0:
            model.cached[i, k] = mail.carried[b, link]
            model.heard[i, k] = now
            model.stirred[i] = 1
    mail.in_box[b] = 0


JITABLE: Final = (
    meet,
    unlink,
    begin,
    notice,
    clamp,
    decayed,
    in_view,
    leaving_value,
    back_up,
    value_of,
    action_values,
    choose,
    blend,
    learn,
    tell_all,
    advertise,
    deliver,
)
