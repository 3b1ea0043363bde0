"""SYSADMIN a second time: probabilities from the papers' tables, models and values by plain enumeration.

Nothing here is imported from the package, except by the tests that compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

import networkx as nx

State = tuple[int, ...]
Law = dict[int, float]  # of one machine's next state

BINARY = ("ring", "ring-bidirectional", "ippc2011")
DYNAMICS = (*BINARY, "lock", "status-load")

# Guestrin, Koller, Parr & Venkataraman (2003), P(up next | own, parent).
RING_TABLE = {(1, 1): 0.95, (1, 0): 0.475, (0, 1): 0.0475, (0, 0): 0.0238}


def p_up(dynamics: str, own: int, parents: State) -> float:
    """P(up next) of a machine that isn't rebooted, given its own state and its parents'."""
    down = parents.count(0)
    match dynamics:
        case "ring" if len(parents) == 1:
            return RING_TABLE[own, parents[0]]
        case "ring" if own == 0 and down == 1:
            return 0.0238
        case "ring" | "ring-bidirectional":
            return (0.95 if own else 0.05 * 0.95) * 0.5**down
        case "ippc2011":
            # domain.rddl of IPPC 2011: running'(?x) = if (running(?x)) then Bernoulli(.45 + .5*[1 + sum_{?y} (
            # CONNECTED(?y,?x) ^ running(?y))] / [1 + sum_{?y} CONNECTED(?y,?x)]) else Bernoulli(REBOOT-PROB)
            running, connected, reboot_prob = sum(parents), len(parents), 0.1
            return 0.45 + 0.5 * (1 + running) / (1 + connected) if own else reboot_prob
        case "lock":
            return 1 - 2**-32 if any(parents) else 0.0
    raise AssertionError(dynamics)


def machine_law(dynamics: str, own: int, parents: State, reboot: int) -> Law:
    """The next state of one machine."""
    if dynamics != "status-load":
        p = 1.0 if reboot else p_up(dynamics, own, parents)
        return {1: p, 0: 1 - p}
    if reboot:
        return {0: 1.0}
    status, load = divmod(own, 3)
    n = max(len(parents), 1)
    not_good, dead = sum(s >= 3 for s in parents) / n, sum(s >= 6 for s in parents) / n
    worse = {0: 0.4 + 0.2 * not_good, 1: 0.1 + 0.5 * dead, 2: 0.0}[status]
    if status == 2 or load == 2:
        loads = {0: 1.0}
    else:
        onward = 0.6 if load == 0 else {0: 0.9, 1: 0.6}[status]
        loads = {load + 1: onward, load: 1 - onward}
    return {
        3 * s + now: p * q
        for s, p in ((status + 1, worse), (status, 1 - worse))
        for now, q in loads.items()
        if p > 0
    }


def pay(dynamics: str, own: int, reboot: int) -> float:
    """One machine's local reward."""
    match dynamics:
        case "status-load":
            return float(own % 3 == 2)
        case "ippc2011":
            return own - 0.75 * reboot
        case "lock":
            return float(own == 0)
    return float(own == 1 and reboot == 0)


class Problem(NamedTuple):
    """A small SYSADMIN with its joint states enumerated."""

    dynamics: str
    graph: nx.DiGraph  # on 0 … n − 1; an edge is an influence
    start_up: float = 0.5

    @property
    def n(self) -> int:
        return self.graph.number_of_nodes()

    def parents(self, i: int) -> list[int]:
        return sorted(self.graph.predecessors(i))

    def states(self) -> Iterator[State]:
        return product(range(9 if self.dynamics == "status-load" else 2), repeat=self.n)

    def actions(self) -> Iterator[State]:
        return product((0, 1), repeat=self.n)

    def start(self) -> dict[State, float]:
        """The law of the first state."""
        up, down = (0, 3) if self.dynamics == "status-load" else (1, 0)
        law = {}
        for state in product((up, down), repeat=self.n):
            ups = state.count(up)
            law[state] = self.start_up**ups * (1 - self.start_up) ** (self.n - ups)
        return law

    def next_law(self, state: State, reboots: State) -> dict[State, float]:
        """The law of the next joint state."""
        laws = [
            machine_law(
                self.dynamics, state[i], tuple(state[j] for j in self.parents(i)), reboots[i]
            )
            for i in range(self.n)
        ]
        law = {}
        for outcome in product(*(machine.items() for machine in laws)):
            p = 1.0
            for _, q in outcome:
                p *= q
            law[tuple(s for s, _ in outcome)] = p
        return law

    def income(self, state: State, reboots: State) -> list[float]:
        return [pay(self.dynamics, s, a) for s, a in zip(state, reboots, strict=True)]

    def best_value(self, horizon: int) -> float:
        """Expectimax over all joint policies: mean over machines, summed over the horizon."""
        return self._value(horizon, lambda state: list(self.actions()))

    def policy_value(self, policy: Callable[[State], State], horizon: int) -> float:
        """The same for one policy."""
        return self._value(horizon, lambda state: [policy(state)])

    def _value(self, horizon: int, choices: Callable[[State], list[State]]) -> float:
        next_law = cache(self.next_law)

        @cache
        def value(state: State, left: int) -> float:
            if left == 0:
                return 0.0
            return max(
                sum(self.income(state, reboots))
                + sum(p * value(after, left - 1) for after, p in next_law(state, reboots).items())
                for reboots in choices(state)
            )

        return sum(p * value(state, horizon) for state, p in self.start().items() if p) / self.n


def reboot_when_down(state: State) -> State:
    return tuple(1 - s for s in state)


def directed_cycle(n: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((i, (i + 1) % n) for i in range(n) if n > 1)
    return graph


def both_ways(graph: nx.Graph) -> nx.DiGraph:
    return nx.DiGraph(graph)
