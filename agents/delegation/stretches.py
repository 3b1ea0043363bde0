"""What the compiled loops share; imported only where Numba is."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from numba import njit

from agents.learner import Callback, Learner
from agents.view import Episode
from crl_envs.core.stream import Stream
from crl_envs.load_balancing.rules import State
from crl_envs.load_balancing.world import LoadBalancingWorld


def source_digest(*modules: ModuleType) -> int:
    """Return a number that changes with the modules' source.

    Numba keeps compiled code for as long as the file of the outermost function is the same, whatever it calls from
    other files. A function that has this number in its closure is compiled anew when one of them changes.
    """
    digest = 0
    for module in modules:
        digest = zlib.crc32(Path(str(module.__file__)).read_bytes(), digest)
    return digest


def play_stretches(
    learner: Learner,
    stream: Stream,
    episode: Episode,
    step_callback: Callback | None,
    every: int,
    run: Callable[..., int],
    after: Callable[[int], None],
) -> None:
    """Play the episode that has just begun to its end, in stretches of `every` steps when somebody wants to see.

    Args:
        learner: On a single environment that can `fast_forward`.
        stream: The learner's own draws.
        episode: To be counted.
        step_callback: Called with the learner after each stretch.
        every: Steps of a stretch.
        run: ``run(world, state, seeds, clocks, most) -> steps`` plays a stretch; seeds and clocks are ``uint64[2]``,
            the environment's and the learner's.
        after: Called with the steps of a stretch before anybody sees it.
    """

    def stretch(world: LoadBalancingWorld, state: State, drawn: Stream, most: int) -> int:
        clocks = np.array([drawn.clock[0], stream.clock[0]], np.uint64)
        seeds = np.array([drawn.seeds[0], stream.seeds[0]], np.uint64)
        most = most if step_callback is None else min(most, every)
        return run(world, state, seeds, clocks, most)

    view = learner.view
    while view.n_running:
        steps = view.fast_forward(stretch)
        stream.advance(ticks=steps)
        episode.count(steps)
        after(steps)
        if step_callback is not None:
            step_callback(learner)


@njit(cache=True, nogil=True, _nrt=False)
def take_mean(values, nonzero, count):
    """Return the mean as `crl_envs.core.arrays.team_reward` adds it up; leaves zeros. All but `nonzero` are zero."""
    n = values.size
    if count <= 1:
        total = 0.0
        for position in range(count):
            total = values[nonzero[position]]
            values[nonzero[position]] = 0.0
        return total / n
    length = n
    while length > 1:
        half = length // 2
        odd = values[length - 1]
        for i in range(half):
            values[i] = values[i] + values[half + i]
        if length % 2:
            values[0] += odd
        length = half
    total = values[0]
    values[:] = 0.0
    return total / n
