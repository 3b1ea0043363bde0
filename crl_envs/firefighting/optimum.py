"""What is known about the best firefighting: exact for few houses."""

from __future__ import annotations

from typing import Final

import numpy as np

from crl_envs.core.joint_value import joint_value
from crl_envs.core.optimum import Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.factored import joint_states
from crl_envs.firefighting.form import array_form
from crl_envs.firefighting.problem import LEVELS, FirefightingProblem

_MOST_PRODUCTS: Final = 2**24  # joint states × joint actions × joint next states


def find_optimum(problem: FirefightingProblem) -> Optimum:
    """Return the exact value of agents who see all levels, where there are few; else a bound.

    The bound is 0: no house burns. Below it is what agents earn who fight where it burns most, simulated; where there
    are too many, what they lose when all houses burn.
    """
    a = problem.houses.shape[1]
    size = 2 * problem.n_houses * np.log2(LEVELS) + problem.n_agents * np.log2(a)
    if size > np.log2(_MOST_PRODUCTS):
        lower, how = fight_most(problem)
        return Optimum(0.0, "bound", f"no house ever burns; lower: {how}", lower)
    value = exact_value(problem)
    return Optimum(value, "exact", "value iteration over the houses' levels", value)


def fight_most(problem: FirefightingProblem) -> tuple[float, str]:
    """Return what fighting where it burns most earns at least, and how that is known."""
    n, horizon, houses = problem.n_agents, problem.horizon, problem.houses
    if columns := columns_for(n, horizon):
        low = low_return(
            array_form(problem), n, horizon, lambda fire: fire.level[houses].argmax(axis=1), columns
        )
        return low, f"all fight where it burns most, simulated, less {ERRORS:g} standard errors"
    return -float(horizon * (LEVELS - 1) * problem.n_houses / n), "all houses burn"


def exact_value(problem: FirefightingProblem) -> float:
    """Return the best expected return, mean over agents, of policies that see all levels and the step."""
    n, n_houses, houses = problem.n_agents, problem.n_houses, problem.houses
    levels = joint_states(n_houses, LEVELS).astype(np.int64)
    chances = problem.fire_chances
    burns = np.concatenate([levels > 0, np.zeros((1, levels.shape[1]), bool)])
    near = burns[problem.around].any(axis=0)
    every, paid = [], []
    for joint in joint_states(n, houses.shape[1]).T:
        many = np.bincount(houses[np.arange(n), joint], minlength=n_houses).clip(max=2)[:, None]
        chance = chances[9 * near + 3 * many + levels]
        lower = np.where(many == 2, 0, np.maximum(levels - 1, 0))
        moved = np.where(many > 0, lower, np.minimum(levels + 1, LEVELS - 1))
        value = np.arange(LEVELS)[None, :, None]
        parts = (value == levels[:, None]) * (1 - chance[:, None]) + (
            value == moved[:, None]
        ) * chance[:, None]
        every.append(parts)
        paid.append(-(parts * value).sum(axis=(0, 1)) / n)
    first = np.full(LEVELS, 1 / LEVELS)
    return joint_value(np.array(paid), every, [first] * n_houses, problem.horizon)
