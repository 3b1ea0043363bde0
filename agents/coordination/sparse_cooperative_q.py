"""Sparse cooperative Q-learning (Kok & Vlassis 2006): a team's Q as a sum over the edges of a coordination graph.

    Q(s, a) = Σ_(i,j) Q_ij(s_i, s_j, a_i, a_j)       "edges"       or       Σ_i Q_i(s_i, a_i, a_Γ(i))       "agents"

In each step the team takes the joint action a* in which Q is largest, found by max-plus or by variable elimination
(`crl_envs.factored.CoordinationGraph`); each agent does something else with probability ε. What is learnt from own
rewards R_i, with the neighbours Γ(i) and a* in the next states s':

    "edges", update "edge"     Q_ij += α [ R_i/|Γ(i)| + R_j/|Γ(j)| + γ Q_ij(s', a*) − Q_ij ]                  (eq. 15)
    "edges", update "agent"    Q_ij += α Σ_{k ∈ {i,j}} [ R_k + γ Q_k(s', a*) − Q_k ] / |Γ(k)|,  Q_k = ½ Σ_j Q_kj
    "agents"                   Q_i  += α [ R_i + γ Q_i(s', a*) − Q_i ]                                        (eq. 9)

Details that matter:

1. Max-plus and elimination are central computations or many messages: `history` has their number an episode, what
   Dowling & Haridi (2008, §4.1) hold against the method.
2. "agents" has tables of A^(1+|Γ|) and eliminates functions of as many agents.
3. The joint action of a step is the a* of the update before it, so that there is one search a step.
4. An episode's end counts as the end of all rewards, also where it was the horizon: there Q_ij(s', a*) and Q_k(s', a*)
   are 0, and nothing is searched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import MOST_ENTRIES, Frame, Transition
from crl_envs.core.arguments import check_choice, check_int, check_real, check_seed, keep
from crl_envs.core.neighborhood import topology_edges
from crl_envs.core.topology import neighbors_of
from crl_envs.factored import CoordinationGraph
from crl_envs.factored.elimination import Plan, elimination_order


@dataclass(frozen=True)
class SparseCooperativeQConfig:
    """Hyperparameters of `SparseCooperativeQ`.

    Attributes:
        rate: α in (0, 1], 0.2 by default.
        discount: γ in [0, 1], 0.9 by default.
        exploration: ε in [0, 1], 0.2 by default: how often an agent does something at random.
        cooling: Factor of ε an episode in (0, 1], 1 by default.
        initial_q: First value of all entries, 0 by default. Above what can be earned, everything is tried.
        decomposition: ``"edges"`` (default) or ``"agents"``.
        update: ``"edge"`` (default) or ``"agent"``; for edges.
        solver: ``"max-plus"`` (default) or ``"elimination"``; agents have elimination only.
        iterations: Most rounds of max-plus a step ≥ 1, 10 by default.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    rate: float = 0.2
    discount: float = 0.9
    exploration: float = 0.2
    cooling: float = 1.0
    initial_q: float = 0.0
    decomposition: str = "edges"
    update: str = "edge"
    solver: str = "max-plus"
    iterations: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "discount", low=0.0, high=1.0)
        keep(self, check_real, "exploration", low=0.0, high=1.0)
        keep(self, check_real, "cooling", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "initial_q")
        keep(self, check_choice, "decomposition", ("edges", "agents"))
        keep(self, check_choice, "update", ("edge", "agent"))
        keep(self, check_choice, "solver", ("max-plus", "elimination"))
        keep(self, check_int, "iterations", low=1)
        keep(self, check_seed, "seed")
        if self.decomposition == "agents" and self.solver == "max-plus":
            object.__setattr__(self, "solver", "elimination")


_MOST_DEGREE: Final = 12  # of the agents' tables


