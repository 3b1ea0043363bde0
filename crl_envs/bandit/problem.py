"""The bandit's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_probability, check_seed, keep
from crl_envs.core.backend import resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Purpose, fixed_words
from crl_envs.core.topology import Edges
from crl_envs.core.world import frozen


@dataclass(frozen=True)
class BanditProblem:
    """n agents with two actions each, of which a hidden one is right.

    Attributes:
        n_agents: Number of agents n, 1 to 100,000,000. Default 10.
        p_correct: Probability of reward 1 for the right action, 0 to 1. Default 0.8.
        p_wrong: Probability of reward 1 for the wrong action, 0 to 1. Default 0.2. It may be the larger one.
        instance_seed: Seed of the right actions, 0 to 2^64 − 1, apart from the seed of the rewards, which is
            that of ``reset(seed=…)``. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code: one step
            has no loop to gain from.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int = 10
    p_correct: float = 0.8
    p_wrong: float = 0.2
    instance_seed: int = 0
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, check_int, "n_agents", low=1, high=100_000_000)
        keep(self, check_probability, "p_correct")
        keep(self, check_probability, "p_wrong")
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)

    @property
    def edges(self) -> Edges:
        """None: ``int64[0, 2]``."""
        return np.empty((0, 2), np.int64)

    @cached_property
    def correct_action(self) -> NDArray[np.uint8]:
        """``uint8[n]``: each agent's right action."""
        bits = fixed_words(self.instance_seed, Purpose.INSTANCE, self.n_agents) & np.uint32(1)
        return frozen(bits.astype(np.uint8))

    @property
    def success(self) -> NDArray[np.float64]:
        """``float64[2]``: P(reward 1) of the wrong and of the right action."""
        return np.array([self.p_wrong, self.p_correct])

    def optimum(self) -> Optimum:
        """Return the larger of the two probabilities."""
        best = float(self.success.max())
        return Optimum(best, "exact", "every agent plays its better action", best)


class BanditArguments(TypedDict, total=False):
    """The fields of `BanditProblem` as keywords, for type checkers."""

    n_agents: int
    p_correct: float
    p_wrong: float
    instance_seed: int
    backend: str
