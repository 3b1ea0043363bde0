"""A policy for a two-state rule on a ring that looks at a window of agents, greedy in a window program's value."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.factored.window_program import RingRule, ring_windows, set_sizes

RADIUS: Final = 3

_TIE = 1e-9  # action 1 has to be better by this much
_AGENT_STEPS = 10_000_000
_FEWEST_EPISODES = 100
_AT_A_TIME = 500_000  # agents × columns


class Simulated(NamedTuple):
    """An expected episode return, mean over agents, from simulated episodes.

    Attributes:
        mean: Unbiased estimate.
        standard_error: Of `mean`.
        episodes: How many.
    """

    mean: float
    standard_error: float
    episodes: int


def greedy_table(
    rule: RingRule, weights: NDArray[np.float64], radius: int = RADIUS, beyond: int = 1
) -> NDArray[np.uint8]:
    """Return what an agent does, by time and the states of the agents around it.

    The joint action that maximises Σ_i R_i + E[V_{t+1}(s')] on the window, where the agents beyond it do action 0, is
    found by dynamic programming along the window; the agent in the middle plays its part of it.

    Args:
        rule: Of all agents.
        weights: ``float64[T, 2^(k−1)]``, as in `crl_envs.factored.window_program.WindowBound`.
        radius: Agents seen on each side r, 1 to 7.
        beyond: The state that those beyond the window are taken to be in.

    Returns:
        ``uint8[T, 2^(2r+1)]``: actions; bit d of the column is the state of agent i − r + d.
    """
    seen = 2 * radius + 1
    width = weights.shape[1].bit_length()
    windows = ring_windows(rule, width)
    reach, acting = windows.states.shape[1], windows.actions.shape[1]
    first = -1 if rule.shows_actions else 0  # of those whose actions a local function reads
    states = (np.arange(2**seen) >> np.arange(seen)[:, None] & 1).astype(np.int64)
    margin = reach + 1
    line = np.pad(states, ((margin, margin), (0, 0)), constant_values=beyond)  # [agent, window]
    starts = range(margin - width - rule.both_ways, margin + seen + 1)
    looked_up = [(1 << np.arange(reach)) @ line[i - 1 : i - 1 + reach] for i in starts]
    by_actions = np.arange(2**acting)
    newest = by_actions >> acting - 1
    table = np.empty((len(weights), 2**seen), np.uint8)
    following = np.concatenate([weights[1:], np.zeros_like(weights[:1])])
    for t, w in enumerate(following):
        local = (windows.reward + windows.later @ w).reshape(2**acting, 2**reach)
        worth = []
        for action in (0, 1):
            best = np.full((2 ** (acting - 1), 2**seen), -np.inf)
            best[0] = 0.0
            for i, code in zip(starts, looked_up, strict=True):
                agent = i + first + acting - 1 - margin
                allowed = (action,) if agent == radius else (0, 1) if 0 <= agent < seen else (0,)
                total = best[by_actions & len(best) - 1] + local[:, code]
                total[~np.isin(newest, allowed)] = -np.inf
                best = total.reshape(-1, 2, 2**seen).max(axis=1)  # over the first one's action
            worth.append(best.max(axis=0))
        table[t] = worth[1] > worth[0] + _TIE
    return table


def largest_distinct_ring(horizon: int, radius: int = RADIUS) -> int:
    """Return 2rT + 1, the size from which on a window policy's return is the same on every ring without felt actions.

    What an agent earns in an episode depends on the T last actions of its own and so, at r agents a step, on the
    starts and the draws of the rT agents on either side. While these are distinct agents the ring's size makes no
    difference to their law.
    """
    return 2 * radius * horizon + 1


def simulate(
    rule: RingRule,
    n: int,
    start_up: float,
    table: NDArray[np.uint8],
    weights: NDArray[np.float64],
    seed: int = 0,
) -> Simulated:
    """Return the return of a window policy, from the draws that the world makes of the same tables.

    The value function V of the weights serves as control variate: the expected return of any policy is
    E[V_0(s_0)] + Σ_t E[R + E[V_{t+1}(s_{t+1}) | s_t, a_t] − V_t(s_t)], as the V telescope. The first term is known, and
    the second is a sum of local functions, small where V is nearly optimal. So its mean over episodes has the
    return's expectation and far less variance.

    Args:
        rule: Of all agents.
        n: Number of agents, at least as many as the window of `weights` is wide.
        start_up: Probability of state 1 at the start.
        table: ``uint8[T, 2^(2r+1)]``, from `greedy_table`.
        weights: ``float64[T, 2^(k−1)]``.
        seed: Of the first episode.
    """
    horizon = len(table)
    radius = table.shape[1].bit_length() // 2 - 1
    width = weights.shape[1].bit_length()
    windows = ring_windows(rule, width)
    becomes_up = threshold(windows.later[:, 0])  # the set of the first agent alone
    following = np.concatenate([weights[1:], np.zeros_like(weights[:1])])
    start = float(weights[0] @ start_up ** set_sizes(width))
    seen, acting = windows.states.shape[1], windows.actions.shape[1]
    first_acting = -1 if rule.shows_actions else 0

    episodes = max(_FEWEST_EPISODES, _AGENT_STEPS // (n * horizon))
    columns = max(1, min(episodes, _AT_A_TIME // n))
    residuals = []
    for first in range(0, episodes, columns):
        stream = Stream(min(columns, episodes - first))
        stream.seed(seed + first)
        up = stream.words(Purpose.INITIAL, n) < threshold(start_up)
        total = np.zeros(stream.num_envs)
        for t in range(horizon):
            stream.advance()
            state = up.view(np.uint8)
            action = table[t].take(window_codes(state, -radius, 2 * radius + 1))
            residual = windows.reward + windows.later @ following[t] - windows.now @ weights[t]
            done = window_codes(action, first_acting, acting)
            code = window_codes(state, -1, seen) | done << np.uint16(seen)
            total += residual.take(code).mean(axis=0)
            up = stream.words(Purpose.TRANSITION, n) < becomes_up.take(code)
        residuals.append(total)
    sample = np.concatenate(residuals)
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    return Simulated(start + float(sample.mean()), float(error), episodes)


def window_codes(bits: NDArray[np.uint8], first: int, count: int) -> NDArray[np.uint16]:
    """Return ``uint16[n, B]``: the bits of agents i + first … i + first + count − 1 as a number, lowest first."""
    n = len(bits)
    around = bits.take(np.arange(first, first + n + count - 1), axis=0, mode="wrap")
    codes = np.zeros(bits.shape, np.uint16)
    for d in range(count):
        codes |= around[d : d + n].astype(np.uint16) << np.uint16(d)
    return codes
