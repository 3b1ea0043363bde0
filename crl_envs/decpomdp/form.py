"""The dynamics of a Dec-POMDP, over any array namespace."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm, Chance
from crl_envs.core.stream import Purpose
from crl_envs.decpomdp.problem import TeamProblem


class Team(NamedTuple):
    """The state."""

    world: Any  # uint8[1, …], uint16 beyond 256 states
    seen: (
        Any  # uint8[n, …]: each agent's last observation; the largest number before the first step
    )


def unseen(problem: TeamProblem) -> int:
    """Return what stands for no observation: one more than there are."""
    return max(problem.process.n_observations)


def array_form(problem: TeamProblem) -> ArrayForm:
    """Return a Dec-POMDP over any array namespace; the state is a `Team`."""
    model, n = problem.process, problem.process.n_agents
    s, z = model.n_states, len(model.joint_observations)
    dtype = np.uint8 if s <= 256 else np.uint16
    weights = _place_values(model.n_actions)
    parts = model.joint_observations.T.astype(np.uint8)
    by_next, by_seen = (size > 1 for size in model.reward.shape[2:])
    counts = np.array(model.n_actions)
    mask = (np.arange(counts.max()) < counts[:, None]).astype(np.int8)

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        word = words[Purpose.INITIAL]
        first = drawn(xp, word, tables["start"], xp.zeros(word.shape, np.int32), s)
        nothing = xp.full((n, *word.shape[1:]), unseen(problem), np.uint8)
        return Team(first.astype(dtype), nothing)

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        joint = sum(action[i].astype(np.int32) * weights[i] for i in range(n))[None]
        row = joint * s + state.world.astype(np.int32)
        after = drawn(xp, words[Purpose.TRANSITION], tables["transition"], row, s)
        saw = drawn(
            xp, words[Purpose.OBSERVATION_NOISE], tables["observation"], joint * s + after, z
        )
        entry = (row * s + after if by_next else row) * (z if by_seen else 1) + saw * by_seen
        paid = xp.take(tables["reward"], entry, axis=0)
        each = xp.stack([xp.take(xp.asarray(part), saw[0], axis=0) for part in parts])
        return Team(after.astype(dtype), each), xp.concatenate([paid] * n)

    def legal(xp: Any, state: Any, action: Any) -> Any:
        return action < xp.asarray(counts).reshape(n, *(1,) * (action.ndim - 1))

    def action_mask(xp: Any, state: Any) -> Any:
        shape = (*mask.shape, *state.seen.shape[1:])
        return xp.broadcast_to(
            xp.asarray(mask).reshape(*mask.shape, *(1,) * (len(shape) - 2)), shape
        )

    return ArrayForm(
        tables={
            "start": _chances(model.start[None]),
            "transition": _chances(model.transition.reshape(-1, s)),
            "observation": _chances(model.observation.reshape(-1, z)),
            "reward": (model.reward / n).ravel().astype(np.float32),
        },
        purposes=(Purpose.TRANSITION, Purpose.OBSERVATION_NOISE),
        initial=initial,
        step=step,
        observation=lambda xp, state: state.seen,
        state_array=lambda xp, state: xp.concatenate([state.world, state.seen.astype(dtype)]),
        metrics=lambda xp, state: {"state": state.world[0]},
        lanes=1,
        legal=None if mask.all() else legal,
        action_mask=None if mask.all() else action_mask,
    )


def drawn(xp: Any, word: Any, chances: Any, row: Any, count: int) -> Any:
    """Return numbers ``int32`` below `count`, drawn from the row's distribution, by bisection.

    Args:
        xp: The namespace.
        word: ``uint32[1, …]``.
        chances: Of being at least 1, …, count − 1, row by row.
        row: ``int32[1, …]``.
        count: As said.
    """
    found = xp.zeros(word.shape, np.int32)
    for bit in reversed(range((count - 1).bit_length())):
        larger = found + (1 << bit)
        at = row * (count - 1) + xp.minimum(larger, count - 1) - 1
        below = (word <= xp.take(chances.last, at, axis=0)) & xp.take(chances.some, at, axis=0)
        found = xp.where(below & (larger < count), larger, found)
    return found


def _chances(rows: NDArray[np.float64]) -> Chance:
    """Return the chances of being at least 1, …, row by row."""
    least = np.minimum(np.cumsum(rows[:, ::-1], axis=1)[:, -2::-1], 1.0)
    return Chance.of(np.ascontiguousarray(least).ravel())


def _place_values(sizes: tuple[int, ...]) -> list[int]:
    return [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
