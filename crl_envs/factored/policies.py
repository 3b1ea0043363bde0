"""Classes of policies for a factored MDP, and policies out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_choice, check_int, keep
from crl_envs.core.topology import Adjacency, neighbors_of
from crl_envs.core.world import frozen
from crl_envs.factored.model import FactoredMDP
from crl_envs.factored.scopes import Scopes


class JointPolicy(Protocol):
    """What a simulation asks for actions."""

    def act(self, states: NDArray[np.uint8], step: int) -> NDArray[np.integer]:
        """Return actions ``[n, B]`` of all agents in joint states ``uint8[n, B]`` at step 0 … T − 1."""
        ...


@dataclass(frozen=True)
class PolicyClass:
    """A class Π of deterministic, stationary policies: each agent's action depends on some agents' states.

    ``own-state``: on its own; ``parents``: also on those that influence it; ``neighborhood``: on its own and on those
    of all agents with which it shares an edge, in either direction (the paper's s_neigh(i), and what the environments
    show with ``observe="neighborhood"``).

    Attributes:
        name: One of `POLICY_CLASSES`.

    Raises:
        ValueError: Another name.
    """

    name: str

    def __post_init__(self) -> None:
        keep(self, check_choice, "name", ("own-state", "parents", "neighborhood"))

    def scopes(self, model: FactoredMDP) -> Scopes:
        """Return which states the agents see in a model.

        Raises:
            ValueError: An agent sees so many that its table would be too large.
        """
        n = model.n_agents
        if self.name == "own-state":
            others = Adjacency(np.zeros(n + 1, np.int64), np.zeros(0, np.int64))
        elif self.name == "parents":
            others = model.parents
        else:
            others = neighbors_of(model.edges, n)
        return Scopes(model.n_states, others, 1, f"a policy of the class {self.name!r}")

    def constant(self, model: FactoredMDP, action: int = 0) -> TablePolicy:
        """Return the policy that always takes one action.

        Raises:
            ValueError: The model has no such action.
        """
        action = check_int("action", action, low=0, high=model.n_actions - 1)
        scopes = self.scopes(model)
        return TablePolicy(self, scopes, np.full(scopes.n_entries, action, np.uint8))


OWN_STATE: Final = PolicyClass("own-state")
"""Policies by which an agent looks at its own state alone."""

PARENTS: Final = PolicyClass("parents")
"""Policies by which an agent looks at its own state and at its parents'."""

NEIGHBORHOOD: Final = PolicyClass("neighborhood")
"""Policies by which an agent looks at its own state and at those of all that share an edge with it."""

POLICY_CLASSES: Final[Mapping[str, PolicyClass]] = {
    c.name: c for c in (OWN_STATE, PARENTS, NEIGHBORHOOD)
}
"""The three classes by their names."""


def find_policy_class(name: str) -> PolicyClass:
    """Return the class of that name.

    Raises:
        ValueError: There is none; near matches are suggested.
    """
    return POLICY_CLASSES[check_choice("policy_class", name, POLICY_CLASSES)]


@dataclass(frozen=True, eq=False)
class TablePolicy:
    """A policy of a class: one action for each configuration of each agent.

    Attributes:
        policy_class: Its class.
        scopes: What the agents see.
        table: ``uint8[C]``, the actions of all agents' configurations, one agent's behind the other.

    Raises:
        ValueError: A table of another shape.
    """

    policy_class: PolicyClass
    scopes: Scopes
    table: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.table.shape != (self.scopes.n_entries,) or self.table.dtype != np.uint8:
            raise ValueError(
                f"table must be uint8 of shape ({self.scopes.n_entries},), "
                f"got {self.table.dtype} of shape {self.table.shape}"
            )
        object.__setattr__(self, "table", frozen(self.table))

    def act(self, states: NDArray[np.uint8], step: int = 0) -> NDArray[np.uint8]:
        """Return actions ``uint8[n, B]`` in joint states ``uint8[n, B]``; the same at every step."""
        if self._own_only:
            return self._rows[np.arange(self.scopes.n)[:, None], states]
        return self.table[self.scopes.entries(states)]

    @cached_property
    def _own_only(self) -> bool:
        return self.scopes.others.indices.size == 0

    @cached_property
    def _rows(self) -> NDArray[np.uint8]:
        return self.table.reshape(self.scopes.n, self.scopes.n_states)
