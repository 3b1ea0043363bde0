"""Backpressure with shadow queues: packets go down the slope of queues, and the queues that count are imagined.

Tassiulas & Ephremides (1992) send, over each link, a packet for the destination with the largest difference of queue
lengths between the two ends, which keeps queues bounded under every load that any routing could carry. It needs a
queue for each destination at each node. Here nodes have one queue for all; so, as in Bui, Srikant & Stolyar (2009) and
Athanasopoulou et al. (2013), the queues for each destination are counters, *shadow queues*, on which backpressure runs,
and real packets are forwarded in the proportions in which shadow packets are. That packets take short ways where queues
are short is the distance in the slope (Neely, Modiano & Rohrs 2005, "enhanced"). With S_i(d) shadow packets for d at
node i, none where i is d, and h_i(d) links from i to d, in each step

    S_i(d) ← S_i(d) + 1 + ε                          a packet for d that entered at i has come to the head
    (y, d) = argmax S_i(d) − S_y(d) + V (h_i(d) − h_y(d))    over neighbours y, destinations d with S_i(d) ≥ 1;
    S_i(d) ← S_i(d) − 1,  S_y(d) ← S_y(d) + 1        where that is > 0
    σ_i(d, y) ← σ_i(d, y) + β (1 or 0 − σ_i(d, y))   1 for what has been forwarded

    π_i(y | d) ∝ max(0, σ_i(d, y) − σ_y(d, i))       over the neighbours that there are

Details that matter:

1. A node sends one packet a step, real or shadow, whatever the link: capacity is the nodes'.
2. ε > 0 gives the shadow queues a little more to carry than there is, so that their proportions suit a network in
   which real packets needn't wait.
3. V = 0 is backpressure as it was first: at low load there is no slope, and packets walk at random.
4. What comes back is taken off, since shadow packets go to and fro. Where no flow is left, and at first, packets take
   a shortest path.
5. Distances are those of the links that there are now, which all nodes know. Neighbours also have to know each other's
   counters: each step that a counter changes counts as one message to each neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.routing.packets import PacketLearner, drawn
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_real, check_seed, keep


@dataclass(frozen=True)
class BackpressureConfig:
    """Settings of `Backpressure`.

    Attributes:
        distance: V ≥ 0, 1: what a link counts in packets. Higher takes shorter ways at low load, and needs longer
            shadow queues, and so more time, to find ways round at high load.
        excess: ε ≥ 0, 0.05. Higher leaves real queues shorter, and saturates at a lower load.
        rate: β in (0, 1], 0.002. Higher follows changes sooner; proportions of few shadow packets are rough.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    distance: float = 1.0
    excess: float = 0.05
    rate: float = 0.002
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "distance", low=0.0, high=1e6)
        keep(self, check_real, "excess", low=0.0, high=10.0)
        keep(self, check_real, "rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_seed, "seed")


class Backpressure(PacketLearner):
    """See the module for the rule, `Learner` for the vocabulary, `BackpressureConfig` for the arguments.

        Backpressure(env, seed=s).learn(total_episodes=1).history[-1]["mean_delay"]

    The history has ``counter_messages``, by which neighbours learnt of changed counters. Counters and proportions are
    kept from one episode to the next. Asked by `act` for deterministic actions, a node takes the largest proportion.

    Args:
        env: See `PacketLearner`.
        **config: Fields of `BackpressureConfig`.

    Attributes:
        shadow: ``float64[n, B, D]``, shadow packets.
        flow: ``float64[n, B, D, A]``, proportions σ.

    Raises:
        ValueError: As `PacketLearner`.
    """

    config_class = BackpressureConfig
    config: BackpressureConfig
    learnt = ("shadow", "flow")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, b, d, a = self.shape
        self.shadow = np.zeros((n, b, d))
        self.flow = np.zeros((n, b, d, a))
        self._degree = self._exists.sum(axis=2)
        self._messages = np.zeros(b, np.int64)

    def begin_episode(self) -> None:
        """Look at the queues; the first heads are new."""
        super().begin_episode()
        self._messages = np.zeros(self.view.num_envs, np.int64)
        self._is_new = self._heads.queue > 0

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a neighbour with the probability of its proportion; see `Learner.choose`."""
        goals, links = self.goals(frame), self.open_links(frame)
        weight = np.where(links, self._net(goals), 0.0)
        weight = np.where(weight.any(axis=2, keepdims=True), weight, self.nearer(frame, goals))
        weight[goals == self.view.n_agents] = 0.0
        return drawn(weight, words)

    def _net(self, goals: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the flow to each neighbour less what comes back from it: ``[n, B, A]``, at least 0."""
        b = np.arange(goals.shape[1]) % self.flow.shape[1]
        goal = np.minimum(goals, self.view.n_agents - 1)[..., None]
        back = self.flow[self.behind[:, None], b[:, None], goal, self.back[:, None]]
        back = np.where(self.back[:, None] > 0, back, 0.0)
        return np.asarray(np.maximum(self.entries(self.flow, goals) - back, 0.0))

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Let shadow packets enter and go on."""
        goals = self.goals(frame)
        i, b = np.nonzero(self._is_new & (self._heads.sender < 0))
        self.shadow[i, b, goals[i, b]] += 1.0 + self.config.excess
        before, self._heads = self._heads, self.heads()
        self._is_new = self.new_heads(before)
        self._push(frame, (i, b))

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the messages about counters in the episode."""
        return {"counter_messages": self._messages.copy()}

    def _push(self, frame: Frame, entered: tuple[NDArray[Any], NDArray[Any]]) -> None:
        """Forward a shadow packet from every node that has a slope."""
        n, columns, d, a = self.shape
        links = np.broadcast_to(self.open_links(frame), (n, columns, a)).transpose(0, 2, 1)
        height = self.shadow + self.config.distance * np.minimum(self.hops(frame), n)
        slope = np.where(self.shadow >= 1, height, -np.inf)[:, None] - height[self.behind]
        slope[~links] = -np.inf  # [n, A, B, D]
        slope = slope.transpose(0, 2, 1, 3).reshape(n, columns, a * d)
        best = slope.argmax(axis=2)
        i, b = np.nonzero(np.take_along_axis(slope, best[..., None], axis=2)[..., 0] > 0)
        action, goal = np.divmod(best, d)
        action, goal = action[i, b], goal[i, b]
        y = self.behind[i, action]
        self.flow *= 1.0 - self.config.rate
        self.flow[i, b, goal, action] += self.config.rate
        self.shadow[i, b, goal] -= 1.0
        np.add.at(self.shadow, (y, b, goal), 1.0)
        self.shadow[np.arange(n), :, np.arange(n)] = 0.0
        changed = np.zeros((n, columns), np.bool_)
        changed[i, b] = changed[y, b] = changed[entered] = True
        self._messages += (changed * self._degree).sum(axis=0)
