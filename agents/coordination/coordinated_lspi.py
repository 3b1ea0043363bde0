"""Coordinated least-squares policy iteration: a team's Q as a sum over agents and edges, from the global reward alone.

C. Guestrin, M. Lagoudakis and R. Parr, "Coordinated Reinforcement Learning" (ICML 2002), §5: the least-squares policy
iteration of Lagoudakis & Parr (2001) with

    Q(o, a) = Σ_i w_i[o_i, a_i]  +  Σ_(i,j) w_ij[o_i, o_j, a_i, a_j]  =  φ(o, a) · w

From steps (o, a, R, o') of random actions, R the sum of all rewards, policy iteration repeats until w stays:

    w   = [ Σ φ(o, a) (φ(o, a) − γ φ(o', a'))ᵀ + λ I ]⁻¹ Σ φ(o, a) R                           (LSTDQ)
    a'  = argmax_a' φ(o', a') · w                          by the coordination graph, for all steps at once

At first a' is what was done next: the exploring policy is what is improved.

Details that matter:

1. The same steps serve all iterations; no more are played for them. F weights need F² numbers and F³ / 3 operations an
   iteration.
2. An episode's end counts as the end of all rewards, also where it was the horizon: such a step has no a'. Where the
   problem has no end, as the paper's, this takes rewards for small that are only late; ``episode_end="cut"`` lets the
   last step have an a', too.
3. Indicators of an edge contain those of its agents, and so all terms are known up to constants only; λ chooses.
4. LSTDQ of another policy than the one that played may be far from its Q, the more the nearer γ is to 1: iterations can
   lead to worse policies, and from one that never acts they don't come back. So the default γ looks only a few steps
   ahead.
5. R less its mean over all steps is what is learnt from: a constant changes no argmax.
6. `learn` explores, with uniform actions; the weights are found when they are asked for, as by `act` with
   ``deterministic=True``, and kept until the next episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner, global_reward
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_choice, check_int, check_real, check_seed, keep
from crl_envs.core.neighborhood import pairs_both_ways, topology_edges
from crl_envs.factored import CoordinationGraph

FloatArray = NDArray[np.float64]

_MOST_WEIGHTS: Final = 10_000  # F: 800 MB
_BLOCK: Final = 2**22  # numbers of φ at once


@dataclass(frozen=True)
class CoordinatedLSPIConfig:
    """Hyperparameters of `CoordinatedLSPI`.

    Attributes:
        basis: ``"pairs"`` (default), or ``"singles"``: the agents' terms alone, with which each does what is best on
            average over the others.
        discount: γ in [0, 1], 0.7 by default.
        ridge: λ > 0, 10 by default, in units of a step. Smaller fits noise where there are few steps.
        policy_iterations: Most iterations ≥ 1, 10 by default.
        episode_end: ``"end"`` (default) of all rewards, or ``"cut"``: the problem goes on, and was only cut into
            episodes. With γ near 1 it matters more.
        solver: ``"elimination"`` (default), exact, or ``"max-plus"``, for graphs that are too wide for it.
        reduce: What the environment gives every agent: the ``"mean"`` (default) of the local rewards, or their
            ``"sum"``, as `GlobalReward` has it. Where it gives local rewards, the learner takes their mean.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    basis: str = "pairs"
    discount: float = 0.7
    ridge: float = 10.0
    policy_iterations: int = 10
    episode_end: str = "end"
    solver: str = "elimination"
    reduce: str = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "basis", ("pairs", "singles"))
        keep(self, check_real, "discount", low=0.0, high=1.0)
        keep(self, check_real, "ridge", low=0.0, open_low=True)
        keep(self, check_int, "policy_iterations", low=1)
        keep(self, check_choice, "episode_end", ("end", "cut"))
        keep(self, check_choice, "solver", ("elimination", "max-plus"))
        keep(self, check_choice, "reduce", ("mean", "sum"))
        keep(self, check_seed, "seed")


