"""Ant colony optimisation: problems are ants, and what they leave behind leads those that come after them.

Dowling & Haridi (2008, §4.5); M. Dorigo and T. Stützle, "Ant Colony Optimization", 2004; for routing G. Di Caro and
M. Dorigo, "AntNet: Distributed Stigmergetic Control for Communications Networks", JAIR 9, 1998. Agent i keeps
pheromone τ_i(a) ∈ [τ_min, 1] for its local, delegation and discovery actions. A problem that travels is a *forward
ant*: the agent that holds it chooses

    π_i(a) = τ_i(a)^p / Σ_b τ_i(b)^p                                over the legal actions

and the ant remembers its path: the agents, what they did and what that cost (minus the reward). Where it returns to
an agent, the loop is taken out of the path (AntNet). When it is solved (stored), a *backward ant* retraces the
path. At each agent i on it, where the ant left by action a and from there on cost C ≥ 0 in all,

    τ_i(b) ← (1 − ρ) τ_i(b)             for all b                   evaporation, with ``evaporates="update"``
    τ_i(a) ← τ_i(a) + δ κ/(κ + C)                                   deposit

``evaporates="step"`` is the other clock: all agents' pheromone evaporates by ρ at every step, visited or not.

Deposits alone would leave an ant that has come to where all is full to follow old trails round in circles, since
nothing is learnt until it arrives. So, as in Ant Colony System (Dorigo & Gambardella 1997, local update), each use of
an action takes from its pheromone at once, and an action that failed to get rid of the problem, at cost c (a store
on a full agent, a lost message, a discovery), loses by the measure by which cost reduces a deposit:

    τ_i(a) ← (1 − ξ) τ_i(a)                                         each use; there ← (1 − ξ) τ_i(a) + ξ τ_0
    τ_i(a) ← τ_i(a) κ/(κ + c)                                       failure

The failure's cost counts in C too. All is kept within [τ_min, 1].

Without local updates ants go round in circles where all is full. The defaults are the best of a short search on the
paper's grid over ξ, p, ρ = δ and loops that count, with two runs each. How it does there: ``crl-envs reproduce
crl-related``.

Which ant is which: the environment doesn't tell agents which problem they hold, so paths travel apart from problems.
Whoever delegates sends the path to the receiver, which takes paths in the order in which they were sent (by step,
then by sender) for the problems that it acts on, and a problem for which no path has come for a new one. This is
exact for one problem in flight, and for several as long as messages take equally long and no problem enters
at an agent that others delegate to. Otherwise some ants go on with somebody else's path: of a problem that overtook
another, of one that entered while others waited, of one that timed out. An agent that has nothing to do forgets
paths that were sent to it `patience` steps ago or earlier, so that such errors don't last.

Backward ants are reliable and arrive in the step in which the problem is solved; each delegation that they retrace is
one message. They carry a path, for which the bus of `agents.delegation.bus` has no room.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.delegation.infos import DELEGATED, KEPT, SOLVED, Report
from agents.delegation.table import DelegationTable
from agents.view import Frame, Transition
from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_real,
    check_seed,
    keep,
)

_MOST_WAITING: Final = 10_000  # paths that an agent keeps for problems to come


@dataclass(frozen=True)
class AntColonyConfig:
    """Settings of `AntColony`.

    Attributes:
        evaporation: ρ in [0, 1], 0.1. Higher forgets faster: agents follow changes sooner, and are led astray more
            easily. With ``evaporates="step"`` it should be far lower, as an agent is seldom visited.
        evaporates: ``"update"`` (default): where a backward ant passes. ``"step"``: everywhere, at every step.
        deposit: δ in [0, 1], 0.1: what an ant leaves where the rest of its way costs nothing. With δ = ρ pheromone is
            a running mean of how good the action turned out, times how often it was taken.
        cost_scale: κ > 0, 12, the cost of one delegation: what halves a deposit. Smaller distinguishes cheap ways more
            sharply, larger dear ones.
        local_update: ξ in [0, 1], 0.1: what each use of an action takes of its pheromone until a backward ant makes up
            for it. Higher drives ants apart; with 0 they may go round in circles that no deposit ever breaks.
        power: p > 0, 2. Higher follows small differences of pheromone more closely, and explores less.
        min_pheromone: τ_min in (0, 1], 0.01 (Stützle & Hoos 2000: limits keep ants from settling for good). Higher
            explores more.
        initial_pheromone: In [τ_min, 1], 1. That all be tried at first; what is not taken then evaporates.
        punishes: Whether failure takes pheromone at once. True; without it agents that are full are found out only by
            what the ants that got away deposit elsewhere.
        counts_loops: Whether the cost of loops stays with the agent that the ant returned to. False: as in AntNet, the
            loop is forgotten with what it cost.
        patience: ≥ 1, 100: after so many steps an idle agent no longer waits for a problem whose path it has got.
            Should be more than messages take.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    evaporation: float = 0.1
    evaporates: str = "update"
    deposit: float = 0.1
    cost_scale: float = 12.0
    local_update: float = 0.1
    power: float = 2.0
    min_pheromone: float = 0.01
    initial_pheromone: float = 1.0
    punishes: bool = True
    counts_loops: bool = False
    patience: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_real, "evaporation", low=0.0, high=1.0)
        keep(self, check_choice, "evaporates", ("update", "step"))
        keep(self, check_real, "deposit", low=0.0, high=1.0)
        keep(self, check_real, "cost_scale", low=0.0, open_low=True)
        keep(self, check_real, "local_update", low=0.0, high=1.0)
        keep(self, check_real, "power", low=0.0, high=100.0, open_low=True)
        keep(self, check_real, "min_pheromone", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "initial_pheromone", low=self.min_pheromone, high=1.0)
        keep(self, check_bool, "punishes")
        keep(self, check_bool, "counts_loops")
        keep(self, check_int, "patience", low=1)
        keep(self, check_seed, "seed")


