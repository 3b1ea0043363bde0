"""Scalable actor-critic: an agent's critic sees κ hops, its actor sees itself (Qu, Wierman & Li 2020).

"Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked Systems" (L4DC 2020), Algorithm 1.
Where agents influence each other along the edges of a graph, an agent's later rewards depend on far agents
exponentially little in their distance. So its Q is learnt from the observations and actions of the agents within κ
hops, N_i, and a policy's gradient takes the critics of those alone whom the agent may influence so far:

    Q_i(z_t) += α [ r_it − r̄_i + γ Q_i(z_{t+1}) − Q_i(z_t) ]         z_t = (o_jt, a_jt) of all j ∈ N_i
    θ_i[o, a] += (η / T) Σ_t 1{o_it = o} (1{a_it = a} − p_it(a)) Σ_{j ∈ N_i} [ Q_j(z_t) − V_ji(z_t) ]
    V_ji(z_t) = Σ_a' p_it(a') Q_j(z_t with agent i doing a')
    p_it(a) ∝ exp θ_i[o_it, a]                                       over legal actions

κ = 0 is an independent actor-critic, which sees nothing of what its actions do to others.

Details that matter:

1. A table has (O A)^|N_i| entries: with four neighbours and two observations and actions 4, 1,024 and 67,108,864 for
   κ = 0, 1 and 2. ``critic="sum"`` takes Q_i(z) = Σ_{j ∈ N_i} q_ij(o_j, a_j) instead, whose terms all move by α / |N_i|
   of the error: linear in |N_i|, for any observations that make a table, but without what the actions of two agents do
   together.
2. V is ours (Foerster et al. 2018, "Counterfactual Multi-Agent Policy Gradients"): it doesn't depend on what agent i
   does, so that the gradient's expectation is the paper's, with much less noise. ``baseline="none"`` leaves it out.
3. The paper weighs step t by γ^t and divides by n. Neither is done here: rewards are added up over an episode of T
   steps, and 1/n is in η. The sum and not the mean over N_i makes all κ follow the same gradient, as far as each sees.
4. r̄_i is ours, too, a running mean of agent i's rewards, which the first episode begins and does nothing else. It takes
   the same from all of Q_i. Without it, entries that haven't been visited would look bad beside those that have, and
   steps near an episode's end beside earlier ones.
5. The gradient takes the critic as it is at the end of the episode, as in the paper. There critics begin at 0 for each
   gradient, and rates fall; here critics are kept and rates stay. After the last step, which the paper hasn't, Q is 0.
6. Where Numba is, tables are read and written by compiled loops, with the same result, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import MOST_ENTRIES, Episode, Frame, Transition
from crl_envs.core.arguments import check_choice, check_int, check_real, check_seed, keep
from crl_envs.core.backend import Compiled
from crl_envs.core.neighborhood import pairs_both_ways, topology_edges
from crl_envs.core.topology import neighbors_of

FloatArray = NDArray[np.float64]

_MEAN_RATE: Final = 0.1  # of r̄ an episode


@dataclass(frozen=True)
class ScalableActorCriticConfig:
    """Hyperparameters of `ScalableActorCritic`.

    Attributes:
        hops: κ ≥ 0, 1 by default: how far critics see. More see more of what an action does, and have more to learn.
        critic: ``"sum"`` (default): a table for each agent within κ hops, added up. ``"table"``: one with an entry for
            all their joint observations and actions, as in the paper, which takes long to fill.
        critic_rate: α in (0, 1], 0.1 by default.
        learning_rate: η > 0, 1.0 by default. Larger learns faster until policies get stuck at what came first.
        discount: γ in [0, 1], 0.9 by default: how far ahead the critics look.
        baseline: ``"counterfactual"`` (default) or ``"none"``.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    hops: int = 1
    critic: str = "sum"
    critic_rate: float = 0.1
    learning_rate: float = 1.0
    discount: float = 0.9
    baseline: str = "counterfactual"
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_int, "hops", low=0)
        keep(self, check_choice, "critic", ("table", "sum"))
        keep(self, check_real, "critic_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "learning_rate", low=0.0, open_low=True)
        keep(self, check_real, "discount", low=0.0, high=1.0)
        keep(self, check_choice, "baseline", ("counterfactual", "none"))
        keep(self, check_seed, "seed")


class Played(NamedTuple):
    """One step."""

    rows: NDArray[np.intp]  # [n, B]
    actions: NDArray[np.intp]  # [n, B]
    chances: FloatArray  # [n, A, B], p
    entries: NDArray[
        np.int64
    ]  # [n, B] of tables, [P, B] of sums with P terms: where the critics look
    rewards: FloatArray  # [n, B]


class Choices(NamedTuple):
    """Where a critic looks for what an agent could have done, for P pairs of a critic and an agent."""

    place: NDArray[np.int64]  # [P, B], entries of what was done
    weight: NDArray[np.int64]  # [P], how far entries of the agent's actions are apart
    owner: NDArray[np.intp]  # [P], the agent


class ScalableActorCritic(Learner):
    """See the module for the update, `Learner` for the vocabulary, `ScalableActorCriticConfig` for the arguments.

        ScalableActorCritic(env, hops=1, seed=1).learn(total_episodes=400).history[-1]["global_return"]

    Args:
        env: A ParallelEnv or vector env with Discrete actions, observations that make a table, and an
            ``unwrapped.topology``, whose agents stay to the end of the episode. It learns from own rewards.
        **config: Fields of `ScalableActorCriticConfig`.

    Attributes:
        logits: ``float64[n, O, A, B]``, θ.
        critic: ``float64[E, B]``, all tables one behind the other.
        mean_reward: ``float64[n, B]``, r̄.

    Raises:
        ValueError: As `Learner`; no topology; tables of more than 50 million entries. From `learn`: agents that leave.
    """

    config_class: ClassVar[type[Any]] = ScalableActorCriticConfig
    config: ScalableActorCriticConfig
    learnt = ("logits", "critic", "mean_reward")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, o, a, b = self.view.check_table("observations")
        pairs = within(pairs_both_ways(topology_edges(env, self.view.agents)), n, self.config.hops)
        self._owner, self._member = pairs.T  # j ∈ N_i, both ways alike
        size = np.bincount(self._owner, minlength=n)
        begins = np.cumsum(size) - size
        position = np.arange(len(pairs)) - begins[self._owner]
        if self.config.critic == "table":
            largest = int(size.max())
            if (o * a) ** largest * b > MOST_ENTRIES or (lengths := (o * a) ** size).sum() * b > (
                MOST_ENTRIES
            ):
                raise ValueError(
                    f"hops={self.config.hops} needs critics of ({o} observations × {a} actions)^{largest} entries "
                    f"for up to {largest} agents, {n} of them in {b} columns; at most {MOST_ENTRIES} are allowed: take "
                    "fewer hops, or critic='sum'"
                )
            self._weight = (o * a) ** position
            self._offset = (np.cumsum(lengths) - lengths)[self._owner] * (position == 0)
            entries = int(lengths.sum())
        else:
            entries = len(pairs) * o * a
            if entries * b > MOST_ENTRIES:
                raise ValueError(
                    f"hops={self.config.hops} needs {entries} entries in {b} columns; at most {MOST_ENTRIES} are "
                    "allowed: take fewer hops"
                )
            self._weight = np.ones(len(pairs), np.int64)
            self._offset = np.arange(len(pairs)) * (o * a)
        self._begins, self._size = begins, size
        # Where each pair (j, i) is, in the order of (i, j): j's critic with agent i in it.
        self._mirror = np.lexsort((self._owner, self._member))
        self._n_actions = a
        self.logits = np.zeros((n, o, a, b))
        self.critic = np.zeros((entries, b))
        self.mean_reward = np.zeros((n, b))
        self._agent, self._column = np.arange(n)[:, None], np.arange(b)
        self._played: list[Played] = []

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a draw of the policy; without words the most probable action."""
        if words is None:
            logits = self._look_up(frame)
            if frame.legal is not None:
                logits = np.where(frame.legal.transpose(0, 2, 1), logits, -np.inf)
            return np.asarray(logits.argmax(axis=1))
        ends = np.cumsum(self.chances(frame), axis=1)
        drawn = words[:, None] * 2.0**-32 * ends[:, -1:]
        return np.asarray((ends[:, :-1] <= drawn).sum(axis=1))

    def chances(self, frame: Frame) -> FloatArray:
        """Return p: ``float64[n, A, B]``."""
        logits = self._look_up(frame)
        if frame.legal is not None:
            logits = np.where(frame.legal.transpose(0, 2, 1), logits, -np.inf)
        weights = np.exp(np.ascontiguousarray(logits - logits.max(axis=1, keepdims=True)))
        total = weights[:, 0].copy()
        for k in range(1, self._n_actions):  # one by one: alike for any B
            total += weights[:, k]
        return np.asarray(weights / total[:, None])

    def begin_episode(self) -> None:
        """Forget what an interrupted episode may have left."""
        self._played = []

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note the step, and let the critics learn from the one before."""
        if frame.live is not None:
            raise ValueError("env must keep all agents in all columns to the end of the episode")
        acts = actions.astype(np.intp)
        entries, rewards = self.entries(frame.rows, acts), transition.rewards.astype(np.float64)
        step = Played(frame.rows, acts, self.chances(frame), entries, rewards)
        if self._played and self.episodes:
            self._learn(self._played[-1], self.config.discount * self.values(entries))
        self._played.append(step)

    def end_episode(self, episode: Episode) -> None:
        """Let the critics learn from the last step, and the actors from all."""
        played, self._played = self._played, []
        mean = episode.returns / episode.steps
        if self.episodes == 0:
            self.mean_reward = mean
            return
        self._learn(played[-1], np.zeros_like(played[-1].rewards))
        gradient = np.zeros_like(self.logits)
        for step in played:
            gain = self.gains(step)
            for k in range(self._n_actions):
                score = (step.actions == k) - step.chances[:, k]
                gradient[self._agent, step.rows, k, self._column] += score * gain
        self.logits += self.config.learning_rate / episode.steps * gradient
        self.mean_reward = self.mean_reward + _MEAN_RATE * (mean - self.mean_reward)

    def values(self, entries: NDArray[np.int64]) -> FloatArray:
        """Return Q_i(z): ``float64[n, B]``."""
        found = np.empty(entries.shape)
        _READ(self.critic, entries, found)
        return found if self.config.critic == "table" else self._sums(found)

    def gains(self, step: Played) -> FloatArray:
        """Return Σ_{j ∈ N_i} [ Q_j(z_t) − V_ji(z_t) ]: ``float64[n, B]``."""
        entries = step.entries
        if self.config.baseline == "none":
            return self._sums(self.values(entries)[self._member])
        # For pairs (j, i), in the order of (i, j): where j's critic has what i did, and how far apart actions are.
        by_owner = self.config.critic == "table"
        place = (entries[self._owner] if by_owner else entries)[self._mirror]
        choices = Choices(place, self._weight[self._mirror], self._owner)
        apart = np.empty(place.shape)
        _COMPARE(self.critic, choices, step.actions, step.chances, apart)
        return self._sums(apart)

    def _learn(self, step: Played, follows: FloatArray) -> None:
        """Move the critics of a step towards its rewards and what follows, ``float64[n, B]``."""
        error = step.rewards - self.mean_reward + follows - self.values(step.entries)
        move = self.config.critic_rate * error
        if self.config.critic == "sum":
            move = (move / self._size[:, None])[self._owner]
        _ADD(self.critic, step.entries, move)

    def entries(self, rows: NDArray[np.intp], actions: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return where the critics look in joint observations and actions ``[n, B]``: as in `Played`."""
        cells = (rows * self._n_actions + actions)[self._member]
        parts = self._offset[:, None] + self._weight[:, None] * cells
        if self.config.critic == "sum":
            return np.asarray(parts)
        return np.asarray(np.add.reduceat(parts, self._begins, axis=0))

    def _sums(self, values: FloatArray) -> FloatArray:
        """Return sums over neighbourhoods: ``float64[P, B]`` to ``float64[n, B]``, alike for any B."""
        return np.asarray(np.add.reduceat(values, self._begins, axis=0))

    def _look_up(self, frame: Frame) -> FloatArray:
        """Return θ of what the agents see: ``float64[n, A, B]``."""
        column = self._column if frame.rows.shape[1] == len(self._column) else 0
        found = self.logits[self._agent, frame.rows, :, column]
        return np.asarray(found.transpose(0, 2, 1))


def read_each(critic: FloatArray, entries: NDArray[np.int64], found: FloatArray) -> None:
    """Write what a table ``float64[E, B]`` has at entries ``int64[M, B]`` of its columns; compiled where Numba is."""
    for m in range(entries.shape[0]):
        for b in range(entries.shape[1]):
            found[m, b] = critic[entries[m, b], b]


def add_each(critic: FloatArray, entries: NDArray[np.int64], moves: FloatArray) -> None:
    """Add ``float64[M, B]`` to a table at entries, of which none is there twice; see `read_each`."""
    for m in range(entries.shape[0]):
        for b in range(entries.shape[1]):
            critic[entries[m, b], b] += moves[m, b]


def compare_each(
    critic: FloatArray,
    choices: Choices,
    actions: NDArray[np.intp],
    chances: FloatArray,
    apart: FloatArray,
) -> None:
    """Write by how much what was done is better than what the policy does on average; see `read_each`.

    Args:
        critic: ``float64[E, B]``.
        choices: Where to look.
        actions: ``intp[n, B]``.
        chances: ``float64[n, A, B]``.
        apart: ``float64[P, B]``, written.
    """
    place, weight, owner = choices
    for p in range(place.shape[0]):
        i = owner[p]
        for b in range(place.shape[1]):
            expected = 0.0
            first = place[p, b] - weight[p] * actions[i, b]
            for k in range(chances.shape[1]):
                expected += chances[i, k, b] * critic[first + weight[p] * k, b]
            apart[p, b] = critic[place[p, b], b] - expected


def _read_all(critic: FloatArray, entries: NDArray[np.int64], found: FloatArray) -> None:
    """Do what `read_each` does, in NumPy."""
    found[:] = critic[entries, np.arange(critic.shape[1])]


def _add_all(critic: FloatArray, entries: NDArray[np.int64], moves: FloatArray) -> None:
    """Do what `add_each` does, in NumPy."""
    critic[entries, np.arange(critic.shape[1])] += moves


def _compare_all(
    critic: FloatArray,
    choices: Choices,
    actions: NDArray[np.intp],
    chances: FloatArray,
    apart: FloatArray,
) -> None:
    """Do what `compare_each` does, in NumPy."""
    place, weight, owner = choices
    columns, expected = np.arange(critic.shape[1]), np.zeros(place.shape)
    first = place - weight[:, None] * actions[owner]
    for k in range(chances.shape[1]):
        expected += chances[owner, k] * critic[first + weight[:, None] * k, columns]
    apart[:] = critic[place, columns] - expected


_READ, _ADD, _COMPARE = (
    Compiled.loop(loop, seconds=0.7, plain=plain)
    for plain, loop in (
        (_read_all, read_each),
        (_add_all, add_each),
        (_compare_all, compare_each),
    )
)


def within(pairs: NDArray[np.int64], n: int, hops: int) -> NDArray[np.int64]:
    """Return the pairs (i, j) for which j is at most so many edges from i, i itself too: ``int64[P, 2]``, sorted.

    Args:
        pairs: ``int64[E, 2]``, edges.
        n: Number of agents.
        hops: κ.

    Raises:
        ValueError: More than 50 million pairs.
    """
    near = neighbors_of(pairs, n)
    reached = np.arange(n) * (n + 1)  # i n + j
    for _ in range(hops):
        owner, last = np.divmod(reached, n)
        degree = near.degree[last]
        total = int(degree.sum())
        if total > MOST_ENTRIES:
            raise ValueError(
                f"hops={hops} reaches {total} pairs of agents; at most {MOST_ENTRIES} are allowed"
            )
        first = np.repeat(near.indptr[last] - (np.cumsum(degree) - degree), degree)
        others = near.indices[first + np.arange(total)]
        further = np.unique(np.concatenate([reached, np.repeat(owner, degree) * n + others]))
        if further.size == reached.size:
            break
        reached = further
    return np.stack(np.divmod(reached, n), axis=1)
