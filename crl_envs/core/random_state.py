"""Where an environment's random stream stands, as numbers that a file can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crl_envs.core.arguments import check_each, check_seed, shown
from crl_envs.core.stream import Stream

RandomState = list[dict[str, list[int]]]


def random_state(env: Any) -> RandomState:
    """Return the seeds and clocks of all streams in an environment and its wrappers, from the outermost inwards.

    Taken between two episodes it is all of the environment that matters to what comes: another one that was made in the
    same way, given it by `set_random_state` and then reset without a seed, goes on identically.

    Returns:
        For each stream ``{"seeds": [...], "clock": [...]}``, an int for each column.
    """
    return [
        {"seeds": stream.seeds.tolist(), "clock": stream.clock.tolist()} for stream in _streams(env)
    ]


def set_random_state(env: Any, state: Sequence[dict[str, list[int]]]) -> None:
    """Put an environment's streams where `random_state` found those of another.

    Raises:
        ValueError: The other environment had other wrappers or another number of columns, or the state isn't one.
    """
    streams = list(_streams(env))
    found = [len(part["seeds"]) for part in state]
    if found != [stream.num_envs for stream in streams]:
        raise ValueError(
            f"state must be of {len(streams)} streams with {[s.num_envs for s in streams]} columns, "
            f"got {len(found)} with {found}"
        )
    for stream, part in zip(streams, state, strict=True):
        seeds = check_each("seeds", part["seeds"], check_seed)
        clock = check_each("clock", part["clock"], check_seed)
        if seeds != list(range(seeds[0], seeds[0] + len(seeds))) or len(clock) != len(seeds):
            raise ValueError(
                f"state must have successive seeds and a clock for each, got {shown(part)}"
            )
        stream.seed(seeds[0], np.array(clock, np.uint64))


def _streams(env: Any) -> Iterator[Stream]:
    while env is not None:
        stream = vars(env).get("_stream")
        if isinstance(stream, Stream):
            yield stream
        env = vars(env).get("env")
