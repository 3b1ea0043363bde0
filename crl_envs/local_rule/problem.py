"""The arguments of worlds that are one rule on a graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.archive import opened
from crl_envs.core.arguments import check_bool, check_choice, check_int, check_seed, keep
from crl_envs.core.backend import resolve_backend
from crl_envs.core.on_graph import OnGraph, action_orders
from crl_envs.core.world import freeze
from crl_envs.factored import FactoredMDP, Scopes
from crl_envs.local_rule.rule import LocalRule

if TYPE_CHECKING:
    import networkx as nx


class Rows(NamedTuple):
    """A rule's tables, those of all in-degrees one behind the other.

    An agent's row is ``offset + (s · A + a) · width + m``.
    """

    chances: NDArray[np.float64]  # float64[S − 1, R]: P(s' ≥ k) for k = 1 … S − 1
    reward: NDArray[np.float32]  # float32[R]
    offsets: NDArray[np.int64]  # int64[n]
    widths: NDArray[np.int64]  # int64[n]


class RuleOnGraph(OnGraph):
    """What a problem with a `rule` and the fields of `OnGraph` has beside."""

    kind: ClassVar[str] = "local_rule"
    title: ClassVar[str] = "One rule on a graph"

    rule: LocalRule
    relabel: bool
    horizon: int
    backend: str

    def check_shared(self) -> None:
        """Check the fields that all such problems have.

        Raises:
            ValueError: One is out of its range, or the rule doesn't fit the graph's degrees.
        """
        keep(self, check_choice, "observe", ("own", "neighborhood"))
        keep(self, check_bool, "relabel")
        keep(self, check_int, "horizon", low=1, high=2**40)
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)
        _ = self.n, self.rows, self.orders  # so that what can't be made is refused at once

    @cached_property
    def rows(self) -> Rows:
        """The rule's tables for this graph."""
        degrees, kind = np.unique(self.parents.degree, return_inverse=True)
        parts = [self.rule.tables(int(degree)) for degree in degrees]
        paid = [part.reward.ravel() for part in parts]
        begins = np.cumsum([0] + [part.size for part in paid[:-1]])
        by_next = np.concatenate([p.transition.reshape(-1, self.rule.n_states) for p in parts])
        # From the last state on: with two states it is P(s' = 1), whatever the rounding of P(s' = 0).
        chances = np.cumsum(by_next[:, ::-1], axis=1)[:, -2::-1].T
        rows = Rows(
            np.minimum(np.ascontiguousarray(chances), 1.0),
            np.concatenate(paid).astype(np.float32),
            begins[kind].astype(np.int64),
            self.rule.largest_signal * self.parents.degree + 1,
        )
        freeze(rows)
        return rows

    @cached_property
    def first_chances(self) -> NDArray[np.float64]:
        """``float64[S − 1]``: P(first s ≥ k) for k = 1 … S − 1."""
        return np.minimum(np.cumsum(self.rule.start[::-1])[-2::-1], 1.0)

    @cached_property
    def orders(self) -> NDArray[np.uint8] | None:
        """``uint8[n, A]``: what is done where an agent chooses action a, under `relabel`; None without it."""
        if not self.relabel:
            return None
        return action_orders(self.n, self.rule.n_actions, self.instance_seed)

    def factored_model(self) -> FactoredMDP:
        """Return all agents' probabilities and rewards as tables, with actions as the agents choose them.

        Raises:
            ValueError: Signals depend on actions or rewards on neighbours, which such a model hasn't; or an agent has
                so many neighbours that its table would be too large.
        """
        rule, n = self.rule, self.n
        s, a = rule.n_states, rule.n_actions
        degrees = self.parents.degree
        by_degree = {int(degree): rule.tables(int(degree)) for degree in np.unique(degrees)}
        if not rule.signals_by_state:
            raise ValueError(
                "a factored model needs signals that don't depend on actions, as those of rule.in_half_steps()"
            )
        if any(np.ptp(table.reward, axis=2).any() for table in by_degree.values()):
            raise ValueError("a factored model needs rewards that don't depend on neighbours")
        scopes = Scopes(s, self.parents, a * s, "transition")
        transition, reward = np.empty((scopes.n_entries, a, s)), np.empty((n, s, a))
        for degree, table in by_degree.items():
            digits = np.arange(s ** (1 + degree))[:, None] // s ** np.arange(1 + degree) % s
            felt = rule.signal[digits[:, 1:], 0].sum(axis=1, dtype=np.int64)
            at = np.flatnonzero(degrees == degree)
            own = table.transition[digits[:, 0], :, felt]
            transition[scopes.first[at][:, None] + np.arange(len(own))] = own
            reward[at] = table.reward[:, :, 0]
        if self.orders is not None:
            reward = np.take_along_axis(reward, self.orders[:, None, :].astype(np.int64), axis=2)
            order = np.repeat(self.orders, scopes.sizes, axis=0).astype(np.int64)
            transition = np.take_along_axis(transition, order[:, :, None], axis=1)
        start = np.repeat(rule.start[None], n, axis=0)
        return FactoredMDP(self.edges, transition, reward, start, self.horizon)


@dataclass(frozen=True)
class LocalRuleProblem(RuleOnGraph):
    """Agents on a graph that all follow one rule.

    Attributes:
        rule: A `LocalRule`, or the name of a file with one (.json or .npz).
        n_agents: Number of agents n, 1 to 100,000,000. Default None: 10, or the number of nodes of `topology` when that
            is a graph.
        topology: ``"ring"``, ``"directed_ring"`` (i → i + 1), ``"star"``, ``"legs"``, ``"ring_of_rings"``, ``"grid"``,
            ``"torus"``, ``"tree"``, ``"small_world"``, ``"scale_free"``, ``"random_regular"``, ``"random"`` or a
            networkx graph. An edge lets its target feel its source; named topologies but ``"directed_ring"`` have each
            both ways. Default ``"ring"``.
        observe: ``"own"`` or ``"neighborhood"``. Default ``"own"``.
        relabel: True or False: hide a random order of the actions of each agent, so that no rule can be built into a
            learner. Default False.
        horizon: Steps of an episode T, 1 to 2^40. Default 20.
        instance_seed: Seed of the relabelling and of random topologies, 0 to 2^64 − 1, apart from the episodes' seed,
            which is that of ``reset(seed=…)``. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same results, Numba's sooner; ``"auto"`` takes it where it
            is installed. Default ``"auto"``.

    Raises:
        ValueError: An argument out of its range, a file without a rule, or a rule without a table for the degrees of
            the graph.
    """

    rule: Any
    n_agents: int | None = None
    topology: str | nx.Graph = "ring"
    observe: str = "own"
    relabel: bool = False
    horizon: int = 20
    instance_seed: int = 0
    backend: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", opened("rule", self.rule, LocalRule))
        self.check_shared()


class LocalRuleArguments(TypedDict, total=False):
    """The fields of `LocalRuleProblem` as keywords, for type checkers."""

    rule: Any
    n_agents: int | None
    topology: str | nx.Graph
    observe: str
    relabel: bool
    horizon: int
    instance_seed: int
    backend: str
