"""Uniform random actions, and the base of all policies that learn nothing: what a learner must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.array_view import Frame, Transition
from agents.learner import Callback, Learner
from agents.parallel_view import ParallelView
from agents.rollout import Episode
from crl_envs.core.arguments import check_bool, check_seed

UNIFORM: Final = 0  # values of `Rule.kind`
SHORTEST_QUEUE: Final = 1


class Rule(NamedTuple):
    """A policy as `agents.heuristics_fused` reads it."""

    kind: int
    choices: int = 0  # neighbours that are asked, −1 for all
    eager: bool = False


class Policy(Learner):
    """A learner that doesn't learn: `learn` plays episodes and writes the history.

    A subclass has a `config_class` with a `seed`, and `choose`; see `Learner` for the vocabulary. Observations may be
    of any space.
    """

    def reads_rows(self) -> bool:
        """No: observations needn't make a table."""
        return False

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Nothing."""

    def end_episode(self, episode: Episode) -> None:
        """Nothing."""

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """None: nothing has been learnt."""
        return {}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Nothing."""

    def rule(self) -> Rule | None:
        """What compiled code needs to choose as `choose` does; None where there is no such code."""
        return None

    def count_polls(self, polls: NDArray[np.int64]) -> None:
        """Take in ``int64[B]``, the questions and answers of compiled steps."""

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """Act until the episode has ended; compiled, where that can be."""
        rule = self.rule() if self._is_on_compiled_loads() else None
        if rule is None:
            super().play(frame, episode, step_callback, every)
        else:
            from agents.heuristics_fused import play

            play(self, rule, self._stream, episode, step_callback, every)

    def _is_on_compiled_loads(self) -> bool:
        """Whether the environment is load balancing itself, without wrappers, on one column and with Numba."""
        if not isinstance(self.view, ParallelView) or self.env is not self.env.unwrapped:
            return False
        world = getattr(self.env, "world", None)
        name, backend = getattr(world, "name", None), getattr(world, "backend", None)
        return (name, backend) == ("load_balancing", "numba")


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
        check_seed("seed", self.seed)
        check_bool("fused", self.fused)


class RandomPolicy(Policy):
    """Every agent takes one of its legal actions, each with the same probability (to a multiple of 2⁻³²).

    In load balancing an agent that holds a load has the no-op no longer: it stores, delegates or discovers. A load
    thus walks at random, stored with probability 1/(1 + neighbours) at each agent with room.

        RandomPolicy(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    Asked by `act` for deterministic actions it takes the first that is legal, all being as probable.

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `RandomPolicyConfig`.

    Attributes:
        config: The settings.

    Raises:
        ValueError: A bad argument, another kind of environment, or actions that aren't Discrete.
    """

    config_class = RandomPolicyConfig
    config: RandomPolicyConfig

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """The legal action whose place among the m legal ones is ⌊m · word / 2³²⌋; see `Learner.choose`."""
        legal = frame.legal
        if words is None:
            words = np.zeros((self.view.n_agents, self.view.num_envs), np.uint32)
        if legal is None:
            return _scaled(words, self.view.n_actions)
        place = _scaled(words, np.count_nonzero(legal, axis=2))
        return np.asarray((np.cumsum(legal, axis=2) > place[..., None]).argmax(axis=2))

    def rule(self) -> Rule | None:
        """Uniform, unless switched off."""
        return Rule(UNIFORM) if self.config.fused else None


def _scaled(words: NDArray[np.uint32], size: int | NDArray[np.intp]) -> NDArray[np.int64]:
    """32-bit words to whole numbers in [0, size), size < 2³¹."""
    return np.asarray((words.astype(np.int64) * size) >> 32)
