"""`CoordinationGraph`: agents whose payoffs depend on pairs of actions, and the joint action that pays most.

    u(a) = Σ_i f_i(a_i) + Σ_(i,j) f_ij(a_i, a_j)                                 (Guestrin, Koller & Parr 2002)

Three solvers. *Variable elimination* is exact and takes memory that grows exponentially with the graph's width; it says
so before it begins. *Max-plus* (Kok & Vlassis 2006, §3.2) sends messages along the edges,

    μ_ij(a_j) = max_{a_i} { f_i(a_i) + f_ij(a_i, a_j) + Σ_{k ∈ Γ(i), k ≠ j} μ_ki(a_i) } − mean over a_j

exact on trees, anytime elsewhere: the best joint action seen is kept. *Brute force* is for tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_real
from crl_envs.core.backend import Compiled
from crl_envs.core.topology import Edges
from crl_envs.core.world import frozen
from crl_envs.factored.elimination import Elimination, Plan, elimination_order

MOST_ENTRIES: Final = 2**26  # of the tables of variable elimination
_TIE: Final = 1e-9
_MOST_JOINT: Final = 2**20  # joint actions of brute force
_IN_ORDER: Final = (
    8  # NumPy adds up fewer numbers than these one after the other, as the compiled code does
)

Payoffs = NDArray[np.float64]
Actions = NDArray[np.int64]


T = TypeVar("T")


def _once(made: Callable[[CoordinationGraph], T]) -> property:
    """Return a property that is found once for all graphs with the same edges."""

    def found(self: CoordinationGraph) -> T:
        if made.__name__ not in self._known:
            self._known[made.__name__] = made(self)
        kept: T = self._known[made.__name__]
        return kept

    return property(found, doc=made.__doc__)


class Wires(NamedTuple):
    """Where the messages of n agents go: along each edge, and then back along each.

    Attributes:
        source, target: ``int64[2E]``.
        order: ``int64[2E]``, the messages sorted by target.
        begins: ``int64[n + 1]``, where each target's begin in it.
        lots: ``float64[E, A, A, 1]`` in [0, 1), which break ties.
        degree: Most messages to one agent.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    order: NDArray[np.int64]
    begins: NDArray[np.int64]
    lots: Payoffs
    degree: int

    def sums(self, values: Payoffs) -> Payoffs:
        """Return sums over what has the same target: ``[2E, …]`` to ``[n, …]``."""
        total = np.zeros((len(self.begins) - 1, *values.shape[1:]))
        reached = np.flatnonzero(np.diff(self.begins))
        if len(reached):
            begins = self.begins[reached]
            total[reached] = np.add.reduceat(values[self.order], begins, axis=0)
        return total


