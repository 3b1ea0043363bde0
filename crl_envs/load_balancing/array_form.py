"""Load balancing with one load in flight as functions over an array namespace.

The order of events is that of `rules.advance`. With one load there is one agent at most that can act, and so a step
looks at that agent's numbers, and compares agents' numbers with its own where arrays change: without scatters, which
devices carry out one after another.

Nothing here needs 64 bits. Counts are ``int32``; what `rules` reckons in double precision (shares of capacity, rewards
by spare capacity, the chances of Poisson and binomial numbers) is in tables that NumPy makes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.array_form import (
    Array,
    ArrayForm,
    Chance,
    column,
    happens,
    look_up,
    pick,
    repeated,
)
from crl_envs.core.stream import Purpose
from crl_envs.load_balancing.problem import LoadBalancingProblem
from crl_envs.load_balancing.rules import (
    FIRST_DELEGATION,
    KINDS,
    LAST_TURN,
    NEVER,
    NOOP,
    PURPOSES,
    STORE,
    WHEN_FULL,
    Outcome,
    Rules,
    action_kinds,
    draws,
    is_open,
    may_discover,
    store_reward,
)

_MOST: Final = 2**31 - 1
_LARGEST_TABLE: Final = 2**24  # entries


class OneLoad(NamedTuple):
    """The world with one load in flight; what has no shape here is ``int32[…]``."""

    load: Array  # int32[n, …], stored loads
    active: Array  # bool[n, …]
    found: Array  # int32[n, S, …], discovered neighbours, −1 where the slot is free
    visited: Array  # int32[n, …] with memory, else [0, …]; see `rules.State`
    at: Array  # the agent where the load is or is going to; −1 without a load
    ready: Array  # the step from which it is in that agent's queue
    birth: Array  # the step at which it entered
    actor: Array  # who acted last; n for nobody
    outcome: Array  # what that led to
    backlog: Array  # int32[E, …], loads that arrived and haven't entered
    time: Array
    remaining: Array  # at most 2^31 − 1
    entered: Array
    departed: Array
    timed_out: Array
    messages: Array
    lost: Array
    joined: Array  # bool[…]


def array_form(problem: LoadBalancingProblem) -> ArrayForm:
    """Return the dynamics with one load in flight; the state is `OneLoad`.

    Raises:
        ValueError: An argument that this form can't hold.
    """
    _check(problem)
    rules, costs = problem.rules, problem.costs
    n, width = rules.successors.shape
    extra, n_entries = rules.extra_slots, rules.entries.size
    slots, kinds = problem.slots, action_kinds(problem.slots, problem.discovers)
    purposes = tuple(p for p, used in zip(PURPOSES, draws(rules), strict=True) if used)
    departs = rules.none_departs.size > 0
    capacity = rules.capacity.astype(np.int32)
    first_found = 0 if rules.discover_any else rules.n_founders
    fill, row_of = _fills(capacity)
    timeout = NEVER if rules.timeout > _MOST else rules.timeout
    join_at = min(rules.join_at, _MOST)
    crowding = np.float32(0.5)  # q / (1 + q) for a queue of 1

    def numbers(xp: Any, like: Any) -> Any:
        return column(xp.arange(n, dtype=np.int32), like)

    def holder(xp: Any, state: OneLoad) -> Any:
        """Return the agent that can act on the load; n for nobody."""
        agent = xp.maximum(state.at, 0)
        can = (state.at >= 0) & (state.ready <= state.time) & pick(xp, state.active, agent)
        return xp.where(can, agent, n)

    def neighbors(xp: Any, state: OneLoad, agent: Any) -> Any:
        """Return the agents ``[K + S, …]`` behind one agent's delegation slots."""
        known = xp.moveaxis(xp.take(xp.asarray(rules.successors), agent, axis=0), -1, 0)
        return xp.concatenate([known, pick(xp, state.found, agent)]) if extra else known

    def choices(xp: Any, state: OneLoad, agent: Any) -> Any:
        """Return what an agent with the load may do: ``bool[A, …]``."""
        behind = neighbors(xp, state, agent)
        visited: Any = xp.zeros(behind.shape, np.int32)
        earliest: Any = xp.zeros(behind.shape[1:], np.int32)
        if rules.memory and slots:
            visited = xp.take_along_axis(state.visited, xp.maximum(behind, 0), axis=0)
            earliest = xp.where(behind < 0, np.int32(LAST_TURN), visited).min(axis=0)
        rows = [xp.zeros((1, *agent.shape), np.bool_), xp.ones((1, *agent.shape), np.bool_)]
        rows.append(is_open(behind, visited, earliest, rules.memory))
        if extra:
            allowed = xp.take(xp.asarray(rules.may_discover), agent)
            free = (pick(xp, state.found, agent) < 0).any(axis=0)
            rows.append(may_discover(rules, allowed, free, state.joined)[None])
        return xp.concatenate(rows)

    def legal(xp: Any, state: OneLoad, action: Any) -> Any:
        who = holder(xp, state)
        agent = xp.minimum(who, n - 1)
        own = pick(xp, choices(xp, state, agent), pick(xp, action, agent))
        return xp.where(numbers(xp, action) == who, own, action == NOOP)

    def action_mask(xp: Any, state: OneLoad) -> Any:
        who = holder(xp, state)
        own = choices(xp, state, xp.minimum(who, n - 1))
        nothing = column(xp.arange(len(kinds)) == NOOP, own)
        holds = numbers(xp, state.load) == who
        return xp.where(holds[:, None], own, nothing).astype(np.int8)

    def initial(xp: Any, tables: Any, words: Any) -> OneLoad:
        batch = words[Purpose.INITIAL].shape[1:]
        zero = xp.zeros(batch, np.int32)
        active = xp.arange(n) < rules.n_founders
        state = OneLoad(
            load=xp.zeros((n, *batch), np.int32),
            active=xp.zeros((n, *batch), np.bool_) | active.reshape(n, *[1] * len(batch)),
            found=xp.full((n, extra, *batch), -1, np.int32),
            visited=xp.zeros((n if rules.memory else 0, *batch), np.int32),
            at=zero - 1,
            ready=zero,
            birth=zero,
            actor=zero + n,
            outcome=zero,
            backlog=xp.zeros((n_entries, *batch), np.int32),
            time=zero,
            remaining=zero + min(rules.n_loads, _MOST),
            entered=zero,
            departed=zero,
            timed_out=zero,
            messages=zero,
            lost=zero,
            joined=xp.zeros(batch, np.bool_),
        )
        return admit(xp, state)

    def step(xp: Any, tables: Any, state: OneLoad, action: Any, words: Any) -> Any:
        if departs:
            state = depart(xp, tables, state, words[Purpose.DEPARTURE])
        state, reward = act(xp, tables, state, action, words)
        state = state._replace(time=state.time + 1)
        if rules.fail:
            state = fail_and_return(xp, tables, state, words)
        if join_at != NEVER:
            full = state.load.sum(axis=0) >= rules.founders_capacity
            due = full if join_at == WHEN_FULL else state.time >= join_at
            joins = due & ~state.joined & (numbers(xp, state.load) >= rules.n_founders)
            state = state._replace(active=state.active | joins, joined=state.joined | due)
        if timeout != NEVER:
            late = (state.at >= 0) & (state.time - state.birth >= timeout)
            at, timed_out = xp.where(late, -1, state.at), state.timed_out + late
            state = state._replace(at=at, timed_out=timed_out)
        if rules.poisson:
            state = arrive(xp, tables, state, words[Purpose.ARRIVAL])
        return admit(xp, state), reward

    def act(xp: Any, tables: Any, state: OneLoad, action: Any, words: Any) -> Any:
        who = holder(xp, state)
        acts, agent = who < n, xp.minimum(who, n - 1)
        mine = numbers(xp, action) == who
        chosen = pick(xp, action, agent).astype(np.int32)
        room = xp.take(xp.asarray(capacity), agent) - pick(xp, state.load, agent)
        storing = acts & (chosen == STORE)
        stored = storing & (room > 0)
        outcome = xp.where(acts, int(Outcome.IDLED), int(Outcome.NONE))
        outcome = xp.where(storing, int(Outcome.STORE_FAILED), outcome)
        outcome = xp.where(stored, int(Outcome.STORED), outcome)
        messages, lost = state.messages, state.lost
        sent: Any = xp.zeros(acts.shape, np.bool_)
        target, ready = state.at, state.ready
        if slots:
            slot = chosen - FIRST_DELEGATION
            behind = neighbors(xp, state, agent)
            target = pick(xp, behind, xp.clip(slot, 0, slots - 1))
            asked = acts & (slot >= 0) & (slot < slots) & (target >= 0)
            target = xp.maximum(target, 0)
            fails = ~pick(xp, state.active, target)
            if rules.loss:
                fails = fails | occurs(xp, words[Purpose.LINK_LOSS], tables["loss"], agent)
            sent = asked & ~fails
            outcome = xp.where(asked, int(Outcome.MESSAGE_LOST), outcome)
            outcome = xp.where(sent, int(Outcome.DELEGATED), outcome)
            messages, lost = messages + asked, lost + (asked & fails)
            ready = xp.where(sent, state.time + 1, ready)
            if rules.delay:
                high = _high_half(
                    pick(xp, words[Purpose.LINK_DELAY], agent), np.uint32(rules.delay + 1)
                )
                ready = xp.where(sent, ready + high.astype(np.int32), ready)
        found = state.found
        if extra:
            discovering = acts & (chosen == FIRST_DELEGATION + slots)
            other, place, succeeds = discover(xp, tables, state, agent, words)
            succeeds = succeeds & discovering
            here = mine[:, None] & (column(xp.arange(extra), found[0]) == place) & succeeds
            found = xp.where(here, other, found)
            outcome = xp.where(discovering, int(Outcome.NOT_DISCOVERED), outcome)
            outcome = xp.where(succeeds, int(Outcome.DISCOVERED), outcome)
            messages = messages + discovering
        paid = look_up(xp, tables["reward"], outcome)
        if costs.gradient:
            spare = xp.clip(room - 1 + costs.before, 0, len(tables["store"]) - 1)
            paid = xp.where(stored, xp.take(tables["store"], spare), paid)
        visited = state.visited
        if rules.memory:
            visited = xp.where(sent & (numbers(xp, visited) == target), state.time + 2, visited)
        following = state._replace(
            load=state.load + (mine & stored),
            found=found,
            visited=visited,
            at=xp.where(stored, -1, xp.where(sent, target, state.at)),
            ready=ready,
            actor=who,
            outcome=outcome.astype(np.int32),
            messages=messages,
            lost=lost,
        )
        return following, xp.where(mine, paid, tables["reward"][int(Outcome.NONE)])

    def occurs(xp: Any, word: Any, chance: Any, agent: Any) -> Any:
        own = pick(xp, word, agent)
        return happens(xp, own, Chance(*chance))

    def discover(xp: Any, tables: Any, state: OneLoad, agent: Any, words: Any) -> Any:
        """Return whom an agent would find, the slot for it, and whether it finds anybody."""
        behind = pick(xp, state.found, agent)
        others = column(xp.arange(first_found, n, dtype=np.int32), state.load)
        known = xp.moveaxis(xp.take(xp.asarray(tables["known"]), agent, axis=0), -1, 0)
        open_to = state.active[first_found:] & (known == 0)
        for k in range(extra):
            open_to = open_to & (others != behind[k])
        counted = xp.cumsum(open_to.astype(np.int32), axis=0, dtype=np.int32)
        count = counted[-1]
        own = pick(xp, words[Purpose.DISCOVERED_AGENT], agent)
        place = _high_half(own, count.astype(np.uint32))
        other = first_found + (counted <= place.astype(np.int32)).sum(axis=0, dtype=np.int32)
        word, free = pick(xp, words[Purpose.DISCOVERY], agent), behind < 0
        luck = happens(xp, word, Chance(*tables["find"]))
        slot, can_take = free.argmax(axis=0), free.any(axis=0)
        if rules.discover_again:
            gives_way = (word >= column(tables["gives_way"], word[None])).sum(axis=0)
            slot, can_take = xp.where(can_take, slot, gives_way), True
        return other, slot, luck & (count > 0) & can_take

    def depart(xp: Any, tables: Any, state: OneLoad, word: Any) -> OneLoad:
        """Let each stored load leave with the departure rate: a binomial number by inversion."""
        last, some = tables["stays"]  # [largest capacity + 1, most that leave]
        most = last.shape[1]

        def goes_on(leaving: Any) -> Any:
            index = state.load * most + xp.minimum(leaving, most - 1)
            stays = (word <= xp.take(last.ravel(), index)) & xp.take(some.ravel(), index)
            return ~stays & (leaving < state.load)

        def more(leaving: Any) -> Any:
            return leaving + goes_on(leaving)

        start = xp.zeros(state.load.shape, np.int32)
        leaving = repeated(xp, lambda leaving: goes_on(leaving).any(), more, start)
        gone = leaving.sum(axis=0, dtype=np.int32)
        return state._replace(load=state.load - leaving, departed=state.departed + gone)

    def fail_and_return(xp: Any, tables: Any, state: OneLoad, words: Any) -> OneLoad:
        present = (numbers(xp, state.load) < rules.n_founders) | state.joined
        fails = happens(xp, words[Purpose.FAILURE], Chance(*tables["fail"]))
        returns = happens(xp, words[Purpose.RETURN], Chance(*tables["recover"]))
        return state._replace(active=xp.where(state.active, ~fails, present & returns))

    def arrive(xp: Any, tables: Any, state: OneLoad, word: Any) -> OneLoad:
        """Let a Poisson number of loads come to each entry, by inversion, as long as there are any left."""
        last, some = tables["none_more"]
        remaining, backlog = state.remaining, []
        for entry in range(n_entries):
            enough = (word[entry] <= column(last, word)) & column(some, word)
            arrivals = (~enough).sum(axis=0, dtype=np.int32)
            coming = xp.minimum(arrivals, remaining)
            backlog.append(state.backlog[entry] + coming)
            remaining = remaining - coming
        return state._replace(remaining=remaining, backlog=xp.stack(backlog))

    def admit(xp: Any, state: OneLoad) -> OneLoad:
        """Let a load enter where none is in flight."""
        waits = state.backlog > 0
        if not rules.poisson:
            waits = xp.broadcast_to(state.remaining > 0, state.backlog.shape)
        offered = waits & state.active[rules.entries]
        order = (column(xp.arange(n_entries, dtype=np.int32), waits) - state.entered) % n_entries
        entry = xp.where(offered, order, n_entries).argmin(axis=0).astype(np.int32)
        enters = (state.at < 0) & offered.any(axis=0)
        agent = xp.take(xp.asarray(rules.entries.astype(np.int32)), entry)
        remaining, backlog = state.remaining, state.backlog
        if rules.poisson:
            places = column(xp.arange(n_entries, dtype=np.int32), waits)
            backlog = backlog - (enters & (places == entry))
        else:
            remaining = remaining - enters
        visited = state.visited
        if rules.memory:
            first = (numbers(xp, visited) == agent) * (state.time + 1)
            visited = xp.where(enters, first, visited)
        return state._replace(
            visited=visited,
            at=xp.where(enters, agent, state.at),
            ready=xp.where(enters, state.time, state.ready),
            birth=xp.where(enters, state.time, state.birth),
            backlog=backlog,
            remaining=remaining,
            entered=state.entered + enters,
        )

    def waiting(xp: Any, state: OneLoad) -> Any:
        """Return where the load waits: ``bool[n, …]``."""
        return (numbers(xp, state.load) == state.at) & (state.ready <= state.time)

    def filled(xp: Any, state: OneLoad) -> Any:
        return xp.take(xp.asarray(fill), column(xp.asarray(row_of), state.load) + state.load)

    def observation(xp: Any, state: OneLoad) -> Any:
        queued = waiting(xp, state)
        parts = [queued & state.active, queued * crowding, filled(xp, state), state.active]
        return xp.stack([part.astype(np.float32) for part in parts], axis=1)

    def info(xp: Any, state: OneLoad) -> dict[str, Any]:
        shape, batch = state.load.shape, state.load.shape[1:]
        mine = numbers(xp, state.load) == state.actor
        outcome = xp.where(mine, state.outcome, int(Outcome.NONE)).astype(np.int8)
        behind = xp.broadcast_to(
            column(xp.asarray(rules.successors), state.load), (n, width, *batch)
        )
        codes = np.array([KINDS.index(kind) for kind in kinds], np.int8)
        return {
            "action_kinds": xp.broadcast_to(
                column(xp.asarray(codes), state.load), (n, codes.size, *shape[1:])
            ),
            "outcome": outcome,
            "dop": look_up(xp, xp.asarray(costs.dop), outcome),
            "connection_cost": look_up(xp, xp.asarray(costs.link), outcome),
            "active": state.active,
            "neighbors": xp.concatenate([behind, state.found], axis=1) if extra else behind,
        }

    def state_array(xp: Any, state: OneLoad) -> Any:
        parts = [state.load, waiting(xp, state), state.active]
        return xp.concatenate([part.astype(np.int32) for part in parts])

    def metrics(xp: Any, state: OneLoad) -> dict[str, Any]:
        present = (numbers(xp, state.load) < rules.n_founders) | state.joined
        share = 100 * filled(xp, state)
        members, stored = present.sum(axis=0), state.load.sum(axis=0)
        mean = xp.where(present, share, 0).sum(axis=0) / members
        spread = xp.where(present, (share - mean) ** 2, 0).sum(axis=0) / members
        total = xp.where(present, column(xp.asarray(capacity), state.load), 0).sum(axis=0)
        on_wire = (state.at >= 0) & (state.ready > state.time)
        counted = {
            "loads_in": state.entered,
            "stored": stored,
            "queued": ((state.at >= 0) & ~on_wire).astype(np.int32),
            "on_wire": on_wire.astype(np.int32),
            "departed": state.departed,
            "timed_out": state.timed_out,
            "backlog": state.backlog.sum(axis=0),
            "utilisation": stored / xp.maximum(total, 1),
            "messages_sent": state.messages,
            "messages_lost": state.lost,
            "equalisation": xp.sqrt(spread),
            "load": state.load,
        }
        return counted | ({"remaining": state.remaining} if rules.n_loads <= _MOST else {})

    def terminal(xp: Any, state: OneLoad) -> Any:
        return (state.remaining == 0) & (state.backlog < 1).all(axis=0) & (state.at < 0)

    return ArrayForm(
        tables=_tables(problem, first_found),
        purposes=purposes,
        initial=initial,
        step=step,
        observation=observation,
        terminal=terminal,
        state_array=state_array,
        metrics=metrics,
        legal=legal,
        action_mask=action_mask,
        info=info,
    )


