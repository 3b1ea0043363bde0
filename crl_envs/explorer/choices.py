"""What can be chosen of a world on the page: the widgets, and the arguments that they set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from crl_envs.core.topology import UNDIRECTED
from crl_envs.explorer.touches import Touch

Value = float | str


@dataclass(frozen=True)
class Choice:
    """One choice: its widget, and the argument that it sets.

    Attributes:
        name: Of the argument.
        label: What the page calls it.
        help: What it does, in a sentence.
        slider: Its ends and its step; the field takes more.
        default: What is chosen at first; in a `World` None stands for the environment's own default.
        options: Of a select.
        learner: The learner that alone has this argument; None for an argument of the environment.
    """

    name: str
    label: str
    help: str
    slider: tuple[float, float, float] = (0.0, 1.0, 1.0)
    default: Any = None
    options: tuple[str, ...] = ()
    learner: str | None = None

    @property
    def kind(self) -> Literal["whole", "real", "select"]:
        """What is chosen: a whole number or any (a slider and a field), or one of some words."""
        if self.options:
            return "select"
        return "whole" if isinstance(self.default, int) else "real"


@dataclass(frozen=True)
class World:
    """A world of the page.

    Attributes:
        key: Short name, which is in its id.
        title: What the page calls it.
        about: What happens in it, in a sentence.
        problem: Its arguments, which say what is chosen at first unless the choice does.
        choices: What can be chosen.
        learner: Who learns at first.
        rival: Who learns beside it at first.
        episodes: After how many the learners rest.
        small: Arguments of an instance so small that any learner can be tried on it.
        progress: The metric that tells how far an episode is; None where there is nothing to follow within one.
        arguments: What is chosen, by name, to the environment's arguments; None: they are the same.
        actions: Names of the actions; none where they are numbers.
        touches: What can be done to an agent by hand.
        untouched: A sentence on why nothing can, where that is so.
        paid_alike: Whether all agents are paid the same, so that their own reward is the team's.
    """

    key: str
    title: str
    about: str
    problem: type[Any]
    choices: tuple[Choice, ...]
    learner: str
    rival: str
    episodes: int
    small: Mapping[str, Any]
    progress: str | None = None
    arguments: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    actions: tuple[str, ...] = ()
    touches: tuple[Touch, ...] = ()
    untouched: str = ""
    paid_alike: bool = False

    def __post_init__(self) -> None:
        choices = (
            replace(c, default=getattr(self.problem, c.name)) if c.default is None else c
            for c in self.choices
        )
        object.__setattr__(self, "choices", tuple(choices))

    @property
    def id(self) -> str:
        """For `crl_envs.make`."""
        return f"crl/{self.key}-v0"

    def choice(self, name: str) -> Choice:
        """Return the choice of that name."""
        return next(choice for choice in self.choices if choice.name == name)


def n_agents(default: int, high: int, what: str) -> Choice:
    """Return the choice of the number of agents."""
    return Choice("n_agents", f"n ({what})", "How many there are.", (2, high, 1), default)


def horizon(low: int, high: int, step: int, default: int | None = None) -> Choice:
    """Return the choice of the steps of an episode."""
    return Choice("horizon", "Horizon (steps)", "Steps of an episode.", (low, high, step), default)


TOPOLOGY: Final = Choice(
    "topology", "Topology", "Who is whose neighbour.", options=tuple(UNDIRECTED)
)