class Best(NamedTuple):
    """A joint action in each of B columns.

    Attributes:
        actions: ``int64[n, B]``.
        value: ``float64[B]``, what it pays.
        iterations: ``int64[B]``, rounds of messages; 0 of other solvers.
        converged: ``bool[B]``, whether no message changed any more by more than the tolerance, or the solver is exact.
    """

    actions: Actions
    value: Payoffs
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CoordinationGraph:
    """n agents with A actions each, and what pairs of them are paid, in B columns at once.

    Attributes:
        edges: ``int64[E, 2]``, the pairs (i, j), i ≠ j, each once in one of the two directions.
        pair: ``float64[E, A, A, B]``, f_ij by the actions of the first and the second; without the last axis B is 1.
        own: ``float64[n, A, B]``, f_i, or the same without the last axis.

    Raises:
        ValueError: Shapes that don't fit each other, edges that name other agents, themselves, or a pair twice, or
            payoffs that aren't finite.
    """

    edges: Edges
    pair: Payoffs
    own: Payoffs
    _known: dict[str, Any] = field(init=False, repr=False)  # of the edges, not of what they pay

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges, np.int64).reshape(-1, 2)
        self._pay(self.pair, self.own, len(edges))
        ends, n = np.sort(edges, axis=1), self.n_agents
        if edges.size and (ends[:, 0] < 0).any() | (ends[:, 1] >= n).any():
            raise ValueError(f"edges must name agents 0 to {n - 1}")
        if (edges[:, 0] == edges[:, 1]).any() or len(np.unique(ends, axis=0)) < len(edges):
            raise ValueError("edges must have each pair of two agents once")
        object.__setattr__(self, "edges", frozen(edges))
        object.__setattr__(self, "_known", {})

    def _pay(self, pair: Any, own: Any, edges: int) -> None:
        """Check payoffs and keep them."""
        pair, own = (np.asarray(t, np.float64) for t in (pair, own))
        pair = pair[..., None] if pair.ndim == 3 else pair
        own = own[..., None] if own.ndim == 2 else own
        if own.ndim != 3 or 0 in own.shape:
            raise ValueError(f"own must have shape (n, A) or (n, A, B), got {own.shape}")
        _, a, b = own.shape
        if pair.shape != (edges, a, a, b):
            raise ValueError(f"pair must have shape {(edges, a, a, b)}, got {pair.shape}")
        if not (np.isfinite(pair).all() and np.isfinite(own).all()):
            raise ValueError("pair and own must be finite")
        for name, value in (("pair", pair), ("own", own)):
            object.__setattr__(self, name, frozen(value))

    def paying(self, pair: Payoffs, own: Payoffs) -> CoordinationGraph:
        """Return the same agents and edges with other payoffs; what the solvers know of the edges is kept.

        Raises:
            ValueError: As of the class; another number of agents or of actions.
        """
        made = object.__new__(CoordinationGraph)
        made.__dict__.update(edges=self.edges, _known=self._known)
        made._pay(pair, own, len(self.edges))
        if made.own.shape[:2] != self.own.shape[:2]:
            raise ValueError(
                f"own must have shape {self.own.shape[:2]} or that and B, got {own.shape}"
            )
        return made

    @property
    def n_agents(self) -> int:
        """Agents, n."""
        return len(self.own)

    @property
    def n_actions(self) -> int:
        """Actions of one agent, A."""
        return int(self.own.shape[1])

    def value(self, actions: NDArray[np.integer]) -> Payoffs:
        """Return what joint actions ``[n, B]`` pay: ``float64[B]``."""
        columns = np.arange(self.own.shape[2])
        (first, second), agents = self.edges.T, np.arange(self.n_agents)[:, None]
        pairs = np.arange(len(self.edges))[:, None]
        paid = self.pair[pairs, actions[first], actions[second], columns].sum(axis=0)
        return np.asarray(paid + self.own[agents, actions, columns].sum(axis=0))

    @_once
    def plan(self) -> Plan:
        """What `eliminate` does: own payoffs first, then those of the edges."""
        n, a, e = self.n_agents, self.n_actions, len(self.edges)
        scopes = [*((i,) for i in range(n)), *map(tuple, self.edges.tolist())]
        first = [*range(0, n * a, a), *range(n * a, (n + e * a) * a, a * a)]
        return Plan(scopes, first, [(1,)] * n + [(a, 1)] * e, [a] * n, self.order)

    @_once
    def wires(self) -> Wires:
        """The messages of `max_plus`."""
        source, target = np.concatenate([self.edges, self.edges[:, ::-1]]).T
        order = np.argsort(target, kind="stable")
        begins = np.searchsorted(target[order], np.arange(self.n_agents + 1))
        lots = np.random.default_rng(0).random((*self.pair.shape[:3], 1))
        degree = int(np.diff(begins).max())
        return Wires(np.ascontiguousarray(source), target, order, begins, lots, degree)

    @_once
    def order(self) -> list[Elimination]:
        """The order in which `eliminate` takes the agents: the one of smaller width of two, greedy and as numbered."""
        scopes = [*((i,) for i in range(self.n_agents)), *map(tuple, self.edges.tolist())]
        sizes = [self.n_actions] * self.n_agents
        orders = (elimination_order(scopes, sizes, as_numbered) for as_numbered in (False, True))
        return min(orders, key=_width)

    @property
    def width(self) -> int:
        """How many agents a table of `eliminate` depends on at most, beside the one that is eliminated."""
        return _width(self.order)

    @property
    def entries(self) -> float:
        """Numbers that `eliminate` has at once at least: A to the power of the width + 1, in each column."""
        power = (self.width + 1) * math.log2(self.n_actions)
        return float(self.own.shape[2] * (2.0**power if power < 1000 else math.inf))

    def eliminate(self, most_entries: float = MOST_ENTRIES) -> Best:
        """Return the best joint actions, by variable elimination.

        Args:
            most_entries: Largest table that is allowed.

        Raises:
            ValueError: The graph is too wide; the message has its width and the memory that it would take.
        """
        if self.entries > most_entries:
            raise ValueError(
                f"variable elimination on this graph needs width {self.width}: tables of {self.entries:.1e} numbers, "
                f"{8 * self.entries:.1e} bytes, more than the {most_entries:.1e} allowed; max_plus needs none"
            )
        columns = self.own.shape[2]
        tables = [self.own.reshape(-1, columns), self.pair.reshape(-1, columns)]
        value, actions = self.plan.maximise(np.concatenate(tables))
        return _exact(actions, value)

    def max_plus(
        self, iterations: int = 100, damping: float = 0.0, tolerance: float = 1e-6
    ) -> Best:
        """Return the best joint actions seen while messages are sent.

        Args:
            iterations: Most rounds, in each of which every agent sends a message to every neighbour.
            damping: Weight of a message's last value in [0, .99], against oscillation on graphs with cycles.
            tolerance: Change of messages, as a share of the largest payoff, below which they have converged.

        Raises:
            ValueError: An argument out of its range.
        """
        check_int("iterations", iterations, low=1)
        check_real("damping", damping, low=0.0, high=0.99)
        check_real("tolerance", tolerance, low=0.0)
        e, wires = len(self.edges), self.wires
        # Of equally good joint actions agents must mean the same one: payoffs differ by a little, which is fixed.
        scale = np.abs(self.pair).max(axis=(0, 1, 2), initial=0.0)
        pair = self.pair + _TIE * np.maximum(scale, 1.0) * wires.lots
        # [2E, A of the source, A of the target, B]; message d and d ± E go along the same edge.
        along = np.concatenate([pair, pair.swapaxes(1, 2)])
        messages = np.zeros((2 * e, *self.own.shape[1:]))
        heard = self.own
        best_actions = heard.argmax(axis=1)
        best_value = self.value(best_actions)
        enough = tolerance * scale
        rounds = np.zeros(best_value.size, np.int64)
        going = np.full(best_value.size, e > 0)  # a column that has converged stays as it is
        for _ in range(iterations):
            if not going.any():
                break
            messages, heard, changed, actions, value = self._send(
                along, going, damping, messages, heard
            )
            rounds += going
            better = value > best_value
            best_actions = np.where(better, actions, best_actions)
            best_value = np.where(better, value, best_value)
            going = going & (changed > enough)
        return Best(best_actions, best_value, rounds, ~going)

    def _send(
        self,
        along: Payoffs,
        going: NDArray[np.bool_],
        damping: float,
        messages: Payoffs,
        heard: Payoffs,
    ) -> tuple[Payoffs, Payoffs, Payoffs, Actions, Payoffs]:
        """Return messages, what is heard, largest changes, choices and their value after a round."""
        wires, (n, a, b) = self.wires, self.own.shape
        compiled = None
        if a < _IN_ORDER and wires.degree <= _IN_ORDER:
            compiled = _SEND.ready()
        if compiled is not None:
            new, changed = np.empty_like(messages), np.empty(b)
            heard, actions = heard.copy(), np.empty((n, b), np.int64)
            paid = np.empty((len(self.edges), b)), np.empty((n, b))
            compiled(
                (wires.source, wires.order, wires.begins),
                along,
                self.own,
                going,
                float(damping),
                (messages, heard, actions),
                new,
                changed,
                (*paid, self.pair, self.edges),
            )
            return new, heard, changed, actions, paid[0].sum(axis=0) + paid[1].sum(axis=0)
        begun = perf_counter()
        said = heard[wires.source] - np.roll(messages, len(self.edges), axis=0)
        new = (said[:, :, None] + along).max(axis=1)
        new -= new.mean(axis=1, keepdims=True)
        new += damping * (messages - new)
        changed = np.abs(new - messages).max(axis=(0, 1))
        new = np.where(going, new, messages)
        heard = self.own + wires.sums(new)
        actions = heard.argmax(axis=1)
        value = self.value(actions)
        _SEND.waited(perf_counter() - begun)
        return new, heard, changed, actions, value

    def brute_force(self) -> Best:
        """Return the best joint actions by trying all of them.

        Raises:
            ValueError: There are more than 2^20.
        """
        if self.n_actions**self.n_agents > _MOST_JOINT:
            raise ValueError(
                f"brute force tries at most {_MOST_JOINT} joint actions, got {self.n_actions}^{self.n_agents}"
            )
        columns = self.own.shape[2]
        tried = [
            np.repeat(np.array(joint)[:, None], columns, axis=1)
            for joint in product(range(self.n_actions), repeat=self.n_agents)
        ]
        values = np.array([self.value(joint) for joint in tried])
        chosen = values.argmax(axis=0)
        actions = np.stack([tried[k][:, b] for b, k in enumerate(chosen)], axis=1)
        return _exact(actions, values.max(axis=0))


def _exact(actions: Actions, value: Payoffs) -> Best:
    return Best(actions, value, np.zeros(value.size, np.int64), np.ones(value.size, np.bool_))


def _width(order: list[Elimination]) -> int:
    return max((len(others) for _, others in order), default=0)


_SEND: Final = Compiled.at("crl_envs.factored.numba_solvers:send", seconds=2.5)
