"""The arguments of coordination games: whose payoffs depend on whom, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_real,
    check_seed,
    is_word,
    keep,
    shown,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.on_graph import OnGraph, action_orders
from crl_envs.core.stream import Purpose, fixed_words
from crl_envs.core.topology import Edges, is_graph

if TYPE_CHECKING:
    import networkx as nx

UNIT: Final = (
    2.0**-10
)  # payoffs are whole multiples of it, so that their sums are exact in any order
_LARGEST: Final = 1000.0
_MOST_ACTIONS: Final = 16
CLIMBING: Final = ((11.0, -30.0, 0.0), (-30.0, 7.0, 6.0), (0.0, 0.0, 5.0))
COINS: Final = ((1.0, 35.0, 8.0), (35.0, 7.0, 6.0), (5.0, 5.0, 2.0))  # 10/12, 5/−65, 8/−8; …


@dataclass(frozen=True)
class CoordinationGameProblem(OnGraph):
    """Agents on a graph whose neighbours' actions must fit their own.

    Attributes:
        n_agents: Number of agents n, 1 to 10,000,000. Default None: 10, or the number of nodes of `topology` when that
            is a graph.
        topology: As of `crl_envs.local_rule.LocalRuleProblem`; there is a game on each edge, whose first player is the
            agent with the smaller number, or on a directed graph the edge's source. Default ``"ring"``.
        payoffs: ``"climbing"``, ``"penalty"``, ``"stochastic-climbing"``, ``"random"``, or numbers ``[A, A]`` by the
            first and the second player's action. See the description. Default ``"climbing"``.
        n_actions: Number of actions A of ``payoffs="random"``, 1 to 16. Default 3: as the named games.
        penalty: k of ``payoffs="penalty"``, −1,000 to 0. Default −100.
        noise: Standard deviation of noise on each edge's payoff, 0 to 100: a sum of four uniform numbers, which is
            nearly normal. Default 0.
        observe: ``"nothing"``, or ``"neighborhood"``: what the agent and its neighbours did last. Default
            ``"nothing"``.
        relabel: True or False: hide a random order of the actions of each agent. Default False.
        horizon: Steps of an episode T, 1 to 2^40: how often the game is played. Default 1.
        instance_seed: Seed of the relabelling, of random payoffs and of random topologies, 0 to 2^64 − 1. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int | None = None
    topology: str | nx.Graph = "ring"
    payoffs: Any = "climbing"
    n_actions: int = 3
    penalty: float = -100.0
    noise: float = 0.0
    observe: str = "nothing"
    relabel: bool = False
    horizon: int = 1
    instance_seed: int = 0
    backend: str = "auto"

    games: ClassVar[tuple[str, ...]] = ("climbing", "penalty", "stochastic-climbing", "random")

    def __post_init__(self) -> None:
        for name, low, high in (("penalty", -1000, 0), ("noise", 0, 100)):
            keep(self, check_real, name, low=low, high=high)
        keep(self, check_choice, "observe", ("nothing", "neighborhood"))
        keep(self, check_bool, "relabel")
        keep(self, check_int, "n_actions", low=1, high=_MOST_ACTIONS)
        keep(self, check_int, "horizon", low=1, high=2**40)
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)
        _ = self.n, self.pairs, self.means, self.orders

    @cached_property
    def pairs(self) -> Edges:
        """``int64[E, 2]``: first and second player of each game."""
        return self.edges[self.edges[:, 0] < self.edges[:, 1]] if self._both_ways else self.edges

    @cached_property
    def means(self) -> NDArray[np.int32]:
        """``int32[1, A, A]`` or ``int32[E, A, A]``: mean payoffs of all games, or of each, in `UNIT`."""
        if not isinstance(self.payoffs, str):
            return _in_units("payoffs", self.payoffs)
        game = check_choice("payoffs", self.payoffs, self.games)
        if game == "random":
            a, count = self.n_actions, len(self.pairs)
            words = fixed_words(self.instance_seed, Purpose.WEIGHTS, 2 * count * a * a)
            u, v = (words.reshape(2, count, a, a).astype(np.float64) + 0.5) / 2.0**32
            normal = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
            drawn: NDArray[np.int32] = np.rint(normal / UNIT).astype(np.int32)
            return drawn
        if game == "penalty":
            return _in_units("payoffs", ((10, 0, self.penalty), (0, 2, 0), (self.penalty, 0, 10)))
        return _in_units("payoffs", CLIMBING)

    @cached_property
    def coins(self) -> NDArray[np.int32] | None:
        """``int32[A, A]``: what a fair coin adds to a mean payoff or takes away, in `UNIT`; None for nothing."""
        stochastic = is_word(self.payoffs, "stochastic-climbing")
        return _in_units("payoffs", COINS)[0] if stochastic else None

    @property
    def actions(self) -> int:
        """A."""
        return int(self.means.shape[1])

    @cached_property
    def orders(self) -> NDArray[np.uint8] | None:
        """``uint8[n, A]``: what is done where an agent chooses action a, under `relabel`; None without it."""
        return action_orders(self.n, self.actions, self.instance_seed) if self.relabel else None

    @cached_property
    def _both_ways(self) -> bool:
        if is_graph(self.topology):
            return not self.topology.is_directed()
        return not is_word(self.topology, "directed_ring")


def _in_units(name: str, given: Any) -> NDArray[np.int32]:
    try:
        table = np.array(given)
    except Exception:  # anything at all may have been given
        table = np.empty(0)
    if table.dtype.kind not in "iuf":
        table = np.empty(0)
    square = table.ndim == 2 and table.shape[0] == table.shape[1]
    if not square or not 1 <= len(table) <= _MOST_ACTIONS or not (abs(table) <= _LARGEST).all():
        raise ValueError(
            f"{name} must be {', '.join(map(repr, CoordinationGameProblem.games))} or a square table of at most "
            f"{_MOST_ACTIONS} actions and of numbers in [−{_LARGEST:g}, {_LARGEST:g}], got {shown(given)}"
        )
    return np.rint(table / UNIT).astype(np.int32)[None]


class CoordinationGameArguments(TypedDict, total=False):
    """The fields of `CoordinationGameProblem` as keywords, for type checkers."""

    n_agents: int | None
    topology: str | nx.Graph
    payoffs: Any
    n_actions: int
    penalty: float
    noise: float
    observe: str
    relabel: bool
    horizon: int
    instance_seed: int
    backend: str
