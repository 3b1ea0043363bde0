"""The bar problem as functions over an array namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

from crl_envs.bar.problem import BarProblem
from crl_envs.core.array_form import ArrayForm
from crl_envs.core.stream import Purpose


def array_form(problem: BarProblem) -> ArrayForm:
    """Return the bar's dynamics; the state is ``int32[1 + K, …]``: whether the week is over, and the guests."""
    n, k = problem.n_agents, problem.n_nights
    share = np.append(0.0, problem.share(np.arange(1, n + 1)))  # at home, then by guests
    nights = np.arange(1, k + 1)

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        return xp.zeros((1 + k, *words[Purpose.INITIAL].shape[1:]), np.int32)

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        over = xp.ones((1, *action.shape[1:]), np.int32)
        guests = [(action == night).sum(axis=0, keepdims=True) for night in nights.tolist()]
        after = xp.concatenate([over, *(x.astype(np.int32) for x in guests)])
        own = xp.take_along_axis(after, action.astype(np.int32), axis=0)
        return after, tables["share"][xp.where(action > 0, own, 0)]

    def legal(xp: Any, state: Any, action: Any) -> Any:
        return action > 0

    def action_mask(xp: Any, state: Any) -> Any:
        one = xp.arange(1 + k) > 0
        shape = (n, 1 + k, *state.shape[1:])
        return xp.broadcast_to(one.reshape(1, -1, *[1] * (state.ndim - 1)), shape).astype(np.int8)

    return ArrayForm(
        tables={"share": share.astype(np.float32)},
        purposes=(),
        initial=initial,
        step=step,
        observation=lambda xp, state: xp.zeros((n, *state.shape[1:]), np.uint8),
        terminal=lambda xp, state: state[0] != 0,
        state_array=lambda xp, state: state,
        metrics=lambda xp, state: {
            "worth": (state[1:] * xp.exp(-state[1:] / problem.capacity)).sum(axis=0)
        },
        legal=legal,
        action_mask=action_mask,
    )
