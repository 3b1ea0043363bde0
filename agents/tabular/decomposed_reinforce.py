"""Decompose the global reward, then learn locally: REINFORCE on estimated local rewards.

Bagnell & Ng (2005, §3) show that a learner that sees only the global reward needs a number of trials that grows with
the number of agents n. Here the learner sees it only too, but assumes what makes local rewards possible: that the
team's reward is a sum of R_i(o, a), each of one agent's observation and action. Those are estimated by a ridge
regression on the indicators of (agent, observation, action), of all steps so far, and take the place of the local
rewards in the update of `agents.tabular.reinforce`:

    y_t  = Σ_i R_i(o_it, a_it) + noise            n r_t, for r_t the mean that the team is given, or r_t, their sum
    w, μ = argmin Σ_t (y_t − Σ_i (μ + w[i, o_it, a_it]))² + λ ‖w‖²,       R̂_i(o, a) = μ + w[i, o, a]
    Ĝ_j  = Σ_t R̂_j(o_jt, a_jt)                    with the estimate that has this episode in it
    G_i  = mean of Ĝ_j over agent i and the agents that share an edge with it

The sums run over the agents that take part in a step. R̂_i is known up to a constant of agent i's own (all agents'
constants sum to 0), which the baseline takes off. Rewards don't change with the policies, so all steps count alike.

Details that matter:

1. There are n (O A − 1) + 1 unknowns that matter and T equations an episode, so that the number of episodes still
   grows with n. But a wrong estimate of what another agent earns is not noise that comes anew in every episode, as
   what it really earns is for the global learner: it goes away.
2. λ is noise over signal variance, as for any ridge: ``ridge="noise"`` takes for the noise the mean square of what the
   last estimates failed to predict of each new episode, and for the signal ``reward_scale``². Noise in the team's
   mean is n times as large in y. A fixed small λ fits that noise when there are about as many steps as unknowns, and
   learning stalls there (double descent).

The regression is `agents.tabular.reward_regression`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.learner import global_reward
from agents.tabular.reinforce import Reinforce
from agents.tabular.reward_regression import make_regressions, make_rooms, pack, unpack
from agents.view import Episode, Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_choice, check_real, check_seed, keep

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DecomposedReinforceConfig:
    """Hyperparameters of `DecomposedReinforce`.

    Attributes:
        credit: Whose estimated rewards an agent learns from: ``"local"`` (default), its own and its neighbours', or
            ``"own"``, which sees nothing of what its actions do to others.
        reduce: What the environment gives every agent: the ``"mean"`` (default) of the local rewards, or their
            ``"sum"``, as `GlobalReward` has it. Where it gives local rewards, the learner takes their mean.
        ridge: λ > 0, or ``"noise"`` (default), which follows the errors of prediction. A fixed one is better only
            where the noise is known; too small a one makes learning stall under noise, too large a one slow.
        reward_scale: Standard deviation > 0 of a local reward over observations and actions, 0.5 by default, as for
            rewards in [0, 1]. Only the ridge ``"noise"`` uses it: half of it is a penalty four times as large.
        learning_rate: α > 0, 3.0 by default, as `Reinforce`.
        baseline: ``"running"`` (default) or ``"none"``, as `Reinforce`.
        baseline_rate: β in (0, 1], 0.1 by default, as `Reinforce`.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    credit: str = "local"
    reduce: str = "mean"
    ridge: float | str = "noise"
    reward_scale: float = 0.5
    learning_rate: float = 3.0
    baseline: str = "running"
    baseline_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "credit", ("local", "own"))
        keep(self, check_choice, "reduce", ("mean", "sum"))
        if isinstance(self.ridge, str):
            keep(self, check_choice, "ridge", ("noise",))
        else:
            keep(self, check_real, "ridge", low=0.0, open_low=True)
        keep(self, check_real, "reward_scale", low=SMALLEST_REAL)
        keep(self, check_real, "learning_rate", low=0.0, open_low=True)
        keep(self, check_choice, "baseline", ("running", "none"))
        keep(self, check_real, "baseline_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_seed, "seed")


class DecomposedReinforce(Reinforce):
    """See the module for the estimate, `Reinforce` for the policy and its update, `Learner` for the vocabulary.

    It learns from the mean of the rewards that are given (under `GlobalReward` that is the team's) and never sees
    ``local_reward`` of the infos.

        DecomposedReinforce(GlobalReward(env), seed=1).learn(total_episodes=200).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `DecomposedReinforceConfig`.

    Raises:
        ValueError: As `Reinforce`; more agents, observations, actions or columns than the regression has memory for:
            2 GB.
    """

    config_class: ClassVar[type[Any]] = DecomposedReinforceConfig
    config: DecomposedReinforceConfig  # type: ignore[assignment]

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        cells = view.n_rows * view.n_actions
        self._regressions = make_regressions(view.n_agents, cells, view.num_envs)
        self._noted: list[tuple[NDArray[Any], FloatArray, FloatArray]] = []
        self._returns = np.zeros((view.n_agents, view.num_envs))  # Ĝ of the last episode

    def estimates(self) -> FloatArray:
        """Return R̂: ``float64[n, O, A, B]``, in units of a local reward; 0 before the first episode."""
        view = self.view
        shape = (view.n_agents, view.n_rows, view.n_actions)
        return np.stack([r.estimates().reshape(shape) for r in self._regressions], axis=-1)

    def begin_episode(self) -> None:
        """Begin as `Reinforce`; nothing has been noted yet."""
        super().begin_episode()
        self._noted = []

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Observe as `Reinforce`, and note who did what where, and what the team got."""
        super().observe(frame, actions, transition)
        n, absent = self.view.n_agents, self.view.n_rows * self.view.n_actions
        cells = frame.rows * self.view.n_actions + actions
        present = np.full(self.view.num_envs, float(n))
        if frame.live is not None:
            cells = np.where(frame.live, cells, absent)
            present = frame.live.sum(axis=0, dtype=np.float64)
        team = global_reward(transition)
        totals = team * present if self.config.reduce == "mean" else team
        self._noted.append((cells.astype(np.min_scalar_type(absent)), present, totals))

    def end_episode(self, episode: Episode) -> None:
        """Estimate the local rewards, then learn from them as `Reinforce`."""
        noted, self._noted = self._noted, []
        cells, present, totals = (np.stack(parts) for parts in zip(*noted, strict=True))
        config = self.config
        for b, regression in enumerate(self._regressions):
            rows = present[:, b] > 0
            seen = np.ascontiguousarray(cells[rows, :, b])  # [T, n]
            regression.add(seen, present[rows, b], totals[rows, b])
            if isinstance(config.ridge, str):
                regression.solve(regression.error / config.reward_scale**2)
            else:
                regression.solve(config.ridge)
            self._returns[:, b] = regression.returns(seen)
        super().end_episode(episode)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return θ, b, and what the regressions keep."""
        return {**super().get_arrays(), **pack(self._regressions)}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from θ, b, and what the regressions keep."""
        super().set_arrays(arrays)
        unpack(self._regressions, arrays)

    def _restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Restore as any learner, once there is room for the steps."""
        make_rooms(self._regressions, arrays["learnt_steps"], arrays["learnt_kept"])
        super()._restore(meta, arrays)

    def _credit(self, episode: Episode) -> FloatArray:
        """Return Ĝ, or its mean over neighbourhoods: ``float64[n, B]``."""
        return self._returns if self.config.credit == "own" else self._local_mean(self._returns)
