"""SYSADMIN as functions over an array namespace, all its dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np

from crl_envs.core.array_form import ArrayForm, Chance, Rows, column, counting, happens, look_up
from crl_envs.core.on_graph import seen_states
from crl_envs.core.stream import Purpose
from crl_envs.sysadmin.dynamics import (
    DEAD,
    FAULTY,
    GOOD,
    LOADED,
    PROGRESS,
    STATUS_LOAD,
    SUCCESS,
    reward,
    risk,
)
from crl_envs.sysadmin.problem import SysadminProblem


def array_form(problem: SysadminProblem) -> ArrayForm:
    """Return SYSADMIN's dynamics; the state is ``uint8[n, …]``, as that of the world."""
    two_fold = problem.dynamics == STATUS_LOAD
    chances, offsets = problem.by_degree(risk) if two_fold else problem.up_probabilities
    count, width = counting(problem.parents), problem.parents.degree + 1
    rows = Rows(offsets, width * (3 if two_fold else 2))
    swap = None if problem.swap is None else problem.swap[:, 0]
    first = np.array([3 * FAULTY, 3 * GOOD], np.uint8)  # idle
    nobody = 9 if two_fold else 2

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        word = words[Purpose.INITIAL]
        up = happens(xp, word, Chance(*tables["start_up"]))
        state = up.astype(np.uint8)
        return look_up(xp, xp.asarray(first), state) if two_fold else state

    def entry(xp: Any, row: Any, counted: Any) -> Any:
        return row.astype(np.int32) * column(xp.asarray(width, np.int32), row) + counted

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        reboot = action.astype(np.uint8)
        if swap is not None:
            reboot = reboot ^ column(xp.asarray(swap), reboot)
        moved = (two_parts if two_fold else one_part)(xp, tables, state, words)
        paid = look_up(xp, tables["reward"], 2 * state + reboot)
        return xp.where(reboot != 0, np.uint8(3 * GOOD if two_fold else 1), moved), paid

    def one_part(xp: Any, tables: Any, state: Any, words: Any) -> Any:
        index = entry(xp, state, count(xp, state, lambda theirs, own: theirs))
        up = happens(xp, words[Purpose.TRANSITION], Chance(*tables["up"]), index, rows)
        return up.astype(np.uint8)

    def two_parts(xp: Any, tables: Any, state: Any, words: Any) -> Any:
        status, load = state // 3, state % 3
        index = entry(xp, status, count(xp, status, lambda theirs, own: theirs > own))
        falls = happens(xp, words[Purpose.TRANSITION], Chance(*tables["risk"]), index, rows)
        gains = happens(xp, words[Purpose.LOAD], Chance(*tables["progress"]), state)
        idle = (status == DEAD) | (load == SUCCESS)
        next_load = xp.where(idle, np.uint8(0), load + gains.astype(np.uint8))
        return 3 * (status + falls.astype(np.uint8)) + next_load

    def metrics(xp: Any, state: Any) -> dict[str, Any]:
        if not two_fold:
            return {"up": state.sum(axis=0) / len(state)}  # sooner than `mean`
        status, load = state // 3, state % 3
        named = {"good": GOOD, "faulty": FAULTY, "dead": DEAD}
        shares = {name: (status == value).mean(axis=0) for name, value in named.items()}
        return shares | {"loaded": (load == LOADED).mean(axis=0)}

    tables: dict[str, Any] = {
        "start_up": Chance.of(np.array([problem.start_up])),
        "reward": reward(problem.dynamics).ravel().astype(np.float32),
        "risk" if two_fold else "up": Chance.of(chances),
    }
    if two_fold:
        tables["progress"] = Chance.of(PROGRESS)
    return ArrayForm(
        tables=tables,
        purposes=(Purpose.TRANSITION, Purpose.LOAD) if two_fold else (Purpose.TRANSITION,),
        initial=initial,
        step=step,
        observation=lambda xp, state: seen_states(xp, state, problem.observed, nobody),
        state_array=lambda xp, state: state,
        metrics=metrics,
    )
