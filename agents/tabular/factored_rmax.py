"""Factored R-max: explore by optimism, where uniformly random actions would take exponentially many trials.

Kearns & Koller (1999, "Efficient Reinforcement Learning in Factored MDPs", Bagnell & Ng's [6]) learn a factored MDP in
polynomial time by planning towards what isn't known yet; the form of it here is R-max's (Brafman & Tennenholtz 2002;
factored by Guestrin, Patrascu & Schuurmans 2002, "Algorithm-Directed Exploration for Model-Based Reinforcement Learning
in Factored MDPs"). An agent's configuration (its own state and its parents') and action are known once they have been
seen c times. The optimistic model M⁺ has one state more for each agent, heaven, never left:

    P⁺(s_i' | s_i, s_parents(i), a_i) = the frequencies where known, else heaven for sure,
                                        also where a parent is in heaven
    R⁺_i(s_i, a_i)                    = the mean own reward where (s_i, a_i) was seen c times, else R_max,
                                        which heaven pays, too
    π                                 = argmax_{π ∈ Π} U_M⁺(π), or what the planner finds of it

After each episode in which something became known the policy is planned anew, by coordinate ascent as in
`agents.tabular.model_based`, whose counts these are. A policy that doesn't come to anything new is the best in the
model of what is known; one that is better in M⁺ finds out. No random action is needed, and so no (ρ, ν)-exploration
policy as in Bagnell & Ng's Theorem 4.3: on SYSADMIN's ``dynamics="lock"``, where ν ρ^B is 4^−L, trials grow
polynomially in L.

Details that matter:

1. Before the first plan everything is unknown and every policy equally good: all take action 0.
2. It plans between episodes and not within them, so that an episode of T steps can be spent on what became known in it.
3. The planner finds a local optimum of the class Π, and exploring needs a class that can go where it has to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.tabular.model_based import TransitionCounts
from agents.view import Episode, Frame, Transition
from crl_envs.core.arguments import check_int, check_real, check_seed, keep
from crl_envs.core.neighborhood import topology_edges
from crl_envs.core.topology import sorted_edges
from crl_envs.factored import FactoredMDP, Scopes, TablePolicy, coordinate_ascent, find_policy_class


@dataclass(frozen=True)
class FactoredRMaxConfig:
    """Hyperparameters of `FactoredRMax`.

    Attributes:
        visits: How often a configuration and action must be seen to be known, c ≥ 1; 5 by default. More make what is
            known more reliable and exploring longer, in proportion.
        best_reward: R_max, 1.0 by default: no local reward may be higher, or exploring may stop too early.
        policy_class: Π, one of `crl_envs.factored.POLICY_CLASSES`; ``"parents"`` by default, which sees what the
            configurations are made of.
        planning_episodes: Simulated episodes by which coordinate ascent compares policies, 50 by default.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes and those that the planner
            simulates.

    Raises:
        ValueError: A value out of its range.
    """

    visits: int = 5
    best_reward: float = 1.0
    policy_class: str = "parents"
    planning_episodes: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_int, "visits", low=1)
        keep(self, check_real, "best_reward")
        find_policy_class(self.policy_class)
        keep(self, check_int, "planning_episodes", low=1)
        keep(self, check_seed, "seed")


class FactoredRMax(Learner):
    """See the module for the method, `Learner` for the vocabulary, `FactoredRMaxConfig` for the arguments.

        learner = FactoredRMax(env, seed=1).learn(total_episodes=60)
        learner.history[-1]["global_return"]

    Args:
        env: As `ModelBased` wants it.
        **config: Fields of `FactoredRMaxConfig`.

    Attributes:
        counts: What was seen, a `TransitionCounts`.

    Raises:
        ValueError: As `ModelBased`.
    """

    config_class: ClassVar[type[Any]] = FactoredRMaxConfig
    config: FactoredRMaxConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n, b = view.n_agents, view.num_envs
        assert view.encoder is not None
        if view.encoder.n_components != n:
            raise ValueError(
                "env must show each agent its own state and nothing else (observe='own'), got "
                f"{view.encoder.n_components} observed values for {n} agents"
            )
        edges = topology_edges(env, view.agents)
        edges = sorted_edges(edges[:, 0], edges[:, 1])
        self.counts = TransitionCounts(edges, n, view.n_rows, view.n_actions, b)
        self._horizon = 0  # 0: no episode yet
        self._class = find_policy_class(self.config.policy_class)
        self._seen = self._class.scopes(self.model(0))
        self._followed = np.zeros((self._seen.n_entries, b), np.uint8)
        self._known = np.zeros(b, np.int64)  # how many entries were known at the last plan

    def model(self, column: int = 0) -> FactoredMDP:
        """Return one column's optimistic model M⁺; the last state is heaven."""
        column = check_int("column", column, low=0, high=self.view.num_envs - 1)
        counts, config = self.counts, self.config
        s = self.view.n_rows
        seen = counts.transitions[..., column]
        totals = seen.sum(axis=-1)
        scopes = Scopes(s + 1, counts.scopes.others, self.view.n_actions * (s + 1), "transition")
        transition = np.zeros((scopes.n_entries, self.view.n_actions, s + 1))
        transition[..., s] = 1.0
        degrees = counts.scopes.others.degree
        for degree in np.unique(degrees):
            place = np.arange(1 + degree)
            digits = np.arange((s + 1) ** (1 + degree))[:, None] // (s + 1) ** place % (s + 1)
            real = np.flatnonzero((digits < s).all(axis=1))
            agents = np.flatnonzero(degrees == degree)[:, None]
            source = (counts.scopes.first[agents] + digits[real] @ s**place).ravel()
            known = totals[source] >= config.visits
            frequency = seen[source] / np.maximum(totals[source], 1)[..., None]
            target = (scopes.first[agents] + real).ravel()
            transition[target, :, :s] = np.where(known[..., None], frequency, 0.0)
            transition[target, :, s] = ~known
        visits = counts.visits[..., column]
        reward = np.full((len(visits), s + 1, self.view.n_actions), config.best_reward)
        mean = counts.rewards[..., column] / np.maximum(visits, 1)
        reward[:, :s] = np.where(visits >= config.visits, mean, config.best_reward)
        start = np.zeros((len(visits), s + 1))
        starts = counts.starts[..., column]
        start[:, :s] = starts / np.maximum(starts.sum(axis=1, keepdims=True), 1)
        start[starts.sum(axis=1) == 0, :s] = 1 / s
        return FactoredMDP(counts.edges, transition, reward, start, max(1, self._horizon))

    def plan(self, column: int = 0) -> TablePolicy:
        """Return what one column's agents do, a policy for M⁺."""
        column = check_int("column", column, low=0, high=self.view.num_envs - 1)
        return TablePolicy(self._class, self._seen, self._followed[:, column].copy())

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the plan's actions."""
        if frame.legal is not None:
            raise ValueError("env must have all actions legal at all times, got an action mask")
        entries = self._seen.entries(frame.rows.astype(np.uint8))
        columns = np.arange(self.view.num_envs) if self.view.num_envs > 1 else 0
        return np.asarray(self._followed[entries, columns])

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Count the step."""
        if frame.live is not None:
            raise ValueError("env must keep all agents in all columns to the end of the episode")
        if self.elapsed == 0:
            self.counts.start(frame.rows)
        self.counts.add(frame.rows, actions, transition.local, transition.frame.rows)

    def end_episode(self, episode: Episode) -> None:
        """Plan anew in the columns in which something became known."""
        self._horizon = episode.length(self._horizon)
        visits = self.config.visits
        known = (self.counts.transitions.sum(axis=2) >= visits).sum(axis=(0, 1))
        known += (self.counts.visits >= visits).sum(axis=(0, 1, 2))
        for b in np.flatnonzero(known > self._known):
            found = coordinate_ascent(
                self.model(int(b)),
                self._class,
                episodes=self.config.planning_episodes,
                seed=self.config.seed + int(b),
            )
            self._followed[:, b] = found.policy.table
        self._known = known

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the counts and the policies."""
        return {
            **self.counts.get_arrays(),
            "horizon": np.array(self._horizon),
            "followed": self._followed,
            "known": self._known,
        }

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these counts and policies."""
        if arrays["followed"].max(initial=0) >= self.view.n_actions:
            raise ValueError("followed has actions that aren't there")
        self.counts.set_arrays(arrays)
        self._horizon, self._followed = int(arrays["horizon"]), arrays["followed"]
        self._known = arrays["known"]
