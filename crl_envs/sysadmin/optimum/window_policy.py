"""A policy for ring SYSADMIN that looks at a window of machines, greedy in a window program's value, and its return."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.factored.window_program import ring_windows, set_sizes
from crl_envs.sysadmin.dynamics import Binary, reward, ring_rule, transition
from crl_envs.sysadmin.optimum.ring import RingProblem

RADIUS: Final = 3

_TIE = 1e-9  # a reboot has to be better by this much
_AGENT_STEPS = 10_000_000
_FEWEST_EPISODES = 100
_AT_A_TIME = 500_000  # agents × columns


class Simulated(NamedTuple):
    """An expected episode return, mean over machines, from simulated episodes.

    Attributes:
        mean: Unbiased estimate.
        standard_error: Of `mean`.
        episodes: How many.
    """

    mean: float
    standard_error: float
    episodes: int


def greedy_table(
    dynamics: str | Binary, both_ways: bool, weights: NDArray[np.float64], radius: int = RADIUS
) -> NDArray[np.uint8]:
    """Return what a machine does, by time and the states of the machines around it.

    The joint action that maximises Σ_i R_i + E[V_{t+1}(s')] on the window, the machines beyond it taken as up and left
    alone, is found by dynamic programming along the window (k − 1 actions at a time); the machine in the middle plays
    its part of it.

    Args:
        dynamics: One of `crl_envs.sysadmin.dynamics.BINARY_DYNAMICS`, or the rule itself.
        both_ways: Whether both neighbours on the ring are parents, or only the one before.
        weights: ``float64[T, 2^(k−1)]``, as in `crl_envs.factored.window_program.WindowBound`.
        radius: Machines seen on each side r, 1 to 7.

    Returns:
        ``uint8[T, 2^(2r+1)]``: 1 reboots; bit d of the column is the state of machine i − r + d.
    """
    seen = 2 * radius + 1
    width = weights.shape[1].bit_length()
    window = (np.arange(2**seen) >> np.arange(seen)[:, None] & 1).astype(np.uint8)
    own = np.pad(window, ((width, width), (0, 0)), constant_values=1)  # [machine, window]
    after = np.concatenate([own[1:], np.ones_like(own[:1])])
    before = np.concatenate([np.ones_like(own[:1]), own[:-1]])
    ups = before + (after if both_ways else 0)

    inside = slice(width, width + seen)
    up = np.stack([transition(dynamics, 1 + both_ways)[own, 0, ups, 1]] * 2, axis=1)
    up[inside, 1] = 1.0  # [machine, action, window]
    gain = np.zeros_like(up)
    gain[inside] = reward(dynamics)[own[inside]].swapaxes(1, 2)
    middle = width + radius
    table = np.empty((len(weights), 2**seen), np.uint8)
    following = np.concatenate([weights[1:], np.zeros_like(weights[:1])])
    for t, w in enumerate(following):
        worth = [_best_sum(w, *_with_action(up, gain, middle, action)) for action in (0, 1)]
        table[t] = worth[1] > worth[0] + _TIE
    return table


def largest_distinct_ring(horizon: int, radius: int = RADIUS) -> int:
    """Return 2rT + 1, the size from which on a window policy's return is the same on every ring.

    What a machine earns in an episode depends on the T last actions of its own and so, at r machines a step, on the
    starts and the draws of the rT machines on either side. While these are distinct machines the ring's size makes no
    difference to their law.
    """
    return 2 * radius * horizon + 1


def simulate(
    problem: RingProblem, table: NDArray[np.uint8], weights: NDArray[np.float64], seed: int = 0
) -> Simulated:
    """Return the return of a window policy, from the draws that the world makes of the same tables.

    The value function V of the weights serves as control variate: the expected return of any policy is
    E[V_0(s_0)] + Σ_t E[R + E[V_{t+1}(s_{t+1}) | s_t, a_t] − V_t(s_t)], as the V telescope. The first term is known, and
    the second is a sum of local functions, small where V is nearly optimal. So its mean over episodes has the
    return's expectation and far less variance.

    Args:
        problem: A ring of at least as many machines as the window of `weights` is wide.
        table: ``uint8[T, 2^(2r+1)]``, from `greedy_table`.
        weights: ``float64[T, 2^(k−1)]``.
        seed: Of the first episode.
    """
    n, horizon = problem.n_agents, problem.horizon
    radius = table.shape[1].bit_length() // 2 - 1
    width = weights.shape[1].bit_length()
    windows = ring_windows(ring_rule(problem.dynamics, problem.both_ways), width)
    becomes_up = threshold(windows.later[:, 0])  # the set of the first machine alone
    following = np.concatenate([weights[1:], np.zeros_like(weights[:1])])
    start = float(weights[0] @ problem.start_up ** set_sizes(width))

    episodes = max(_FEWEST_EPISODES, _AGENT_STEPS // (n * horizon))
    columns = max(1, min(episodes, _AT_A_TIME // n))
    residuals = []
    for first in range(0, episodes, columns):
        stream = Stream(min(columns, episodes - first))
        stream.seed(seed + first)
        up = stream.words(Purpose.INITIAL, n) < threshold(problem.start_up)
        total = np.zeros(stream.num_envs)
        for t in range(horizon):
            stream.advance()
            state = up.view(np.uint8)
            action = table[t].take(window_codes(state, -radius, 2 * radius + 1))
            residual = windows.reward + windows.later @ following[t] - windows.now @ weights[t]
            seen = windows.states.shape[1]
            code = window_codes(state, -1, seen) | window_codes(action, 0, width) << np.uint16(seen)
            total += residual.take(code).mean(axis=0)
            up = stream.words(Purpose.TRANSITION, n) < becomes_up.take(code)
        residuals.append(total)
    sample = np.concatenate(residuals)
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    return Simulated(start + float(sample.mean()), float(error), episodes)


def window_codes(bits: NDArray[np.uint8], first: int, count: int) -> NDArray[np.uint16]:
    """Return ``uint16[n, B]``: the bits of machines i + first … i + first + count − 1 as a number, lowest first."""
    n = len(bits)
    around = bits.take(np.arange(first, first + n + count - 1), axis=0, mode="wrap")
    codes = np.zeros(bits.shape, np.uint16)
    for d in range(count):
        codes |= around[d : d + n].astype(np.uint16) << np.uint16(d)
    return codes


def _with_action(
    up: NDArray[np.float64], reward: NDArray[np.float64], machine: int, action: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same tables where one machine's action is given."""
    up, reward = up.copy(), reward.copy()
    up[machine], reward[machine] = up[machine, action], reward[machine, action]
    return up, reward


def _best_sum(
    weights: NDArray[np.float64], up: NDArray[np.float64], reward: NDArray[np.float64]
) -> NDArray[np.float64]:
    """max over joint actions of rewards + Σ_i Σ_S weights[S] · Π_{j in S} P(machine i + j up), in each of c windows.

    Args:
        weights: ``float64[2^(k−1)]``.
        up: ``float64[m, 2, c]``: P(up next) of the machines by their action.
        reward: ``float64[m, 2, c]``.

    Returns:
        ``float64[c]``.
    """
    m, _, c = up.shape
    k = len(weights).bit_length()
    coefficients = weights.reshape((2,) * (k - 1) + (1,)).transpose(*range(k - 2, -1, -1), k - 1)
    best = np.zeros((2,) * (k - 1) + (c,))  # by the actions of the k − 1 machines from i + 1 on
    for i in range(m - k, -1, -1):
        local = coefficients
        for j in range(k - 1, 0, -1):  # machine i + j's axis: in S or not becomes its action
            without, within = np.moveaxis(local, j - 1, 0)
            p = up[i + j].reshape((2,) + (1,) * (k - 2) + (c,))
            local = np.moveaxis(without + p * within, 0, j - 1)
        first = (2,) + (1,) * (k - 1) + (c,)
        local = reward[i].reshape(first) + up[i].reshape(first) * local
        best = (local + best).max(axis=-2) if k > 1 else local.max(axis=0) + best
    return np.asarray(best.reshape(-1, c).max(axis=0))
