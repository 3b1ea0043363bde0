"""Whole stretches of a CRL episode of load balancing in one compiled loop; imported only where Numba is.

The same functions as the learner calls one by one through the API (`mind`, `agents.delegation.bus`) and the same as
the environment calls (`crl_envs.load_balancing.numba_kernel`), so the results agree bit for bit. ``_nrt=False`` leaves
out the counting of references to arrays, which nothing here allocates and which would take most of the time.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit, uint64
from numba.extending import register_jitable

from agents.delegation import bus, stretches
from agents.delegation.crl import mind as core
from agents.delegation.stretches import play_stretches, source_digest, take_mean
from agents.view import Episode
from crl_envs.core import numba_stream
from crl_envs.core.numba_stream import lane_word, stream_key
from crl_envs.core.stream import Purpose, Stream
from crl_envs.load_balancing import numba_kernel
from crl_envs.load_balancing.numba_kernel import (
    advance,
    choices,
    draw_keys,
    has_ended,
    reward_of,
)
from crl_envs.load_balancing.rules import Outcome

if TYPE_CHECKING:
    from agents.delegation.crl.learner import CRL
    from agents.learner import Callback

for function in (*bus.JITABLE, *core.JITABLE):
    inline = "always" if function in core.LEAVES else "never"
    register_jitable(inline=inline, _nrt=False)(function)

_ACTION, _GOSSIP = int(Purpose.ACTION), int(Purpose.GOSSIP)
_POST_LOSS, _POST_DELAY = int(Purpose.POST_LOSS), int(Purpose.POST_DELAY)
_WAITING = int(bus.Counted.WAITING)
_DISCOVERED = int(Outcome.DISCOVERED)


def play(
    learner: CRL,
    stream: Stream,
    episode: Episode,
    step_callback: Callback | None,
    every: int,
) -> None:
    """Play the episode that has just begun to its end; see `agents.delegation.stretches.play_stretches`."""
    n, slots = learner.view.n_agents, learner.work.slots
    fanout = learner.advertising.fanout
    gossip_words = np.zeros(n * fanout, np.uint32)
    link_words = np.zeros((2, n * slots), np.uint32)
    actions = np.zeros((n, 1), np.uint8 if learner.view.n_actions <= 256 else np.int64)
    dops = np.zeros(n, np.int8)
    legal = np.zeros(learner.view.n_actions, np.uint8)
    weights = np.zeros(learner.view.n_actions)
    minds = np.array(learner.minds[0], np.float64)
    learner.check_places(minds, learner.audiences[0], learner.mails[0])
    sums, team = episode.running_totals()
    rewards = np.zeros(n)
    acting = np.zeros(n, np.int64)

    def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
        played: int = _play(
            world.rules,
            world.costs,
            state,
            world.blank_keys(),
            learner.settings,
            learner.layout,
            learner.advertising,
            minds,
            learner.audiences[0],
            learner.post_rules,
            learner.mails[0],
            (actions, dops, legal, weights, gossip_words, link_words, rewards, acting),
            (sums, team),
            seeds,
            clocks,
            int(learner.now[0]),
            most,
        )
        return played

    def after(steps: int) -> None:
        learner.now += steps

    learner.minds[0] = minds
    try:
        play_stretches(learner, stream, episode, step_callback, every, run, after)
    finally:
        learner.minds[0] = minds.tolist()
        start = learner.layout.neighbor
        learner.work.neighbors[0][:] = minds[:, start : start + slots]


def _compiled_for(version):
    """The loop, compiled anew when the version is another one; see `agents.delegation.stretches.source_digest`."""

    @njit(cache=True, nogil=True, _nrt=False)
    def _play(
        rules,
        costs,
        state,
        keys,
        settings,
        lay,
        advertising,
        minds,
        audience,
        post_rules,
        mail,
        scratch,
        totals,
        seeds,
        clocks,
        now,
        most,
    ):
        if version < 0:  # never: it is read so that it is part of what identifies the code
            return 0
        actions, dops, legal, weights, gossip_words, link_words, rewards, acting = scratch
        sums, team = totals
        n = minds.shape[0]
        active = state.active[:, 0]
        discovers = rules.extra_slots > 0
        unasked = advertising.broadcasts or advertising.period > 0 or advertising.threshold >= 0.0
        n_acting = 0
        actions[:] = 0
        dops[:] = 0
        steps = 0
        while steps < most:
            action_key = stream_key(seeds[1], clocks[1] + uint64(steps), _ACTION)
            for position in range(n_acting):
                actions[acting[position], 0] = 0
                dops[acting[position]] = 0
            n_acting = 0
            for i in range(n):
                if state.head[i, 0] >= 0:
                    acting[n_acting] = i
                    n_acting += 1
                    choices(rules, state, i, legal, 0)
                    word = lane_word(action_key, i)
                    actions[i, 0] = core.choose(
                        settings, lay, minds[i], legal, weights, now, word, False
                    )
            draw_keys(rules, keys, seeds[0], clocks[0] + uint64(steps))
            advance(rules, state, actions, keys)
            steps += 1
            now += 1
            clock = clocks[1] + uint64(steps)
            for position in range(n_acting):
                i = acting[position]
                outcome = state.outcome[i, 0]
                reward = np.float64(reward_of(rules, costs, state, i, 0))
                link = np.float64(costs.link[outcome])
                dops[i] = costs.dop[outcome]
                core.learn(settings, lay, minds[i], actions[i, 0], reward, link, dops[i], 0)
                sums[i, 0] += reward
                rewards[i] = reward
            team[0] += take_mean(rewards, acting, n_acting)
            if discovers:
                for i in range(n):
                    if state.outcome[i, 0] == _DISCOVERED:
                        _introduce(rules, state, settings, lay, minds, audience, i, now)
                    if state.head[i, 0] >= 0:
                        choices(rules, state, i, legal, 0)
                        core.notice(lay, minds[i], legal)
            if advertising.returns > 0 and n_acting > 0:
                after = advertising.returns == 2
                core.return_values(
                    settings, lay, minds, audience, mail, after, actions[:, 0], dops, now
                )
            if unasked:
                if advertising.period > 0:
                    key = stream_key(seeds[1], clock, _GOSSIP)
                    for i in range((-now) % advertising.period, n, advertising.period):
                        for lane in range(i * advertising.fanout, (i + 1) * advertising.fanout):
                            gossip_words[lane] = lane_word(key, lane)
                core.advertise_unasked(
                    settings,
                    lay,
                    advertising,
                    minds,
                    audience,
                    mail,
                    dops,
                    active,
                    now,
                    gossip_words,
                )
            if post_rules.loss > 0 or post_rules.delay > 0:
                loss_key = stream_key(seeds[1], clock, _POST_LOSS)
                delay_key = stream_key(seeds[1], clock, _POST_DELAY)
                for position in range(mail.counts[_WAITING]):
                    link = mail.boxes[0, position]
                    link_words[0, link] = lane_word(loss_key, link)
                    link_words[1, link] = lane_word(delay_key, link)
            core.deliver(post_rules, lay, minds, mail, active, now, link_words[0], link_words[1])
            if has_ended(state, 0):
                break
        return steps

    return _play


@njit(cache=True, nogil=True, _nrt=False)
def _introduce(rules, state, settings, lay, minds, audience, i, now):
    """Let agent i meet whom it has found."""
    k = rules.successors.shape[1]
    neighbors = 0
    for slot in range(k + rules.extra_slots):
        j = rules.successors[i, slot] if slot < k else state.found[i, slot - k, 0]
        if j >= 0:
            neighbors += 1
    for slot in range(k, k + rules.extra_slots):
        j = state.found[i, slot - k, 0]
        if j != minds[i, lay.neighbor + slot]:
            core.meet(settings, lay, minds, audience, i, slot, j, neighbors, now)


_play = _compiled_for(source_digest(bus, stretches, core, numba_kernel, numba_stream))
