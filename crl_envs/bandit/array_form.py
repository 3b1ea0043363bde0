"""The bandit as functions over an array namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

from crl_envs.bandit.problem import BanditProblem
from crl_envs.core.array_form import ArrayForm, Chance, column, happens
from crl_envs.core.stream import Purpose


def array_form(problem: BanditProblem) -> ArrayForm:
    """Return the bandit's dynamics; the state is ``uint8[1, …]``: 0 before the action, 1 after it."""
    correct = problem.correct_action

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        return xp.zeros((1, *words[Purpose.INITIAL].shape[1:]), np.uint8)

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        right = (action == column(xp.asarray(correct), action)).astype(np.uint8)
        paid = happens(xp, words[Purpose.REWARD], Chance(*tables["success"]), right)
        return xp.ones_like(state), paid.astype(np.float32)

    return ArrayForm(
        tables={"success": Chance.of(problem.success)},
        purposes=(Purpose.REWARD,),
        initial=initial,
        step=step,
        observation=lambda xp, state: xp.zeros((correct.size, *state.shape[1:]), np.uint8),
        terminal=lambda xp, state: state[0] != 0,
        state_array=lambda xp, state: state,
        metrics=lambda xp, state: {},
    )
