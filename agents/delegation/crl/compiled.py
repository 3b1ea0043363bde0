"""Whole stretches of a CRL episode of load balancing in one compiled loop; imported only where Numba is.

The loop acts, lets the world go on and calls `mind.after_step`, as the learner does through the API. Both call the same
functions (`mind`, `agents.delegation.bus`, `crl_envs.load_balancing.numba_kernel`), so the results agree bit for bit.
``_nrt=False`` leaves out the counting of references to arrays, which nothing here allocates and which would take most
of the time.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint64
from numba.extending import overload, register_jitable

from agents.delegation import bus
from agents.delegation.crl import mind as core
from agents.delegation.crl.learner import CRL
from agents.learner import Callback, source_digest
from agents.view import Episode
from crl_envs.core import arrays, delegation, numba_stream
from crl_envs.core.numba_stream import lane_word, stream_key
from crl_envs.core.stream import Purpose
from crl_envs.load_balancing import numba_kernel
from crl_envs.load_balancing.numba_kernel import advance, choices, draw_keys, has_ended, reward_of
from crl_envs.load_balancing.rules import Outcome

for function in (*bus.JITABLE, *core.JITABLE):
    # A call would hand over each field of each array: inlined, a step takes half as long.
    register_jitable(forceinline=True, _nrt=False)(function)


@overload(bus.word_at, inline="always")
def _word_at(words, lane):
    return lambda words, lane: np.int64(lane_word(words, lane))


_take_mean = njit(cache=True, nogil=True, _nrt=False)(arrays.take_mean)

_ACTION, _GOSSIP = int(Purpose.ACTION), int(Purpose.GOSSIP)
_POST_LOSS, _POST_DELAY = int(Purpose.POST_LOSS), int(Purpose.POST_DELAY)
_DISCOVERED = int(Outcome.DISCOVERED)


def play(learner: CRL, episode: Episode, step_callback: Callback | None, every: int) -> None:
    """Play the episode that has just begun to its end; see `Learner.play_stretches`."""
    n, a, slots = learner.view.n_agents, learner.view.n_actions, learner.work.slots
    minds = core.as_arrays(learner.columns[0].minds)
    column = learner.columns[0]._replace(minds=minds)
    core.check_places(column, n, a, slots, 1)
    actions = np.zeros((n, 1), np.uint8 if a <= 256 else np.int64)
    events = core.Events(
        acted=np.zeros(n, np.int64),
        actions=actions[:, 0],
        rewards=np.zeros(n),
        links=np.zeros(n),
        dops=np.zeros(n, np.int8),
        states=np.zeros(n, np.int64),
        changes=np.zeros((n * slots, 4), np.int64),
        seekers=np.zeros(n, np.int64),
        legal=np.zeros((n, a), np.uint8),
        active=None,  # the world's
    )
    totals = episode.running_totals()

    def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
        played: int = _play(
            world.rules,
            world.costs,
            state,
            world.blank_keys(),
            column,
            events._replace(active=state.active[:, 0]),
            (actions, np.zeros(a)),
            totals,
            seeds,
            clocks,
            int(learner.now[0]),
            most,
        )
        return played

    def after(steps: int) -> None:
        learner.now += steps

    learner.columns[0] = column
    try:
        learner.play_stretches(episode, step_callback, every, run, after)
    finally:
        learner.columns[0] = column._replace(minds=core.as_lists(minds))
        learner.work.neighbors[0][:] = minds.neighbor


def _compiled_for(version):
    """Return the loop, compiled anew when the version is another one; see `source_digest`."""

    @njit(cache=True, nogil=True, _nrt=False)
    def _play(rules, costs, state, keys, column, events, scratch, totals, seeds, clocks, now, most):
        if version < 0:  # never: it is read so that it is part of what identifies the code
            return 0
        acted, chosen, rewards, links, dops, states, changes, seekers, legal, active = events
        actions, weights = scratch
        sums, team = totals
        n = acted.size
        discovers = rules.extra_slots > 0
        n_acted = 0
        actions[:] = 0
        links[:] = 0.0
        dops[:] = 0
        steps = 0
        while steps < most:
            action_key = stream_key(seeds[1], clocks[1] + uint64(steps), _ACTION)
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
            draw_keys(rules, keys, seeds[0], clocks[0] + uint64(steps))
            advance(rules, state, actions, keys)
            steps += 1
            now += 1
            clock = clocks[1] + uint64(steps)
            for i in acted[:n_acted]:
                outcome = state.outcome[i, 0]
                rewards[i] = np.float64(reward_of(rules, costs, state, i, 0))
                links[i] = np.float64(costs.link[outcome])
                dops[i] = costs.dop[outcome]
                sums[i, 0] += rewards[i]
            n_changes, n_seekers = 0, 0
            if discovers:
                for i in range(n):
                    if state.outcome[i, 0] == _DISCOVERED:
                        n_changes = _note_found(rules, state, column.minds, i, changes, n_changes)
                    if state.head[i, 0] >= 0:
                        choices(rules, state, i, legal[i], 0)
                        seekers[n_seekers] = i
                        n_seekers += 1
            period, post = column.advertising.period, column.rules
            gossip = stream_key(seeds[1], clock, _GOSSIP) if period > 0 else uint64(0)
            loss = stream_key(seeds[1], clock, _POST_LOSS) if post.loss > 0 else uint64(0)
            delay = stream_key(seeds[1], clock, _POST_DELAY) if post.delay > 0 else uint64(0)
            who, changed, looking = acted[:n_acted], changes[:n_changes], seekers[:n_seekers]
            seen = core.Events(
                who, chosen, rewards, links, dops, states, changed, looking, legal, active
            )
            core.after_step(column, seen, core.Words(gossip, loss, delay), now)
            team[0] += _take_mean(rewards, acted, n_acted)
            if has_ended(state, 0):
                break
        return steps

    return _play


@njit(cache=True, nogil=True, _nrt=False)
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
        if j != minds.neighbor[i, slot]:
            changes[n_changes, 0] = i
            changes[n_changes, 1] = slot
            changes[n_changes, 2] = j
            changes[n_changes, 3] = neighbors
            n_changes += 1
    return n_changes


_play = _compiled_for(source_digest(arrays, bus, core, delegation, numba_kernel, numba_stream))
