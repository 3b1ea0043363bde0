"""How a model-based learner explores, with the constants of Bagnell & Ng 2005, §4.

A policy (ρ, ν)-explores when, in a trial, for every agent, every state of its neighbourhood and every action of its
own, it has at least probability ν ρ^B of taking that action in that state; B is the neighbourhood's size. Here first
states are independent, so that a joint state of B agents has at least probability ρ^B at the first step, ρ being the
rarest first state's, and ν is the least probability of an action in any state (Proposition 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.bounds import Exploration, uniform_exploration
from crl_envs.core.arguments import check_choice, check_each, check_real, keep
from crl_envs.core.stream import threshold


@dataclass(frozen=True)
class UniformExploration:
    """Every action with the same probability, whatever the state: ν = 1/|A|, the paper's choice."""

    kind: ClassVar[str] = "uniform"

    def constants(self, start: Sequence[float], n_actions: int) -> Exploration:
        """Return ρ and ν.

        Args:
            start: Probabilities of an agent's first states; where agents differ, of the one with the rarest.
            n_actions: |A|.

        Raises:
            ValueError: A state that is never the first: then Proposition 4.1 says nothing.
        """
        return uniform_exploration(start, n_actions)

    def probabilities(self, n_actions: int) -> NDArray[np.float64]:
        """Return the probability of each action: ``float64[A]``."""
        return np.full(n_actions, 1 / n_actions)


@dataclass(frozen=True)
class FixedExploration:
    """Actions with given probabilities, the same for all agents and in all states: ν is the smallest.

    Attributes:
        action_probabilities: One for each action, all positive, with the sum 1.

    Raises:
        ValueError: They aren't.
    """

    kind: ClassVar[str] = "fixed"

    action_probabilities: Sequence[float]

    def __post_init__(self) -> None:
        shares = check_each(
            "action_probabilities",
            self.action_probabilities,
            check_real,
            low=0,
            high=1,
            open_low=True,
        )
        if abs(sum(shares) - 1) > 1e-9:
            raise ValueError(f"action_probabilities must sum to 1, got {shares}")
        object.__setattr__(self, "action_probabilities", tuple(shares))

    def constants(self, start: Sequence[float], n_actions: int) -> Exploration:
        """See `UniformExploration.constants`."""
        rho = uniform_exploration(start, n_actions).rho
        return Exploration(rho, float(self.probabilities(n_actions).min()))

    def probabilities(self, n_actions: int) -> NDArray[np.float64]:
        """Return the probability of each action: ``float64[A]``.

        Raises:
            ValueError: The environment has another number of actions.
        """
        if len(self.action_probabilities) != n_actions:
            raise ValueError(
                f"action_probabilities must be {n_actions}, one for each action, "
                f"got {len(self.action_probabilities)}"
            )
        return np.array(self.action_probabilities)


@dataclass(frozen=True)
class EpsilonGreedy:
    """With probability ε a uniformly random action, else the plan's: ν = ε/|A|.

    The plan is made anew after 1, 2, 4, 8 … episodes; until the first one all actions are random.

    Attributes:
        epsilon: ε in (0, 1], 0.2 by default. Larger explores more evenly, smaller earns more meanwhile.

    Raises:
        ValueError: ε out of its range.
    """

    kind: ClassVar[str] = "epsilon-greedy"

    epsilon: float = 0.2

    def __post_init__(self) -> None:
        keep(self, check_real, "epsilon", low=0, high=1, open_low=True)

    def constants(self, start: Sequence[float], n_actions: int) -> Exploration:
        """See `UniformExploration.constants`."""
        uniform = uniform_exploration(start, n_actions)
        return Exploration(uniform.rho, self.epsilon * uniform.nu)

    def probabilities(self, n_actions: int) -> NDArray[np.float64]:
        """Return the probability of each action when a random one is taken: ``float64[A]``."""
        return np.full(n_actions, 1 / n_actions)

    def mix(
        self, planned: NDArray[np.uint8], n_actions: int, words: NDArray[np.uint32]
    ) -> NDArray[np.uint8]:
        """Return actions from the planned ones and uniform words, all of one shape."""
        limit = np.maximum(threshold(self.epsilon), np.uint64(1))
        random = words.astype(np.uint64) * np.uint64(n_actions) // limit
        return np.where(words < limit, random, planned).astype(np.uint8)


ExplorationPolicy = UniformExploration | FixedExploration | EpsilonGreedy
"""Any of the exploration policies."""

_KINDS: Final[dict[str, type[Any]]] = {
    c.kind: c for c in (UniformExploration, FixedExploration, EpsilonGreedy)
}


def find_exploration(given: Any) -> ExplorationPolicy:
    """Return an exploration policy, also by its kind (``"uniform"``) or as a dict with ``kind`` and its fields.

    Raises:
        ValueError: Something else, an unknown kind or a bad field.
    """
    if isinstance(given, ExplorationPolicy):
        return given
    if isinstance(given, Mapping):
        fields = dict(given)
        kind = check_choice("exploration", fields.pop("kind", None), _KINDS)
        try:
            made: ExplorationPolicy = _KINDS[kind](**fields)
            return made
        except TypeError as error:
            raise ValueError(f"exploration must have {kind}'s fields: {error}") from None
    kind = check_choice("exploration", given, ("uniform", "epsilon-greedy"))
    return EpsilonGreedy() if kind == EpsilonGreedy.kind else UniformExploration()


def as_dict(exploration: ExplorationPolicy) -> dict[str, Any]:
    """Return what `find_exploration` reads."""
    return {"kind": exploration.kind, **vars(exploration)}


def draw(probabilities: NDArray[np.float64], words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return actions of these probabilities (to a multiple of 2⁻³²) from uniform words, of the words' shape."""
    limits = threshold(np.cumsum(probabilities)[:-1])
    return np.asarray((words[..., None] >= limits).sum(axis=-1, dtype=np.uint8))
