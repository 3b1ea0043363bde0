"""Whole stretches of a CRL episode of load balancing in one loop, which Numba compiles when that is worth the wait.

The loop acts, lets the world go on and calls `mind.after_step`, as the learner does through the API. Both call the same
functions (`mind`, `agents.delegation.bus`, `crl_envs.load_balancing.scalar_kernel`), so the results agree bit for bit.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from agents.delegation import bus
from agents.delegation.crl import mind as core
from agents.delegation.crl.learner import CRL
from agents.learner import Callback, source_digest
from agents.view import Episode
from crl_envs.core import delegation, returns, stream
from crl_envs.core.backend import Compiled
from crl_envs.core.returns import take_mean
from crl_envs.core.stream import Purpose, lane_word, stream_key
from crl_envs.load_balancing import rules as world_rules
from crl_envs.load_balancing import scalar_kernel
from crl_envs.load_balancing.rules import Count, Outcome, has_ended
from crl_envs.load_balancing.scalar_kernel import (
    advance,
    choices,
    draw_keys,
    observe,
    reward_of,
)

_ACTION, _GOSSIP = int(Purpose.ACTION), int(Purpose.GOSSIP)
_POST_LOSS, _POST_DELAY = int(Purpose.POST_LOSS), int(Purpose.POST_DELAY)
_DISCOVERED = int(Outcome.DISCOVERED)
_TIME, _REMAINING = int(Count.TIME), int(Count.REMAINING)
_AS_LISTS: Final = ("acted", "rewards", "links", "dops", "states", "changes", "seekers", "legal")
_STRETCH: Final = 2000  # steps without a compiler, before it is asked for again


def play(learner: CRL, episode: Episode, step_callback: Callback | None, every: int) -> None:
    """Play the episode that has just begun to its end; see `Learner.play_stretches`."""
    n, a, slots = learner.view.n_agents, learner.view.n_actions, learner.work.slots
    column, n_rows = learner.columns[0], learner.view.n_rows
    core.check_places(column._replace(minds=core.as_arrays(column.minds)), n, a, slots, n_rows)
    rowing = _rowing(learner)
    actions = np.zeros((n, 1), np.uint8 if a <= 256 else np.int64)
    legal, weights = np.zeros((n, a), np.uint8), np.zeros(a)
    events = core.Events(
        acted=np.zeros(n, np.int64),
        actions=actions[:, 0],
        rewards=np.zeros(n),
        links=np.zeros(n),
        dops=np.zeros(n, np.int8),
        states=np.zeros(n, np.int64),
        changes=np.zeros((n * slots, 4), np.int64),
        seekers=np.zeros(n, np.int64),
        legal=legal,
        active=None,  # the world's
    )
    lists = {f: getattr(events, f).tolist() for f in _AS_LISTS}
    totals = episode.running_totals()

    def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
        column, now = learner.columns[0], int(learner.now[0])
        seen = events._replace(active=state.active[:, 0])
        fixed = (world.rules, world.costs, state, world.blank_keys())
        drawn = (totals, seeds, clocks)
        loop = _COMPILED.ready()
        if loop is None:
            scratch = (actions, weights.tolist(), rowing, world.horizon)
            seen = seen._replace(**lists)
            begun = perf_counter()
            most = min(most, _STRETCH)
            played: int = stretch(*fixed, column, seen, scratch, *drawn, now, most)
            _COMPILED.waited(perf_counter() - begun)
            return played
        if isinstance(column.minds.q, list):
            column = learner.columns[0] = column._replace(minds=core.as_arrays(column.minds))
        return int(
            loop(*fixed, column, seen, (actions, weights, rowing, world.horizon), *drawn, now, most)
        )

    def after(steps: int) -> None:
        learner.now += steps

    try:
        learner.play_stretches(episode, step_callback, every, run, after)
    finally:
        minds = core.as_lists(learner.columns[0].minds)
        learner.columns[0] = column._replace(minds=minds)
        learner.work.neighbors[0][:] = minds.neighbor


class _Rowing(NamedTuple):
    """How an observation is a row of a table: the digits are whether each component is at least its cut."""

    seen: Any  # float32[4], for one agent's observation; [0] without states
    cuts: Any  # float64[4]
    weights: Any  # int64[4]


def _rowing(learner: CRL) -> _Rowing:
    """Return how the learner's view numbers what an agent of load balancing observes."""
    encoder = learner.view.encoder
    if encoder is None:
        return _Rowing(np.zeros(0, np.float32), np.zeros(0), np.zeros(0, np.int64))
    cuts, weights = encoder.cuts()
    return _Rowing(np.zeros(cuts.shape[1], np.float32), cuts[0], weights[0])


def _row_of(rules, state, rowing, i):
    """Return the row of what agent i observes, as `ObservationEncoder.rows`."""
    observe(rules, state, i, 0, rowing.seen)
    row = 0
    for k in range(rowing.seen.size):
        if rowing.seen[k] >= rowing.cuts[k]:
            row += rowing.weights[k]
    return row


