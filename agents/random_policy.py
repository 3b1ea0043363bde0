"""Uniform random actions: what a learner must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.policy import Policy
from agents.view import Frame
from crl_envs.core.arguments import check_bool, check_seed, keep


@dataclass(frozen=True)
class RandomPolicyConfig:
    """Settings of `RandomPolicy`.

    Attributes:
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.
        fused: Whether to run compiled code where that is possible. True; the results don't depend on it.

    Raises:
        ValueError: A value out of its range.
    """

    seed: int = 0
    fused: bool = True

    def __post_init__(self) -> None:
        keep(self, check_seed, "seed")
        keep(self, check_bool, "fused")


class RandomPolicy(Policy):
    """Every agent takes one of its legal actions, each with the same probability (to a multiple of 2⁻³²).

    In load balancing an agent that holds a load has the no-op no longer: it stores, delegates or discovers. A load
    thus walks at random, stored with probability 1/(1 + neighbours) at each agent with room.

        RandomPolicy(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    Asked by `act` for deterministic actions it takes the first that is legal, all being as probable.

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `RandomPolicyConfig`.

    Raises:
        ValueError: A bad argument, another kind of environment, or actions that aren't Discrete.
    """

    config_class = RandomPolicyConfig
    config: RandomPolicyConfig

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return the legal action whose place among the m legal ones is ⌊m · word / 2³²⌋; see `Learner.choose`."""
        legal = frame.legal
        if words is None:
            words = np.zeros((self.view.n_agents, self.view.num_envs), np.uint32)
        if legal is None:
            return _scaled(words, self.view.n_actions)
        place = _scaled(words, np.count_nonzero(legal, axis=2))
        return np.asarray((np.cumsum(legal, axis=2) > place[..., None]).argmax(axis=2))

    def compiled_loop(self) -> str | None:
        """Return the loop over whole episodes, unless switched off."""
        return "agents.delegation.policies_compiled" if self.config.fused else None


def _scaled(words: NDArray[np.uint32], size: int | NDArray[np.intp]) -> NDArray[np.int64]:
    """Scale 32-bit words to whole numbers in [0, size), size < 2³¹."""
    return np.asarray((words.astype(np.int64) * size) >> 32)
