"""Independent learners that forgive: hysteretic and lenient Q-learning.

In a team game an agent that does the right thing is punished as long as its partners don't. Plain Q-learning believes
that: it averages over what the partners happen to do. Both cures move a value up as usual and down less. With
δ = r + γ max_a' Q(s', a') − Q(s, a),

    hysteretic      Q += α δ  if δ ≥ 0,  else  Q += β δ                       (Matignon, Laurent & Le Fort-Piat 2007)
    lenient         Q += α δ  if δ ≥ 0 or u > exp(−1 / (θ T(s, a)))           (Panait, Sullivan & Luke 2006;
                    T(s, a) *= κ after each visit, from T₀                     Wei & Luke 2016, without their T(s'))

with u uniform in [0, 1). β = α is independent Q-learning, β = 0 believes in the best that was ever given.

Details that matter:

1. Where rewards are random, low β and high T take luck for worth: the action that once paid most.
2. Leniency ends where θ T has cooled to 1 and below, after some ln(θ T₀) / (1 − κ) visits of an action; hysteresis
   never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.boltzmann import ActionValues, ActionValuesConfig
from agents.view import Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_real, keep
from crl_envs.core.stream import Purpose


@dataclass(frozen=True)
class HystereticQConfig(ActionValuesConfig):
    """Hyperparameters of `HystereticQ`: those of `ActionValuesConfig` and one more.

    Attributes:
        decrease_rate: β in [0, 1], 0.01 by default.

    Raises:
        ValueError: A value out of its range.
    """

    decrease_rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_real, "decrease_rate", low=0.0, high=1.0)


class HystereticQ(ActionValues):
    """See the module for the update, `Learner` for the vocabulary, `HystereticQConfig` for the arguments.

        env = crl_envs.make("crl/coordination_game-v0", n_agents=2)
        HystereticQ(env, seed=1).learn(total_episodes=1000).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv or vector env with Discrete actions; an observation is a row of a table.
        **config: Fields of `HystereticQConfig`.

    Attributes:
        q: ``float64[n, O, A, B]``, Q.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries.
    """

    config_class = HystereticQConfig
    config: HystereticQConfig

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move what was done towards what it gave, faster up than down."""
        error = self.error(frame, actions, transition)
        rate = np.where(error >= 0, self.config.rate, self.config.decrease_rate)
        self.q[self.places(frame, actions)] += rate * error


@dataclass(frozen=True)
class LenientQConfig(ActionValuesConfig):
    """Hyperparameters of `LenientQ`: those of `ActionValuesConfig` and three more.

    Attributes:
        leniency: T₀ > 0, 50 by default.
        forgetting: κ in (0, 1], 0.995 by default.
        moderation: θ > 0, 1 by default: larger forgives longer.

    Raises:
        ValueError: A value out of its range.
    """

    leniency: float = 50.0
    forgetting: float = 0.995
    moderation: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_real, "leniency", low=SMALLEST_REAL)
        keep(self, check_real, "forgetting", low=0.0, high=1.0, open_low=True)
        keep(self, check_real, "moderation", low=SMALLEST_REAL)


class LenientQ(ActionValues):
    """See the module for the update, `Learner` for the vocabulary, `LenientQConfig` for the arguments.

        env = crl_envs.make("crl/coordination_game-v0", n_agents=2)
        LenientQ(env, seed=1).learn(total_episodes=1000).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv or vector env with Discrete actions; an observation is a row of a table.
        **config: Fields of `LenientQConfig`.

    Attributes:
        q: ``float64[n, O, A, B]``, Q.
        leniency: ``float64[n, O, A, B]``, T.

    Raises:
        ValueError: As `Learner`; a table of more than 50 million entries.
    """

    config_class = LenientQConfig
    config: LenientQConfig
    learnt = ("q", "leniency")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.leniency = np.full(self.shape, self.config.leniency)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Move what was done towards what it gave, and down only if it isn't forgiven."""
        where, error = self.places(frame, actions), self.error(frame, actions, transition)
        drawn = self._stream.words(Purpose.FORGIVENESS, self.view.n_agents) * 2.0**-32
        with np.errstate(over="ignore", divide="ignore"):  # of a T that has cooled to 0, or nearly
            forgiven = drawn <= np.exp(-1 / (self.config.moderation * self.leniency[where]))
        self.q[where] += self.config.rate * np.where((error < 0) & forgiven, 0.0, error)
        live: Any = True if frame.live is None else frame.live
        self.leniency[where] *= np.where(live, self.config.forgetting, 1.0)