class CoordinatedLSPI(Learner):
    """See the module for the method, `Learner` for the vocabulary, `CoordinatedLSPIConfig` for the arguments.

        learner = CoordinatedLSPI(GlobalReward(env), seed=1).learn(total_episodes=30)
        learner.act(observations, deterministic=True)

    Args:
        env: A ParallelEnv or vector env with Discrete actions that are all legal, whose observations make a table, with
            an ``unwrapped.topology``, and whose agents stay to the end of the episode.
        **config: Fields of `CoordinatedLSPIConfig`.

    Attributes:
        pairs: ``int64[E, 2]``, the edges, i < j; none with ``basis="singles"``.
        rows: ``int64[N, n, B]``, what was observed in N steps.
        actions: ``int64[N, n, B]``, what was done.
        next_rows: ``int64[N, n, B]``, what was observed then.
        totals: ``float64[N, B]``, R.
        goes_on: ``bool[N, B]``, whether the episode did.

    Raises:
        ValueError: As `Learner`; no topology; more than 10,000 weights. From `learn`: action masks, agents that leave,
            columns that end at different times. From `weights` and `act`: what elimination refuses.
    """

    config_class: ClassVar[type[Any]] = CoordinatedLSPIConfig
    config: CoordinatedLSPIConfig
    evaluates_greedily = True
    learnt = ("rows", "actions", "next_rows", "totals", "goes_on")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, o, a, _ = self.view.check_table("observations")
        edges = pairs_both_ways(topology_edges(env, self.view.agents))
        self.pairs = edges[edges[:, 0] < edges[:, 1]]
        if self.config.basis == "singles":
            self.pairs = self.pairs[:0]
        self.n_weights = (n + len(self.pairs) * o * a) * o * a
        if self.n_weights > _MOST_WEIGHTS:
            raise ValueError(
                f"env needs {self.n_weights} weights with basis={self.config.basis!r} ({n} agents, {len(self.pairs)} "
                f"edges, {o} observations, {a} actions); at most {_MOST_WEIGHTS} are allowed"
            )
        self._new: list[tuple[Any, ...]] = []
        self._room: dict[str, NDArray[Any]] = {}  # what `rows` and the others are views of
        self._found: tuple[int, dict[int, FloatArray]] = 0, {}
        self._set_room(0)

    def weights(self, column: int = 0) -> FloatArray:
        """Return w of a column: ``float64[F]``, the agents' terms and then the edges', zeros before any step.

        Raises:
            ValueError: There is no such column, or elimination refuses the graph.
        """
        column = check_int("column", column, low=0, high=self.view.num_envs - 1)
        if self._found[0] != self.episodes:
            self._found = self.episodes, {}
        kept = self._found[1]
        if column not in kept:
            kept[column] = self._iterate(column)
        return kept[column]

    def best(self, rows: NDArray[np.integer], weights: FloatArray) -> NDArray[np.int64]:
        """Return the joint actions ``[n, N]`` that are best by some weights in joint observations ``[n, N]``."""
        n, o, a = self.view.n_agents, self.view.n_rows, self.view.n_actions
        first = n * o * a
        own = weights[:first].reshape(n, o, a)[np.arange(n)[:, None], rows].transpose(0, 2, 1)
        tables = weights[first:].reshape(-1, o, o, a, a)
        one, two = rows[self.pairs.T]
        pair = tables[np.arange(len(self.pairs))[:, None], one, two].transpose(0, 2, 3, 1)
        if not len(self.pairs):
            return np.asarray(own.argmax(axis=1))
        graph = CoordinationGraph(self.pairs, pair, own)
        if self.config.solver == "elimination":
            return graph.eliminate().actions
        return graph.max_plus().actions

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return uniform actions; without words those that are best by the weights."""
        if frame.legal is not None:
            raise ValueError("env must have all actions legal at all times, got an action mask")
        if words is not None:
            return (
                words.astype(np.uint64) * np.uint64(self.view.n_actions) >> np.uint64(32)
            ).astype(np.int64)
        if self.view.num_envs == 1:
            return self.best(frame.rows, self.weights())
        columns = range(self.view.num_envs)
        return np.concatenate(
            [self.best(frame.rows[:, b : b + 1], self.weights(b)) for b in columns], 1
        )

    def begin_episode(self) -> None:
        """Forget what an interrupted episode may have left."""
        self._new = []

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note the step."""
        if frame.live is not None:
            raise ValueError("env must keep all agents in all columns to the end of the episode")
        total = np.asarray(global_reward(transition), np.float64)
        if self.config.reduce == "mean":
            total = total * self.view.n_agents
        ended = transition.ended
        goes_on = np.ones(total.shape, np.bool_) if ended is None else ~ended
        self._new.append((frame.rows, actions, transition.frame.rows, total, goes_on))

    def end_episode(self, episode: Any) -> None:
        """Keep the episode's steps."""
        new, self._new = self._new, []
        for name, parts in zip(self.learnt, zip(*new, strict=True), strict=True):
            present = getattr(self, name)
            before, after = len(present), len(present) + len(parts)
            room = self._room.get(name)
            if room is None or len(room) < after or present.base is not room:
                # For twice as many, so that not all is copied in each episode.
                room = np.empty((max(2 * before, after), *present.shape[1:]), present.dtype)
                room[:before], self._room[name] = present, room
            room[before:after] = parts
            setattr(self, name, room[:after])

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these steps."""
        super().set_arrays(arrays)
        self._found = 0, {}

    def _restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Restore as any learner, once there is room for the steps."""
        self._set_room(len(arrays["learnt_totals"]))
        super()._restore(meta, arrays)
        o, a = self.view.n_rows, self.view.n_actions
        for name, most in (("rows", o), ("next_rows", o), ("actions", a)):
            values = getattr(self, name)
            if values.size and not 0 <= values.min() <= values.max() < most:
                raise ValueError(f"{name} must be in [0, {most - 1}]")

    def _set_room(self, steps: int) -> None:
        """Have arrays for so many steps."""
        n, b = self.view.n_agents, self.view.num_envs
        self.rows, self.actions, self.next_rows = (
            np.zeros((steps, n, b), np.int64) for _ in range(3)
        )
        self.totals, self.goes_on = np.zeros((steps, b)), np.zeros((steps, b), np.bool_)

    def _iterate(self, column: int) -> FloatArray:
        """Return the weights to which policy iteration comes."""
        weights: FloatArray = np.zeros(self.n_weights)
        if not len(self.totals):
            return weights
        rows, actions, following = (
            table[:, :, column].T for table in (self.rows, self.actions, self.next_rows)
        )
        now, total = self._indicators(rows, actions), self.totals[:, column]
        total = total - total.mean()
        going = self.goes_on[:, column]
        if self.config.episode_end == "cut":
            going = np.ones_like(going)
        # On from the policy that explored: what it did next. After an episode's end, what it began the next one with,
        # which is as uniform; or the weight is 0.
        then = np.roll(actions, -1, axis=1)
        same = self._products(now, now, np.ones_like(going))
        right = np.bincount(now.ravel(), np.tile(total, len(now)), minlength=self.n_weights)
        same[np.diag_indices(self.n_weights)] += self.config.ridge
        for _ in range(self.config.policy_iterations):
            cross = self._products(now, self._indicators(following, then), going)
            weights = np.asarray(
                np.linalg.solve(same - self.config.discount * cross, right), np.float64
            )
            before, then = then, self.best(following, weights)
            if np.array_equal(then, before):
                break
        return weights

    def _products(
        self, now: NDArray[np.int64], then: NDArray[np.int64], going: NDArray[np.bool_]
    ) -> FloatArray:
        """Return Σ φ φ'ᵀ over the steps that go on, of indicators ``int64[K, N]``: ``float64[F, F]``, exact."""
        f = self.n_weights
        total = np.zeros((f, f))
        size = max(1, _BLOCK // f)
        for start in range(0, now.shape[1], size):
            part = slice(start, start + size)
            count = now[:, part].shape[1]
            left, right = np.zeros((2, count, f), np.float32)  # whole numbers below 2²⁴
            step = np.arange(count)
            left[step, now[:, part]] = 1.0
            right[step, then[:, part]] = going[part]
            total += left.T @ right
        return total

    def _indicators(
        self, rows: NDArray[np.integer], actions: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return which features are 1, one for each agent and each edge: ``int64[n + E, N]``."""
        n, o, a = self.view.n_agents, self.view.n_rows, self.view.n_actions
        own = (np.arange(n)[:, None] * o + rows) * a + actions
        (one, two), (first, second) = rows[self.pairs.T], actions[self.pairs.T]
        edge = np.arange(len(self.pairs))[:, None]
        pair = (((edge * o + one) * o + two) * a + first) * a + second
        return np.concatenate([own, n * o * a + pair])
