"""The power of d choices (Mitzenmacher 2001): ask a few neighbours how full they are, and go to the least full.

M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on Parallel and
Distributed Systems 12(10), 2001: jobs that join the shorter of two random queues wait exponentially less than those
that join one at random, and more choices gain little. There every job may ask anybody and stays where it goes. Here an
agent asks whom it can delegate to, and a load that finds no room goes on from there, so that more choices do gain.

The functions at the end run as they are and also compiled (`agents.delegation.policies_compiled`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.delegation.load_policy import HERE, LoadPolicy, Loads
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_bool, check_int, check_seed, keep

ALL: Final = -1  # in place of a number of choices
_WORD: Final = 0xFFFFFFFF
_GOLDEN: Final = 0x9E3779B9


@dataclass(frozen=True)
class ShortestQueueConfig:
    """Settings of `ShortestQueue`.

    Attributes:
        choices: d ≥ 1, how many neighbours are asked; an agent with fewer asks those. 2 by default, the classic number.
            More find room sooner, with more messages. None: all.
        eager: True (default): whoever holds a load and has room for it stores it, without asking. False: only when it
            is no fuller than the least full of those it has asked. That spreads the loads, and so also leaves the last
            ones less to search: more questions at first, fewer steps in all where everything gets full.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes whom agents ask and the environment's episodes.
        fused: Whether to run compiled code where that is possible. True; the results don't depend on it.

    Raises:
        ValueError: A value out of its range.
    """

    choices: int | None = 2
    eager: bool = True
    seed: int = 0
    fused: bool = True

    def __post_init__(self) -> None:
        if self.choices is not None:
            keep(self, check_int, "choices", low=1, high=1_000_000_000)
        keep(self, check_bool, "eager")
        keep(self, check_seed, "seed")
        keep(self, check_bool, "fused")


class ShortestQueue(LoadPolicy):
    """Whoever can't store its load asks `choices` random neighbours, and hands it to the least full that is active.

    How full an agent is: (stored + queued loads) / capacity, +∞ without capacity; for `eager=False` the load at hand
    isn't counted in the asker's own queue. Those asked are distinct and in random order, of equals the first asked is
    taken. When none of them is active, or there is nobody to ask, the load is stored at home, which may fail.

    Asked by `act` for deterministic actions, an agent asks all neighbours in the order of its slots.

    The history has, beside what every learner's has, ``polls``: the episode's questions and answers, two for each
    neighbour asked. They aren't among the environment's messages and cost no reward.

        ShortestQueue(env, choices=2, seed=s).learn(total_episodes=1).history[-1]["steps"]

    Args:
        env: See `LoadPolicy`.
        **config: Fields of `ShortestQueueConfig`.

    Attributes:
        choices: How many neighbours are asked, or `ALL`.
        polls: ``int64[B]``, questions and answers of the episode.

    Raises:
        ValueError: As `LoadPolicy`.
    """

    config_class = ShortestQueueConfig
    config: ShortestQueueConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        choices = self.config.choices
        self.choices = ALL if choices is None else int(choices)
        self.polls = np.zeros(self.view.num_envs, np.int64)
        self._latest_polls = np.zeros_like(self.polls)  # of the last choice, which may be `act`'s

    def begin_episode(self) -> None:
        """See `LoadPolicy.begin_episode`; nobody has been asked yet."""
        super().begin_episode()
        self.polls[:] = 0

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """See `LoadPolicy.choose`."""
        self._latest_polls[:] = 0
        return super().choose(frame, words)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Count what the choice has cost."""
        self.polls += self._latest_polls

    def route(self, b: int, i: int, loads: Loads, open_slots: list[int], word: int | None) -> int:
        """Return the slot of the least full of those asked; see `LoadPolicy.route`."""
        stored, queued, active = loads
        eager, choices = self.config.eager, ALL if word is None else self.choices
        asked = number_asked(stored, self.capacity, i, len(open_slots), choices, eager)
        if word is not None:
            draw_first(open_slots, len(open_slots), asked, word)
        self._latest_polls[b] += 2 * asked
        neighbor = self.work.neighbors[b][i]
        return least_full(stored, queued, self.capacity, active, neighbor, open_slots, asked, i)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return questions and answers of the episode."""
        return {"polls": self.polls.copy()}

    def compiled_loop(self) -> str | None:
        """Return the loop over whole episodes, unless switched off."""
        return "agents.delegation.policies_compiled" if self.config.fused else None


def mixed(word: int) -> int:
    """Return a 32-bit word from another, one to one: the finaliser ``fmix32`` of MurmurHash3 (Appleby 2011)."""
    word ^= word >> 16
    word = (word * 0x85EBCA6B) & _WORD
    word ^= word >> 13
    word = (word * 0xC2B2AE35) & _WORD
    return word ^ (word >> 16)


def draw_first(items: Any, size: int, count: int, word: int) -> None:
    """Let `count` random ones of `size` items come first, in random order.

    A Fisher–Yates shuffle, cut off. Its k-th draw is ``mixed(word + k · 0x9E3779B9 mod 2³²)``, uniform for every k;
    together they are as random as 32 bits allow.

    Args:
        items: ``[≥ size]``, changed.
        size: How many there are, < 2³¹.
        count: How many to draw, ≤ size.
        word: A uniform 32-bit word.
    """
    for k in range(count):
        draw = mixed((word + k * _GOLDEN) & _WORD)
        other = k + ((draw * (size - k)) >> 32)
        kept = items[k]
        items[k] = items[other]
        items[other] = kept


def number_asked(stored: Any, capacity: Any, i: int, n_open: int, choices: int, eager: bool) -> int:
    """Return how many of its `n_open` open neighbours agent i asks: none when it just stores."""
    if eager and stored[i] < capacity[i]:
        return 0
    return n_open if choices == ALL else min(choices, n_open)


def fullness(loads: int, capacity: int) -> float:
    """Return loads as a share of the capacity, +∞ without any."""
    return loads / capacity if capacity > 0 else math.inf


def least_full(
    stored: Any,
    queued: Any,
    capacity: Any,
    active: Any,
    neighbor: Any,
    asked_slots: Any,
    asked: int,
    i: int,
) -> int:
    """Return the slot through which agent i hands on its load, or `HERE`.

    Args:
        stored: ``[n]``, loads that agents have stored.
        queued: ``[n]``, loads in their queues; the one at hand is in that of i.
        capacity: ``[n]``, loads.
        active: ``[n]``, non-zero for agents that are up.
        neighbor: ``[K]``, the agent behind each slot of i.
        asked_slots: ``[≥ asked]``, distinct slots with a neighbour.
        asked: How many of them are asked; 0 where the agent has decided to store without.
        i: The agent.
    """
    best = HERE
    least = math.inf
    for k in range(asked):
        j = neighbor[asked_slots[k]]
        if active[j]:
            full = fullness(stored[j] + queued[j], capacity[j])
            if best == HERE or full < least:
                best = asked_slots[k]
                least = full
    if stored[i] < capacity[i] and fullness(stored[i] + queued[i] - 1, capacity[i]) <= least:
        return HERE
    return best


JITABLE: Final[tuple[Callable[..., Any], ...]] = (
    mixed,
    draw_first,
    number_asked,
    fullness,
    least_full,
)
