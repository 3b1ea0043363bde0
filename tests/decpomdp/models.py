"""Dec-POMDPs for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crl_envs.decpomdp import DecPOMDP


def random_model(
    seed: int,
    actions: Sequence[int] = (2, 3, 2),
    observations: Sequence[int] = (3, 2, 1),
    states: int = 3,
    **given: Any,
) -> DecPOMDP:
    """A model of random numbers; by default agents differ in all, and the reward depends on all."""
    rng = np.random.default_rng(seed)
    j, z = int(np.prod(actions)), int(np.prod(observations))
    return DecPOMDP(
        rng.dirichlet(np.ones(states), (j, states)),
        rng.dirichlet(np.ones(z), (j, states)),
        rng.normal(size=(j, states, states, z)),
        rng.dirichlet(np.ones(states)),
        tuple(actions),
        tuple(observations),
        **given,
    )
