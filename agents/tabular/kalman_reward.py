"""Rewards by a Kalman filter, and REINFORCE on them (Chang, Ho & Kaelbling 2003, "All learning is local").

Each agent sees the global reward, its own observation and its own action, and nobody else's. It takes the global reward
for the sum of its own reward, which depends on observation and action, and of what all others earn, which is to wander:

    y_t = r(o_t, a_t) + b_t,      b_t = b_{t−1} + w_t,      w_t ~ N(0, σ²)

and y_t is n times the mean that the team is given, or the sum. The state x = (r(o, a) for all o and a; b) is what the
Kalman filter estimates, with an observation C_t that is 1 at (o_t, a_t) and at b and no noise of its own:

    P_bb += σ²
    S = C P Cᵀ,      x += P Cᵀ (y_t − C x) / S,      P −= P Cᵀ C P / S

from r = 0 with variance s². Learners take r̂(o_t, a_t) in place of the reward. REINFORCE takes, at an episode's end,
Ĝ_i = Σ_t r̂_i(o_it, a_it) with the estimate that has this episode in it.

Details that matter:

1. An episode begins with a b of which nothing is known: the limit of a large variance, b = y − r̂(o, a). So the filter
   learns from differences of successive rewards of an episode alone: with σ fixed, r̂ is the ridge regression of
   y_t − y_{t−1} on the indicators of (o_t, a_t) less those of (o_{t−1}, a_{t−1}), λ = σ²/s².
2. σ² is the variance of what all others' rewards change by in a step, about proportional to n. So an agent needs about
   proportionally many steps for the same error of r̂. That is Theorem 3.1 of Bagnell & Ng (2005) again, which holds for
   whatever learns from the global reward alone; the filter lowers the constant, since an estimate doesn't forget.
3. What an agent's actions do to others is in b: r̂ is blind to it. ``credit="local"`` takes the mean of the estimates of
   the neighbourhood, as messages between neighbours could bring it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner, global_reward
from agents.tabular.reinforce import Reinforce
from agents.view import MOST_ENTRIES, Episode, Frame, Transition
from crl_envs.core.arguments import SMALLEST_REAL, check_choice, check_real, check_seed, keep

FloatArray = NDArray[np.float64]

_LEAST: Final = 1e-12  # of the drift's variance, relative to the reward's


@dataclass(frozen=True)
class KalmanReinforceConfig:
    """Hyperparameters of `KalmanReinforce`; the first three are those of any learner on `KalmanReward`.

    Attributes:
        reduce: What the environment gives every agent: the ``"mean"`` (default) of the local rewards, or their
            ``"sum"``, as `GlobalReward` has it. Where it gives local rewards, the learner takes their mean.
        reward_scale: s > 0, 0.5 by default: standard deviation of an own reward over observations and actions.
        drift: σ > 0, the standard deviation of what the others' sum of rewards changes by in a step, or
            ``"estimated"`` (default): of what y has changed by so far. Too small a one takes the others' luck for the
            own reward; too large a one learns more slowly.
        credit: ``"own"`` (default): an agent's own estimate, as in the paper. ``"local"``: the mean of those of its
            neighbourhood.
        learning_rate: α > 0, 3.0 by default, as `Reinforce`.
        baseline: ``"running"`` (default) or ``"none"``, as `Reinforce`.
        baseline_rate: β in (0, 1], 0.1 by default, as `Reinforce`.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    reduce: str = "mean"
    reward_scale: float = 0.5
    drift: float | str = "estimated"
    credit: str = "own"
    learning_rate: float = 3.0
    baseline: str = "running"
    baseline_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "reduce", ("mean", "sum"))
        keep(self, check_real, "reward_scale", low=SMALLEST_REAL)
        if isinstance(self.drift, str):
            keep(self, check_choice, "drift", ("estimated",))
        else:
            keep(self, check_real, "drift", low=SMALLEST_REAL)
        keep(self, check_choice, "credit", ("own", "local"))
        keep(self, check_real, "learning_rate", low=0.0, open_low=True)
        keep(self, check_choice, "baseline", ("running", "none"))
        keep(self, check_real, "baseline_rate", low=0.0, high=1.0, open_low=True)
        keep(self, check_seed, "seed")