def _check(problem: LoadBalancingProblem) -> None:
    """Refuse what one load and 32 bits can't hold, by name."""
    rules = problem.rules
    total, largest = int(rules.capacity.sum()), int(rules.capacity.max())
    steps = _MOST - 2 - rules.delay
    arrivals = rules.most_arrivals * rules.entries.size * problem.max_steps
    finds = rules.extra_slots and rules.discover_any
    fits = {
        "max_in_flight must be 1": problem.max_in_flight == 1,
        f"max_steps must be at most {steps}": problem.max_steps <= steps,
        f"capacity must add up to at most {_MOST}": total <= _MOST,
        f"capacity must be below {_LARGEST_TABLE}": largest < _LARGEST_TABLE,
        f"n_agents must be at most {int(_LARGEST_TABLE**0.5)} where any agent can be found": (
            not finds or problem.n**2 <= _LARGEST_TABLE
        ),
        f"arrival_rate must be such that at most {_MOST} loads arrive in max_steps": (
            min(arrivals, rules.n_loads) <= _MOST
        ),
    }
    for demand, holds in fits.items():
        if not holds:
            name = demand.split()[0]
            given = getattr(problem, name)
            raise ValueError(
                f"{demand} in JAX, got {given!r}: crl_envs.make_vec has worlds without this limit"
            )


