"""One rule on a graph as arrays: over an array namespace, and compiled."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm, Chance
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.form_world import FormWorld
from crl_envs.core.on_graph import executed
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.core.stream import Purpose, Stream
from crl_envs.core.topology import directed_ring
from crl_envs.local_rule.form import array_form
from crl_envs.local_rule.problem import LocalRuleProblem, RuleOnGraph

State = NDArray[np.uint8]


class LocalRuleWorld(KeepsOptimum, FormWorld[State]):
    """Agents on a graph that follow one rule; the state is ``uint8[n, B]``.

    Args:
        problem: What they follow and on which graph.

    Attributes:
        problem: The same.
        rule: Its rule.
        title: What it is called in pictures.
    """

    name = "local_rule"
    finder = "crl_envs.local_rule.optimum:find_optimum"
    _compiled = Compiled.at("crl_envs.local_rule.numba_kernel:step", seconds=4.5)
    _axes = ((),)
    horizon: int
    problem: RuleOnGraph

    def __init__(self, problem: RuleOnGraph) -> None:
        self.problem, self.rule = problem, problem.rule
        self.name, self.title = problem.kind, problem.title  # type: ignore[misc]
        self.n_agents, self.horizon = problem.n, problem.horizon
        self.backend = resolve_backend(problem.backend)
        self.single_action_space = spaces.Discrete(self.rule.n_actions)
        self.single_observation_space = problem.observation_space(self.rule.n_states)
        self._kernel = self._kernel_arguments()
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """Every agent's state."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(np.full(self.n_agents, self.rule.n_states), dtype=dtype)

    def executed(self, action: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return what is done when the agents choose `action` ``[n, B]``: differs under `relabel`."""
        done: NDArray[np.integer] = executed(np, action, self.problem.orders)
        return done

    def _run(
        self, kernel: Any, state: State, action: NDArray[np.integer], stream: Stream
    ) -> tuple[State, NDArray[np.float32]]:
        next_state, reward = np.empty_like(state), np.empty(state.shape, np.float32)
        done = np.ascontiguousarray(self.executed(action), np.uint8)
        kernel(state, done, stream.keys(Purpose.TRANSITION), *self._kernel, next_state, reward)
        return next_state, reward

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)

    def _kernel_arguments(self) -> tuple[Any, ...]:
        rows, parents = self.problem.rows, self.problem.parents
        chance = Chance.of(rows.chances)
        ring = self.n_agents > 1 and np.array_equal(self.edges, directed_ring(self.n_agents))
        graph = parents.indptr, parents.indices, rows.offsets
        tables = chance.last, chance.some.astype(np.uint8), rows.reward
        return ring, self.rule.signal, graph, tables


def make_world(*args: Any, **arguments: Any) -> LocalRuleWorld:
    """Return the world of a `LocalRuleProblem`'s fields."""
    return LocalRuleWorld(LocalRuleProblem(*args, **arguments))
