"""Aristocrat rewards: an agent is paid by how much better its action was than what it does on average.

D. Wolpert and K. Tumer, "Optimal Payoff Functions for Members of Collectives", Advances in Complex Systems 4, 2001 (the
aristocrat utility). With G the team's reward, z what all do and (z₋ᵢ, a) the same but that agent i does a:

    A_i = G(z) − Σ_a p_i(a) G(z₋ᵢ, a)

As with `DifferenceReward`, what is taken off doesn't depend on what agent i does, so that what is good for A_i is good
for G; of all such rewards this one has the least variance, over what all agents do, when p is how agent i acts whatever
the others do. The expectation is exact: for each other action the world is played again, with the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from crl_envs.core.arguments import check_each, check_real, shown
from crl_envs.wrappers.difference_reward import (
    Counterfactual,
    DifferenceReward,
    VectorDifferenceReward,
)


class VectorAristocratReward(VectorDifferenceReward):
    """`AristocratReward` for a batch: rewards ``float64 (B, n)``; the rest is as `VectorDifferenceReward` has it.

    Arguments and errors are those of `AristocratReward`.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        reduce: str = "mean",
        probabilities: Sequence[float] | None = None,
    ) -> None:
        super().__init__(env, reduce)
        self.probabilities = _chances(probabilities, self._world_env._n_actions)

    def _alternatives(
        self, action: NDArray[np.integer], mask: NDArray[np.int8] | None, going: NDArray[np.bool_]
    ) -> Counterfactual:
        return others(action, mask, going, self.probabilities)


class AristocratReward(DifferenceReward):
    """Give every agent its aristocrat reward; ``infos[agent]["local_reward"]`` keeps its own.

    The expectation is over the agent's legal actions; an action that is not legal has become 0 before. It looks at the
    rewards of this very step, and at nothing of what comes of the action later: in SYSADMIN a reboot never pays.

    A step costs up to n (A − 1) steps of the world more. Wrappers between this one and the world must do what those of
    `DifferenceReward` must. A `WorldVectorEnv` is accepted too and gives a `VectorAristocratReward`.

    Args:
        env: An environment of this package, perhaps wrapped, or a `WorldVectorEnv`.
        reduce: G is the ``"mean"`` of the agents' own rewards, or the ``"sum"``.
        probabilities: p, a number for each action, in proportion; those of legal actions are made to sum to 1. An agent
            for which they are all 0 has A_i = 0. None (default): all alike.

    Raises:
        ValueError: Another kind of environment, a subclass with public methods of its own, an unknown `reduce`, or
            `probabilities` that aren't one number ≥ 0 for each action, or all 0.
    """

    def __new__(
        cls, env: Any = None, reduce: str = "mean", probabilities: Sequence[float] | None = None
    ) -> Any:
        """Make a `VectorAristocratReward` of a vector environment; the defaults are there for pickle."""
        if isinstance(env, VectorEnv):
            return VectorAristocratReward(env, reduce, probabilities)
        return super().__new__(cls)

    def __init__(
        self, env: Any, reduce: str = "mean", probabilities: Sequence[float] | None = None
    ) -> None:
        super().__init__(env, reduce)
        self.probabilities = _chances(probabilities, self._base._n_actions)

    def _alternatives(
        self, action: NDArray[np.integer], mask: NDArray[np.int8] | None, going: NDArray[np.bool_]
    ) -> Counterfactual:
        return others(action, mask, going, self.probabilities)


def others(
    action: NDArray[np.integer],
    mask: NDArray[np.int8] | None,
    going: NDArray[np.bool_],
    chances: Sequence[float],
) -> Counterfactual:
    """Return the worlds in which an agent does another legal action, weighed by its probability.

    Args:
        action: ``[n, B]``, what all do.
        mask: ``int8[n, A, B]``, what is legal; None: everything.
        going: ``bool[B]``, columns that matter.
        chances: p, in proportion.
    """
    n, b = action.shape
    weight = np.repeat(np.array(chances)[None, :, None], n, axis=0)
    weight = np.repeat(weight, b, axis=2) if mask is None else weight * mask
    total = sum(weight[:, a] for a in range(len(chances)))  # one by one: alike for any B
    wanted = (weight > 0) & (np.arange(len(chances))[:, None] != action[:, None]) & going
    agent, other, column = np.nonzero(wanted)
    share = weight[agent, other, column] / np.asarray(total)[agent, column]
    return Counterfactual(agent, column, other, share)


def _chances(probabilities: Any, n_actions: int) -> tuple[float, ...]:
    """Return p as a tuple of finite numbers."""
    if probabilities is None:
        return (1.0,) * n_actions
    chances = tuple(check_each("probabilities", probabilities, check_real, low=0.0, high=1e6))
    if len(chances) != n_actions:
        raise ValueError(
            f"probabilities must have a number for each of {n_actions} actions, got {shown(probabilities)}"
        )
    if not any(chances):
        raise ValueError(f"probabilities must not all be 0, got {shown(probabilities)}")
    return chances