class KalmanReward(Learner):
    """A layer over any learner, which then is given filtered rewards: ``class Filtered(KalmanReward, HystereticQ)``.

    The learner's `observe` gets r̂_i(o_t, a_t), with y_t in it, as ``transition.rewards``. Its config has `reduce`,
    `reward_scale` and `drift` of `KalmanReinforceConfig`. It never sees ``local_reward`` of the infos.

    Args:
        env: Any ParallelEnv or vector env with observations and actions that make a table.
        **config: Fields of `config_class`.

    Raises:
        ValueError: As `Learner`; covariances of more than 50 million entries.
    """

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, o, a, b = self.view.check_table("observations")
        m, k = n * b, o * a + 1
        if m * k * k > MOST_ENTRIES:
            raise ValueError(
                f"env needs covariances of {n} agents × {b} columns × {k}² of {o} observations with {a} actions; "
                f"at most {MOST_ENTRIES} entries are allowed"
            )
        scale = self.config.reward_scale
        self._mean = np.zeros((m, k))  # x of agent i in column b in row i·B + b, b last
        self._covariance = np.tile(np.diag([*[scale**2] * (k - 1), 0.0]), (m, 1, 1))  # P
        # Sum and number of squared changes of y, as if one had been seen that large.
        self._changes = np.tile([n * scale**2, 1.0], (b, 1))
        self._each = np.arange(m)
        self._before: FloatArray | None = None  # y of the last step, [B]
        self._fresh = np.ones(m, np.bool_)  # who knows nothing of b

    def estimates(self) -> FloatArray:
        """Return r̂: ``float64[n, O, A, B]``, in units of an own reward; 0 before the first episode."""
        view = self.view
        shape = (view.n_agents, view.num_envs, view.n_rows, view.n_actions)
        return self._mean[:, :-1].reshape(shape).transpose(0, 2, 3, 1).copy()

    def begin_episode(self) -> None:
        """Begin as the learner; of the others nothing is known."""
        super().begin_episode()
        self._before = None
        self._fresh[:] = True

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Filter the team's reward, and let the learner observe the estimate in its place."""
        cells = (frame.rows * self.view.n_actions + actions).ravel()
        n, live = float(self.view.n_agents), frame.live
        total = np.asarray(global_reward(transition), np.float64)
        if self.config.reduce == "mean":
            total = total * (n if live is None else live.sum(axis=0, dtype=np.float64))
        self._filter(cells, total, None if live is None else live.ravel())
        found = self._mean[self._each, cells].reshape(frame.rows.shape)
        rewards = found if live is None else np.where(live, found, 0.0)
        filtered = transition._replace(rewards=rewards)
        super().observe(frame, actions, filtered)  # type: ignore[safe-super]  # the learner's

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the learner has learnt, and the filter."""
        own = {"mean": self._mean, "covariance": self._covariance, "changes": self._changes}
        return {**super().get_arrays(), **own}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these."""
        super().set_arrays(arrays)
        self._mean, self._covariance = arrays["mean"], arrays["covariance"]
        self._changes = arrays["changes"]

    def _drift(self) -> FloatArray:
        """Return σ² of each column: ``float64[B]``."""
        config = self.config
        if not isinstance(config.drift, str):
            return np.full(self.view.num_envs, float(config.drift) ** 2)
        sums, count = self._changes.T
        return np.asarray(np.maximum(sums / count, _LEAST * config.reward_scale**2))

    def _filter(
        self, cells: NDArray[np.intp], total: FloatArray, live: NDArray[np.bool_] | None
    ) -> None:
        """Take in y ``float64[B]`` with what each agent saw and did ``intp[n·B]``, but of those who aren't there."""
        there = np.ones(cells.size, np.bool_) if live is None else live
        running = there.reshape(-1, total.size).any(axis=0)
        if self._before is not None:
            self._changes[running] += np.stack(
                [(total - self._before) ** 2, np.ones_like(total)], 1
            )[running]
        self._before = total
        n = self.view.n_agents
        every, mean, covariance = self._each, self._mean, self._covariance
        y = np.tile(total, n)
        begins = every[there & self._fresh]
        self._fresh = self._fresh & ~there
        goes_on = np.setdiff1d(every[there], begins, assume_unique=True)
        if begins.size:
            seen = cells[begins]
            mean[begins, -1] = y[begins] - mean[begins, seen]
            shared = covariance[begins, seen]
            shared[:, -1] = -shared[np.arange(len(seen)), seen]
            covariance[begins, -1] = covariance[begins, :, -1] = -shared
        if goes_on.size:
            seen, rows = cells[goes_on], np.arange(goes_on.size)
            covariance[goes_on, -1, -1] += np.tile(self._drift(), n)[goes_on]
            along = covariance[goes_on, seen] + covariance[goes_on, -1]  # P Cᵀ
            size = along[rows, seen] + along[:, -1]  # S
            missed = y[goes_on] - mean[goes_on, seen] - mean[goes_on, -1]
            gain = along / size[:, None]
            mean[goes_on] += gain * missed[:, None]
            covariance[goes_on] -= gain[:, :, None] * along[:, None, :]


class KalmanReinforce(KalmanReward, Reinforce):
    """See the module for the filter, `Reinforce` for the policy and its update, `Learner` for the vocabulary.

        KalmanReinforce(GlobalReward(env), seed=1).learn(total_episodes=200).history[-1]["global_return"]

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `KalmanReinforceConfig`.

    Raises:
        ValueError: As `KalmanReward` and `Reinforce`.
    """

    config_class: ClassVar[type[Any]] = KalmanReinforceConfig
    config: KalmanReinforceConfig  # type: ignore[assignment]

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self._visited = np.zeros(self._mean[:, :-1].shape)  # of an episode, by agent and cell

    def begin_episode(self) -> None:
        """Begin as `Reinforce`; nothing has been visited yet."""
        super().begin_episode()
        self._visited[:] = 0.0

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Observe as `KalmanReward`, and count what was visited."""
        super().observe(frame, actions, transition)
        cells = (frame.rows * self.view.n_actions + actions).ravel()
        self._visited[self._each, cells] += 1.0 if frame.live is None else frame.live.ravel()

    def _credit(self, episode: Episode) -> FloatArray:
        """Return Ĝ, or its mean over neighbourhoods: ``float64[n, B]``."""
        worth = self._visited * self._mean[:, :-1]
        returns = np.zeros(len(worth))
        for k in range(worth.shape[1]):  # one by one: alike for any B
            returns += worth[:, k]
        found = returns.reshape(self.view.n_agents, self.view.num_envs)
        return found if self.config.credit == "own" else self._local_mean(found)
