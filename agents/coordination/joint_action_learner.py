"""Joint-action learners (Claus & Boutilier 1998): values of joint actions, and beliefs about the others'.

A repeated game of a few agents who see what all did. Agent i keeps a value of each joint action, and how often each of
the others did what. After the joint action a, by which i was given r:

    Q_i[a] += α (r − Q_i[a])                 N_j[a_j] += 1  for all j
    V_i[a_i] = Σ_{a_−i} Q_i[a_i, a_−i] Π_{j ≠ i} N_j[a_j] / Σ_b N_j[b]

and i's action is a Boltzmann draw by V_i: it plays against what the others did so far (fictitious play).

Details that matter:

1. Knowing the value of every joint action isn't enough: as long as the others explore, V_i of the right action is
   dragged down by their mistakes, just as for independent learners. That is the paper's point.
2. The table has A^n entries an agent. So at most four agents.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.boltzmann import BoltzmannConfig, BoltzmannTable
from agents.view import Frame, Transition

MOST_AGENTS: Final = 4


class JointActionLearner(BoltzmannTable):
    """See the module for the update, `Learner` for the vocabulary, `BoltzmannConfig` for the arguments.

        env = crl_envs.make("crl/coordination_game-v0", n_agents=2)
        JointActionLearner(env, seed=1).learn(total_episodes=1000).history[-1]["global_return"]

    Args:
        env: A ParallelEnv or vector env of two to four agents with Discrete actions, all there and done after one step,
            and one observation.
        **config: Fields of `BoltzmannConfig`.

    Attributes:
        q: ``float64[n, A, …, A, B]``, the values of joint actions, agent 0's action first.
        counts: ``int64[n, A, B]``, N.

    Raises:
        ValueError: As `Learner`; fewer than two agents or more than four, several observations, a table of more than 50
            million entries. From `learn`: episodes of several steps.
    """

    config_class = BoltzmannConfig
    config: BoltzmannConfig
    learnt = ("q", "counts")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, o, a, b = self.shape
        if not 2 <= n <= MOST_AGENTS or o > 1:
            raise ValueError(
                f"env must have 2 to {MOST_AGENTS} agents and a single observation, got {n} agents and {o} observations"
            )
        self.q = np.zeros((n, *(a,) * n, b))
        self.counts = np.zeros((n, a, b), np.int64)

    def values(self, rows: NDArray[np.intp], columns: Any) -> NDArray[np.float64]:
        """Return V."""
        n, _, a, b = self.shape
        seen = self.counts.sum(axis=1, keepdims=True)
        beliefs = np.where(seen > 0, self.counts / np.maximum(seen, 1), 1 / a)
        expected = np.empty((n, b, a))
        for i in range(n):
            worth = np.moveaxis(self.q[i], i, -2)  # own action last but one
            for j in (j for j in range(n) if j != i):
                worth = sum(beliefs[j, k] * worth[k] for k in range(a))
            expected[i] = worth.T
        return expected if isinstance(columns, np.ndarray) else expected[:, [0] * rows.shape[1]]

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move the value of the joint action, and count."""
        if frame.live is not None or self.view.n_running:
            raise ValueError(
                "env must be a repeated game: all agents there, and done after one step"
            )
        joint = (slice(None), *actions.astype(np.intp), self._column)
        self.q[joint] += self.config.rate * (transition.rewards - self.q[joint])
        self.counts[self._agent, actions, self._column] += 1
