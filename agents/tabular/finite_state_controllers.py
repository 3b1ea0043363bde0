"""REINFORCE on finite-state controllers: agents that remember, for observations that tell only part of the state.

Peshkin, Kim, Meuleau & Kaelbling (2000, "Learning to Cooperate via Policy Search"; Meuleau, Peshkin, Kim & Kaelbling
1999, "Learning Finite-State Controllers for Partially Observable Environments"): beside what it observes, agent i knows
a node m of its own, one of M. It draws its action and its next node together,

    p(a, m' | m, o) = exp θ[i, (m, o), (a, m')] / Σ exp θ[i, (m, o), ·]        over the legal actions, all nodes

and follows the gradient of θ as `agents.tabular.reinforce` does, with observations (m, o) and actions (a, m'): that is
the gradient of the controller, since nodes are part of what the agent does and knows. Episodes begin in node 0.

Details that matter:

1. With θ = 0 all nodes do the same, and then none is better than another: the gradient of what tells them apart is 0 on
   average. So θ starts at random, uniformly in [−`spread`, `spread`], from the seed.
2. M = 1 and ``spread=0`` is REINFORCE, bit for bit.
3. `act` begins in node 0 at each call: it doesn't know what came before. What a controller earns is in `history`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.tabular.reinforce import Reinforce, ReinforceConfig, cumulative_limits
from agents.view import MOST_ENTRIES, Frame, Transition
from crl_envs.core.arguments import check_int, check_real, keep
from crl_envs.core.stream import Purpose


@dataclass(frozen=True)
class FiniteStateControllersConfig(ReinforceConfig):
    """Hyperparameters of `FiniteStateControllers`, those of `Reinforce` among them.

    Attributes:
        memory: Nodes of each agent's controller M, 1 to 64; 2 by default. More remember more, have M² times as many
            parameters, and take longer.
        spread: Size ≥ 0 of the random logits at the start, 1.0 by default. 0 leaves it to chance to tell nodes apart.

    Raises:
        ValueError: A value out of its range.
    """

    memory: int = 2
    spread: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_int, "memory", low=1, high=64)
        keep(self, check_real, "spread", low=0.0, high=100.0)


class FiniteStateControllers(Reinforce):
    """See the module for the controllers, `Reinforce` for the update, `Learner` for the vocabulary.

        env = NoisyObservation(crl_envs.make("crl/sysadmin-v0", n_agents=10), 0.4)
        FiniteStateControllers(env, memory=2, seed=1).learn(total_episodes=500).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `FiniteStateControllersConfig`.

    Attributes:
        nodes: ``intp[n, B]``: where the controllers are in the present episode.

    Raises:
        ValueError: As `Reinforce`; a table of more than 50 million entries.
    """

    config_class: ClassVar[type[Any]] = FiniteStateControllersConfig
    config: FiniteStateControllersConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, b = self.view.n_agents, self.view.num_envs
        self.nodes = np.zeros((n, b), np.intp)
        self._knows: Frame | None = None  # the last frame with nodes, and what was done in it
        self._does: NDArray[np.integer] = self.nodes
        if self.config.spread:
            entries, further = self._logits.shape
            words = self._stream.words(Purpose.WEIGHTS, entries // b * further)
            drawn = words.reshape(-1, further, b).transpose(0, 2, 1).reshape(self._logits.shape)
            self._logits += self.config.spread * (drawn * 2.0**-31 - 1.0)
            self._limits = cumulative_limits(self._logits)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return actions; see `Reinforce.choose`."""
        m = self.config.memory
        nodes = self.nodes if frame.rows.shape == self.nodes.shape else 0
        legal = None if frame.legal is None else np.repeat(frame.legal, m, axis=-1)
        self._knows = frame._replace(rows=nodes * self.view.n_rows + frame.rows, legal=legal)
        self._does = super().choose(self._knows, words)
        return self._does // m

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """Return actions of the present policy in node 0; see `Learner.act`."""
        kept = self.nodes, self._knows, self._does
        self.nodes = np.zeros_like(self.nodes)
        try:
            return super().act(observations, deterministic, action_masks=action_masks)
        finally:
            self.nodes, self._knows, self._does = kept

    def begin_episode(self) -> None:
        """Begin as `Reinforce`, in node 0."""
        super().begin_episode()
        self.nodes = np.zeros_like(self.nodes)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Observe as `Reinforce`, with nodes, and go to the next."""
        assert self._knows is not None
        super().observe(self._knows, self._does, transition)
        self.nodes = (self._does % self.config.memory).astype(np.intp)

    def _table(self) -> tuple[int, int, int, int]:
        n, o, a, b = super()._table()
        m = self.config.memory
        if n * o * a * b * m * m > MOST_ENTRIES:
            raise ValueError(
                f"memory must leave a table of at most {MOST_ENTRIES} entries, got {m}: {n} agents × {m} · {o} "
                f"observations × {m} · {a} actions × {b} columns"
            )
        return n, o * m, a * m, b
