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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.array_view import Frame, Transition
from agents.learner import Learner
from agents.rollout import Episode
from crl_envs.core.arguments import check_choice, check_real, check_seed
from crl_envs.core.stream import threshold

_CERTAIN: Final = np.uint64(2**32)
_MOST_ENTRIES: Final = 50_000_000
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
        check_choice("credit", self.credit, ("local", "global", "own"))
        check_real("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_choice("baseline", self.baseline, ("running", "none"))
        check_real("baseline_rate", self.baseline_rate, low=0.0, high=1.0, open_low=True)
        check_seed("seed", self.seed)


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

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n, o, b, a = view.n_agents, view.n_rows, view.num_envs, view.n_actions
        if n * o * b * a > _MOST_ENTRIES:
            raise ValueError(
                f"env needs a table of {n} agents × {o} observations × {a} actions × {b} columns; "
                f"at most {_MOST_ENTRIES} entries are allowed"
            )
        # Entry (i·O + o)·B + b of a table is agent i's, for observation o, in column b.
        self._logits = np.zeros((n * o * b, a - 1))  # float64[n·O·B, A−1]
        self._limits = cumulative_limits(self._logits)  # uint64[n·O·B, A−1]
        self._eligibility = np.zeros_like(self._logits)
        self._first_entry = np.arange(n)[:, None] * (o * b) + np.arange(b)  # intp[n, B], for o = 0
        self.baseline = np.zeros((n, b))
        self._visits: list[Visit] = []
        self._unread = 0  # visits noted and not yet added to the eligibility
        self._touched: NDArray[np.intp] | None = None  # entries with an eligibility
        self._closed: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]] | None = None
        self._last: tuple[Frame, NDArray[np.intp], NDArray[np.uint64]] | None = None

    @property
    def theta(self) -> NDArray[np.float64]:
        """The logits θ[i, o, a] of the actions after the first: a view ``float64[n, O, A−1, B]``."""
        view = self.view
        shape = (view.n_agents, view.n_rows, view.num_envs, view.n_actions - 1)
        return self._logits.reshape(shape).transpose(0, 1, 3, 2)

    def probabilities(self) -> NDArray[np.float64]:
        """The policy when all actions are legal, as it is executed: ``float64[n, O, A, B]``."""
        ends = np.zeros((len(self._limits), 1), np.uint64)
        share = np.diff(self._limits, axis=1, prepend=ends, append=ends + _CERTAIN) / float(
            _CERTAIN
        )
        view = self.view
        shape = (view.n_agents, view.n_rows, view.num_envs, view.n_actions)
        return share.reshape(shape).transpose(0, 1, 3, 2)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Action a when the word is in [limit a−1, limit a); without words the most probable one."""
        if words is None:
            logits = np.insert(self._logits[self._entries(frame)], 0, 0.0, axis=-1)
            if frame.legal is not None:
                logits = np.where(frame.legal, logits, -np.inf)
            return np.asarray(logits.argmax(axis=-1))
        _, limits = self._look_up(frame)
        above = words[..., None] >= limits
        if above.shape[-1] == 1:  # what the sum would say, sooner
            return above[..., 0].view(np.uint8)
        return np.asarray(above.sum(axis=-1, dtype=np.intp))

    def begin_episode(self) -> None:
        """Find out who the neighbours are; forget what an interrupted episode may have left."""
        if self._closed is None and self.config.credit == "local":
            self._closed = self._find_neighborhoods()
        self._visits, self._unread, self._last = [], 0, None
        if self._touched is not None:
            self._eligibility[self._touched] = 0.0
            self._touched = None

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note what each agent saw and did, and with which probabilities."""
        entries, limits = self._look_up(frame)
        if frame.live is not None:
            live = frame.live
            entries, actions, limits = entries[live], actions[live], limits[live]
        self._visits.append(Visit(entries, actions, limits))
        self._unread += entries.size
        if self._unread > _MOST_UNREAD:
            self._read_visits()

    def end_episode(self, episode: Episode) -> None:
        """Update the logits, then the baseline."""
        self._read_visits()
        config, credit = self.config, self._credit(episode)
        running = config.baseline == "running"
        if self.episodes == 0 and running:
            self.baseline = credit.copy()
        advantage = credit - self.baseline
        step = (config.learning_rate / episode.steps * advantage).ravel()
        if self._touched is not None:
            touched, self._touched = self._touched, None
            b = self.view.num_envs
            owner = touched // (self.view.n_rows * b) * b + touched % b  # i·B + b
            self._logits[touched] += self._eligibility[touched] * step[owner, None]
            self._limits[touched] = cumulative_limits(self._logits[touched])
            self._eligibility[touched] = 0.0
        if running:
            self.baseline = self.baseline + config.baseline_rate * advantage

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """θ and b."""
        return {"logits": self._logits, "baseline": self.baseline}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """θ and b."""
        self._logits, self.baseline = arrays["logits"], arrays["baseline"]
        self._limits = cumulative_limits(self._logits)

    def _credit(self, episode: Episode) -> NDArray[np.float64]:
        """G: ``float64[n, B]``."""
        if self.config.credit == "own":
            return episode.returns
        if self.config.credit == "global":
            return np.repeat(episode.team_return[None], self.view.n_agents, axis=0)
        assert self._closed is not None
        target, source, size = self._closed
        weights = episode.returns[source].ravel()
        sums = np.bincount(target, weights=weights, minlength=episode.returns.size)
        return sums.reshape(episode.returns.shape) / size

    def _find_neighborhoods(
        self,
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Closed neighbourhoods as pairs in one fixed order.

        Returns:
            For each pair and column, where to add in a flat ``[n, B]``: ``intp[E·B]``; whose return: ``intp[E]``;
            and the sizes of the neighbourhoods: ``float64[n, 1]``.
        """
        n, b = self.view.n_agents, self.view.num_envs
        alone = np.repeat(np.arange(n)[:, None], 2, axis=1)
        pairs = np.unique(np.concatenate([alone, self.view.neighbors()]), axis=0)
        target = (pairs[:, :1] * b + np.arange(b)).ravel()
        size = np.bincount(pairs[:, 0], minlength=n)[:, None].astype(np.float64)
        return target, pairs[:, 1], size

    def _look_up(self, frame: Frame) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        """Table entries ``[n, B]`` of what the agents see, and the limits ``[n, B, A−1]`` they act by."""
        if self._last is None or self._last[0] is not frame:
            entries = self._entries(frame)
            if frame.legal is None:
                limits = self._limits.take(entries, axis=0)
            else:
                m, a = entries.size, self.view.n_actions
                logits = self._logits[entries].reshape(m, a - 1)
                limits = cumulative_limits(logits, frame.legal.reshape(m, a))
                limits = limits.reshape(*entries.shape, a - 1)
            self._last = frame, entries, limits
        return self._last[1:]

    def _entries(self, frame: Frame) -> NDArray[np.intp]:
        return self._first_entry + frame.rows * self.view.num_envs

    def _read_visits(self) -> None:
        """Add what has been noted to the eligibility; exact, so that the order doesn't matter."""
        visits, self._visits, self._unread = self._visits, [], 0
        if not visits:
            return
        entries = np.concatenate([v.entries.ravel() for v in visits])
        actions = np.concatenate([v.actions.ravel() for v in visits])
        width = self._limits.shape[1]
        limits = np.concatenate([v.limits.reshape(v.entries.size, width) for v in visits])
        if entries.size < len(self._logits):
            touched, place = np.unique(entries, return_inverse=True)
        else:
            touched, place = np.arange(len(self._logits)), entries
        ends = np.full((entries.size, 1), _CERTAIN)
        chances = np.diff(limits, axis=1, append=ends).astype(
            np.float64
        )  # of actions 1 … A−1, × 2³²
        for k in range(width):
            scores = np.where(actions == k + 1, float(_CERTAIN), 0.0) - chances[:, k]
            sums = np.bincount(place, weights=scores, minlength=touched.size)
            self._eligibility[touched, k] += sums / float(_CERTAIN)
        if self._touched is not None:
            touched = np.union1d(self._touched, touched)
        self._touched = touched


class Visit(NamedTuple):
    """One step, as far as the eligibility needs it."""

    entries: NDArray[np.intp]  # [n, B] or [M], table entry of what the agent saw
    actions: NDArray[np.integer]  # [n, B] or [M]
    limits: NDArray[np.uint64]  # [n, B, A−1] or [M, A−1], by which it acted


def cumulative_limits(
    logits: NDArray[np.float64], legal: NDArray[np.bool_] | None = None
) -> NDArray[np.uint64]:
    """The softmax of logits as integer limits: action a when a 32-bit word is in [limit a−1, limit a).

    Args:
        logits: ``float64[M, A−1]``, those of the actions after the first, whose logit is 0.
        legal: ``bool[M, A]``, at least one True in each row; None: all.

    Returns:
        ``uint64[M, A−1]``: P(action ≤ a) · 2³², rounded, for a = 0 … A−2. An illegal action's interval is empty.
    """
    every = np.zeros((logits.shape[0], logits.shape[1] + 1))
    every[:, 1:] = logits
    if legal is not None:
        every[~legal] = -np.inf
    # exp of a contiguous array: NumPy may round the last bit otherwise for other strides.
    weights = np.exp(every - every.max(axis=1, keepdims=True))
    sums = np.cumsum(weights, axis=1)
    return threshold(sums[:, :-1] / sums[:, -1:])
