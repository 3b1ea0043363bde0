"""The dynamics of wireless access, over any array namespace."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.access.problem import ACTIONS, CORNERS, AccessProblem
from crl_envs.core.array_form import ArrayForm, Chance, column
from crl_envs.core.on_graph import seen_states
from crl_envs.core.stream import Purpose

THROUGH: Final = 1  # what is left of `LOST` when something has come through
LOST: Final = 2


class Air(NamedTuple):
    """The state."""

    queue: Any  # uint8[n, …]: bit m says whether there is a packet with m + 1 steps left
    sent: Any  # uint8[n, …]: 0 where the last step sent nothing, else `THROUGH` or `LOST`


def array_form(problem: AccessProblem) -> ArrayForm:
    """Return wireless access over any array namespace; the state is an `Air`.

    Access points are counted by shifting the lattice, which takes no table: the users who have a point at corner k are
    the lattice without one row and one column at its border.
    """
    n, newest, n_actions = problem.n_agents, problem.deadline - 1, len(ACTIONS)
    rows, columns = problem.shape
    legal_corner = np.ones((n, n_actions), np.bool_)
    legal_corner[:, 1:] = problem.points >= 0
    observed = problem.observed
    users = [
        np.s_[-down : rows - 1 - down, -right : columns - 1 - right] for down, right in CORNERS
    ]
    borders = [((-down, 1 + down), (-right, 1 + right)) for down, right in CORNERS]

    def drawn(word: Any, chance: Any) -> Any:
        last, some = chance
        return (word <= last) & some

    def arrived(tables: Any, word: Any) -> Any:
        return drawn(word, tables["arrival"]).astype(np.uint8) << newest

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        queue = arrived(tables, words[Purpose.INITIAL])
        return Air(queue, xp.zeros_like(queue))

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        queue, batch = state.queue, action.shape[1:]
        # Products and bits: a choice between two arrays is slow where it is as good as random.
        tried = (queue > 0).astype(np.uint8) * action.astype(np.uint8)
        nobody = xp.zeros((rows * columns - n, *batch), np.uint8)
        cells = xp.concatenate([tried, nobody]).reshape(rows, columns, *batch)
        to = [cells == 1 + k for k in range(len(CORNERS))]
        senders = sum(at[own].astype(np.uint8) for at, own in zip(to, users, strict=True))
        alone, heard = senders == 1, xp.zeros(cells.shape, np.bool_)
        for at, border in zip(to, borders, strict=True):
            heard = heard | (at & xp.pad(alone, (*border, *((0, 0) for _ in batch))))
        heard = heard.reshape(rows * columns, *batch)[:n]
        through = (heard & drawn(words[Purpose.LINK_LOSS], tables["success"])).astype(np.uint8)
        left = (queue & (queue - through)) >> 1  # without the oldest, where that came through
        sent = np.uint8(LOST) * (tried > 0).astype(np.uint8) - through
        after = left | arrived(tables, words[Purpose.ARRIVAL])
        return Air(after, sent), through.astype(np.float32)

    def legal(xp: Any, state: Any, action: Any) -> Any:
        first = column(xp.asarray(n_actions * np.arange(n, dtype=np.int32)), action)
        return xp.take(xp.asarray(legal_corner.ravel()), first + action, axis=0)

    def action_mask(xp: Any, state: Any) -> Any:
        batch = state.queue.shape[1:]
        one = xp.asarray(legal_corner.astype(np.int8)).reshape(n, n_actions, *(1 for _ in batch))
        return xp.broadcast_to(one, (n, n_actions, *batch))

    def metrics(xp: Any, state: Any) -> dict[str, Any]:
        return {
            "throughput": (state.sent == THROUGH).mean(axis=0),
            "lost": (state.sent == LOST).mean(axis=0),
            "waiting": (state.queue > 0).mean(axis=0),
        }

    return ArrayForm(
        tables={
            "arrival": Chance.of(np.asarray(problem.arrival_rate)),
            "success": Chance.of(np.asarray(problem.success_rate)),
        },
        purposes=(Purpose.ARRIVAL, Purpose.LINK_LOSS),
        initial=initial,
        step=step,
        observation=lambda xp, state: seen_states(xp, state.queue, observed, problem.n_values),
        state_array=lambda xp, state: xp.concatenate([state.queue, state.sent]),
        metrics=metrics,
        legal=legal,
        action_mask=action_mask,
    )
