"""REINFORCE with a table for each agent, on local, global or own rewards (Bagnell & Ng 2005, §5, Figure 3).

The episodic policy gradient of Williams (1992, "Simple Statistical Gradient-Following Algorithms for
Connectionist Reinforcement Learning"), for several agents at once as in Peshkin, Kim, Meuleau & Kaelbling (2000,
"Learning to Cooperate via Policy Search"): every agent follows the gradient of its own parameters. Agent i has
logits θ[i, o, a] for its observations o and actions a, that of action 0 fixed at 0, all 0 at the start:

    p(a | o) = exp θ[i, o, a] / Σ_a' exp θ[i, o, a']        over the legal actions; with two actions σ(θ[i, o])
    e[i, o, a] = Σ_t 1{o_t = o} (1{a_t = a} − p_t(a))       eligibility of an episode of T steps
    θ[i, o, a] += (α / T) e[i, o, a] (G_i − b_i)
    b_i += β (G_i − b_i)                                     from b_i = G_i in the first episode

G_i is the episode's sum of rewards of whoever the credit is taken from:

    local     mean over i and the agents that share an edge with it; one that has left earns 0
    global    mean over the agents that take part in the step: R of Bagnell & Ng 2005, §2
    own       agent i alone

Details that matter:

1. Actions are drawn with 32-bit words: the policy that acts is p rounded to a multiple of 2⁻³². The eligibility
   uses these very probabilities, so it is the exact gradient of what is executed, and its sum is exact in
   float64, whatever the order. Where p rounds to 0 or 1, the action is certain.
2. The first episode only sets the baseline. Without a baseline nothing learns well.
3. α = 3 looks large. But e is of the order of √T, a step of the logit so of α (G − b) / √T, and G − b is small
   for a *mean* of rewards in [0, 1]. With `GlobalReward(env, reduce="sum")` divide α by n.
4. Sums over agents are folded (`crl_envs.core.team_reward`) and others go elementwise or edge by edge, so that a
   column doesn't notice which others are beside it.
5. p doesn't change during an episode: the eligibility follows from how often each action was taken at each entry. Only
   steps with illegal actions are added up one by one. Where Numba is, and observations have at most 64 rows, actions
   are chosen and counted, and logits moved, by `choose_each`, `count_each` and `climb_each`, and SYSADMIN's binary
   worlds play whole episodes, compiled (`crl_envs.sysadmin.SysadminWorld.play`), with the same result, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.learner import Callback, Learner
from agents.view import Episode, Frame, Transition, runs_compiled
from crl_envs.core import WorldVectorEnv
from crl_envs.core.arguments import check_choice, check_real, check_seed, keep
from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.neighborhood import Neighborhoods
from crl_envs.core.stream import threshold
from crl_envs.sysadmin import SysadminEnv, SysadminWorld

_CERTAIN: Final = np.uint64(2**32)
_FEW_ROWS: Final = 64  # a table of no more is gone through as a whole after each episode
_MOST_UNREAD: Final = 1_000_000  # visits kept until they are added to the eligibility


@dataclass(frozen=True)
class ReinforceConfig:
    """Hyperparameters of `Reinforce`.

    Attributes:
        credit: Whose rewards an agent learns from. ``"local"`` (default): its own and its neighbours', which takes
            about as many episodes for any number of agents. ``"global"``: everybody's, which takes about
            proportionally more with more agents. ``"own"``: its own alone, the least noise, but blind to what
            its actions do to others.
        learning_rate: α > 0, 3.0 by default, as in Figure 3. Larger learns faster until the policies get stuck
            at whatever the first episodes favoured; smaller is slower and ends nearer to the optimum.
        baseline: ``"running"`` (default): subtract a running mean of G, without which a positive reward
            reinforces whatever was done. ``"none"``: don't; for showing that it matters.
        baseline_rate: β in (0, 1], 0.1 by default: the baseline is a mean over about 1/β episodes. Larger
            follows a learning team sooner, with more noise; 1 compares with the last episode alone.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    credit: str = "local"
    learning_rate: float = 3.0
    baseline: str = "running"
    baseline_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "credit", ("local", "global", "own"))
        keep(self, check_real, "learning_rate", low=0.0, open_low=True)
        keep(self, check_choice, "baseline", ("running", "none"))
        keep(self, check_real, "baseline_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_seed, "seed")


class Reinforce(Learner):
    """See the module for the update, `Learner` for the vocabulary, `ReinforceConfig` for the arguments.

    Observations are Discrete, MultiDiscrete (every combination a row of the table) or small Boxes (every
    component cut at the middle of its bounds); actions are Discrete. Action masks in the infos are obeyed: an
    illegal action has probability exactly 0.

        Reinforce(env, credit="global", seed=1).learn(total_episodes=500).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `ReinforceConfig`.

    Attributes:
        baseline: ``float64[n, B]``, b.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries. From `learn`: ``credit="local"`` where
            neither ``infos[agent]["neighbors"]`` nor ``env.unwrapped.topology`` tells who the neighbours are.
    """

    config_class: ClassVar[type[Any]] = ReinforceConfig
    config: ReinforceConfig
    learnt = ("_logits", "baseline")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, o, a, b = self._table()
        self._n_rows, self._n_actions = o, a
        # Entry (i·O + o)·B + b of a table is agent i's, for observation o, in column b.
        self._logits = np.zeros((n * o * b, a - 1))  # float64[n·O·B, A−1]
        self._limits = cumulative_limits(self._logits)  # uint64[n·O·B, A−1]
        self._eligibility = np.zeros_like(self._logits)
        self._first_entry = np.arange(n)[:, None] * (o * b) + np.arange(b)  # intp[n, B], for o = 0
        self.baseline = np.zeros((n, b))
        self._visits: list[Visit] = []
        self._unread = 0  # visits noted and not yet added to the eligibility
        self._touched: list[NDArray[np.intp]] = []  # entries with an eligibility, in parts
        self._all_touched = False  # or any entry may have one
        self._compiled = o <= _FEW_ROWS and resolve_backend("auto") == "numba"
        if self._compiled:
            self._counts = np.zeros((n * o * b, a), np.uint32)  # visits with each action
        self._closed: Neighborhoods | None = None
        self._last: tuple[Frame, NDArray[np.intp], NDArray[np.uint64]] | None = None

    @property
    def theta(self) -> NDArray[np.float64]:
        """The logits θ[i, o, a] of the actions after the first: a view ``float64[n, O, A−1, B]``."""
        view = self.view
        shape = (view.n_agents, self._n_rows, view.num_envs, self._n_actions - 1)
        return self._logits.reshape(shape).transpose(0, 1, 3, 2)

    def probabilities(self) -> NDArray[np.float64]:
        """Return the policy when all actions are legal, as it is executed: ``float64[n, O, A, B]``."""
        ends = np.zeros((len(self._limits), 1), np.uint64)
        share = np.diff(self._limits, axis=1, prepend=ends, append=ends + _CERTAIN)
        share = share / float(_CERTAIN)
        view = self.view
        shape = (view.n_agents, self._n_rows, view.num_envs, self._n_actions)
        return share.reshape(shape).transpose(0, 1, 3, 2)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return action a when the word is in [limit a−1, limit a); without words the most probable one."""
        if words is None:
            logits = np.insert(self._logits[self._entries(frame)], 0, 0.0, axis=-1)
            if frame.legal is not None:
                logits = np.where(frame.legal, logits, -np.inf)
            return np.asarray(logits.argmax(axis=-1))
        if self._counts_visits(frame):
            kind: type[np.integer] = np.uint8 if self._n_actions <= 256 else np.intp
            actions = np.empty(words.size, kind)
            flat = self._flat_entries(frame)
            _CHOOSE(*flat, self._limits, words.ravel(), actions)
            return actions.reshape(words.shape)
        _, limits = self._look_up(frame)
        above = words[..., None] >= limits
        if above.shape[-1] == 1:  # what the sum would say, sooner
            return above[..., 0].view(np.uint8)
        return np.asarray(above.sum(axis=-1, dtype=np.intp))

    def begin_episode(self) -> None:
        """Find out who the neighbours are; forget what an interrupted episode may have left."""
        if self._closed is None and self.config.credit == "local":
            self._closed = Neighborhoods(self.view.neighbors(), self.view.n_agents)
        self._visits, self._unread, self._last = [], 0, None
        self._eligibility[self._take_touched()] = 0.0
        if self._compiled:
            self._counts[:] = 0

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note what each agent saw and did, and with which probabilities."""
        if self._counts_visits(frame):
            flat = self._flat_entries(frame)
            _COUNT(*flat, actions.ravel(), self._counts)
            return
        entries, found = self._look_up(frame)
        limits = None if frame.legal is None else found
        if frame.live is not None:
            live = frame.live
            entries, actions = entries[live], actions[live]
            limits = None if limits is None else limits[live]
        self._visits.append(Visit(entries, actions, limits))
        self._unread += entries.size
        if self._unread > _MOST_UNREAD:
            self._read_visits()

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """See `Learner.play`; SYSADMIN's worlds play whole episodes of tables compiled (`SysadminWorld.play`)."""
        world = self._player(frame)
        if world is None:
            super().play(frame, episode, step_callback, every)
        elif world.compiled.ready() is None:
            begun = perf_counter()
            super().play(frame, episode, step_callback, every)
            world.compiled.waited(perf_counter() - begun)
        else:
            seen = (self._counts, *episode.running_totals())

            def run(world: Any, state: Any, seeds: Any, clocks: Any, most: int) -> int:
                world.play(state, self._limits, seeds, clocks, most, seen)
                return most

            self.play_stretches(episode, step_callback, every, run)

    def end_episode(self, episode: Episode) -> None:
        """Update the logits, then the baseline."""
        self._read_visits()
        config, credit = self.config, self._credit(episode)
        running = config.baseline == "running"
        if self.episodes == 0 and running:
            self.baseline = credit.copy()
        advantage = credit - self.baseline
        self._climb(config.learning_rate / episode.steps * advantage)
        if running:
            self.baseline = self.baseline + config.baseline_rate * advantage

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from this θ and b."""
        super().set_arrays(arrays)
        self._limits = cumulative_limits(self._logits)

    def _table(self) -> tuple[int, int, int, int]:
        """Return the sizes of the table: agents, rows, actions and columns."""
        return self.view.check_table("observations")

    def _credit(self, episode: Episode) -> NDArray[np.float64]:
        """Return G: ``float64[n, B]``."""
        if self.config.credit == "own":
            return episode.returns
        if self.config.credit == "global":
            return np.repeat(episode.team_return[None], self.view.n_agents, axis=0)
        return self._local_mean(episode.returns)

    def _local_mean(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return means over closed neighbourhoods: ``float64[n, B]`` of the same."""
        assert self._closed is not None
        return self._closed.means(returns)

    def _counts_visits(self, frame: Frame) -> bool:
        """Return whether all agents act, by the table's limits, and compiled loops are there for it."""
        same = frame.rows.shape[1] == self.view.num_envs
        return self._compiled and same and frame.legal is None and frame.live is None

    def _player(self, frame: Frame) -> SysadminWorld | None:
        """Return the world if it can play by the table of limits, and nothing that it would go round is another's."""
        if not self._counts_visits(frame) or type(self).observe is not Reinforce.observe:
            return None
        if not runs_compiled(self, (SysadminEnv, WorldVectorEnv), SysadminWorld):
            return None
        world: SysadminWorld = self.view.env.world
        return world if world.can_play else None

    def _look_up(self, frame: Frame) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        """Return table entries ``[n, B]`` of what the agents see, and the limits ``[n, B, A−1]`` they act by."""
        if self._last is None or self._last[0] is not frame:
            entries = self._entries(frame)
            if frame.legal is None:
                limits = self._limits.take(entries, axis=0)
            else:
                m, a = entries.size, self._n_actions
                logits = self._logits[entries].reshape(m, a - 1)
                limits = cumulative_limits(logits, frame.legal.reshape(m, a))
                limits = limits.reshape(*entries.shape, a - 1)
            self._last = frame, entries, limits
        return self._last[1:]

    def _entries(self, frame: Frame) -> NDArray[np.intp]:
        return self._first_entry + frame.rows * self.view.num_envs

    def _flat_entries(self, frame: Frame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return two arrays ``intp[n·B]`` that add up to `_entries`."""
        b = self.view.num_envs
        further = frame.rows if b == 1 else frame.rows * b
        return self._first_entry.ravel(), further.ravel()

    def _climb(self, step: NDArray[np.float64]) -> None:
        """Move the logits along the eligibility by ``step[n, B]``, and forget the eligibility."""
        b = step.shape[1]
        touched = self._take_touched()
        if self._compiled:
            _CLIMB(self._counts, self._limits, self._eligibility, step, self._logits)
            if self._n_actions == 2:  # exp is NumPy's: another one may round otherwise
                _LIMIT(self._logits, _binary_weights(self._logits), self._limits)
            else:
                self._limits[:] = cumulative_limits(self._logits)
            return
        if isinstance(touched, slice):
            _move_all(self._eligibility, step, self._logits)
        else:
            owner = touched // (self._n_rows * b) * b + touched % b  # i·B + b
            self._logits[touched] += self._eligibility[touched] * step.ravel()[owner, None]
        self._limits[touched] = cumulative_limits(self._logits[touched])
        self._eligibility[touched] = 0.0

    def _take_touched(self) -> NDArray[np.intp] | slice:
        """Return the entries that may have an eligibility; from now on none."""
        parts, every = self._touched, self._all_touched
        self._touched, self._all_touched = [], False
        if every:
            return slice(None)
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.intp)

    def _read_visits(self) -> None:
        """Add what has been noted to the eligibility; exact, so that the order doesn't matter."""
        visits, self._visits, self._unread = self._visits, [], 0
        for same in (True, False):  # visits with the table's limits, and those with their own
            chosen = [visit for visit in visits if (visit.limits is None) == same]
            if chosen:
                self._read(chosen)

    def _read(self, visits: list[Visit]) -> None:
        """Add visits, all of one kind, to the eligibility of all entries, or of those that few visits touch."""
        entries = np.concatenate([visit.entries.ravel() for visit in visits])
        actions = np.concatenate([visit.actions.ravel() for visit in visits])
        touched: NDArray[np.intp] | slice = slice(None)
        places, size = entries, len(self._logits)
        if entries.size < size:
            touched, places = np.unique(entries, return_inverse=True)
            self._touched.append(touched)
            size = touched.size
        else:
            self._all_touched = True
        width = self._limits.shape[1]
        own = [v.limits.reshape(v.entries.size, width) for v in visits if v.limits is not None]
        if own:
            scores = sum_of_scores(places, actions, size, np.concatenate(own))
        else:
            a = self._n_actions
            counts = np.bincount(places * a + actions, minlength=size * a).reshape(size, a)
            scores = scores_of_counts(counts, self._limits[touched])
        self._eligibility[touched] += scores


class Visit(NamedTuple):
    """One step, as far as the eligibility needs it."""

    entries: NDArray[np.intp]  # [n, B] or [M], table entry of what the agent saw
    actions: NDArray[np.integer]  # [n, B] or [M]
    limits: NDArray[np.uint64] | None  # […, A−1], by which it acted; None: the table's


def scores_of_counts(
    counts: NDArray[np.integer], limits: NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Return Σ (1{a_t = a} − p(a)) over the visits of each entry, for the actions a after the first.

    Args:
        counts: ``[M, A]``, visits of each entry with each action.
        limits: ``uint64[M, A−1]``, by which agents act at each entry.

    Returns:
        ``float64[M, A−1]``, exact.
    """
    visits = sum(counts[:, a].astype(np.float64) for a in range(counts.shape[1]))
    expected = np.asarray(visits)[:, None] * _chances(limits)
    return np.asarray(counts[:, 1:] - expected / float(_CERTAIN))


def sum_of_scores(
    places: NDArray[np.intp], actions: NDArray[np.integer], size: int, limits: NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Return the same, exact too, where each visit has limits of its own.

    Args:
        places: ``intp[V]``, where each visit was, in [0, size).
        actions: ``[V]``, what was done there.
        size: Number of places M.
        limits: ``uint64[V, A−1]``, by which the agent acted.

    Returns:
        ``float64[M, A−1]``.
    """
    chances = _chances(limits)
    sums = np.empty((size, chances.shape[1]))
    for k in range(chances.shape[1]):
        scores = np.where(actions == k + 1, float(_CERTAIN), 0.0) - chances[:, k]
        sums[:, k] = np.bincount(places, weights=scores, minlength=size)
    return sums / float(_CERTAIN)


def choose_each(
    first: NDArray[np.intp],
    further: NDArray[np.intp],
    limits: NDArray[np.uint64],
    words: NDArray[np.uint32],
    actions: NDArray[np.integer],
) -> None:
    """Write how many of the limits of its entry each word reaches, in one pass over memory; compiled where Numba is.

    Args:
        first: ``intp[M]``, table entries of row 0.
        further: ``intp[M]``, what is to be added to them.
        limits: ``uint64[E, A−1]``, ascending.
        words: ``uint32[M]``.
        actions: ``[M]`` of any integer type, written.
    """
    for j in range(words.size):
        entry = np.uint64(first[j] + further[j])  # unsigned: it doesn't count from the end
        action = 0
        for k in range(limits.shape[1]):
            action += words[j] >= limits[entry, k]
        actions[j] = action


def count_each(
    first: NDArray[np.intp],
    further: NDArray[np.intp],
    actions: NDArray[np.integer],
    counts: NDArray[np.uint32],
) -> None:
    """Add one to ``counts[entry, action]`` (``uint32[E, A]``) for each of M entries and actions; see `choose_each`."""
    flat = counts.ravel()
    for j in range(actions.size):
        flat[np.uint64((first[j] + further[j]) * counts.shape[1] + actions[j])] += 1


def _choose_all(
    first: NDArray[np.intp],
    further: NDArray[np.intp],
    limits: NDArray[np.uint64],
    words: NDArray[np.uint32],
    actions: NDArray[np.integer],
) -> None:
    """Do what `choose_each` does, in NumPy."""
    above = words[:, None] >= limits.take(first + further, axis=0)
    actions[:] = above[:, 0] if above.shape[1] == 1 else above.sum(axis=1)


def _count_all(
    first: NDArray[np.intp],
    further: NDArray[np.intp],
    actions: NDArray[np.integer],
    counts: NDArray[np.uint32],
) -> None:
    """Do what `count_each` does, in NumPy, where no entry is there twice."""
    counts.ravel()[(first + further) * counts.shape[1] + actions] += 1


def climb_each(
    counts: NDArray[np.uint32],
    limits: NDArray[np.uint64],
    eligibility: NDArray[np.float64],
    step: NDArray[np.float64],
    logits: NDArray[np.float64],
) -> None:
    """Add the scores of counts to the eligibility, move logits along it, and leave zeros of both; see `choose_each`.

    Args:
        counts: ``uint32[n·O·B, A]``, visits of each entry with each action.
        limits: ``uint64[n·O·B, A−1]``, by which agents acted.
        eligibility: ``float64[n·O·B, A−1]``, of visits that aren't in the counts.
        step: ``float64[n, B]``, how far to move.
        logits: ``float64[n·O·B, A−1]``.
    """
    n, b = step.shape
    rows = len(logits) // (n * b)
    for i in range(n):
        for place in range(rows * b):
            entry, column = np.uint64(i * rows * b + place), np.uint64(place) % np.uint64(b)
            visits = 0.0
            for action in range(counts.shape[1]):
                visits += counts[entry, action]
            later = 0.0  # chances of the actions after this one, × 2³²
            for k in range(logits.shape[1] - 1, -1, -1):
                chance = 4294967296.0 - limits[entry, k]
                score = counts[entry, k + 1] - visits * (chance - later) / 4294967296.0
                logits[entry, k] += (eligibility[entry, k] + score) * step[i, column]
                eligibility[entry, k] = 0.0
                later = chance
                counts[entry, k + 1] = 0
            counts[entry, 0] = 0


def _climb_all(
    counts: NDArray[np.uint32],
    limits: NDArray[np.uint64],
    eligibility: NDArray[np.float64],
    step: NDArray[np.float64],
    logits: NDArray[np.float64],
) -> None:
    """Do what `climb_each` does, in NumPy."""
    eligibility += scores_of_counts(counts, limits)
    _move_all(eligibility, step, logits)
    counts[:] = eligibility[:] = 0


def _move_all(
    eligibility: NDArray[np.float64], step: NDArray[np.float64], logits: NDArray[np.float64]
) -> None:
    """Add to the logits their eligibility times ``step[n, B]``."""
    n, b = step.shape
    by_owner = n, len(logits) // (n * b), b, logits.shape[1]
    logits += (eligibility.reshape(by_owner) * step[:, None, :, None]).reshape(logits.shape)


def limit_each(
    logits: NDArray[np.float64], weights: NDArray[np.float64], limits: NDArray[np.uint64]
) -> None:
    """Write `cumulative_limits` of two actions, given ``exp(−|logits|)``, all ``[M, 1]``; see `choose_each`."""
    for j in range(len(logits)):
        weight = weights[j, 0]
        share = (weight if logits[j, 0] > 0 else 1.0) / (1.0 + weight)
        limits[j, 0] = np.uint64(np.rint(share * 4294967296.0))


def _limit_all(
    logits: NDArray[np.float64], weights: NDArray[np.float64], limits: NDArray[np.uint64]
) -> None:
    """Do what `limit_each` does, in NumPy."""
    limits[:] = threshold(np.where(logits > 0, weights, 1.0) / (1.0 + weights))


def _binary_weights(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.abs(logits)
    return np.exp(np.negative(weights, out=weights), out=weights)


_CHOOSE, _COUNT, _CLIMB, _LIMIT = (
    Compiled.loop(loop, seconds=0.7, plain=plain)
    for plain, loop in (
        (_choose_all, choose_each),
        (_count_all, count_each),
        (_climb_all, climb_each),
        (_limit_all, limit_each),
    )
)


def _chances(limits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return the probabilities of the actions after the first, × 2³²."""
    chances = float(_CERTAIN) - limits.astype(np.float64)  # of this action or a later one
    chances[:, :-1] -= chances[:, 1:]
    return chances


def cumulative_limits(
    logits: NDArray[np.float64], legal: NDArray[np.bool_] | None = None
) -> NDArray[np.uint64]:
    """Return the softmax of logits as integer limits: action a when a 32-bit word is in [limit a−1, limit a).

    Args:
        logits: ``float64[M, A−1]``, those of the actions after the first, whose logit is 0.
        legal: ``bool[M, A]``, at least one True in each row; None: all.

    Returns:
        ``uint64[M, A−1]``: P(action ≤ a) · 2³², rounded, for a = 0 … A−2. An illegal action's interval is empty.
    """
    # exp of a contiguous array: NumPy may round the last bit otherwise for other strides.
    if logits.shape[1] == 1 and legal is None:  # what is below, in fewer steps
        limits = np.empty(logits.shape, np.uint64)
        _limit_all(logits, _binary_weights(logits), limits)
        return limits
    every = np.zeros((logits.shape[0], logits.shape[1] + 1))
    every[:, 1:] = logits
    if legal is not None:
        every[~legal] = -np.inf
    weights = np.exp(every - every.max(axis=1, keepdims=True))
    sums = np.cumsum(weights, axis=1)
    return threshold(sums[:, :-1] / sums[:, -1:])
