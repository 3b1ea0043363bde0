"""Distributed value functions (Schneider, Wong, Moore & Riedmiller 1999): agents learn from their neighbours' values.

J. Schneider, W.-K. Wong, A. Moore and M. Riedmiller, "Distributed Value Functions", ICML 1999; Dowling & Haridi (2008,
§4.3). Agent i's value counts its own reward and, by weights f(i,j), the values of the agents around it:

    Q_i(s,a) ← (1 − α) Q_i(s,a) + α [ r + γ Σ_j f(i,j) V_j(s'_j) ],     V_j(s) = max_a Q_j(s,a)

Here agents hand problems to each other, and an agent without a problem has nothing to gain or to lose: its V is 0.
After agent i acted on its problem, that problem is with one agent at most, so that one term of the sum is left:

    solved:                         Q_i(s,a) ← (1 − α) Q_i(s,a) + α r
    kept (failed store, loss):      Q_i(s,a) ← (1 − α) Q_i(s,a) + α [ r + γ f(i,i) V_i(s'_i) ]
    delegated to neighbour j:       Q_i(s,a) ← (1 − α) Q_i(s,a) + α [ r + γ f(i,j) V̂_j ]            at least MinQ

V̂_j is the value of holding a problem that i last heard from j, and the first Q before it has heard. What other
problems the neighbours may hold doesn't count: i neither knows of them nor changes them by what it does.

After each update an agent sends its V to all whose delegations lead to it over the message bus
(`agents.delegation.bus`), one message to each. Values arrive after the updates of the step in which they are sent. In
Schneider et al. the exchange is free and always up to date; here it can be lost and late, and is counted.

With f = 1 a value is what a problem costs until it is solved (that is Q-routing, Boyan & Littman 1994). With
f = 1/|N(i)|, a mean over the neighbours, what is two delegations away counts by 1/81 on the paper's grid: agents are
all but blind beyond their neighbours. ``counts="neighborhood"`` is the rule read to the letter for agents that have
only the state of holding a problem: the sum is over all neighbours and oneself, whatever was done, until the
problem is solved. Then all delegations look alike.

Against `agents.CRL`: no model of rewards and transitions, values sent to all after every update instead of to the
delegator alone, and a learning rate where CRL takes the latest reward. How it does on the
paper's problem, and with how many messages: ``crl-envs reproduce crl-related``. Agents that have been emptied first
unlearn that all is full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.delegation.bus import (
    Counted,
    MessageBus,
    arrivals,
    check_bus,
    empty_box,
    empty_mail,
    measurements,
    post,
    put,
    send,
    take,
    withdraw,
)
from agents.delegation.infos import DELEGATED, SOLVED, Report
from agents.delegation.table import DelegationQ, QConfig
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_choice, check_real, is_word, keep
from crl_envs.core.stream import Purpose


@dataclass(frozen=True)
class DistributedValueFunctionsConfig(QConfig):
    """Hyperparameters of `DistributedValueFunctions`.

    Attributes:
        learning_rate: α in (0, 1], 0.5. Larger follows what fills up sooner, and a noisy world more nervously.
        temperature: T > 0, 0.9, as for `agents.CRL`. Higher explores more.
        discount: γ in [0, 1], 1: problems end.
        weight_self: f(i,i) ≥ 0, 1: what a problem that was kept will still cost counts in full.
        weight_neighbor: f(i,j) of each neighbour, ≥ 0, 1: what the receiver will still have to pay counts in full.
            ``"mean"``: 1/|N(i)|; an agent then hardly looks beyond its neighbours.
        counts: ``"receiver"`` (default): the value of whoever has the problem now. ``"neighborhood"``: those of i and
            all its neighbours as long as the problem isn't solved; for showing that delegations then look alike.
        bus: A `MessageBus`, over which the values go. Without loss or delay.
        states: ``"one"`` (default): an agent has one state, holding a problem. ``"observation"``: one for each row of
            its observation table; it tells the value of the one that it is in.
        initial_q: First Q of all actions, 0. That is the best there can be where rewards are costs, so that
            everything is tried; lower, and agents look less far around before they settle.
        min_q: MinQ ≤ 0, −200, as in Table 1: no value is lower. When all is full, all values end here.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions, the bus and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    weight_self: float = 1.0
    weight_neighbor: float | str = 1.0
    counts: str = "receiver"
    bus: MessageBus = field(default_factory=MessageBus)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_real, "weight_self", low=0.0)
        if not is_word(self.weight_neighbor, "mean"):
            keep(self, check_real, "weight_neighbor", low=0.0)
        keep(self, check_choice, "counts", ("receiver", "neighborhood"))
        keep(self, check_bus, "bus")