def _tables(problem: LoadBalancingProblem, first_found: int) -> dict[str, Any]:
    """Return what a step looks up."""
    rules, costs = problem.rules, problem.costs
    tables: dict[str, Any] = {"reward": costs.reward}
    if costs.gradient:
        spare = np.arange(int(rules.capacity.max()) + 1)
        tables["store"] = store_reward(costs.min_q, spare).astype(np.float32)
    chances = {
        "loss": problem.message_loss if rules.loss else 0,
        "fail": problem.fail_rate,
        "recover": problem.return_rate if rules.fail else 0,
        "find": problem.discovery_rate if rules.extra_slots else 0,
    }
    tables |= {name: Chance.of(np.array([p])) for name, p in chances.items() if p}
    for name, used in (("recover", rules.fail), ("find", rules.extra_slots)):
        if used:
            tables.setdefault(name, Chance.of(np.zeros(1)))
    if rules.poisson:
        tables["none_more"] = Chance.below(_arrivals(rules))
    if rules.none_departs.size:
        tables["stays"] = Chance.below(_departures(rules))
    if rules.extra_slots:
        known = np.zeros((problem.n, problem.n + 1), np.uint8)  # the last is behind no slot
        if rules.discover_again:
            # Word w below find makes slot w · S // find give way: as many as there are k ≥ 1 with w ≥ k · find / S.
            limits = [-(-k * rules.find // rules.extra_slots) for k in range(1, rules.extra_slots)]
            tables["gives_way"] = np.array(limits, np.uint32)
        else:
            np.put_along_axis(known, rules.successors.astype(np.int64), 1, axis=1)
        known[np.arange(problem.n), np.arange(problem.n)] = 1
        tables["known"] = known[:, first_found : problem.n]
    return tables


def _high_half(a: Any, factor: Any) -> Any:
    """Return the high half of a product of ``uint32[…]``, from products of 16-bit halves."""
    high, low, f_high, f_low = a >> 16, a & 0xFFFF, factor >> 16, factor & 0xFFFF
    middle = high * f_low + (low * f_low >> 16)
    other = low * f_high + (middle & 0xFFFF)
    return high * f_high + (middle >> 16) + (other >> 16)


def _fills(capacity: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return shares of capacity used, for each number of loads and capacity, and where those of each agent begin."""
    sizes, kind = np.unique(capacity, return_inverse=True)
    shares = [np.arange(size + 1) / size if size else np.ones(1) for size in sizes.tolist()]
    starts = np.concatenate([[0], np.cumsum(sizes + 1)])
    return np.concatenate(shares).astype(np.float32), starts[kind].astype(np.int32)


def _arrivals(rules: Rules) -> NDArray[np.uint64]:
    """Return for each k < most the number of words with which k loads or fewer arrive, as `rules` adds chances up."""
    p = below = rules.arrival_zero
    found: list[NDArray[np.uint64]] = []
    for k in range(rules.most_arrivals):
        found.append(_words_below(np.array(below)))
        if found[-1] == 2**32:  # every word
            break
        p = p * (rules.arrival_rate / (k + 1))
        below = below + p
    return np.array(found)


def _departures(rules: Rules) -> NDArray[np.uint64]:
    """Return for each number of stored loads and k the number of words with which k leave or fewer."""
    stored = np.arange(rules.none_departs.size)
    p = below = rules.none_departs
    found: list[NDArray[np.uint64]] = []
    for k in range(stored.size):
        found.append(np.where(k < stored, _words_below(below), np.uint64(2**32)))
        if (found[-1] == 2**32).all():
            break
        if (k + 2) * stored.size > _LARGEST_TABLE:
            raise ValueError(
                f"departure_rate must be lower, or capacity, in JAX: a table of more than {_LARGEST_TABLE} numbers "
                f"would be needed, got {rules.none_departs.size - 1} loads"
            )
        p = p * (np.maximum(stored - k, 0) / (k + 1)) * rules.departure_odds
        below = below + p
    return np.stack(found, axis=1)


def _words_below(height: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return how many words w have (w + 1/2) / 2^32 below a height: exact, as the middles of words are doubles."""
    return np.asarray(np.clip(np.ceil(height * 2.0**32 - 0.5), 0, 2.0**32), np.uint64)
