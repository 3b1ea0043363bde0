"""The base of the learners of the bandit."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import Frame, Transition, View


class BanditLearner(Learner):
    """Base of the learners of a bandit: one state, one step, two actions for each agent.

    `learn` explores for as long as it runs: every agent plays 0 or 1 with probability ½ in every trial, whatever has
    been learnt (the actions are those of `RandomPolicy` with the same seed). What has been learnt is read out by
    `greedy`, and by `act` with ``deterministic=True``; without it `act` explores too.

    A subclass has a `config_class` with a `seed`, `observe`, which begins with this class's, `greedy`, and names its
    state in `learnt`, after this class's.

    Args:
        env: ``crl/bandit-v0`` or another ParallelEnv or vector env of its kind: all observations Discrete(1), all
            actions Discrete(2) and always legal, all agents done after one step.
        **config: Fields of `config_class`.

    Attributes:
        trials: Number of trials m so far, in every column.

    Raises:
        ValueError: As `Learner`; an environment that isn't a bandit. That episodes are longer than one step and
            actions illegal shows only in `learn`.
    """

    config_class: ClassVar[type[Any]]
    learnt: ClassVar[tuple[str, ...]] = ("trials",)
    evaluates_greedily = True

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        if self.view.n_actions != 2:
            raise ValueError(
                f"env must be a bandit with two actions for each agent, got {self.view.n_actions}"
            )
        if not _has_one_observation(self.view):
            raise ValueError(
                "env must be a bandit, with a single observation for each agent, got more"
            )
        self.trials = 0

    @abstractmethod
    def greedy(self) -> NDArray[np.uint8]:
        """Return the actions that look best after the trials so far: ``uint8[n, B]``."""

    def reads_rows(self) -> bool:
        """Return False: there is one observation only."""
        return False

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the highest bit of the word; without words the greedy action."""
        if frame.legal is not None:
            raise ValueError("env must be a bandit with both actions legal, got an action mask")
        return self.greedy() if words is None else (words >> np.uint32(31)).astype(np.uint8)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Count the trial."""
        if frame.live is not None or self.view.n_running:
            raise ValueError("env must be a bandit: all agents there, and done after one step")
        self.trials += 1


def _has_one_observation(view: View) -> bool:
    if view.is_vector:
        joint = view.env.single_observation_space
        return isinstance(joint, spaces.MultiDiscrete) and bool((joint.nvec == 1).all())
    every = (view.env.observation_space(agent) for agent in view.agents)
    return all(isinstance(space, spaces.Discrete) and space.n == 1 for space in every)
