"""Factored MDPs for tests: SYSADMIN's and random ones, and their values by plain enumeration."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from crl_envs.core.topology import directed_ring, graph_edges
from crl_envs.factored import FactoredMDP
from crl_envs.sysadmin import SysadminProblem

State = tuple[int, ...]


def sysadmin(**kwargs: Any) -> FactoredMDP:
    return SysadminProblem(**kwargs).factored_model()


def random_model(
    seed: int, n: int = 3, s: int = 2, a: int = 2, horizon: int = 3, edges: Any = None
) -> FactoredMDP:
    """Random tables, of which some entries are 0; on a directed ring unless `edges` are given."""
    rng = np.random.default_rng(seed)
    edges = directed_ring(n) if edges is None else edges
    degree = np.bincount(edges[:, 1], minlength=n)
    rows = int((s ** (1 + degree)).sum())
    return FactoredMDP(
        edges=edges,
        transition=distributions(rng, (rows, a, s)),
        reward=rng.normal(size=(n, s, a)),
        start=distributions(rng, (n, s)),
        horizon=horizon,
    )


def distributions(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    weights = rng.random(shape) * (rng.random(shape) < 0.7)
    weights[..., 0] += 0.1
    return weights / weights.sum(axis=-1, keepdims=True)


@st.composite
def models(draw: st.DrawFn, most_agents: int = 3) -> FactoredMDP:
    n = draw(st.integers(1, most_agents))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=4, unique=True)) if pairs else []
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(chosen)
    return random_model(
        draw(st.integers(0, 2**32 - 1)),
        n,
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 4)),
        graph_edges(graph),
    )


class Enumerated:
    """A model's values by recursion over joint states and actions; uses nothing but its tables."""

    def __init__(self, model: FactoredMDP) -> None:
        self.model = model
        self.n = model.n_agents
        self.parents = [sorted(int(j) for j, k in model.edges if k == i) for i in range(self.n)]
        sizes = [model.n_states ** (1 + len(p)) for p in self.parents]
        self.first = [sum(sizes[:i]) for i in range(self.n)]
        self.states = list(product(range(model.n_states), repeat=self.n))
        self.actions = list(product(range(model.n_actions), repeat=self.n))
        self.law = cache(self._law)

    def _law(self, state: State, actions: State) -> dict[State, float]:
        laws = []
        for i in range(self.n):
            seen = [state[i], *(state[j] for j in self.parents[i])]
            row = self.first[i] + sum(x * self.model.n_states**k for k, x in enumerate(seen))
            laws.append(self.model.transition[row, actions[i]].tolist())
        return {
            after: float(np.prod([law[x] for law, x in zip(laws, after, strict=True)]))
            for after in self.states
        }

    def reward(self, state: State, actions: State) -> float:
        return float(np.mean([self.model.reward[i, state[i], actions[i]] for i in range(self.n)]))

    def start(self, state: State) -> float:
        return float(np.prod([self.model.start[i, x] for i, x in enumerate(state)]))

    def best(self) -> float:
        return self._value(lambda state, step: self.actions)

    def utility(self, act: Callable[[State, int], State]) -> float:
        return self._value(lambda state, step: [act(state, step)])

    def _value(self, choices: Callable[[State, int], list[State]]) -> float:
        @cache
        def value(state: State, step: int) -> float:
            if step == self.model.horizon:
                return 0.0
            return max(
                self.reward(state, a)
                + sum(p * value(after, step + 1) for after, p in self.law(state, a).items() if p)
                for a in choices(state, step)
            )

        return sum(self.start(s) * value(s, 0) for s in self.states)