class DistributedValueFunctions(DelegationQ):
    """See the module for the rule, `Learner` for the vocabulary, `DistributedValueFunctionsConfig` for the arguments.

        DistributedValueFunctions(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    The history has, beside what every learner's has, ``advertisements_sent``, ``advertisements_lost`` and
    ``advertisements_delivered`` of the episode, as `agents.CRL`'s: the messages that carried values. Values and
    what has been heard are kept from one episode to the next.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on; see `agents.delegation.infos`.
        **config: Fields of `DistributedValueFunctionsConfig`.

    Attributes:
        table: ``float64[B, n, S, A]``, Q.
        heard: ``float64[B, n, A]``, V̂ of the neighbour behind each delegation.

    Raises:
        ValueError: As `agents.delegation.independent_q.IndependentQ`.
    """

    config_class = DistributedValueFunctionsConfig
    config: DistributedValueFunctionsConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        b, n, _, a = self.table.shape
        self.heard = np.full((b, n, a), self.first)
        self.now = np.zeros(b, np.int64)
        self._rules = self.config.bus.rules()
        # Link i·A + a leads to i, from whoever is behind its action a.
        self._mails = [empty_mail(self._rules, n * a) for _ in range(b)]
        self._listening: list[dict[int, list[int]]] = [{}] * b  # links from each agent
        self._counted = np.zeros((b, len(Counted)), np.int64)

    def begin_episode(self) -> None:
        """Read who is there; nothing has been sent in this episode yet."""
        super().begin_episode()
        for b in range(len(self._mails)):
            self._listen(b)
        self._counted = self._counts()

    def follows(self, b: int, i: int, a: int, dop: int, s2: int) -> float:
        """Return Σ_j f(i,j) V_j of the module; see `DelegationQ.follows`."""
        if dop == SOLVED:
            return 0.0
        if self.config.counts == "neighborhood":
            own = self.config.weight_self * self.best(b, i, s2)
            heard = self.heard[b, i, self._neighboring(b, i)].tolist()
            return own + self._weight(b, i) * math.fsum(heard)
        if dop == DELEGATED:
            return self._weight(b, i) * float(self.heard[b, i, a])
        return self.config.weight_self * self.best(b, i, s2)

    def learn_from(
        self,
        b: int,
        acted: list[int],
        frame: Frame,
        actions: list[int],
        transition: Transition,
        report: Report,
    ) -> None:
        """Update, then tell the new values, then listen."""
        super().learn_from(b, acted, frame, actions, transition, report)
        self.now[b] += 1
        mail, links = self._mails[b], self.heard[b].size
        for i in acted:
            if report.active[i] and i in self._listening[b]:
                value = self.best(b, i, int(transition.frame.rows[i, b]))
                for link in self._listening[b][i]:
                    post(mail, link, value)
        now, rules = int(self.now[b]), self._rules
        loss = self._words(b, Purpose.POST_LOSS, links if rules.loss else 0)
        delay = self._words(b, Purpose.POST_DELAY, links if rules.delay else 0)
        send(rules, mail, now, loss, delay)
        box = now % (rules.delay + 1)
        heard = self.heard[b].reshape(-1)
        for link in mail.boxes[1 + box, : arrivals(mail, box)].tolist():
            is_up = bool(report.active[link // self.heard.shape[2]])
            value = take(mail, box, link, is_up)
            if is_up:
                heard[link] = value
        empty_box(mail, box)

    def introduce(self, b: int, i: int, a: int) -> None:
        """Begin with the first value: nothing has been heard of the new one, and nothing of the last one counts."""
        self.heard[b, i, a] = self.first
        withdraw(self._mails[b], i * self.heard.shape[2] + a)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the messages of the episode by what became of them."""
        return measurements(self._counts() - self._counted)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return Q, who is who, what has been heard and what is under way."""
        carried = np.stack([mail.carried for mail in self._mails])
        return {
            **super().get_arrays(),
            "heard": self.heard,
            "now": self.now,
            "mail_under_way": ~np.isnan(carried),
            "mail_carried": np.nan_to_num(carried),
        }

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `get_arrays` gave."""
        super().set_arrays(arrays)
        self.heard, self.now = arrays["heard"], arrays["now"]
        for b, mail in enumerate(self._mails):
            for row, link in np.argwhere(arrays["mail_under_way"][b]).tolist():
                put(mail, row, link, float(arrays["mail_carried"][b, row, link]))

    def read_neighbors(self, b: int) -> bool:
        """Read as `DelegationTable`; who listens to whom changes with the neighbours."""
        changed = super().read_neighbors(b)
        if changed:
            self._listen(b)
        return changed

    def _listen(self, b: int) -> None:
        """Note which links lead from each agent."""
        links: dict[int, list[int]] = {}
        _, n, a = self.behind.shape
        for i in range(n):
            for k in self._neighboring(b, i).tolist():
                links.setdefault(int(self.behind[b, i, k]), []).append(i * a + k)
        self._listening[b] = links

    def _neighboring(self, b: int, i: int) -> NDArray[np.intp]:
        """Return the delegations that lead to somebody now."""
        return np.flatnonzero(self.offered[b, i] & (self.behind[b, i] >= 0))

    def _weight(self, b: int, i: int) -> float:
        """Return f(i,j) of all neighbours j of i."""
        weight = self.config.weight_neighbor
        return 1.0 / max(self._neighboring(b, i).size, 1) if weight == "mean" else float(weight)

    def _words(self, b: int, purpose: Purpose, lanes: int) -> NDArray[np.uint32]:
        return self._stream.words(purpose, lanes)[:, b] if lanes else np.zeros(0, np.uint32)

    def _counts(self) -> NDArray[np.int64]:
        return np.array([mail.counts[: len(Counted)] for mail in self._mails])
