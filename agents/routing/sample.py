"""Collaborative reinforcement learning on packets: routing in networks whose links lose, and come and go.

Dowling, Curran, Cunningham & Cahill (2005, the protocol SAMPLE), of which Dowling & Haridi (2008, §1) speak first; the
equations are those of `agents.delegation.crl`. Node i keeps, for each neighbour j, the share P of transmissions that
got through, and for each destination d the value V_j(d) ≤ 0 that j last advertised, minus the steps that a packet
takes from there, with its age td. A transmission costs a step, R = −1, whether it gets through or not. So

    Q_i(d, j) = −1 + P_ij Decay(V_j(d)) + (1 − P_ij) V°_i(d)      forwarding to j; V_j(j) = 0
    V°_i(d) = max_j −1/P_ij + Decay(V_j(d))                       of a packet at the head
    V_i(d) = V°_i(d) − queue_i/P_ij, j the best                   of one that comes; what i advertises
    Decay(V) = V ρ^td
    π_i(j | d) = exp(Q_i(d, j)/T) / Σ_k exp(Q_i(d, k)/T)          over the neighbours that there are

The maximum is what the sum over kept packets comes to: who fails goes on with the best.

Details that matter:

1. Advertisements travel with packets. Whoever forwards a packet for d says its own V_i(d) with it, and with
   ``hears="all"`` all neighbours hear that, as in a radio network; ``"sender"`` is the answer of the receiver to the
   sender alone, as in Q-routing, one message for each packet that got through.
2. A statistic is P ← P + α (1 or 0 − P), from 1 at first: a link is good until it has failed.
3. Values age only while a neighbour isn't heard of, and only of those that differ from the first.
4. Values are no lower than `min_value`, which is also what a neighbour is worth that has no neighbour itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.routing.packets import PacketLearner, drawn
from agents.view import Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_choice, check_real, check_seed, keep
from crl_envs.routing import Outcome

_LEAST: Final = 1e-3  # success


@dataclass(frozen=True)
class SampleConfig:
    """Settings of `Sample`.

    Attributes:
        temperature: T > 0, 0.3 steps. Higher explores more, and takes more detours.
        success_rate: α in (0, 1], 0.1. Higher sees sooner that a link has become bad, and takes bad luck for it.
        decay_rate: ρ − 1 ≥ 0, 0. Higher forgets sooner what a neighbour said; useful where links come and go.
        hears: ``"sender"`` (default): the receiver of a packet answers its sender. ``"all"``: neighbours hear what is
            advertised with each packet that a node transmits.
        initial_value: V of a neighbour that nothing has been heard of, 0. Lower tries others less.
        min_value: No value is lower, −10,000 steps.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    temperature: float = 0.3
    success_rate: float = 0.1
    decay_rate: float = 0.0
    hears: str = "sender"
    initial_value: float = 0.0
    min_value: float = -10_000.0
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "temperature", low=SMALLEST_REAL)
        keep(self, check_real, "success_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "decay_rate", low=0.0, high=10.0)
        keep(self, check_choice, "hears", ("sender", "all"))
        keep(self, check_real, "min_value", low=-1e9, high=0.0)
        keep(self, check_real, "initial_value", low=self.min_value, high=0.0)
        keep(self, check_seed, "seed")


class Sample(PacketLearner):
    """See the module for the rules, `Learner` for the vocabulary, `SampleConfig` for the arguments.

        Sample(env, seed=s).learn(total_episodes=1).history[-1]["mean_delay"]

    The history has ``advertisements``, the answers of the episode; what neighbours hear travels with packets and is
    none. Asked by `act` for deterministic actions, a node takes the first neighbour of the highest Q.

    Args:
        env: See `PacketLearner`.
        **config: Fields of `SampleConfig`.

    Attributes:
        success: ``float64[n, B, A]``, P.
        value: ``float64[n, B, D, A]``, V of each neighbour.
        heard: ``int64[n, B, D, A]``, the step at which it was advertised; −1 if never.
        now: Steps that have been learnt from.

    Raises:
        ValueError: As `PacketLearner`.
    """

    config_class = SampleConfig
    config: SampleConfig
    learnt = ("success", "value", "heard", "now")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, b, _, a = self.shape
        self.success = np.ones((n, b, a))
        self.value = np.full(self.shape, float(self.config.initial_value))
        self.value[:] *= self.behind[:, None, None] != np.arange(n)[:, None]  # V_j(j) = 0
        self.heard = np.full(self.shape, -1)
        self.now = 0
        self._sent = np.zeros(b, np.int64)

    def begin_episode(self) -> None:
        """Look at the queues."""
        super().begin_episode()
        self._sent = np.zeros(self.view.num_envs, np.int64)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Draw a neighbour by Boltzmann's rule; see `Learner.choose`."""
        goals = self.goals(frame)
        links = self.open_links(frame) & (goals < self.view.n_agents)[..., None]
        success = self._chances(goals.shape[1])
        ahead = self._decayed(goals)
        best = np.where(links, ahead - 1.0 / success, -np.inf).max(axis=2, keepdims=True)
        kept = np.maximum(best, self.config.min_value)
        q = np.where(links, -1.0 + success * ahead + (1.0 - success) * kept, -np.inf)
        most = q.max(axis=2, keepdims=True)
        apart = q - np.where(np.isfinite(most), most, 0.0)
        return drawn(np.exp(apart / self.config.temperature), words)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Count what got through, and take in what neighbours advertise."""
        self._heads, self.now = self.heads(), self.now + 1
        outcome, goals = self._heads.outcome, self.goals(frame)
        i, b = np.nonzero((outcome != Outcome.NONE) & (outcome != Outcome.EXPIRED))
        if not i.size:
            return
        a = actions[i, b]
        through = (outcome[i, b] != Outcome.LOST).astype(np.float64)
        self.success[i, b, a] += self.config.success_rate * (through - self.success[i, b, a])
        links = self.open_links(transition.frame)
        if self.config.hears == "all":
            said = self._worth(i, b, goals[i, b], links)
            for k in range(1, self.view.n_actions):  # whoever can forward to i hears it
                j, by = self.behind[i, k], self.back[i, k]
                there = (by > 0) & links[j, b if links.shape[1] > 1 else 0, by]
                self._hear(*(part[there] for part in (j, b, goals[i, b], by, said)))
            return
        forwarded = outcome[i, b] == Outcome.FORWARDED
        i, b, a = i[forwarded], b[forwarded], a[forwarded]
        d = goals[i, b]
        self._hear(i, b, d, a, self._worth(self.behind[i, a], b, d, links))
        self._sent += np.bincount(b, minlength=self._sent.size)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the answers of the episode."""
        return {"advertisements": self._sent.copy()}

    def _hear(self, i: Any, b: Any, d: Any, a: Any, said: NDArray[np.float64]) -> None:
        proper = self.behind[i, a] != d  # a destination is worth 0 whatever it says
        i, b, d, a, said = (part[proper] for part in (i, b, d, a, said))
        self.value[i, b, d, a] = said
        self.heard[i, b, d, a] = self.now

    def _worth(self, i: Any, b: Any, d: Any, links: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return V_i(d) of some nodes ``float64[M]``: of a packet that comes to the end of the queue."""
        open_now = links[i, b if links.shape[1] > 1 else 0]
        success = np.maximum(self.success[i, b], _LEAST)
        ahead = self._aged(self.value[i, b, d], self.heard[i, b, d])
        options = np.where(open_now, ahead - 1.0 / success, -np.inf)
        best = options.argmax(axis=1)
        rows = np.arange(len(best))
        waits = self._heads.queue[i, b] / success[rows, best]
        return np.asarray(np.maximum(options[rows, best] - waits, self.config.min_value))

    def _decayed(self, goals: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._aged(self.entries(self.value, goals), self.entries(self.heard, goals))

    def _aged(self, value: NDArray[np.float64], heard: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return Decay(V)."""
        if not self.config.decay_rate:
            return value
        age = np.where(heard < 0, 0, self.now - heard)
        grown = value * np.exp(np.minimum(age * math.log1p(self.config.decay_rate), 100.0))
        return np.maximum(grown, self.config.min_value)

    def _chances(self, columns: int) -> NDArray[np.float64]:
        success = np.maximum(self.success, _LEAST)
        return success if success.shape[1] == columns else np.repeat(success, columns, axis=1)
