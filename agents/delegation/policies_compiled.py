"""Whole stretches of a policy's episode of load balancing in one compiled loop; imported only where Numba is.

The shortest queue's functions and the environment's are those that the way through the API calls, and the uniform
choice is the same whole-number arithmetic, so the results agree bit for bit. See
`agents.delegation.crl.compiled` for ``_nrt``.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, uint64
from numba.extending import register_jitable

from agents.delegation import shortest_queue
from agents.delegation.shortest_queue import ShortestQueue
from agents.learner import Callback, source_digest
from agents.random_policy import RandomPolicy
from agents.view import Episode
from crl_envs.core import arrays, numba_stream
from crl_envs.core.numba_stream import lane_word, stream_key
from crl_envs.core.stream import Purpose
from crl_envs.load_balancing import numba_kernel
from crl_envs.load_balancing.numba_kernel import advance, choices, draw_keys, has_ended, reward_of
from crl_envs.load_balancing.rules import FIRST_DELEGATION, STORE

for function in shortest_queue.JITABLE:
    register_jitable(_nrt=False)(function)
_number_asked, _draw_first = shortest_queue.number_asked, shortest_queue.draw_first
_least_full = shortest_queue.least_full
_take_mean = njit(cache=True, nogil=True, _nrt=False)(arrays.take_mean)

_ACTION = int(Purpose.ACTION)


class _Rule(NamedTuple):
    """What is chosen: uniformly, or as `ShortestQueue` with its settings."""

    uniform: bool
    choices: int = 0
    eager: bool = False


def play(
    policy: RandomPolicy | ShortestQueue,
    episode: Episode,
    step_callback: Callback | None,
    every: int,
) -> None:
    """Play the episode that has just begun to its end; see `Learner.play_stretches`."""
    n, a = policy.view.n_agents, policy.view.n_actions
    rule = _Rule(uniform=True)
    if isinstance(policy, ShortestQueue):
        rule = _Rule(False, policy.choices, policy.config.eager)
    actions = np.zeros((n, 1), np.uint8 if a <= 256 else np.int64)
    legal = np.zeros(a, np.uint8)
    neighbor, slots = np.zeros((2, a), np.int64)
    rewards = np.zeros(n)
    acting = np.zeros(n, np.int64)
    polls = np.zeros(1, np.int64)
    totals = episode.running_totals()

    def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
        played: int = _play(
            world.rules,
            world.costs,
            state,
            world.blank_keys(),
            rule,
            (actions, legal, neighbor, slots, rewards, acting),
            totals,
            polls,
            seeds,
            clocks,
            most,
        )
        return played

    def after(steps: int) -> None:
        if isinstance(policy, ShortestQueue):
            policy.polls += polls
            polls[:] = 0

    policy.play_stretches(episode, step_callback, every, run, after)


def _compiled_for(version):
    """Return the loop, compiled anew when the version is another one; see `source_digest`."""

    @njit(cache=True, nogil=True, _nrt=False)
    def _play(rules, costs, state, keys, rule, scratch, totals, polls, seeds, clocks, most):
        if version < 0:  # never: it is read so that it is part of what identifies the code
            return 0
        actions, legal, neighbor, slots, rewards, acting = scratch
        sums, team = totals
        n = rules.capacity.size
        n_acting = 0
        actions[:] = 0
        steps = 0
        while steps < most:
            action_key = stream_key(seeds[1], clocks[1] + uint64(steps), _ACTION)
            for position in range(n_acting):
                actions[acting[position], 0] = 0
            n_acting = 0
            for i in range(n):
                if state.head[i, 0] >= 0:
                    acting[n_acting] = i
                    n_acting += 1
                    choices(rules, state, i, legal, 0)
                    word = np.int64(lane_word(action_key, i))
                    if rule.uniform:
                        actions[i, 0] = _uniform(legal, word)
                    else:
                        slot = _shortest_queue(
                            rules, state, rule, legal, neighbor, slots, polls, i, word
                        )
                        actions[i, 0] = FIRST_DELEGATION + slot if slot >= 0 else STORE
            draw_keys(rules, keys, seeds[0], clocks[0] + uint64(steps))
            advance(rules, state, actions, keys)
            steps += 1
            for position in range(n_acting):
                i = acting[position]
                rewards[i] = np.float64(reward_of(rules, costs, state, i, 0))
                sums[i, 0] += rewards[i]
            team[0] += _take_mean(rewards, acting, n_acting)
            if has_ended(state, 0):
                break
        return steps

    return _play


@njit(cache=True, nogil=True, _nrt=False)
def _uniform(legal, word):
    """Return an agent's action as `RandomPolicy.choose`."""
    size = 0
    for a in range(legal.size):
        size += legal[a]
    place = (word * size) >> 32
    for a in range(legal.size):
        place -= legal[a]
        if place < 0:
            return a
    return 0


@njit(cache=True, nogil=True, _nrt=False)
def _shortest_queue(rules, state, rule, legal, neighbor, slots, polls, i, word):
    """Return an agent's slot as `ShortestQueue.route`."""
    stored, queued, active = state.load[:, 0], state.waiting[:, 0], state.active[:, 0]
    k = rules.successors.shape[1]
    n_open = 0
    for slot in range(k + rules.extra_slots):
        neighbor[slot] = rules.successors[i, slot] if slot < k else state.found[i, slot - k, 0]
        if legal[FIRST_DELEGATION + slot]:
            slots[n_open] = slot
            n_open += 1
    asked = _number_asked(stored, rules.capacity, i, n_open, rule.choices, rule.eager)
    _draw_first(slots, n_open, asked, word)
    polls[0] += 2 * asked
    return _least_full(stored, queued, rules.capacity, active, neighbor, slots, asked, i)


_play = _compiled_for(source_digest(arrays, numba_kernel, numba_stream, shortest_queue))