def stretch(rules, costs, state, keys, column, events, scratch, totals, seeds, clocks, now, most):
    """Play at most so many steps, and return how many; without a compiler minds and events are lists."""
    acted, chosen, rewards, links, dops, states, changes, seekers, legal, active = events
    actions, weights, rowing, horizon = scratch
    sums, team = totals
    n = len(acted)
    has_states = rowing.seen.size > 0
    discovers = rules.extra_slots > 0
    n_acted = 0
    for i in range(n):
        actions[i, 0] = 0
        links[i] = 0.0
        dops[i] = 0
    steps = 0
    while steps < most:
        action_key = stream_key(seeds[1, 0], clocks[1, 0] + np.uint64(steps), _ACTION)
        for i in acted[:n_acted]:
            actions[i, 0] = 0
            dops[i] = 0
        n_acted = 0
        for i in range(n):
            if state.head[i, 0] >= 0:
                acted[n_acted] = i
                n_acted += 1
                choices(rules, state, i, legal[i], 0)
                word = lane_word(action_key, i)
                actions[i, 0] = core.choose(column, i, legal[i], weights, now, word, False)
        draw_keys(rules, keys, seeds[0, 0], clocks[0, 0] + np.uint64(steps))
        advance(rules, state, actions, keys)
        steps += 1
        now += 1
        clock = clocks[1, 0] + np.uint64(steps)
        for i in acted[:n_acted]:
            outcome = state.outcome[i, 0]
            rewards[i] = float(reward_of(rules, costs, state, i, 0))
            links[i] = float(costs.link[outcome])
            dops[i] = costs.dop[outcome]
            sums[i, 0] += rewards[i]
        if has_states:
            for i in range(n):
                states[i] = _row_of(rules, state, rowing, i)
        ended = state.tally[_REMAINING, 0] == 0 and has_ended(state, 0)
        goes_on = not ended and state.tally[_TIME, 0] < horizon
        n_changes, n_seekers = 0, 0
        if discovers:
            for i in range(n):
                if state.outcome[i, 0] == _DISCOVERED:
                    n_changes = _note_found(rules, state, column.minds, i, changes, n_changes)
                if goes_on and state.head[i, 0] >= 0:
                    choices(rules, state, i, legal[i], 0)
                    seekers[n_seekers] = i
                    n_seekers += 1
        period, post = column.advertising.period, column.rules
        gossip = stream_key(seeds[1, 0], clock, _GOSSIP) if period > 0 else np.uint64(0)
        loss = stream_key(seeds[1, 0], clock, _POST_LOSS) if post.loss > 0 else np.uint64(0)
        delay = stream_key(seeds[1, 0], clock, _POST_DELAY) if post.delay > 0 else np.uint64(0)
        who, changed, looking = acted[:n_acted], changes[:n_changes], seekers[:n_seekers]
        seen = core.Events(
            who, chosen, rewards, links, dops, states, changed, looking, legal, active
        )
        core.after_step(column, seen, core.Words(gossip, loss, delay), now)
        team[0] += take_mean(rewards, acted, n_acted)
        if ended:
            break
    return steps


def _note_found(rules, state, minds, i, changes, n_changes):
    """Write down whom agent i has found; return how many changes there are now."""
    k = rules.successors.shape[1]
    neighbors = 0
    for slot in range(k + rules.extra_slots):
        j = rules.successors[i, slot] if slot < k else state.found[i, slot - k, 0]
        if j >= 0:
            neighbors += 1
    for slot in range(k, k + rules.extra_slots):
        j = state.found[i, slot - k, 0]
        if j != minds.neighbor[i][slot]:
            change = changes[n_changes]
            change[0] = i
            change[1] = slot
            change[2] = j
            change[3] = neighbors
            n_changes += 1
    return n_changes


def _load_compiled() -> Any:
    from numba import njit
    from numba.extending import overload, register_jitable

    from crl_envs.core import numba_stream
    from crl_envs.load_balancing import numba_kernel

    @overload(bus.word_at, inline="always")
    def _word_at(words, lane):
        return lambda words, lane: np.int64(lane_word(words, lane))

    for function in (*bus.JITABLE, *core.JITABLE, stretch):
        # A call would hand over each field of each array: inlined, a step takes half as long.
        register_jitable(**numba_kernel.INNER, forceinline=True)(function)
    register_jitable(**numba_kernel.INNER)(_note_found)
    register_jitable(**numba_kernel.INNER)(_row_of)
    version = source_digest(
        returns,
        bus,
        core,
        delegation,
        stream,
        numba_stream,
        world_rules,
        scalar_kernel,
        numba_kernel,
    )

    @njit(cache=True, nogil=True, _nrt=False)
    def compiled(
        rules, costs, state, keys, column, events, scratch, totals, seeds, clocks, now, most
    ):
        if version < 0:  # never: it is read so that it is part of what identifies the code
            return 0
        return stretch(
            rules, costs, state, keys, column, events, scratch, totals, seeds, clocks, now, most
        )

    return compiled


_COMPILED: Final = Compiled(
    None, _load_compiled, __file__, "_load_compiled.<locals>.compiled", seconds=15.0, moment=0.0
)
