"""What a world says about its states, for whoever draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.world import World
from crl_envs.rendering.scene import Curve, Look, Quantity, Scene

WorldT = TypeVar("WorldT", bound=World[Any])


@dataclass
class Moment:
    """The present state of an episode, and what led to it.

    Attributes:
        state: The world's, one column.
        step: Steps of the episode so far.
        episode: Episodes begun so far, 1 in the first.
        action: ``int[n]``, what the agents did in the last step (0 for what was illegal); None at the start, and where
            steps were played unseen (`crl_envs.core.WorldEnv.fast_forward`).
        reward: ``float64[n]``, the local rewards of the last step; None likewise.
        team_return: Sum over the episode's steps of the mean local reward; None once a step was played unseen.
    """

    state: Any
    step: int = 0
    episode: int = 0
    action: NDArray[np.integer] | None = None
    reward: NDArray[np.float64] | None = None
    team_return: float | None = 0.0


class Picture(ABC, Generic[WorldT]):
    """The pictures of one world. Subclasses are named by an environment's ``picture`` attribute.

    Args:
        world: The dynamics.

    Attributes:
        world: The dynamics.
        renderer: What draws it, ``"module:Class"``, called with the picture, the mode and the frames a second.
        remembers: Whether the history goes on from episode to episode; for worlds of one step.
        unit: What the history counts.
    """

    renderer: ClassVar[str] = "crl_envs.rendering.renderer:Renderer"
    remembers: ClassVar[bool] = False
    unit: ClassVar[str] = "step"

    def __init__(self, world: WorldT) -> None:
        self.world = world

    @property
    @abstractmethod
    def title(self) -> str:
        """The headline of each picture."""

    @property
    @abstractmethod
    def quantity(self) -> Quantity:
        """What the heat map shows of each agent."""

    @property
    @abstractmethod
    def curves(self) -> tuple[Curve, ...]:
        """What is drawn over time: shares, in `level_range`."""

    @property
    def level_range(self) -> tuple[float, float]:
        """The lowest and the highest value of the curves."""
        return 0.0, 1.0

    @abstractmethod
    def look(self) -> Look:
        """Return the unchanging part of the graph scene."""

    @abstractmethod
    def scene(self, moment: Moment) -> Scene:
        """Return the graph scene."""

    @abstractmethod
    def values(self, moment: Moment) -> NDArray[np.float64]:
        """Return ``float64[n]``: each agent's `quantity`."""

    @abstractmethod
    def levels(self, moment: Moment) -> tuple[float, ...]:
        """Return the present height of each of the `curves`; NaN for none."""

    @abstractmethod
    def status(self, moment: Moment) -> str:
        """One line: step, return, optimum."""

    @abstractmethod
    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        """For text: by name, what each of the n agents has."""

    def remarks(self, moment: Moment) -> list[str]:
        """For text: further lines."""
        return []

    def reward_of(self, state: Any) -> NDArray[np.float64] | None:
        """Return the rewards ``float64[n]`` of the step that led to a state, where they can be read from it."""
        return None


def return_text(moment: Moment) -> str:
    """Return ``return 3.25``, the mean over agents of the rewards so far."""
    if moment.team_return is None:
        return "return unknown (steps were skipped)"
    return f"return {moment.team_return:.2f}"


def short(number: float) -> str:
    """Write a reward in as few characters as possible: ``1``, ``0``, ``-.75``."""
    text = f"{number:.3g}"
    return text.replace("0.", ".", 1) if abs(number) < 1 and "e" not in text else text
