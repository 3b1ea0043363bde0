"""AntNet: packets are ants, which tell the nodes on their way how long it took them.

Di Caro & Dorigo (1998), "AntNet: Distributed Stigmergetic Control for Communications Networks", §4; the ants of
Dowling & Haridi (2008, §4.5) on packets. Node k keeps for each destination d the probabilities P_k(d, y) of its
neighbours y, and of the times T that ants took from k to d a running mean μ, a variance σ² and the best W in a window.
An ant remembers when it came to each node. Once it is at d, it goes back, and at each node k on its way, which it left
by y, T after it had come there,

    μ ← μ + η (T − μ),   σ² ← σ² + η ((T − μ)² − σ²),   W ← min(W, T), or T where the window is over
    r = c₁ W/T + c₂ (I − W) / ((I − W) + (T − W)),       I = μ + z σ/√w,  z = 1/√(1 − γ),  w of the window's ants
    r ← min(r_max, s(r)/s(1)),   s(x) = 1 / (1 + exp(a / (x N)))     N neighbours
    P_k(d, y) ← P_k(d, y) + r (1 − P_k(d, y)),   P_k(d, z) ← P_k(d, z) − r P_k(d, z) for the others

    P_k(d, ·) ← max(P_k(d, ·), P_min), normalised

    π_k(y | d) ∝ P_k(d, y)^p                             over the neighbours that there are

Details that matter:

1. There are no ants but the packets, so that P is made better by those that are to be delivered; AntNet sends ants of
   its own besides, at regular intervals, which explore where packets don't go.
2. Where an ant comes again to a node on its way, the loop is taken out of its way.
3. Ants go back at once, in the step of their arrival; each link that they retrace is a message.
4. Which ant is whose: a node knows from whom the packet at the head of its queue came. Queues are first in, first out,
   so that packets from one neighbour come to the head in the order in which they were sent, and their memories wait in
   that order.
5. The first ant's time is the best, and r would be 1: all other neighbours would be given up for good, on the word of
   one ant. Hence r_max and P_min.
6. Only what an ant says of its own destination is used, and not of the nodes between.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.routing.packets import PacketLearner, drawn
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_int, check_probability, check_real, check_seed, keep
from crl_envs.routing import Outcome


@dataclass(frozen=True)
class AntNetConfig:
    """Settings of `AntNet`; the defaults but the last three are those of the paper's §4.

    Attributes:
        best_weight: c₁ in [0, 1], 0.7: of the best time; c₂ = 1 − c₁ of how sure that is.
        confidence: γ in [0, 1), 0.95. Higher takes times for good that are further above the mean.
        squash: a > 0, 10. Higher makes good times differ more from bad ones.
        rate: η in (0, 1], 0.005. Higher forgets times sooner.
        window: Ants whose best counts, 300 in the paper (5 · 0.3 / η). Lower follows changes sooner.
        most: r_max in (0, 1], 0.9. Higher lets one ant decide.
        least: P_min in [0, 0.5], 0.01. Higher explores more.
        power: p > 0, 1.2: of probabilities, for packets. Higher explores less.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    best_weight: float = 0.7
    confidence: float = 0.95
    squash: float = 10.0
    rate: float = 0.005
    window: int = 300
    most: float = 0.9
    least: float = 0.01
    power: float = 1.2
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_probability, "best_weight")
        keep(self, check_real, "confidence", low=0.0, high=0.999999)
        keep(self, check_real, "squash", low=0.0, high=1e6, open_low=True)
        keep(self, check_real, "rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_int, "window", low=1, high=10**9)
        keep(self, check_real, "most", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "least", low=0.0, high=0.5)
        keep(self, check_real, "power", low=0.0, high=100.0, open_low=True)
        keep(self, check_seed, "seed")


class Hop(NamedTuple):
    """A node on an ant's way."""

    node: int
    came: int  # the step at which the ant came into its queue
    action: int  # by which it left


Way = list[Hop]


class AntNet(PacketLearner):
    """See the module for the rules, `Learner` for the vocabulary, `AntNetConfig` for the arguments.

        AntNet(env, seed=s).learn(total_episodes=1).history[-1]["mean_delay"]

    The history has ``backward_ant_messages``, the links that ants retraced in the episode. Asked by `act` for
    deterministic actions, a node takes the first of the most probable neighbours.

    Args:
        env: See `PacketLearner`.
        **config: Fields of `AntNetConfig`.

    Attributes:
        p: ``float64[n, B, D, A]``, probabilities.
        times: ``float64[n, B, D, 4]``: μ, σ², W and the ants of the window.

    Raises:
        ValueError: As `PacketLearner`.
    """

    config_class = AntNetConfig
    config: AntNetConfig
    learnt = ("p", "times")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        exists = self._exists[:, None].astype(np.float64)
        self._degree = self._exists.sum(axis=(1, 2))
        self.p = np.broadcast_to(
            exists / np.maximum(exists.sum(axis=3, keepdims=True), 1), self.shape
        )
        self.p = self.p.copy()
        self.times = np.zeros((*self.shape[:3], 4))
        self._forget()

    def begin_episode(self) -> None:
        """Look at the queues; no ant is on its way."""
        super().begin_episode()
        self._forget()
        self._follow(self._heads.queue > 0)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Draw a neighbour by its pheromone; see `Learner.choose`."""
        goals = self.goals(frame)
        links = self.open_links(frame) & (goals < self.view.n_agents)[..., None]
        odds = np.where(links, self.entries(self.p, goals), 0.0)
        most = np.maximum(odds.max(axis=2, keepdims=True), 1e-300)
        return drawn((odds / most) ** self.config.power, words)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Let the ants go on, and those that have arrived go back."""
        before, self._heads = self._heads, self.heads()
        goals, outcome = self.goals(frame), self._heads.outcome
        self._now += 1
        for i, b in zip(*np.nonzero(outcome != Outcome.NONE), strict=True):
            if outcome[i, b] == Outcome.LOST:
                continue
            a, came = int(actions[i, b]), self._now - 1 - int(before.waited[i, b])
            way = visited(self._at_head.pop((i, b)), Hop(int(i), came, a))
            if outcome[i, b] == Outcome.FORWARDED:
                self._coming.setdefault((int(self.behind[i, a]), b, i), deque()).append(way)
            elif outcome[i, b] == Outcome.DELIVERED:
                self._retrace(b, int(goals[i, b]), way)
        self._follow(self.new_heads(before))

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the messages of the episode's backward ants."""
        return {"backward_ant_messages": self._messages.copy()}

    def _forget(self) -> None:
        self._now = 0
        self._messages = np.zeros(self.view.num_envs, np.int64)
        # Ways of the packets at the heads by (node, column); of those in the queues by (node, column, sender).
        self._at_head: dict[tuple[int, int], Way] = {}
        self._coming: dict[tuple[int, int, int], deque[Way]] = {}

    def _follow(self, new: NDArray[np.bool_]) -> None:
        """Give new heads their memories."""
        for i, b in zip(*np.nonzero(new), strict=True):
            sender = int(self._heads.sender[i, b])
            self._at_head[i, b] = [] if sender < 0 else self._coming[i, b, sender].popleft()

    def _retrace(self, b: int, d: int, way: Way) -> None:
        """Send an ant back from its destination."""
        self._messages[b] += len(way)
        for k, came, a in way:
            r = self._reinforcement(k, b, d, self._now - came)
            p = self.p[k, b, d]
            p *= 1.0 - r
            p[a] += r
            np.maximum(p, self.config.least, out=p, where=self._exists[k, 0])
            p /= p.sum()

    def _reinforcement(self, k: int, b: int, d: int, time: int) -> float:
        """Take in a time, and return r."""
        config = self.config
        mean, variance, best, ants = self.times[k, b, d].tolist()
        if ants == 0:
            mean, variance, best = float(time), 0.0, float(time)
        else:
            mean += config.rate * (time - mean)
            variance += config.rate * ((time - mean) ** 2 - variance)
            best = min(best, time) if ants % config.window else float(time)
        ants += 1
        self.times[k, b, d] = mean, variance, best, ants
        window = (ants - 1) % config.window + 1
        above = mean + math.sqrt(variance / window / (1.0 - config.confidence)) - best
        spread = above + time - best
        sure = above / spread if above > 0 and spread > 0 else float(time == best)
        r = config.best_weight * best / time + (1.0 - config.best_weight) * sure
        n = int(self._degree[k])
        squashed = _squashed(r, config.squash / n) / _squashed(1.0, config.squash / n)
        return min(squashed, config.most)


def _squashed(x: float, slope: float) -> float:
    """Return 1 / (1 + exp(slope / x)), for x in (0, 1]."""
    return 1.0 / (1.0 + math.exp(min(slope / max(x, 1e-9), 700.0)))


def visited(way: Way, hop: Hop) -> Way:
    """Return an ant's way after another hop, without the loop where it has been there before; `way` isn't changed."""
    for place, earlier in enumerate(way):
        if earlier.node == hop.node:
            return [*way[:place], Hop(hop.node, hop.came, hop.action)]
    return [*way, hop]
