"""`FactoredMDP`: a cooperative Markov decision process as tables of its agents, as a value of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core import archive
from crl_envs.core.arguments import check_int, keep
from crl_envs.core.topology import Adjacency, Edges, sorted_edges, sources_of
from crl_envs.core.world import frozen
from crl_envs.factored.scopes import Scopes

_KIND: Final = "crl-envs factored mdp 2"
_TOLERANCE: Final = 1e-9
_MOST_VALUES: Final = 256  # states and actions are uint8


class Distance(NamedTuple):
    """Max norms of the difference of two models."""

    transition: float  # max |P(s_i' | ·) − Q(s_i' | ·)| over agents, configurations, actions and next states
    reward: float
    start: float


@dataclass(frozen=True, eq=False)
class FactoredMDP:
    """n agents with |S| states and |A| actions each (Bagnell & Ng 2005, §2 and §4).

        P(s' | s, a) = Π_i P(s_i' | s_i, s_parents(i), a_i)      R(s, a) = (1/n) Σ_i R_i(s_i, a_i)

    and independent first states. The utility of a policy is the expectation of Σ_t R over `horizon` steps. Models are
    compared by value (``==``), saved, loaded and simulated; learners estimate them, planners solve them.

    Attributes:
        edges: ``int64[E, 2]``, sorted (source, target): the target's next state depends on the source's state.
        transition: ``float64[C, A, S]``, P(s_i' | configuration, a_i); C are the configurations of all agents, one
            agent's behind the other, numbered as in `Scopes`: own state first and fastest, then the parents'.
        reward: ``float64[n, S, A]``, R_i(s_i, a_i).
        start: ``float64[n, S]``, the first state's probabilities.
        horizon: T, steps of an episode.

    Raises:
        ValueError: Shapes that don't fit each other, no agent, more than 256 states or actions, probabilities that are
            negative or don't sum to 1, rewards that aren't finite, edges that name other agents or aren't sorted, or
            more than 50 million probabilities.
    """

    edges: Edges
    transition: NDArray[np.float64]
    reward: NDArray[np.float64]
    start: NDArray[np.float64]
    horizon: int

    def __post_init__(self) -> None:
        keep(self, check_int, "horizon", low=1)
        for name, ndim in (("transition", 3), ("reward", 3), ("start", 2)):
            _check_table(name, getattr(self, name), ndim)
        n, s, a = self.reward.shape
        if max(s, a) > _MOST_VALUES:
            raise ValueError(
                f"reward must have at most {_MOST_VALUES} states and actions, got {s} and {a}"
            )
        if self.start.shape != (n, s):
            raise ValueError(f"start must have shape {(n, s)}, got {self.start.shape}")
        _check_edges(self.edges, n)
        expected = (self.scopes.n_entries, a, s)
        if self.transition.shape != expected:
            raise ValueError(f"transition must have shape {expected}, got {self.transition.shape}")
        _check_distributions("transition", self.transition)
        _check_distributions("start", self.start)
        for name in ("edges", "transition", "reward", "start"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def n_agents(self) -> int:
        """Agents, n."""
        return len(self.reward)

    @property
    def n_states(self) -> int:
        """States of one agent, |S|."""
        return int(self.reward.shape[1])

    @property
    def n_actions(self) -> int:
        """Actions of one agent, |A|."""
        return int(self.reward.shape[2])

    @cached_property
    def parents(self) -> Adjacency:
        """For each agent, those whose states influence its next one, without itself."""
        return sources_of(self.edges, self.n_agents)

    @cached_property
    def scopes(self) -> Scopes:
        """Which states the agents' tables depend on."""
        n, s, a = self.reward.shape
        return Scopes(s, sources_of(self.edges, n), a * s, "transition")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FactoredMDP):
            return NotImplemented
        return self.horizon == other.horizon and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("edges", "transition", "reward", "start")
        )

    __hash__ = None  # type: ignore[assignment]  # arrays

    def distance(self, other: FactoredMDP) -> Distance:
        """Return how far two models of the same structure are apart, in max norm.

        Raises:
            ValueError: They differ in agents, states, actions or edges.
        """
        if self.reward.shape != other.reward.shape or not np.array_equal(self.edges, other.edges):
            raise ValueError(
                f"other must have {self._structure()}, got a model with {other._structure()}"
            )
        return Distance(
            *(
                float(np.abs(getattr(self, name) - getattr(other, name)).max(initial=0.0))
                for name in ("transition", "reward", "start")
            )
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model (.npz, no pickle) to exactly `path`, all or nothing."""
        arrays = {n: getattr(self, n) for n in ("edges", "transition", "reward", "start")}
        archive.write(path, _KIND, {"horizon": self.horizon}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FactoredMDP:
        """Return the model in a file.

        Raises:
            ValueError: The file is damaged or holds no model; the message names it.
            OSError: The file can't be opened.
        """
        meta, arrays = archive.read(path, _KIND, "a factored MDP")
        try:
            return cls(horizon=meta["horizon"], **arrays)
        except Exception as error:  # a table may be missing or of any shape
            raise ValueError(f"{os.fspath(path)} is not a factored MDP: {error}") from error

    def _structure(self) -> str:
        n, s, a = self.reward.shape
        return f"{n} agents, {s} states, {a} actions and {len(self.edges)} edges"


def _check_table(name: str, table: Any, ndim: int) -> None:
    if not isinstance(table, np.ndarray) or table.ndim != ndim or table.dtype != np.float64:
        found = f"{table.dtype} {table.shape}" if isinstance(table, np.ndarray) else repr(table)
        raise ValueError(f"{name} must be a float64 array of {ndim} dimensions, got {found}")
    if not np.isfinite(table).all() or 0 in table.shape:
        raise ValueError(f"{name} must have finite values, and at least one in each dimension")


def _check_distributions(name: str, table: NDArray[np.float64]) -> None:
    if (table < 0).any() or (np.abs(table.sum(axis=-1) - 1) > _TOLERANCE).any():
        raise ValueError(f"{name} must have probabilities that sum to 1 along its last axis")


def _check_edges(edges: Any, n: int) -> None:
    good = (
        isinstance(edges, np.ndarray)
        and edges.dtype == np.int64
        and edges.ndim == 2
        and edges.shape[1] == 2
        and (not edges.size or (edges.min() >= 0 and edges.max() < n))
        and np.array_equal(sorted_edges(edges[:, 0], edges[:, 1]), edges)
    )
    if not good:
        raise ValueError(
            f"edges must be int64 pairs (source, target) of agents 0 … {n - 1}, sorted, "
            "without repeats and self-loops"
        )
