"""What is known about the best firefighting: exact for few houses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.joint_value import is_quick, joint_value
from crl_envs.core.optimum import Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.factored import joint_states
from crl_envs.firefighting.form import array_form
from crl_envs.firefighting.problem import LEVELS, FirefightingProblem

PART: Final = 5  # houses in a row that are solved together
_METHOD: Final = f"parts of {PART} houses, between which no fire catches"
_MOST_PLANNED: Final = 10_000  # agents, one after the other in Python
_SWEEPS: Final = 3


def find_optimum(problem: FirefightingProblem) -> Optimum:
    """Return the exact value of agents who see all levels, where there are few; else a bound.

    In a row the bound cuts the houses into parts, between which no fire catches and whose shared agents fight in both;
    it needs that burning neighbours make things worse, that is `catch_rate` ≥ `grow_rate`, and some ten thousand
    steps at most. Elsewhere it is 0: no house burns. Below it is what agents earn who plan together for one step, or
    more than 10,000 who fight where it burns most, simulated; where there are too many, what they lose when all houses
    burn.
    """
    every = np.arange(problem.n_houses)
    if is_quick(_size(problem, every), problem.horizon):
        value = value_of(problem, every)
        return Optimum(value, "exact", "value iteration over the houses' levels", value)
    lower, how = simulated(problem)
    a_part = 2 * PART * np.log2(LEVELS) + PART + 1
    if (
        problem.layout == "row"
        and problem.catch_rate >= problem.grow_rate
        and is_quick(a_part, problem.horizon)
    ):
        return Optimum(cut_value(problem), "bound", f"{_METHOD}; lower: {how}", lower)
    return Optimum(0.0, "bound", f"no house ever burns; lower: {how}", lower)


def cut_value(problem: FirefightingProblem) -> float:
    """Return an upper bound of the best return in a row of more than `PART` houses, mean over agents.

    Fewer burning neighbours and lower levels make all next levels lower, draw by draw, and so do more fighters.
    """
    h = problem.n_houses
    last = (h - 1) % PART + 1
    first, middle, end = (
        value_of(problem, np.arange(low, low + size))
        for low, size in ((0, PART), (PART if h > 2 * PART else 0, PART), (h - last, last))
    )
    return first + (h - PART - last) // PART * middle + end


def simulated(problem: FirefightingProblem) -> tuple[float, str]:
    """Return what a simulated rule earns at least, and how that is known."""
    n, horizon, houses = problem.n_agents, problem.horizon, problem.houses
    columns = columns_for(n, horizon, 8)  # planning takes eight times as long as a step
    if not columns:
        return -float(horizon * (LEVELS - 1) * problem.n_houses / n), "all houses burn"
    act, how = (
        (lambda fire: plan_ahead(problem, fire.level), "plans for one step, agent by agent")
        if n <= _MOST_PLANNED
        else (lambda fire: fire.level[houses].argmax(axis=1), "all fight where it burns most")
    )
    low = low_return(array_form(problem), n, horizon, act, columns)
    return low, f"{how}, simulated, less {ERRORS:g} standard errors"


def plan_ahead(problem: FirefightingProblem, level: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return joint actions ``int64[n, B]`` for levels ``uint8[H, B]`` that lower what is expected after one step.

    One agent after the other goes where that lowers the expected levels most, and goes elsewhere in two more rounds
    where that is better once all others have chosen.
    """
    n, columns = problem.n_agents, np.arange(level.shape[1])
    burns = np.pad(level > 0, ((0, 1), (0, 0)))
    near = burns[problem.around].any(axis=0)
    many = np.arange(3)[:, None, None]
    chance = problem.fire_chances[9 * near + 3 * many + level]
    cost = chance * (_moved(level.astype(np.int64), many) - level)  # [fighters, H, B]
    gain = np.pad(cost[:-1] - cost[1:], ((0, problem.houses.shape[1]), (0, 0), (0, 0)))
    there = np.zeros(level.shape, np.int64)  # fighters
    actions = np.zeros((n, columns.size), np.int64)
    for sweep in range(_SWEEPS):
        for i, own in enumerate(problem.houses):
            if sweep:
                there[own[actions[i]], columns] -= 1
            actions[i] = gain[there[own], own[:, None], columns].argmax(axis=0)
            there[own[actions[i]], columns] += 1
    return actions


def _moved(level: NDArray[np.int64], many: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the levels that houses with so many fighters change to, if they do."""
    lower = np.where(many == 2, 0, np.maximum(level - 1, 0))
    moved: NDArray[np.int64] = np.where(many > 0, lower, np.minimum(level + 1, LEVELS - 1))
    return moved


def value_of(problem: FirefightingProblem, part: NDArray[np.int64]) -> float:
    """Return what some houses cost at best, divided by the number of all agents, where no other house burns.

    Policies see all their levels and the step; whoever is next to one of them may fight it.

    Args:
        problem: The arguments.
        part: The houses, ascending.
    """
    n, n_houses = problem.n_agents, len(part)
    inside = np.full(problem.n_houses + 1, n_houses)
    inside[part] = np.arange(n_houses)
    houses, around = inside[problem.houses], inside[problem.around[:, part]]
    houses = houses[(houses < n_houses).any(axis=1)]  # of those who are next to the part
    levels = joint_states(n_houses, LEVELS).astype(np.int64)
    chances = problem.fire_chances
    burns = np.concatenate([levels > 0, np.zeros((1, levels.shape[1]), bool)])
    near = burns[around].any(axis=0)
    every, paid = [], []
    for joint in joint_states(len(houses), houses.shape[1]).T:
        there = houses[np.arange(len(houses)), joint]
        many = np.bincount(there, minlength=n_houses + 1)[:n_houses].clip(max=2)[:, None]
        chance = chances[9 * near + 3 * many + levels]
        moved = _moved(levels, many)
        value = np.arange(LEVELS)[None, :, None]
        parts = (value == levels[:, None]) * (1 - chance[:, None]) + (
            value == moved[:, None]
        ) * chance[:, None]
        every.append(parts)
        paid.append(-(parts * value).sum(axis=(0, 1)) / n)
    first = np.full(LEVELS, 1 / LEVELS)
    return joint_value(np.array(paid), every, [first] * n_houses, problem.horizon)


def _size(problem: FirefightingProblem, part: NDArray[np.int64]) -> float:
    """Return the logarithm of the numbers that `value_of` goes through."""
    a = problem.houses.shape[1]
    return float(2 * len(part) * np.log2(LEVELS) + problem.n_agents * np.log2(a))
