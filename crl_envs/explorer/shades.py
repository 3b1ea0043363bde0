"""What there is to know of each agent beside its state: its policy, what it has earned, the credit that it got."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crl_envs.bench.contract import Traits
from crl_envs.core.neighborhood import Neighborhoods

Colour = Literal["state", "policy", "value", "credit", "render"]
FloatArray = NDArray[np.float64]

COLOURS: Final[dict[Colour, str]] = {
    "state": "State",
    "policy": "Policy",
    "value": "Value",
    "credit": "Credit",
    "render": "render()",
}
_COPIES: Final = 64  # of what agents see, each with other random words
# Evenly spread: the first six bits count, the others are those of k · 2³² / φ.
_COUNT: Final = np.arange(_COPIES, dtype=np.uint64)
_WORDS: Final = (_COUNT << 26 | _COUNT * 2654435769 % 2**32 >> 6).astype(np.uint32)


@dataclass(frozen=True)
class Viewing:
    """What the pictures show.

    Attributes:
        colour: What the agents' colour says: their state, or one of the quantities of this module; ``"render"``: the
            environment's own picture.
        action: The action whose probability ``"policy"`` shows.
    """

    colour: Colour = "state"
    action: int = 1


@dataclass(frozen=True)
class Shade:
    """A quantity of each agent.

    Attributes:
        values: ``float64[n]``; empty where it isn't known.
        missing: Why it isn't, in a sentence.
    """

    values: FloatArray
    missing: str = ""


class Scale:
    """The ends of a colour scale, which learners share: the lowest and the highest value so far."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf

    def widen(self, values: FloatArray) -> None:
        """Take in values."""
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value; 0 and 1 before there are any."""
        return (self.low, self.high) if self.low <= self.high else (0.0, 1.0)


def policy(learner: Any, world: Any, state: Any, action: int) -> Shade:
    """Return the probability with which each agent would take an action now, to a 64th.

    It asks what the learner would choose with 64 random words that are evenly spread; a learner that is shown by its
    greedy policy is asked for that. Neither draws from a stream.

    Args:
        learner: With `agents.Learner`'s ``choose`` and ``view``.
        world: The dynamics.
        state: Its state, one column.
        action: Which one.
    """
    if not hasattr(learner, "choose"):
        return unknown("This learner can't be asked for probabilities.")
    view, n = learner.view, world.n_agents
    copies = _COPIES if learner.acts_in_any_columns() else 1
    groups: Iterable[NDArray[np.uint32] | None] = _WORDS.reshape(-1, 1, copies)
    if Traits(type(learner)).evaluates_greedily:
        groups, copies = [None], 1
    try:
        mask = world.action_mask(state)
        seen, legal = (
            None if x is None else np.repeat(np.moveaxis(x, -1, 0), copies, axis=0)
            for x in (world.observation(state), mask)
        )
        frame = view.frame_of_array(seen, legal)
        taken = []
        for words in groups:
            drawn = None if words is None else np.repeat(words, n, axis=0)
            chosen = np.broadcast_to(learner.choose(frame, drawn), (n, copies))
            taken.append((chosen == action).mean(axis=1))
    except (ValueError, AttributeError, IndexError):  # some choose by what only an episode has
        return unknown("This learner chooses by more than what agents see now.")
    return Shade(np.mean(taken, axis=0))


def value(returns: Sequence[FloatArray]) -> Shade:
    """Return what each agent has earned an episode: the mean of ``float64[n]`` of the last episodes."""
    if not returns:
        return unknown("It is known after the first episode.")
    return Shade(np.mean(np.stack(returns), axis=0))


def credit(learner: Any, edges: NDArray[np.int64], earned: FloatArray, steps: int) -> Shade:
    """Return the reward that each agent learns from: a step's mean in this episode so far.

    Args:
        learner: Says in its config or its traits whose rewards it learns from.
        edges: ``int64[E, 2]``, the world's.
        earned: ``float64[n]``, what each agent has earned itself in this episode.
        steps: Steps of the episode so far.
    """
    if getattr(learner, "learnt", None) == ():
        return unknown("It learns nothing: no agent gets credit.")
    if not steps:
        return unknown("It is known after the first step.")
    config = getattr(learner, "config", None)
    own = earned / steps
    credited = getattr(config, "credit", "")
    kinds = (credited, getattr(config, "rewards", ""), Traits(type(learner)).trains_on)
    if credited == "local" or "neighborhood" in kinds:
        return Shade(Neighborhoods(edges, own.size).means(own[:, None])[:, 0])
    if "global" in kinds:
        return Shade(np.full_like(own, own.mean()))
    return Shade(own)


def unknown(why: str) -> Shade:
    """Return a quantity that isn't known."""
    return Shade(np.empty(0), why)
