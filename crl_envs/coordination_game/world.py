"""Coordination games as arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.coordination_game.problem import (
    UNIT,
    CoordinationGameArguments,
    CoordinationGameProblem,
)
from crl_envs.core.array_form import ArrayForm, look_up
from crl_envs.core.form_world import FormWorld
from crl_envs.core.on_graph import executed, seen_states
from crl_envs.core.optimum import KeepsOptimum
from crl_envs.core.stream import Purpose

State = NDArray[np.uint8]

_BYTES_SD: Final = (
    4 * (256**2 - 1) / 12
) ** 0.5  # of a sum of four uniform bytes, whose mean is 510
_MOST_GATHERED: Final = (
    16  # games of an agent up to which all have as many places as the one with most
)


class CoordinationGameWorld(KeepsOptimum, FormWorld[State]):
    """Games on the edges of a graph; the state is ``uint8[n, B]``, what agents did last, A before they did anything.

    Args:
        *args: A `CoordinationGameProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "coordination_game"
    finder = "crl_envs.coordination_game.optimum:find_optimum"

    def __init__(self, *args: Any, **arguments: Unpack[CoordinationGameArguments]) -> None:
        self.problem = problem = CoordinationGameProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n, problem.horizon
        self.single_action_space = spaces.Discrete(problem.actions)
        self.single_observation_space = (
            spaces.Discrete(1)
            if problem.observe == "nothing"
            else problem.observation_space(problem.actions + 1)
        )
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """What every agent did last."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(np.full(self.n_agents, self.problem.actions + 1), dtype=dtype)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        return array_form(self.problem)


def array_form(problem: CoordinationGameProblem) -> ArrayForm:
    """Return coordination games over any array namespace.

    Payoffs are whole numbers until the last multiplication, so that no order of additions changes a bit.
    """
    n, a, orders, observed = problem.n, problem.actions, problem.orders, problem.observed
    first, second = problem.pairs.T
    each = (a * a * np.arange(len(first))).astype(np.int32)
    each = each if len(problem.means) > 1 else 0 * each
    noise, coins = round(problem.noise / _BYTES_SD / UNIT * 256), problem.coins
    add_up = _adding(problem)

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        return xp.full((n, *words[Purpose.INITIAL].shape[1:]), a, np.uint8)

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        done = executed(xp, action, orders).astype(np.int32)
        index = a * done[first] + done[second]
        shape = (len(first), *(1,) * (action.ndim - 1))
        paid = look_up(xp, tables["payoffs"], index + xp.asarray(each).reshape(shape))
        if coins is not None:
            heads = (words[Purpose.REWARD][: len(first)] >> 31).astype(np.int32)
            paid = paid + look_up(xp, tables["coins"], index) * (2 * heads - 1)
        if noise:
            word = words[Purpose.REWARD_NOISE][: len(first)]
            total = sum(((word >> k) & np.uint32(255)).astype(np.int32) for k in (0, 8, 16, 24))
            paid = paid + (((total - 510) * noise + 128) >> 8)
        reward = add_up(xp, paid).astype(np.float32) * np.float32(UNIT / 2)
        return action.astype(np.uint8), reward

    def observation(xp: Any, state: Any) -> Any:
        return xp.zeros_like(state) if observed is None else seen_states(xp, state, observed, a + 1)

    tables: dict[str, Any] = {"payoffs": problem.means.ravel()}
    if coins is not None:
        tables["coins"] = coins.ravel()
    purposes = ((Purpose.REWARD,) if coins is not None else ()) + (
        (Purpose.REWARD_NOISE,) if noise else ()
    )
    return ArrayForm(
        tables=tables,
        purposes=purposes,
        initial=initial,
        step=step,
        observation=observation,
        state_array=lambda xp, state: state,
        metrics=lambda xp, state: {},
        lanes=max(n, len(first)),
    )


def _adding(problem: CoordinationGameProblem) -> Any:
    """Return a function that adds up the payoffs ``int32[E, …]`` of each agent's games: ``int32[n, …]``."""
    pairs, n = problem.pairs, problem.n
    agent, game = pairs.T.ravel(), np.tile(np.arange(len(pairs)), 2)
    degree = np.bincount(agent, minlength=n)
    most = int(degree.max(initial=0))
    places = np.full((most, n), len(pairs))
    order = np.argsort(agent, kind="stable")
    within = np.arange(agent.size) - np.repeat(np.cumsum(degree) - degree, degree)
    if most <= _MOST_GATHERED:
        places[within, agent[order]] = game[order]

    def gather(xp: Any, paid: Any) -> Any:
        known = xp.concatenate([paid, xp.zeros((1, *paid.shape[1:]), np.int32)])
        return sum((known[at] for at in places), start=xp.zeros((n, *paid.shape[1:]), np.int32))

    def scatter(xp: Any, paid: Any) -> Any:
        total = xp.zeros((n, *paid.shape[1:]), np.int32)
        if xp is np:
            np.add.at(total, agent, paid[game])
            return total
        return total.at[agent].add(paid[game])

    return gather if most <= _MOST_GATHERED else scatter
