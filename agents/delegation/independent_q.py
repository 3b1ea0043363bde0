"""Independent Q-learning (Watkins 1989): each agent learns alone, as if the others were part of its world.

The baseline of Dowling & Haridi (2008, §4.2): nobody tells anybody anything. Agent i keeps Q_i(s,a) for its local,
delegation and discovery actions, in the state s of holding a problem. After action a on a problem, with reward r:

    Q_i(s,a) ← Q_i(s,a) + α [ r + γ F − Q_i(s,a) ]                   (Watkins & Dayan 1992), at least MinQ
    F = 0                          the problem is solved
    F = V_i(s')                    it was kept: a store that failed, a message that was lost, a discovery
    F = 0 or V_i(s')               it was delegated: see `after_delegation`
    V_i(s) = max_a Q_i(s,a)
    π_i(a|s) = exp(Q_i(s,a)/T) / Σ_b exp(Q_i(s,b)/T)                 over the legal actions

Here r is the agent's reward, α the learning rate, γ the discount, T the temperature, s' what the agent sees next.

What it can learn and what not: whether there is room at home, and what the links cost. Where beyond them there is
room it can't: a delegation costs the same wherever the problem ends. In load balancing it so becomes a random walk
that stores at the first opportunity (steps beside the others': ``crl-envs reproduce crl-related``). What has failed
is hardly tried again before all else looks as bad, so that agents that have been emptied, as by the next episode, take
long to notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.delegation.infos import DELEGATED, SOLVED
from agents.delegation.table import DelegationQ, QConfig
from crl_envs.core.arguments import check_choice, keep


@dataclass(frozen=True)
class IndependentQConfig(QConfig):
    """Hyperparameters of `IndependentQ`.

    Attributes:
        learning_rate: α in (0, 1], 0.5. One failed store (−200) then outweighs all that stores have earned. Smaller
            is later to see that an agent is full, larger forgets faster; in a noiseless world nothing speaks against 1.
        temperature: T > 0, 0.9, as for `agents.CRL`. Higher explores more, and tries full agents more often.
        discount: γ in [0, 1], 1: a problem ends when it is solved, so that sums are finite without.
        after_delegation: What follows when a neighbour took the problem over. ``"own"`` (default): V_i(s'), its value
            in the state that it is left in, which is that of holding a problem: what follows elsewhere is taken to be
            as good as what follows here. A full agent finds everything worse and worse, down to MinQ, where it tries
            anything, storing included. ``"nothing"``: 0, the matter is closed, and a delegation costs what it charges.
            That takes some 5 % fewer steps to fill the paper's grid, and an agent that has once been full never
            notices that it has room again.
        states: ``"one"`` (default): an agent has one state, holding a problem, as in the paper's experiments.
            ``"observation"``: one for each row of its observation table.
        initial_q: First Q of all actions, 0. That is the best there can be where rewards are costs, so that
            everything is tried; lower than the true values, and an agent stays with the first thing that it tried.
        min_q: MinQ ≤ 0, −200, as in Table 1: no value is lower. Otherwise the values of an agent that can't get rid of
            a problem would sink forever.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    after_delegation: str = "own"

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_choice, "after_delegation", ("nothing", "own"))


class IndependentQ(DelegationQ):
    """See the module for the equations, `Learner` for the vocabulary, `IndependentQConfig` for the arguments.

        IndependentQ(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    Asked by `act` for deterministic actions, an agent takes the first of the best.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on; see `agents.delegation.infos`.
        **config: Fields of `IndependentQConfig`.

    Attributes:
        table: ``float64[B, n, S, A]``, Q.

    Raises:
        ValueError: As `DelegationTable`; observations that don't make a table, with ``states="observation"``.
    """

    config_class = IndependentQConfig
    config: IndependentQConfig

    def follows(self, b: int, i: int, a: int, dop: int, s2: int) -> float:
        """Return F of the module; see `DelegationQ.follows`."""
        closed = dop == DELEGATED and self.config.after_delegation == "nothing"
        return 0.0 if dop == SOLVED or closed else self.best(b, i, s2)
