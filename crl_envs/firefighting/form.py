"""The dynamics of firefighting, over any array namespace."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crl_envs.core.array_form import ArrayForm, Chance, happens
from crl_envs.core.stream import Purpose
from crl_envs.firefighting.problem import FirefightingProblem

UNSEEN = 2  # flames, before the first step


class Fire(NamedTuple):
    """The state. Houses aren't agents: there are H of them."""

    level: Any  # uint8[H, …], 0 to 2
    flames: Any  # uint8[n, …]: whether each agent has seen flames, or `UNSEEN`


def array_form(problem: FirefightingProblem) -> ArrayForm:
    """Return firefighting over any array namespace; the state is a `Fire`."""
    n, n_houses, houses, around = problem.n_agents, problem.n_houses, problem.houses, problem.around
    who, how = problem.fighters

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        word = words[Purpose.INITIAL]
        level = sum(
            happens(xp, word[:n_houses], Chance(last, some)).astype(np.uint8)
            for last, some in zip(*tables["start"], strict=True)
        )
        return Fire(level, xp.full((n, *word.shape[1:]), UNSEEN, np.uint8))

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        level, nothing = state.level, xp.zeros((1, *action.shape[1:]), np.uint8)
        known = xp.concatenate([action.astype(np.uint8) + 1, nothing])  # 0: nobody there
        fighters = sum(
            (known[w] == 1 + h).astype(np.int32) for w, h in zip(who, how[:, 0], strict=True)
        )
        burns = xp.concatenate([(level > 0).astype(np.uint8), nothing])
        near = sum(burns[side].astype(np.int32) for side in around) > 0
        many = xp.minimum(fighters, 2)
        index = 9 * near.astype(np.int32) + 3 * many + level
        changes = happens(xp, words[Purpose.TRANSITION][:n_houses], Chance(*tables["fire"]), index)
        lower = xp.where(many == 2, 0, xp.maximum(level.astype(np.int32) - 1, 0))
        moved = xp.where(many > 0, lower, level.astype(np.int32) + 1)
        after = xp.where(changes, moved, level.astype(np.int32)).astype(np.uint8)
        mine = after[houses]  # [n, A, …]
        shares = tables["shares"].reshape(*houses.shape, *(1,) * (after.ndim - 1))
        paid = np.float32(0) - sum(
            shares[:, k] * mine[:, k].astype(np.float32) for k in range(houses.shape[1])
        )
        fought = xp.zeros(action.shape, np.uint8)
        for k in range(houses.shape[1]):
            fought = xp.where(action == k, mine[:, k], fought)
        seen = happens(xp, words[Purpose.OBSERVATION_NOISE][:n], Chance(*tables["flames"]), fought)
        return Fire(after, seen.astype(np.uint8)), paid

    def observation(xp: Any, state: Any) -> Any:
        return state.flames if problem.observe == "flames" else state.level[houses]

    def metrics(xp: Any, state: Any) -> dict[str, Any]:
        return {"burning": (state.level > 0).mean(axis=0), "level": state.level.mean(axis=0)}

    return ArrayForm(
        tables={
            "start": Chance.of(np.array([[2 / 3], [1 / 3]])),
            "fire": Chance.of(problem.fire_chances),
            "flames": Chance.of(np.array(problem.flame_rates)),
            "shares": problem.shares,
        },
        purposes=(Purpose.TRANSITION, Purpose.OBSERVATION_NOISE),
        initial=initial,
        step=step,
        observation=observation,
        state_array=lambda xp, state: xp.concatenate([state.level, state.flames]),
        metrics=metrics,
        lanes=max(n, n_houses),
    )
