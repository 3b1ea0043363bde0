"""Whole stretches of a policy's episode of load balancing in one loop, compiled by Numba when that is worth the wait.

The shortest queue's functions and the environment's are those that the way through the API calls, and the uniform
choice is the same whole-number arithmetic, so the results agree bit for bit. See `agents.delegation.crl.compiled`.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from agents.delegation import shortest_queue
from agents.delegation.shortest_queue import ShortestQueue, draw_first, least_full, number_asked
from agents.learner import Callback, source_digest
from agents.random_policy import RandomPolicy
from agents.view import Episode
from crl_envs.core import returns, stream
from crl_envs.core.backend import Compiled
from crl_envs.core.returns import take_mean
from crl_envs.core.stream import Purpose, lane_word, stream_key
from crl_envs.load_balancing import rules as world_rules
from crl_envs.load_balancing import scalar_kernel
from crl_envs.load_balancing.rules import FIRST_DELEGATION, STORE, Count, has_ended
from crl_envs.load_balancing.scalar_kernel import advance, choices, draw_keys, reward_of

_ACTION, _REMAINING = int(Purpose.ACTION), int(Count.REMAINING)
_STRETCH: Final = 2000  # steps without a compiler, before it is asked for again


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

    scratch = (actions, legal, neighbor, slots, rewards, acting)
    lists = (actions, *(array.tolist() for array in scratch[1:]))

    def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
        fixed = (world.rules, world.costs, state, world.blank_keys(), rule)
        drawn = (totals, polls, seeds, clocks)
        loop = _COMPILED.ready()
        if loop is not None:
            return int(loop(*fixed, scratch, *drawn, most))
        begun = perf_counter()
        played: int = stretch(*fixed, lists, *drawn, min(most, _STRETCH))
        _COMPILED.waited(perf_counter() - begun)
        return played

    def after(steps: int) -> None:
        if isinstance(policy, ShortestQueue):
            policy.polls += polls
            polls[:] = 0

    policy.play_stretches(episode, step_callback, every, run, after)


def stretch(rules, costs, state, keys, rule, scratch, totals, polls, seeds, clocks, most):
    """Play at most so many steps, and return how many; without a compiler all scratch but actions are lists."""
    actions, legal, neighbor, slots, rewards, acting = scratch
    sums, team = totals
    n = rules.capacity.size
    n_acting = 0
    for i in range(n):
        actions[i, 0] = 0
    steps = 0
    while steps < most:
        action_key = stream_key(seeds[1, 0], clocks[1, 0] + np.uint64(steps), _ACTION)
        for i in acting[:n_acting]:
            actions[i, 0] = 0
        n_acting = 0
        for i in range(n):
            if state.head[i, 0] >= 0:
                acting[n_acting] = i
                n_acting += 1
                choices(rules, state, i, legal, 0)
                word = lane_word(action_key, i)
                if rule.uniform:
                    actions[i, 0] = _uniform(legal, word)
                else:
                    slot = _shortest_queue(
                        rules, state, rule, legal, neighbor, slots, polls, i, word
                    )
                    actions[i, 0] = FIRST_DELEGATION + slot if slot >= 0 else STORE
        draw_keys(rules, keys, seeds[0, 0], clocks[0, 0] + np.uint64(steps))
        advance(rules, state, actions, keys)
        steps += 1
        for i in acting[:n_acting]:
            rewards[i] = float(reward_of(rules, costs, state, i, 0))
            sums[i, 0] += rewards[i]
        team[0] += take_mean(rewards, acting, n_acting)
        if state.tally[_REMAINING, 0] == 0 and has_ended(state, 0):
            break
    return steps


def _uniform(legal, word):
    """Return an agent's action as `RandomPolicy.choose`."""
    size = 0
    for a in range(len(legal)):
        size += legal[a]
    place = (word * size) >> 32
    for a in range(len(legal)):
        place -= legal[a]
        if place < 0:
            return a
    return 0


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
    asked = number_asked(stored, rules.capacity, i, n_open, rule.choices, rule.eager)
    draw_first(slots, n_open, asked, word)
    polls[0] += 2 * asked
    return least_full(stored, queued, rules.capacity, active, neighbor, slots, asked, i)


def _load_compiled() -> Any:
    from numba import njit
    from numba.extending import register_jitable

    from crl_envs.core import numba_stream
    from crl_envs.load_balancing import numba_kernel

    for function in (*shortest_queue.JITABLE, _uniform, _shortest_queue, stretch):
        register_jitable(**numba_kernel.INNER)(function)
    version = source_digest(
        returns, stream, numba_stream, world_rules, scalar_kernel, numba_kernel, shortest_queue
    )

    @njit(cache=True, nogil=True, _nrt=False)
    def compiled(rules, costs, state, keys, rule, scratch, totals, polls, seeds, clocks, most):
        if version < 0:  # never: it is read so that it is part of what identifies the code
            return 0
        return stretch(rules, costs, state, keys, rule, scratch, totals, polls, seeds, clocks, most)

    return compiled


_COMPILED: Final = Compiled(
    None, _load_compiled, __file__, "_load_compiled.<locals>.compiled", seconds=6.0, moment=0.0
)