class Hop(NamedTuple):
    """A part of an ant's path: an agent on it, and what it did."""

    agent: int
    action: int
    cost: float  # of all its actions on this ant


Path = list[Hop]


class AntColony(DelegationTable):
    """See the module for the rules, `Learner` for the vocabulary, `AntColonyConfig` for the arguments.

        AntColony(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    The history has, beside what every learner's has, ``backward_ants``, the episode's problems that were solved, and
    ``backward_ant_messages``, the delegations that they retraced. Pheromone is kept from one episode to the next.

    Asked by `act` for deterministic actions, an agent takes the first of those with the most pheromone.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on; see `agents.delegation.infos`.
        **config: Fields of `AntColonyConfig`.

    Attributes:
        table: ``float64[B, n, 1, A]``, pheromone.

    Raises:
        ValueError: As `agents.delegation.table.DelegationTable`.
    """

    config_class = AntColonyConfig
    config: AntColonyConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self._forget_ants()

    @property
    def first(self) -> float:
        """``initial_pheromone``."""
        return float(self.config.initial_pheromone)

    def begin_episode(self) -> None:
        """Read who is there; no ant is on its way."""
        super().begin_episode()
        self._forget_ants()

    def weigh(self, entries: list[float], legal: list[bool]) -> list[float]:
        """Return τ^p, relative to the most among the legal actions."""
        most = max(tau for tau, may in zip(entries, legal, strict=True) if may)
        power = self.config.power
        return [
            (tau / most) ** power if may else 0.0 for tau, may in zip(entries, legal, strict=True)
        ]

    def learn_from(
        self,
        b: int,
        acted: list[int],
        frame: Frame,
        actions: list[int],
        transition: Transition,
        report: Report,
    ) -> None:
        """Let the ants go on, and those that have arrived go back."""
        config = self.config
        if config.evaporates == "step":
            faded = self.table[b] * (1.0 - config.evaporation)
            self.table[b] = np.maximum(faded, config.min_pheromone)
        sent: list[tuple[int, Path]] = []
        solved: list[Path] = []
        for i in acted:
            a, dop, cost = actions[i], int(report.dops[i]), -float(transition.rewards[i, b])
            path = visited(self._path(b, i), i, a, cost, config.counts_loops)
            self._use(b, i, a, cost if dop == KEPT and config.punishes else 0.0)
            if dop == KEPT:
                self._held[b][i] = path
            elif dop == DELEGATED:
                sent.append((int(self.behind[b, i, a]), path))
            elif dop == SOLVED:
                solved.append(path)
        for path in solved:
            self._retrace(b, path)
        self._now[b] += 1
        for j, path in sent:
            self._coming[b][j].append((int(self._now[b]), path))
        self._give_up(b, transition.frame, report)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return backward ants of the episode, and their messages."""
        return {"backward_ants": self._ants.copy(), "backward_ant_messages": self._messages.copy()}

    def _forget_ants(self) -> None:
        b, n = self.table.shape[:2]
        # Paths of problems that agents have acted on and kept, and, with their steps, of those handed to them.
        self._held: list[dict[int, Path]] = [{} for _ in range(b)]
        self._coming: list[list[deque[tuple[int, Path]]]] = [
            [deque(maxlen=_MOST_WAITING) for _ in range(n)] for _ in range(b)
        ]
        self._now = np.zeros(b, np.int64)  # steps of the episode
        self._ants = np.zeros(b, np.int64)
        self._messages = np.zeros(b, np.int64)

    def _path(self, b: int, i: int) -> Path:
        """Return the path of the problem that agent i has acted on."""
        if i in self._held[b]:
            return self._held[b].pop(i)
        coming = self._coming[b][i]
        return coming.popleft()[1] if coming else []

    def _use(self, b: int, i: int, a: int, failure: float) -> None:
        """Take pheromone from an action that was used, and by its cost from one that failed."""
        config = self.config
        left = float(self.table[b, i, 0, a]) * (1.0 - config.local_update)
        left *= config.cost_scale / (config.cost_scale + max(failure, 0.0))
        self.table[b, i, 0, a] = max(left, config.min_pheromone)

    def _retrace(self, b: int, path: Path) -> None:
        """Send an ant back from where its problem was solved."""
        config, rest = self.config, 0.0
        self._ants[b] += 1
        self._messages[b] += len(path) - 1
        for i, a, cost in reversed(path):
            rest += cost
            tau = self.table[b, i, 0]
            if config.evaporates == "update":
                tau *= 1.0 - config.evaporation
            tau[a] += config.deposit * config.cost_scale / (config.cost_scale + max(rest, 0.0))
            np.clip(tau, config.min_pheromone, 1.0, out=tau)

    def _give_up(self, b: int, frame: Frame, report: Report) -> None:
        """Let idle agents forget what they no longer wait for."""
        if frame.legal is None:
            return
        oldest = int(self._now[b]) - self.config.patience
        for i, coming in enumerate(self._coming[b]):
            if not coming and i not in self._held[b]:
                continue
            if report.active[i] and not (frame.legal[i, b] & self._works[i]).any():
                self._held[b].pop(i, None)
                while coming and coming[0][0] <= oldest:
                    coming.popleft()


def visited(path: Path, i: int, a: int, cost: float, counts_loops: bool = False) -> Path:
    """Return the path of an ant on which agent i has acted, without loops.

    Args:
        path: What it was before; not changed.
        i: The agent.
        a: Its action.
        cost: What that cost.
        counts_loops: Whether a loop that is taken out leaves its cost with i.

    Returns:
        The path up to where i is on it, if it is, and i's action. An agent that goes on acting on the same problem
        keeps what its earlier actions cost.
    """
    place = next((k for k, hop in enumerate(path) if hop.agent == i), len(path))
    earlier = path[place:]
    if len(earlier) == 1 or counts_loops:
        cost += sum(hop.cost for hop in earlier)
    return [*path[:place], Hop(i, a, cost)]