class SparseCooperativeQ(Learner):
    """See the module for the update, `Learner` for the vocabulary, `SparseCooperativeQConfig` for the arguments.

        env = crl_envs.make("crl/coordination_game-v0", n_agents=10)
        SparseCooperativeQ(env, discount=0.0, seed=1).learn(total_episodes=400).history[-1]["global_return"]

    Args:
        env: A ParallelEnv or vector env with Discrete actions that are all legal, whose observations make a table, and
            whose ``unwrapped.topology`` has an edge at every agent.
        **config: Fields of `SparseCooperativeQConfig`.

    Attributes:
        pairs: ``int64[E, 2]``, the edges, i < j.
        q: ``float64[E, O, O, A, A, B]``, Q_ij; or ``float64[n, O, A^(1+d), B]``, Q_i, for the largest degree d, own
            action first and fastest.

    Raises:
        ValueError: As `Learner`; an agent without an edge, a table of more than 50 million entries. From `learn`:
            action masks, agents that leave.
    """

    config_class = SparseCooperativeQConfig
    config: SparseCooperativeQConfig
    learnt: ClassVar[tuple[str, ...]] = ("q",)
    evaluates_greedily = True

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n, o, a, b = view.check_table("observations")
        self.pairs = np.unique(np.sort(topology_edges(env, view.agents), axis=1), axis=0)
        near = neighbors_of(self.pairs, n)
        degree = near.degree
        if not degree.all():
            raise ValueError(
                f"env must have an edge at every agent, agent {degree.argmin()} has none"
            )
        by_edges = self.config.decomposition == "edges"
        most = int(degree.max())
        size = len(self.pairs) * o * o * a * a if by_edges else n * o * a ** min(1 + most, 64)
        if size * b > MOST_ENTRIES or (not by_edges and most > _MOST_DEGREE):
            raise ValueError(
                f"env needs a table of {size * b:.1e} entries for decomposition={self.config.decomposition!r}; at most "
                f"{MOST_ENTRIES} and a degree of {_MOST_DEGREE} are allowed"
            )
        shape = (len(self.pairs), o, o, a, a, b) if by_edges else (n, o, a ** (1 + most), b)
        self.q = np.full(shape, self.config.initial_q)
        self._column = np.arange(b)
        self._degree = degree[:, None]
        self._graph = CoordinationGraph(
            self.pairs, np.zeros((len(self.pairs), a, a)), np.zeros((n, a))
        )
        if by_edges:
            scopes = [(i, j) for i, j in self.pairs.tolist()]
            strides: list[tuple[int, ...]] = [(a, 1)] * len(scopes)
        else:
            others = np.split(near.indices, near.indptr[1:-1])
            scopes = [(i, *others[i].tolist()) for i in range(n)]
            strides = [tuple(a**k for k in range(len(scope))) for scope in scopes]
            self._members = np.concatenate(scopes)
            self._strides = np.concatenate(strides)[:, None]
            self._begins = np.cumsum([0, *map(len, scopes[:-1])])
        if self.config.solver == "elimination":
            entries = a * a if by_edges else a ** (1 + most)
            first = range(0, entries * len(scopes), entries)
            order = elimination_order(scopes, [a] * n)
            self._elimination = Plan(scopes, first, strides, [a] * n, order)
        self._planned: tuple[Frame, NDArray[np.int64]] | None = None
        self._messages = np.zeros(b)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the best joint action known, in which agents who explore do something else."""
        if frame.legal is not None:
            raise ValueError("env must have all actions legal at all times, got an action mask")
        kept = self._planned
        best = kept[1] if kept is not None and kept[0] is frame else self.plan(frame.rows)
        if words is None:
            return best
        limit = 2.0**32 * self.config.exploration * self.config.cooling**self.episodes
        explores = words < limit
        random = (np.where(explores, words, 0) / max(limit, 1.0) * self.view.n_actions).astype(int)
        return np.where(explores, random, best)

    def plan(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the joint actions ``[n, B]`` that are best in these rows of observations."""
        if self.config.decomposition == "agents":
            agents = np.arange(self.view.n_agents)[:, None]
            tables = self.q[agents, rows, :, self._columns(rows)]
        else:
            tables = self._pair(rows)
        columns = rows.shape[1]
        if self.config.solver == "elimination":
            values = np.moveaxis(tables, 1, -1).reshape(-1, columns)
            _, best = self._elimination.maximise(values)
            self._count(np.full(columns, 2 * self.view.n_agents))
            return best
        own = np.zeros((self.view.n_agents, self.view.n_actions, columns))
        graph = self._graph.paying(np.moveaxis(tables, 1, -1), own)
        found = graph.max_plus(self.config.iterations, tolerance=0.0)
        self._count(2 * len(self.pairs) * found.iterations)
        return found.actions

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move what was done towards what it gave and what can follow."""
        if frame.live is not None:
            raise ValueError("env must keep all agents to the end of the episode")
        after = transition.frame
        # Where all have ended nothing follows, whatever might be done.
        best = self.plan(after.rows) if self.view.n_running else actions.astype(np.int64)
        going = 1.0 if transition.ended is None else ~transition.ended
        value = self._of_edges if self.config.decomposition == "edges" else self._of_agents
        now, then = value(frame.rows, actions), value(after.rows, best)
        follows = self.config.discount * going * self.q[then]
        given = np.asarray(transition.rewards, np.float64)
        if self.config.decomposition == "agents":
            self.q[now] += self.config.rate * (given + follows - self.q[now])
        elif self.config.update == "edge":
            first, second = (given / self._degree)[self.pairs.T]
            self.q[now] += self.config.rate * (first + second + follows - self.q[now])
        else:
            error = given + (self._half_sums(follows) - self._half_sums(self.q[now]))
            first, second = (error / self._degree)[self.pairs.T]
            self.q[now] += self.config.rate * (first + second)
        self._planned = after, best

    def begin_episode(self) -> None:
        """Count from 0."""
        self._messages = np.zeros(self.view.num_envs)

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """Return actions of the present policy; see `Learner.act`. Its messages aren't the episode's."""
        kept = self._messages
        try:
            return super().act(observations, deterministic, action_masks=action_masks)
        finally:
            self._messages = kept

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return ``messages``: how many were sent for the joint actions of the episode."""
        return {"messages": self._messages}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from this table."""
        super().set_arrays(arrays)
        self._planned = None

    def _columns(self, rows: NDArray[np.integer]) -> Any:
        return (
            self._column if rows.shape[-1] == len(self._column) else np.zeros(rows.shape[-1], int)
        )

    def _pair(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return Q_ij in these rows: ``[E, B, A, A]``."""
        edge = np.arange(len(self.pairs))[:, None]
        first, second = rows[self.pairs.T]
        found: NDArray[np.float64] = self.q[edge, first, second, :, :, self._columns(rows)]
        return found

    def _of_edges(self, rows: NDArray[np.intp], actions: NDArray[np.integer]) -> tuple[Any, ...]:
        edge = np.arange(len(self.pairs))[:, None]
        (s, s2), (a, a2) = rows[self.pairs.T], actions[self.pairs.T]
        return edge, s, s2, a, a2, self._column

    def _of_agents(self, rows: NDArray[np.intp], actions: NDArray[np.integer]) -> tuple[Any, ...]:
        joint = np.add.reduceat(
            actions[self._members].astype(np.int64) * self._strides, self._begins, axis=0
        )
        return np.arange(len(rows))[:, None], rows, joint, self._column

    def _half_sums(self, of_edges: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros((self.view.n_agents, of_edges.shape[1]))
        for end in self.pairs.T:
            np.add.at(total, end, of_edges / 2)
        return total

    def _count(self, messages: NDArray[np.int64]) -> None:
        if messages.shape == self._messages.shape:
            self._messages = self._messages + messages
