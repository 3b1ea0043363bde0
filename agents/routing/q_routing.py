"""Q-routing: every node learns how long packets take by each neighbour, from what that neighbour expects.

Boyan & Littman (1994). Q_x(d, y) is the time that node x expects a packet for d to take by its neighbour y, from when
it came into x's queue. x forwards to the y with the smallest. When it has sent a packet that waited q steps in x's
queue and took s = 1 step to send, y answers with its own estimate t = min_z Q_y(d, z), or 0 if y is d, and

    Q_x(d, y) ← Q_x(d, y) + η (q + s + t − Q_x(d, y))

Details that matter:

1. There is no exploration but what the estimates do: they begin at 0, so that all neighbours are tried, and they rise
   where queues are long. What has once become dear is not tried again while something else is cheaper.
2. All answers of a step are what the neighbours thought before it.
3. A packet that is lost stays, and waits longer; its time counts when it gets through. One that is dropped brings no
   answer.
4. Where links come and go, the smallest are those of the neighbours that there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.routing.packets import PacketLearner
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_real, check_seed, keep
from crl_envs.routing import Outcome


@dataclass(frozen=True)
class QRoutingConfig:
    """Settings of `QRouting`.

    Attributes:
        learning_rate: η in (0, 1], 0.5, as in the paper. Lower is later to see that queues have grown or gone.
        initial: First estimate, 0 steps. Higher than the truth makes nodes stay with the first neighbour that they try.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes; the rule draws nothing.

    Raises:
        ValueError: A value out of its range.
    """

    learning_rate: float = 0.5
    initial: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "learning_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "initial", low=0.0, high=1e6)
        keep(self, check_seed, "seed")


class QRouting(PacketLearner):
    """See the module for the rule, `Learner` for the vocabulary, `QRoutingConfig` for the arguments.

        QRouting(env, seed=s).learn(total_episodes=1).history[-1]["mean_delay"]

    The history has ``answers``, the estimates that were sent back in the episode.

    Args:
        env: See `PacketLearner`.
        **config: Fields of `QRoutingConfig`.

    Attributes:
        q: ``float64[n, B, D, A]``, steps.

    Raises:
        ValueError: As `PacketLearner`.
    """

    config_class = QRoutingConfig
    config: QRoutingConfig
    learnt = ("q",)

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.q = np.full(self.shape, float(self.config.initial))
        self._answers = np.zeros(self.view.num_envs, np.int64)

    def begin_episode(self) -> None:
        """Look at the queues."""
        super().begin_episode()
        self._answers = np.zeros(self.view.num_envs, np.int64)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the first neighbour with the smallest estimate; see `Learner.choose`."""
        goals = self.goals(frame)
        links = self.open_links(frame) & (goals < self.view.n_agents)[..., None]
        best = np.where(links, self.entries(self.q, goals), np.inf).argmin(axis=2)
        return np.asarray(best)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn from the neighbours' answers."""
        before, self._heads = self._heads, self.heads()
        delivered = self._heads.outcome == Outcome.DELIVERED
        i, b = np.nonzero(delivered | (self._heads.outcome == Outcome.FORWARDED))
        if not i.size:
            return
        a, d = actions[i, b], self.goals(frame)[i, b]
        y = self.behind[i, a]
        links = self.open_links(transition.frame)
        theirs = np.where(links[y, b if links.shape[1] > 1 else 0], self.q[y, b, d], np.inf)
        left = theirs.min(axis=1)
        left[delivered[i, b]] = 0.0
        known = np.isfinite(left)  # not of nodes that all have left
        i, b, d, a, left = (part[known] for part in (i, b, d, a, left))
        time = before.waited[i, b] + 1 + left
        self.q[i, b, d, a] += self.config.learning_rate * (time - self.q[i, b, d, a])
        self._answers += np.bincount(b, minlength=self._answers.size)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the answers of the episode."""
        return {"answers": self._answers.copy()}
